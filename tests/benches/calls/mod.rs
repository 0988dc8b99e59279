//! The system calls of an accepted message, by `strace`: under it the server is slower, so that more share a sync.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;

use crate::{MESSAGES, SESSIONS, delivered, send};

/// Calls that are rarer than this for each message are summed up.
const RARE: f64 = 0.05;

/// Runs a server without sinks under `strace` and prints what it called, for each message.
pub(crate) fn report() -> Result<()> {
    let Some(strace) = tests::skip::tool("strace")? else { return Ok(()) };
    let site = Site::lay(&Scene::default())?;
    let table = site.path("calls");
    let wrapper = [
        strace.as_os_str(),
        "--follow-forks".as_ref(),
        "--summary-only".as_ref(),
        "--output".as_ref(),
        table.as_os_str(),
    ];
    let mut process = Process::start_under(&wrapper, Path::new(env!("CARGO_BIN_EXE_sluice-served")), &site)?;
    send(process.address(), MESSAGES)?;
    delivered(&mut process, SESSIONS * MESSAGES)?;
    process.signal_child("TERM")?;
    process.ended()?;
    let mut rest = 0.0;
    let mut lines = String::new();
    // % time, seconds, usecs/call, calls, perhaps errors, syscall.
    for row in fs::read_to_string(&table)?.lines() {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let (Some(calls), Some(name)) = (columns.get(3), columns.last()) else { continue };
        let Ok(calls) = calls.parse::<f64>() else { continue };
        let each = calls / (SESSIONS * MESSAGES) as f64;
        match *name {
            "total" => lines = format!("{each:.1} system calls a message, start and end included:{lines}"),
            _ if each < RARE => rest += each,
            name => lines += &format!(" {name} {each:.2},"),
        }
    }
    writeln!(std::io::stdout(), "{lines} others {rest:.2}").context("printing")
}
