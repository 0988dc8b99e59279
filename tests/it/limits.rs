//! Limits that one connection alone, or a dialogue without a clock, cannot reach.

use anyhow::{Result, ensure};
use tests::client::Client;
use tests::clock::Stopwatch;
use tests::scene::Scene;
use tests::server::Server;

fn server(key: &str, value: i64) -> Result<Server> {
    Server::start(&Scene { config: vec![(key.to_owned(), value.into())], ..Scene::default() })
}

#[test]
fn a_client_past_a_connection_limit_hears_421() -> Result<()> {
    for key in ["limits.connections_max", "limits.connections_per_address_max"] {
        let server = server(key, 2)?;
        let first = Client::greeted(server.address())?;
        let mut second = Client::greeted(server.address())?;
        let mut third = Client::connect(server.address())?;
        third.expect(421)?;
        third.closed()?;
        second.ask("QUIT", 221)?;
        second.closed()?;
        drop(first);
        server.stop()?;
    }
    Ok(())
}

#[test]
fn a_place_that_was_given_back_is_taken_again() -> Result<()> {
    let server = server("limits.connections_max", 1)?;
    for _ in 0..3 {
        let mut client = Client::greeted(server.address())?;
        client.ask("QUIT", 221)?;
        client.closed()?;
    }
    server.stop()
}

#[test]
fn a_client_that_says_nothing_is_sent_away() -> Result<()> {
    let server = server("limits.command_wait_seconds", 1)?;
    let watch = Stopwatch::start();
    let mut client = Client::greeted(server.address())?;
    client.expect(421)?;
    client.closed()?;
    ensure!(watch.elapsed().as_millis() >= 900, "it did not wait");
    server.stop()
}

#[test]
fn a_client_that_stops_inside_a_message_is_sent_away() -> Result<()> {
    let mut server = server("limits.data_wait_seconds", 1)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask("RCPT TO:<bob@b.example>", 250)?;
    client.ask("DATA", 354)?;
    client.send(b"Subject: half a mess")?;
    client.expect(421)?;
    client.closed()?;
    server.settled()?;
    server.stop()
}

#[test]
fn a_spool_that_stores_nothing_any_more_refuses_at_mail() -> Result<()> {
    // Each record begins a segment, so that the next one finds no folder to begin it in.
    let server = server("spool.segment_bytes_max", 1)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    client.deliver("ann@a.example", "bob@b.example", b"Subject: hi\r\n\r\nHello.\r\n")?;
    std::fs::remove_dir_all(server.site().path("data/spool/segments"))?;
    client.ask("MAIL FROM:<ann@a.example>", 250)?;
    client.ask("RCPT TO:<bob@b.example>", 250)?;
    client.ask("DATA", 354)?;
    let lost = client.ask(".", 451)?;
    ensure!(lost[0].starts_with("451 4.3.0 "), "{lost:?}");
    let refused = client.ask("MAIL FROM:<ann@a.example>", 451)?;
    ensure!(refused[0].starts_with("451 4.3.0 "), "{refused:?}");
    server.stop()
}
