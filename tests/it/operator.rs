//! What operators do to single entries of a running server, which wakes at once.

use anyhow::{Result, ensure};
use sluice::OperatorError;
use spool::{Standing, Summary};
use tests::client::Client;
use tests::dialogue::parse::Asked;
use tests::scene::Scene;
use tests::server::Server;

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nHello.\r\n";

/// A server that asked this script about one message, which rests now as the word says.
fn resting(script: &str, word: &str) -> Result<Server> {
    let mut server = Server::start(&Scene::with_sink(&format!("script {script}"))?)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    client.deliver("ann@a.example", "bob@b.example", MESSAGE)?;
    server.asked(&Asked {
        installation: "script".to_owned(),
        event: "on-transport-submission".to_owned(),
        word: word.to_owned(),
    })?;
    Ok(server)
}

/// The only entry in the spool, when nobody is at work on it.
fn entry(server: &Server) -> Result<Summary> {
    loop {
        let entries = server.running()?.entries(None, 2);
        let [entry] = &entries[..] else { anyhow::bail!("not one entry: {entries:?}") };
        if entry.standing != Standing::Leased {
            return Ok(entry.clone());
        }
        std::thread::yield_now();
    }
}

/// What becomes of it comes a moment after its sink was asked: whoever asks meanwhile is told to ask again.
fn done(server: &Server, work: &impl AsyncFn(&sluice::Operator) -> Result<(), OperatorError>) -> Result<()> {
    loop {
        match server.operate(async |operator| work(operator).await)? {
            Err(OperatorError::Busy(_)) => std::thread::yield_now(),
            other => return Ok(other?),
        }
    }
}

#[test]
fn quarantine_is_released_to_the_next_stage() -> Result<()> {
    let mut server = resting("on-transport-submission=\"header X-Stage yes; quarantine odd\"", "quarantine")?;
    server.settled()?;
    let entry = entry(&server)?;
    ensure!(entry.standing == Standing::Quarantined, "{entry:?}");
    done(&server, &async |operator| operator.release(entry.id).await)?;
    let message = String::from_utf8(server.delivered("bob@b.example")?)?;
    ensure!(message.matches("X-Stage: yes").count() == 1, "asked again, or the edit is gone: {message}");
    server.stop()
}

#[test]
fn quarantine_can_be_deleted_and_never_fails() -> Result<()> {
    let mut server = resting("on-transport-submission=\"quarantine odd\"", "quarantine")?;
    server.settled()?;
    let id = entry(&server)?.id;
    let refused = done(&server, &async |operator| operator.fail(id, "spam").await);
    ensure!(format!("{refused:?}").contains("in quarantine"), "{refused:?}");
    let refused = done(&server, &async |operator| operator.retry(id).await);
    ensure!(format!("{refused:?}").contains("release it"), "{refused:?}");
    done(&server, &async |operator| operator.delete(id).await)?;
    let refused = done(&server, &async |operator| operator.delete(id).await);
    ensure!(format!("{refused:?}").contains("there is no entry"), "{refused:?}");
    server.settled()?;
    server.stop()
}

#[test]
fn a_deferred_entry_is_retried_or_held_and_released_where_it_was() -> Result<()> {
    let script =
        "on-transport-submission=\"wait 3600 known\" on-transport-submission:again=\"header X-Again yes\"";
    for first in ["retry", "hold"] {
        let mut server = resting(script, "defer")?;
        let id = entry(&server)?.id;
        if first == "retry" {
            done(&server, &async |operator| operator.retry(id).await)?;
        } else {
            done(&server, &async |operator| operator.hold(id, "to be looked at", None).await)?;
            server.settled()?;
            ensure!(entry(&server)?.standing == Standing::Held, "{:?}", entry(&server));
            let refused = done(&server, &async |operator| operator.hold(id, "again", None).await);
            ensure!(format!("{refused:?}").contains("held already"), "{refused:?}");
            done(&server, &async |operator| operator.release(id).await)?;
        }
        let message = String::from_utf8(server.delivered("bob@b.example")?)?;
        ensure!(message.contains("X-Again: yes"), "not where the sink left it: {message}");
        server.stop()?;
    }
    Ok(())
}

#[test]
fn an_entry_that_is_failed_ends_with_a_report_to_its_sender() -> Result<()> {
    let scene =
        Scene::with_sink("script rule=\"mail from=ann*\" on-transport-submission=\"wait 3600 known\"")?;
    let mut server = Server::start(&scene)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    client.deliver("ann@b.example", "bob@b.example", MESSAGE)?;
    let (installation, event) = ("script".to_owned(), "on-transport-submission".to_owned());
    server.asked(&Asked { installation, event, word: "defer".to_owned() })?;
    let id = entry(&server)?.id;
    done(&server, &async |operator| operator.fail(id, "not wanted").await)?;
    let report = String::from_utf8(server.delivered("ann@b.example")?)?;
    for part in [
        "Return-Path: <>\r\n",
        "Final-Recipient: rfc822; bob@b.example\r\nAction: failed\r\n",
        "\r\nSubject: hi\r\n",
    ] {
        ensure!(report.contains(part), "no {part:?} in {report}");
    }
    ensure!(report.contains(&id.to_string()), "not the queue id of the original: {report}");
    ensure!(!report.contains("not wanted"), "the operator's reason is for the log: {report}");
    server.settled()?;
    ensure!(server.running()?.entries(None, 2).is_empty(), "something is left");
    server.stop()
}
