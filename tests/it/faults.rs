//! A sink that misbehaves hurts nobody else, and bad input hurts nobody.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::process::Process;
use tests::scene::{Installed, Scene};
use tests::server::Server;
use tests::site::Site;

use crate::binary;

const MAIL: &[u8] = b"Subject: hi\r\n\r\nHello.\r\n";

/// How long each of so many messages took, shortest first.
fn latencies(server: &Server, messages: usize) -> Result<Vec<Duration>> {
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    let mut took = Vec::new();
    for _ in 0..messages {
        let watch = Stopwatch::start();
        let reply = client.deliver("ann@a.example", "bob@b.example", MAIL)?;
        ensure!(reply[0].starts_with("250"), "{reply:?}");
        took.push(watch.elapsed());
    }
    took.sort();
    Ok(took)
}

fn percentile(took: &[Duration], percent: usize) -> Duration {
    took[(took.len() - 1) * percent / 100]
}

#[test]
fn a_sink_that_spins_gets_its_answer_and_others_go_on() -> Result<()> {
    const MESSAGES: usize = 100;
    let server = Server::start(&Scene::with_sink("script on-rcpt-to:eve=spin")?)?;
    let before = latencies(&server, MESSAGES)?;
    let during = thread::scope(|scope| -> Result<Vec<Duration>> {
        let spinning = scope.spawn(|| -> Result<()> {
            let mut client = Client::greeted(server.address())?;
            client.ask("EHLO a.example", 250)?;
            client.ask("MAIL FROM:<ann@a.example>", 250)?;
            for _ in 0..3 {
                client.ask("RCPT TO:<eve@b.example>", 451)?;
            }
            Ok(())
        });
        let during = latencies(&server, MESSAGES)?;
        spinning.join().map_err(|_| anyhow::anyhow!("the client of the spinning sink died"))??;
        Ok(during)
    })?;
    // For people: `cargo test -- --nocapture a_sink_that_spins`. A shared machine gives no figure to assert.
    println!(
        "p99 of other sessions: {:?} before, {:?} during",
        percentile(&before, 99),
        percentile(&during, 99)
    );
    ensure!(percentile(&during, 99) < Duration::from_secs(5), "others waited for the spinning sink");
    server.stop()
}

#[test]
fn the_log_names_sink_event_and_reason_of_a_fault() -> Result<()> {
    let site = Site::lay(&Scene::with_sink("script as=endless fuel=10000000 on-rcpt-to=spin")?)?;
    let mut process = Process::start(binary(), &site)?;
    let mut client = Client::greeted(process.address())?;
    client.ask("HELO a.example", 250)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask("RCPT TO:<eve@b.example>", 451)?;
    let line = process.wait_for(|line| line.to_string().contains("out-of-fuel"))?.to_string();
    ensure!(line.contains("endless") && line.contains("on-rcpt-to"), "{line}");
    Ok(())
}

#[test]
fn many_sinks_that_grow_at_once_leave_the_server_standing() -> Result<()> {
    let mut server = Server::start(&Scene::with_sink("script on-rcpt-to:eve=grow")?)?;
    thread::scope(|scope| -> Result<()> {
        let address = server.address();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(move || -> Result<()> {
                    let mut client = Client::greeted(address)?;
                    client.ask("EHLO a.example", 250)?;
                    client.ask("MAIL FROM:<ann@a.example>", 250)?;
                    client.ask("RCPT TO:<eve@b.example>", 451)?;
                    client.ask("RCPT TO:<bob@b.example>", 250).map(drop)
                })
            })
            .collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().map_err(|_| anyhow::anyhow!("a client died"))?)
    })?;
    latencies(&server, 1)?;
    server.delivered("bob@b.example")?;
    server.stop()
}

