//! What operators do to single entries of a running server, which wakes at once.

use anyhow::{Context, Result, ensure};
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

/// The only entry in the spool.
fn entry(server: &Server) -> Result<Summary> {
    let entries = server.running()?.entries(None, 2);
    let [entry] = &entries[..] else { anyhow::bail!("not one entry: {entries:?}") };
    Ok(entry.clone())
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
fn an_entry_that_is_failed_keeps_its_recipients_for_another_attempt() -> Result<()> {
    let script =
        "on-transport-submission=\"wait 3600 known\" on-transport-submission:again=\"header X-Again yes\"";
    let mut server = resting(script, "defer")?;
    let id = entry(&server)?.id;
    done(&server, &async |operator| operator.fail(id, "not wanted").await)?;
    server.settled()?;
    let refused = done(&server, &async |operator| operator.release(id).await);
    ensure!(format!("{refused:?}").contains("retry tries those that failed"), "{refused:?}");
    done(&server, &async |operator| operator.retry(id).await)?;
    server.delivered("bob@b.example").context("the failed recipient")?;
    server.stop()
}
