//! What a session costs that says nothing: memory of the real server with thousands of greeted clients, for each of them.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use tests::client::Client;
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;

const SESSIONS: u64 = 4000;

fn main() -> Result<()> {
    let scene = Scene {
        config: vec![("limits.connections_per_address_max".to_owned(), 100_000.into())],
        ..Scene::default()
    };
    let site = Site::lay(&scene)?;
    let process = Process::start(Path::new(env!("CARGO_BIN_EXE_sluice-served")), &site)?;
    let first = open(&process, SESSIONS / 10)?;
    let before = process.memory_bytes()?;
    let others = open(&process, SESSIONS)?;
    let after = process.memory_bytes()?;
    ensure!(first.len() + others.len() > 0, "nobody was greeted");
    writeln!(
        std::io::stdout(),
        "idle session: {} bytes of the server's memory",
        after.saturating_sub(before) / SESSIONS
    )?;
    Ok(())
}

fn open(process: &Process, count: u64) -> Result<Vec<Client>> {
    (0..count)
        .map(|_| {
            let mut client = Client::greeted(process.address())?;
            client.ask("EHLO a.example", 250)?;
            Ok(client)
        })
        .collect()
}