/// Messages within each other, deeper than any parser's stack.
fn nested(depth: usize) -> Vec<u8> {
    let mut message = "Content-Type: message/rfc822\r\n\r\n".repeat(depth).into_bytes();
    message.extend(b"Subject: at the bottom\r\n\r\nHello.\r\n");
    message
}

#[test]
fn a_message_nested_beyond_all_stacks_is_only_a_message() -> Result<()> {
    let mut server = Server::start(&Scene::with_sink("script on-end-of-data=parts")?)?;
    for message in [nested(40_000), multipart(20_000)] {
        let mut client = Client::greeted(server.address())?;
        client.ask("EHLO a.example", 250)?;
        let reply = client.deliver("ann@a.example", "bob@b.example", &message)?;
        ensure!(reply[0].starts_with("250"), "{reply:?}");
        let arrived = server.delivered("bob@b.example")?;
        let text = String::from_utf8_lossy(&arrived);
        let parts = text
            .lines()
            .find_map(|line| line.strip_prefix("X-Parts: "))
            .context("the parts were not counted")?;
        let parts: usize = parts.parse()?;
        ensure!((1..=10_000).contains(&parts), "{parts} parts");
    }
    server.stop()
}

/// A message of so many parts.
fn multipart(parts: usize) -> Vec<u8> {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    message.extend(b"--b\r\n\r\n\r\n".repeat(parts));
    message.extend(b"--b--\r\n");
    message
}

#[test]
fn noise_and_unfinished_dialogues_leave_the_server_standing() -> Result<()> {
    let mut server = Server::start(&Scene::with_sink("script on-end-of-data=parts")?)?;
    let noise: Vec<u8> =
        (0..60_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect();
    for input in [
        &noise[..],
        b"EHLO a.example\r\nMAIL FROM:<",
        b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nhalf a",
        b"\r\n\r\n\r\n",
        b"",
    ] {
        let mut client = Client::connect(server.address())?;
        // It may close on us before all is sent: that is an answer too.
        let _ = client.send(input).and_then(|()| client.end());
        while client.next_line().is_ok() {}
    }
    latencies(&server, 1)?;
    server.delivered("bob@b.example")?;
    server.settled()?;
    server.stop()
}

#[test]
fn a_sink_that_does_not_load_names_why_in_one_line() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    site.install(&Installed::parse("script as=judge on-self-test=\"fail 550 5.7.1 Not ready\"")?)?;
    let mut process = Process::start(binary(), &site)?;
    let mut client = Client::greeted(process.address())?;
    client.ask("HELO a.example", 250)?;
    site.put("sinks/operator/cut.wasm", b"\0asm\x0d\0\x01\0\x01")?;
    process.signal("HUP")?;
    let line = process.wait_for(|line| line.to_string().contains("cut"))?;
    ensure!(line["level"] != "INFO", "{line}");
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    Ok(())
}

#[test]
fn one_tenants_slow_stages_hold_no_other_tenants_mail() -> Result<()> {
    let slow =
        "script tenant=b on-transport-submission=spin fuel=1000000000000000 wall-clock-milliseconds=60000";
    let mut scene = Scene::with_sink(slow)?;
    scene.sinks.push(Installed::parse("script tenant=d on-transport-submission=\"header X-D yes\"")?);
    scene.config = [("delivery.stages_concurrent_max", 2), ("shutdown.drain_seconds", 1)]
        .map(|(key, value)| (key.to_owned(), value.into()))
        .into();
    let mut server = Server::start(&scene)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    let watch = Stopwatch::start();
    for recipient in ["bob@b.example", "bob@b.example", "bob@b.example", "dora@d.example"] {
        let reply = client.deliver("ann@a.example", recipient, b"Subject: hi\r\n\r\nHello.\r\n")?;
        ensure!(reply[0].starts_with("250"), "{reply:?}");
    }
    server.delivered("dora@d.example")?;
    ensure!(watch.elapsed() < Duration::from_secs(50), "it waited for the other's sinks");
    server.stop()
}
