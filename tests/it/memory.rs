//! Memory that is bounded whatever the size of the messages.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;

use anyhow::{Result, ensure};
use tests::client::Client;
use tests::process::Process;
use tests::scene::Scene;
use tests::site::Site;

use crate::binary;

const MIB: u64 = 1 << 20;

/// What the issue promises while four clients send 50 MiB each.
const MEMORY_BYTES_MAX: u64 = 128 * MIB;

fn send(address: SocketAddr, bytes: u64) -> Result<()> {
    let mut client = Client::greeted(address)?;
    client.ask("EHLO a.example", 250)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask("RCPT TO:<bob@b.example>", 250)?;
    client.ask("DATA", 354)?;
    client.send(b"Subject: large\r\n\r\n")?;
    let mut chunk = Vec::new();
    while chunk.len() < 64 * 1024 {
        writeln!(chunk, "{}\r", "x".repeat(76))?;
    }
    for _ in 0..bytes / u64::try_from(chunk.len())? {
        client.send(&chunk)?;
    }
    client.ask(".", 250).map(drop)
}

#[test]
fn four_clients_with_fifty_mebibytes_each_stay_within_the_bound() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let process = Process::start(binary(), &site)?;
    let address = process.address();
    thread::scope(|scope| -> Result<()> {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(move || send(address, 49 * MIB))).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| anyhow::anyhow!("a client died"))?)
    })?;
    let peak = process.memory_bytes_peak()?;
    ensure!(peak <= MEMORY_BYTES_MAX, "{} MiB", peak / MIB);
    Ok(())
}
