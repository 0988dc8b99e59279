//! Clients that take their time, or leave none to the server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tests::client::Client;
use tests::process::Process;
use tests::scene::Scene;
use tests::server::Server;
use tests::site::Site;

use crate::binary;

/// Below the one second that a client has here, so that no single wait is too long.
const BETWEEN_BYTES: Duration = Duration::from_millis(300);
/// Far more than fit into that second.
const BYTES_MAX: usize = 30;

fn scene(config: &[(&str, i64)]) -> Scene {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    Scene { config, ..Scene::default() }
}

/// Sends one byte after the other, each well within the wait for one read, until the server has enough.
fn drip(mut stream: &TcpStream, byte: &[u8]) -> Result<String> {
    stream.set_read_timeout(Some(BETWEEN_BYTES))?;
    let mut heard = Vec::new();
    let mut buffer = [0; 512];
    for _ in 0..BYTES_MAX {
        // The server may have closed already; then its last word is still to be read.
        let _ = stream.write(byte);
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(String::from_utf8(heard)?),
            Ok(count) => heard.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) if !heard.is_empty() => return Ok(String::from_utf8(heard)?),
            Err(error) => return Err(error.into()),
        }
    }
    bail!("the server still waits; it said {:?}", String::from_utf8_lossy(&heard))
}

#[test]
fn a_command_byte_by_byte_has_one_wait_in_all() -> Result<()> {
    let server = Server::start(&scene(&[("limits.command_wait_seconds", 1)]))?;
    let stream = TcpStream::connect(server.address())?;
    let heard = drip(&stream, b"N")?;
    ensure!(heard.contains("\r\n421 4.4.2 "), "{heard}");
    server.stop()
}

#[test]
fn a_content_slower_than_the_rate_ends() -> Result<()> {
    let server = Server::start(&scene(&[("limits.data_wait_seconds", 1)]))?;
    let mut stream = TcpStream::connect(server.address())?;
    stream
        .write_all(b"HELO a.example\r\nMAIL FROM:<ann@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nx")?;
    let heard = drip(&stream, b"x")?;
    ensure!(heard.contains("\r\n354 ") && heard.contains("\r\n421 4.4.2 "), "{heard}");
    server.stop()
}

#[test]
fn who_speaks_before_the_banner_is_noticed() -> Result<()> {
    let site = Site::lay(&Scene::with_sink("script on-connect=\"tarpit 500\"")?)?;
    let mut process = Process::start(binary(), &site)?;
    let mut early = Client::connect(process.address())?;
    early.line("HELO a.example")?;
    early.expect(220)?;
    early.expect(250)?;
    let line = process.wait_for(|line| line["message"] == "violation")?;
    ensure!(line["violation"] == "early-talker", "{line}");
    process.signal("TERM")?;
    process.ended()?;
    Ok(())
}

#[test]
fn a_client_that_never_stops_sending_holds_up_no_shutdown() -> Result<()> {
    let site =
        Site::lay(&scene(&[("shutdown.drain_seconds", 2), ("limits.messages_per_session_max", 1_000_000)]))?;
    let mut process = Process::start(binary(), &site)?;
    let mut sender = TcpStream::connect(process.address())?;
    let mut receiver = sender.try_clone()?;
    sender.write_all(b"EHLO a.example\r\n")?;
    let one =
        b"MAIL FROM:<ann@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\nSubject: hi\r\n\r\nHello.\r\n.\r\n";
    let many = one.repeat(100);
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(move || while sender.write_all(&many).is_ok() {});
        scope.spawn(move || {
            let mut buffer = [0; 65_536];
            while matches!(receiver.read(&mut buffer), Ok(1..)) {}
        });
        process.wait_for(|line| line["message"] == "accepted")?;
        process.signal("TERM")?;
        ensure!(process.ended()?.success(), "it did not end well");
        Ok(())
    })
}
