//! The end in good order, and the end without warning.

use anyhow::{Context, Result, ensure};
use tests::client::Client;
use tests::process::Process;
use tests::scene::Scene;
use tests::server::Server;
use tests::site::Site;

use crate::binary;

const MAIL: &[u8] = b"Subject: hi\r\n\r\nHello.\r\n";

#[test]
fn on_sigterm_idle_clients_are_told_and_a_message_under_way_is_taken() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let mut process = Process::start(binary(), &site)?;
    let mut idle = Client::greeted(process.address())?;
    idle.ask("HELO a.example", 250)?;
    let mut busy = Client::greeted(process.address())?;
    busy.ask("HELO a.example", 250)?;
    busy.ask("MAIL FROM:<ann@a.example>", 250)?;
    busy.ask("RCPT TO:<bob@b.example>", 250)?;
    busy.ask("DATA", 354)?;
    busy.send(b"Subject: hi\r\n")?;
    process.signal("TERM")?;
    idle.expect(421)?;
    idle.closed()?;
    busy.send(b"\r\nHello.\r\n")?;
    busy.ask(".", 250)?;
    ensure!(process.ended()?.success(), "it did not end well");
    let mut server = Server::start_at(site)?;
    if server.site().mailbox("bob@b.example")?.is_empty() {
        server.delivered("bob@b.example")?;
    }
    ensure!(server.site().mailbox("bob@b.example")?.len() == 1, "it arrived twice");
    server.stop()
}

#[test]
fn what_was_answered_250_survives_a_kill() -> Result<()> {
    let site = Site::lay(&Scene::with_sink(
        "script on-transport-submission=\"wait 2 slept\" on-transport-submission:again=\"header X-State {state}\"",
    )?)?;
    let mut process = Process::start(binary(), &site)?;
    let mut client = Client::greeted(process.address())?;
    client.ask("HELO a.example", 250)?;
    for _ in 0..5 {
        let reply = client.deliver("ann@a.example", "bob@b.example", MAIL)?;
        ensure!(reply[0].starts_with("250"), "{reply:?}");
    }
    process.signal("KILL")?;
    process.ended()?;
    let mut server = Server::start_at(site)?;
    for _ in 0..5 {
        let arrived = server.delivered("bob@b.example")?;
        let text = String::from_utf8(arrived)?;
        ensure!(text.contains("\r\nX-State: slept\r\n"), "the stage forgot its state:\n{text}");
    }
    server.settled()?;
    server.stop()
}

#[test]
fn a_kill_in_the_middle_of_many_sessions_loses_nothing_that_was_answered() -> Result<()> {
    let site = Site::lay(&Scene::default())?;
    let mut process = Process::start(binary(), &site)?;
    let address = process.address();
    let answered: Vec<String> = std::thread::scope(|scope| -> Result<Vec<String>> {
        let clients: Vec<_> =
            (0..4).map(|session| scope.spawn(move || answered_until_killed(address, session))).collect();
        process.wait_for(|line| line["message"] == "accepted")?;
        process.signal("KILL")?;
        let names: Vec<Vec<String>> = clients
            .into_iter()
            .map(|client| client.join().map_err(|_| anyhow::anyhow!("a client died")))
            .collect::<Result<_>>()?;
        Ok(names.concat())
    })?;
    process.ended()?;
    ensure!(!answered.is_empty(), "nothing was answered before the kill");
    let server = Server::start_at(site)?;
    let server = arrived_all(server, &answered)?;
    server.stop()
}

/// Sends numbered messages until the server dies; the names of those that were answered 250.
fn answered_until_killed(address: std::net::SocketAddr, session: usize) -> Vec<String> {
    let mut answered = Vec::new();
    let Ok(mut client) = Client::greeted(address) else { return answered };
    if client.ask("HELO a.example", 250).is_err() {
        return answered;
    }
    for number in 0_u32.. {
        let name = format!("mail-{session}-{number}");
        let content = format!("Subject: {name}\r\n\r\nHello.\r\n");
        match client.deliver("ann@a.example", "bob@b.example", content.as_bytes()) {
            Ok(reply) if reply[0].starts_with("250") => answered.push(name),
            _ => return answered,
        }
    }
    answered
}

/// Waits until each of these is in the mailbox.
fn arrived_all(mut server: Server, names: &[String]) -> Result<Server> {
    loop {
        let mailbox = server.site().mailbox("bob@b.example")?;
        let texts: Vec<String> =
            mailbox.iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect();
        let is_there =
            |name: &String| texts.iter().any(|text| text.contains(&format!("Subject: {name}\r\n")));
        let Some(missing) = names.iter().find(|name| !is_there(name)) else { return Ok(server) };
        server.delivered("bob@b.example").with_context(|| format!("{missing} is lost"))?;
    }
}

#[test]
fn a_server_that_is_restarted_delivers_what_it_has() -> Result<()> {
    let mut server = Server::start(&Scene::with_sink("script on-transport-submission=\"wait 1\"")?)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    let reply = client.deliver("ann@a.example", "bob@b.example", MAIL)?;
    ensure!(reply[0].starts_with("250"), "{reply:?}");
    std::fs::remove_file(server.site().path("sinks/operator/script.wasm"))?;
    std::fs::remove_file(server.site().path("sinks/operator/script.install.toml"))?;
    server = server.restarted()?;
    server.delivered("bob@b.example")?;
    server.stop()
}
