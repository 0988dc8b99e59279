//! TLS towards other servers: used where it is offered, required where the route says so.

use anyhow::{Result, ensure};
use smtp::RecipientState;
use tests::certificate::Certificate;
use tests::peer::{Answer, Peer, Script};
use tests::scene::Scene;
use tests::site::Site;
use toml::Value;

use crate::remote::{CONTENT, configured, entry, left, outcomes, scene, serve};

/// A route that requires TLS, to a host of that name, with these CAs; everything is on loopback.
fn required(peer: &Peer, name: &str, ca: &Certificate) -> Result<(Scene, tempfile::TempDir)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &ca.pem)?;
    let mut scene = scene(&[]);
    let host = format!("{name}:{}", peer.address().port());
    scene.config.extend([
        ("routes.out.hosts".to_owned(), Value::from(vec![Value::from(host)])),
        ("routes.out.tls".to_owned(), Value::from("required")),
        ("outbound.ca_file".to_owned(), Value::from(file.display().to_string())),
    ]);
    Ok((scene, folder))
}

#[test]
fn a_route_that_requires_tls_sends_to_the_host_of_that_certificate() -> Result<()> {
    let certificate = Certificate::of("localhost")?;
    let peer = Peer::start_with_tls(Script::default(), &certificate)?;
    let (scene, _folder) = required(&peer, "localhost", &certificate)?;
    let mut server = serve(&scene, vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.settled()?;
    ensure!(peer.encrypted() == 1 && peer.messages()[0].content.ends_with(CONTENT));
    server.stop()
}

#[test]
fn a_route_that_requires_tls_sends_nothing_to_anyone_else() -> Result<()> {
    let ours = Certificate::of("localhost")?;
    let strangers = Certificate::of("localhost")?;
    let elsewhere = Certificate::of("elsewhere.example")?;
    for (peer, ca) in [
        // Signed by nobody whom we trust.
        (Peer::start_with_tls(Script::default(), &strangers)?, &ours),
        // Another host's.
        (Peer::start_with_tls(Script::default(), &elsewhere)?, &elsewhere),
        // None at all.
        (Peer::start(Script::default())?, &ours),
    ] {
        let (scene, _folder) = required(&peer, "localhost", ca)?;
        let server = serve(&scene, vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
        server.counted(|counters| counters.delivery_deferred.value() == 1)?;
        ensure!(peer.messages().is_empty() && peer.encrypted() == 0);
        let outcomes = outcomes(&left(server)?);
        ensure!(
            outcomes[0].1 == RecipientState::Deferred && outcomes[0].2.contains("4.7.10"),
            "{outcomes:?}"
        );
    }
    Ok(())
}

#[test]
fn tls_is_used_where_it_is_offered_whatever_the_certificate_is() -> Result<()> {
    let peer = Peer::start_with_tls(Script::default(), &Certificate::of("elsewhere.example")?)?;
    let mut server =
        serve(&scene(&[("out", &peer)]), vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.settled()?;
    ensure!(peer.encrypted() == 1 && peer.messages().len() == 1);
    server.stop()
}

#[test]
fn a_host_whose_handshake_fails_is_tried_once_more_in_clear() -> Result<()> {
    let script = Script::default().at("HANDSHAKE", Answer::Close);
    let peer = Peer::start_with_tls(script, &Certificate::of("localhost")?)?;
    let mut server =
        serve(&scene(&[("out", &peer)]), vec![entry(1, configured("out"), &["ann@x.example"], CONTENT)])?;
    server.settled()?;
    ensure!(peer.encrypted() == 0 && peer.messages().len() == 1 && peer.connections() == 2);
    server.stop()
}

#[test]
fn a_ca_file_that_is_not_there_stops_the_start_by_its_name() -> Result<()> {
    let peer = Peer::start(Script::default())?;
    let (mut scene, _folder) = required(&peer, "localhost", &Certificate::of("localhost")?)?;
    scene.config.push(("outbound.ca_file".to_owned(), Value::from("/nowhere/ca.pem")));
    let error = tests::server::Server::start_at(Site::lay(&scene)?).err();
    ensure!(error.is_some_and(|error| format!("{error:#}").contains("/nowhere/ca.pem")));
    Ok(())
}
