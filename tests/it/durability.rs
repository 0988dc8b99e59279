//! No 250 to a dot leaves before its sync, seen in the system calls.

use std::ffi::OsStr;

use anyhow::{Context, Result, ensure};
use tests::client::Client;
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;
use tests::skip;

use crate::binary;

const MESSAGES: usize = 10;

/// A finished sync of a file or folder in the spool.
fn is_sync(call: &str) -> bool {
    (call.contains("fdatasync(") || call.contains("fsync("))
        && call.contains("/data/")
        && call.trim_end().ends_with("= 0")
}

/// A reply that says that a message is ours.
fn is_acceptance(call: &str) -> bool {
    call.contains("250 2.0.0 Ok, queued") && !call.contains("resumed")
}

/// Calls that were cut in two by a call of another thread, put together where they ended.
fn whole_calls(trace: &str) -> Vec<String> {
    let mut begun: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (thread, call) = line.trim_start().split_once(' ').unwrap_or((line, ""));
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            // A reply counts from where its call begins, a sync from where it ends.
            if is_acceptance(start) {
                calls.push(start.to_owned());
            } else {
                begun.insert(thread.to_owned(), start.to_owned());
            }
        } else if let Some((_, end)) = call.split_once(" resumed>") {
            calls.push(begun.remove(thread).unwrap_or_default() + end);
        } else {
            calls.push(call.to_owned());
        }
    }
    calls
}

#[test]
fn no_250_to_a_dot_leaves_before_its_sync() -> Result<()> {
    let Some(strace) = skip::tool("strace")? else { return Ok(()) };
    let site = Site::lay(&Scene::default())?;
    let trace = site.path("trace");
    let words = [
        strace.as_os_str(),
        "-f".as_ref(),
        "-y".as_ref(),
        "-e".as_ref(),
        "trace=fdatasync,fsync,sendto,write,writev".as_ref(),
        "-s".as_ref(),
        "64".as_ref(),
        "-o".as_ref(),
        trace.as_os_str(),
    ];
    let probe = std::process::Command::new(&strace)
        .args([OsStr::new("-o"), OsStr::new("/dev/null"), OsStr::new("true")])
        .output()?;
    if !probe.status.success() {
        return skip::missing("permission to trace a process");
    }
    let mut process = Process::start_under(&words, binary(), &site)?;
    let mut client = Client::greeted(process.address())?;
    client.ask("HELO a.example", 250)?;
    for _ in 0..MESSAGES {
        let reply = client.deliver("ann@a.example", "bob@b.example", b"Subject: hi\r\n\r\nHello.\r\n")?;
        ensure!(reply[0].starts_with("250 2.0.0 Ok, queued"), "{reply:?}");
    }
    client.ask("QUIT", 221)?;
    process.signal_child("TERM")?;
    process.ended()?;
    let calls = whole_calls(&std::fs::read_to_string(&trace).context("the trace")?);
    let mut syncs = 0;
    let mut accepted = 0;
    for call in &calls {
        syncs += usize::from(is_sync(call));
        if is_acceptance(call) {
            ensure!(syncs > 0, "a 250 without a sync since the last one: {call}");
            accepted += 1;
            syncs = 0;
        }
    }
    ensure!(accepted == MESSAGES, "{accepted} replies were seen");
    Ok(())
}
