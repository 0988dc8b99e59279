//! TLS with clients: who we prove to be, what slips through, what it may take.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tests::certificate::{self, Certificate};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::process::Process;
use tests::scene::{Installed, Scene};
use tests::server::Server;
use tests::site::Site;
use toml::Value;

use crate::binary;

/// Far above the second that the server waits until it looks at its files again.
const RELOAD_WAIT_MAX: Duration = Duration::from_secs(30);

fn scene(config: &[(&str, Value)]) -> Scene {
    let config = config.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    Scene { certificates: vec!["mx.b.example".to_owned()], config, ..Scene::default() }
}

/// A session up to its handshake, in which the client asks for this name.
fn encrypted(server: &Server, name: &str, own: Option<&Certificate>) -> Result<Client> {
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.ask("STARTTLS", 220)?;
    client.encrypt(certificate::client(name, own)?)
}

fn shown(server: &Server, name: &str) -> Result<Vec<u8>> {
    let client = encrypted(server, name, None)?;
    Ok(client.certificate().context("no certificate was shown")?.to_vec())
}

fn file(server: &Server, name: &str) -> Result<Vec<u8>> {
    let pem = std::fs::read_to_string(server.site().path(&format!("tls/{name}.pem")))?;
    Ok(Certificate { pem, key_pem: String::new() }.der()?.to_vec())
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() -> Result<()> {
    let names = ["a.example", "mx.b.example", "z.example"];
    let certificates = names.iter().map(|name| (*name).to_owned()).collect();
    let server = Server::start(&Scene { certificates, ..Scene::default() })?;
    for name in names {
        ensure!(shown(&server, name)? == file(&server, name)?, "another one for {name}");
    }
    for stranger in ["elsewhere.example", "127.0.0.1"] {
        ensure!(shown(&server, stranger)? == file(&server, "mx.b.example")?, "not the host's for {stranger}");
    }
    server.stop()
}

#[test]
fn a_certificate_is_read_again_and_no_session_notices() -> Result<()> {
    let server = Server::start(&scene(&[]))?;
    let mut under_way = encrypted(&server, "mx.b.example", None)?;
    under_way.ask("EHLO a.example", 250)?;
    let new = server.site().certify("mx.b.example")?.der()?.to_vec();
    let watch = Stopwatch::start();
    while shown(&server, "mx.b.example")? != new {
        ensure!(watch.elapsed() < RELOAD_WAIT_MAX, "the old certificate is still shown");
    }
    under_way.ask("NOOP", 250)?;
    server.stop()
}

#[test]
fn a_bad_file_is_named_and_the_last_good_certificate_stays() -> Result<()> {
    let site = Site::lay(&scene(&[]))?;
    let mut process = Process::start(binary(), &site)?;
    for (name, bytes, told) in [
        ("mx.b.example.pem", &b"Hello."[..], "expected certificates in PEM"),
        ("mx.b.example.key", &[b'x'; 70_000], "longer than 65536 bytes"),
        ("mx.b.example.key", b"-----BEGIN PRIVATE KEY-----\n", "expected a private key in PEM"),
    ] {
        let good = std::fs::read(site.path(&format!("tls/{name}")))?;
        site.put(&format!("tls/{name}"), bytes)?;
        let line = process.wait_for(|line| line["message"] == "the last good version stays")?;
        let error = line["error"].as_str().unwrap_or_default();
        ensure!(error.contains(name) && error.contains(told), "{line}");
        let mut client = Client::greeted(process.address())?;
        client.ask("EHLO a.example", 250)?;
        client.ask("STARTTLS", 220)?;
        client.encrypt(certificate::client("mx.b.example", None)?)?.ask("EHLO a.example", 250)?;
        site.put(&format!("tls/{name}"), &good)?;
        process.wait_for(|line| line["message"] == "read again")?;
    }
    process.signal("TERM")?;
    process.ended()?;
    Ok(())
}

#[test]
fn a_certificate_that_is_not_there_stops_the_start_by_its_name() -> Result<()> {
    let site = Site::lay(&scene(&[("certificates.mine.chain", "/nowhere/chain.pem".into())]))?;
    let error = Server::start_at(site).err().context("it started")?;
    let told = format!("{error:#}");
    ensure!(told.contains("certificates.mine: /nowhere/chain.pem can't be read"), "{told}");
    Ok(())
}

/// CVE-2011-0411, with real sockets: what stands behind STARTTLS in the same packet is never a command of the session.
#[test]
fn nothing_that_came_in_clear_is_read_behind_the_handshake() -> Result<()> {
    let mut server = Server::start(&scene(&[]))?;
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    client.send(
        b"STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@a.example>\r\nRCPT TO:<bob@b.example>\r\n",
    )?;
    client.expect(220)?;
    let mut client = client.encrypt(certificate::client("mx.b.example", None)?)?;
    client.ask("DATA", 503)?;
    client.ask("NOOP", 250)?;
    client.ask("EHLO a.example", 250)?;
    let reply = client.deliver("ann@a.example", "bob@b.example", b"Subject: hi\r\n\r\nHello.\r\n")?;
    ensure!(reply[0].starts_with("250 "), "{reply:?}");
    let text = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(text.contains("from a.example") && !text.contains("evil"), "{text}");
    server.stop()
}

#[test]
fn a_handshake_has_one_wait_in_all() -> Result<()> {
    for tls in ["offered", "implicit"] {
        let config = [("limits.tls_handshake_seconds", 1.into()), ("listeners.smtp.tls", tls.into())];
        let server = Server::start(&scene(&config))?;
        let mut stream = TcpStream::connect(server.address())?;
        if tls == "offered" {
            stream.write_all(b"EHLO a.example\r\nSTARTTLS\r\n")?;
        }
        let mut heard = String::new();
        // Nothing is sent: only the server can end this.
        stream.read_to_string(&mut heard)?;
        ensure!(heard.is_empty() == (tls == "implicit") && !heard.contains("421"), "{heard}");
        server.stop()?;
    }
    Ok(())
}

/// What a client of another age says, or one that has no idea of TLS: an alert at most, and nothing in clear.
#[test]
fn what_is_no_handshake_of_our_time_ends_the_session() -> Result<()> {
    // A ClientHello of TLS 1.0 that offers nothing newer, with the suite TLS_RSA_WITH_AES_128_CBC_SHA.
    let body = [&[3, 1][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    let old = [&[22, 3, 1, 0, 45, 1, 0, 0, 41], &body[..]].concat();
    for hello in
        [&old[..], b"EHLO a.example\r\nMAIL FROM:<>\r\n", b"\x80\x2e\x01\0\x02", &[0; 64], &[255; 64]]
    {
        let server = Server::start(&scene(&[("listeners.smtp.tls", "implicit".into())]))?;
        let mut stream = TcpStream::connect(server.address())?;
        stream.write_all(hello)?;
        let mut heard = Vec::new();
        stream.shutdown(std::net::Shutdown::Write)?;
        // A reset is an end too: the server did not read all.
        let _ = stream.read_to_end(&mut heard);
        ensure!(heard.is_empty() || heard[0] == 21, "{:?}", String::from_utf8_lossy(&heard));
        server.stop()?;
    }
    Ok(())
}

#[test]
fn sinks_see_the_certificate_of_a_client_and_whether_it_was_verified() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let ca = folder.path().join("ca.pem");
    let (friend, stranger) = (Certificate::of("friend.example")?, Certificate::of("stranger.example")?);
    std::fs::write(&ca, &friend.pem)?;
    let mut scene = scene(&[
        ("listeners.smtp.tls", "implicit".into()),
        ("listeners.smtp.client_certificates", "asked".into()),
        ("listeners.smtp.client_ca_file", ca.display().to_string().into()),
    ]);
    scene.sinks.push(Installed::parse("script on-helo=\"reject 550 5.7.1 {session}\"")?);
    let server = Server::start(&scene)?;
    for (own, expected) in
        [(Some(&friend), "verified"), (Some(&stranger), "unverified"), (None, "no certificate")]
    {
        let client = Client::connect(server.address())?;
        let mut client = client.encrypt(certificate::client("mx.b.example", own)?)?;
        client.expect(220)?;
        let reply = client.ask("EHLO a.example", 550)?;
        ensure!(reply[0].contains(&format!("certificate={expected} ")), "{reply:?}");
    }
    server.stop()
}
