//! What sinks decide for single recipients in a stage: each ends exactly once, and nobody edits a message twice.

use anyhow::{Context, Result, ensure};
use smtp::RecipientState;
use spool::{Entry, EntryState, Spool, StageName};
use tests::client::Client;
use tests::scene::Scene;
use tests::server::Server;

/// What arrived, and the entries that are in the spool afterwards with their content.
struct Outcome {
    arrived: Vec<Vec<u8>>,
    left: Vec<(Entry, String)>,
}

/// Sends a message for two recipients to a server with this script for the submission, and waits for those that arrive.
fn outcome(script: &str, arrive: &[&str]) -> Result<Outcome> {
    outcome_of(("on-transport-submission", script), "ann@a.example", arrive)
}

/// The same with the script of another event, from this reverse-path.
fn outcome_of((event, script): (&str, &str), from: &str, arrive: &[&str]) -> Result<Outcome> {
    let mut server = Server::start(&Scene::with_sink(&format!("script {event}=\"{script}\""))?)?;
    let mut client = Client::greeted(server.address())?;
    client.ask("HELO a.example", 250)?;
    client.ask(&format!("MAIL FROM:<{from}>"), 250)?;
    client.ask("RCPT TO:<bob@b.example>", 250)?;
    client.ask("RCPT TO:<bea@b.example>", 250)?;
    client.ask("DATA", 354)?;
    client.send(b"Subject: hi\r\n\r\nHello.\r\n")?;
    client.ask(".", 250)?;
    let arrived = arrive.iter().map(|address| server.delivered(address)).collect::<Result<_>>()?;
    if arrive.is_empty() {
        server.settled()?;
    }
    let site = server.stopped()?;
    let folder = site.path("data/spool");
    let runtime = tokio::runtime::Runtime::new()?;
    let left = runtime.block_on(async {
        let (spool, _) = Spool::open(spool::Settings::new(folder)).await?;
        let entries = spool.list(None, 10).into_iter().map(|summary| {
            let entry = spool.entry(summary.id)?;
            let content = spool.load(&entry.content)?;
            let bytes = content.read(0..content.size()).context("the content")?;
            Ok((entry, String::from_utf8(bytes.to_vec())?))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        spool.close().await;
        anyhow::Ok(entries)
    })?;
    Ok(Outcome { arrived, left })
}

#[test]
fn a_recipient_that_is_deferred_in_a_stage_waits_with_the_message_as_it_was() -> Result<()> {
    let Outcome { arrived, left } = outcome("header X-Stage yes; defer-recipient 1", &["bob@b.example"])?;
    ensure!(String::from_utf8_lossy(&arrived[0]).contains("X-Stage: yes"), "the edit is gone");
    let [(entry, content)] = &left[..] else { anyhow::bail!("{left:?}") };
    // Its sinks are asked again: with the edit in it, the header would be there twice.
    ensure!(!content.contains("X-Stage"), "{content}");
    ensure!(entry.stage.stage == StageName::Submission && entry.state == EntryState::Active, "{entry:?}");
    let [recipient] = &entry.envelope.recipients[..] else { anyhow::bail!("{entry:?}") };
    ensure!(recipient.address.to_string() == "bea@b.example", "{recipient:?}");
    // Deferred, it could not be decided about again.
    ensure!(recipient.state == RecipientState::Pending, "{recipient:?}");
    Ok(())
}

#[test]
fn a_recipient_of_a_fork_that_is_set_aside_is_not_lost() -> Result<()> {
    let Outcome { left, .. } = outcome("fork 1; select 1; quarantine-recipient 1", &["bob@b.example"])?;
    let [(entry, _)] = &left[..] else { anyhow::bail!("{left:?}") };
    ensure!(matches!(entry.state, EntryState::Quarantined { .. }), "{entry:?}");
    ensure!(entry.stage.stage == StageName::PreCategorize, "{entry:?}");
    let [recipient] = &entry.envelope.recipients[..] else { anyhow::bail!("{entry:?}") };
    ensure!(recipient.address.to_string() == "bea@b.example", "{recipient:?}");
    Ok(())
}

#[test]
fn a_message_without_a_recipient_left_ends_with_its_stage() -> Result<()> {
    let Outcome { left, .. } = outcome("discard-recipient 0; discard-recipient 1", &[])?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn a_message_that_a_stage_fails_is_kept_where_nobody_knows_who_sent_it() -> Result<()> {
    for event in ["on-transport-submission", "on-pre-categorize", "on-post-categorize"] {
        let Outcome { left, .. } = outcome_of((event, "fail 550 5.7.1 No"), "ann@a.example", &[])?;
        let [(entry, content)] = &left[..] else { anyhow::bail!("{event}: {left:?}") };
        ensure!(is_untold(entry), "{event}: {entry:?}");
        ensure!(content.contains("Hello."), "{event}: {content}");
        ensure!(open(entry) == ["bob@b.example", "bea@b.example"], "{event}: {entry:?}");
    }
    Ok(())
}

/// Whether a report would have gone to whom the message names, who may not have sent it.
fn is_untold(entry: &Entry) -> bool {
    matches!(&entry.state, EntryState::Quarantined { reason, .. } if reason.starts_with("failed: "))
}

/// Recipients that are still to be delivered.
fn open(entry: &Entry) -> Vec<String> {
    let recipients = entry.envelope.recipients.iter();
    let open = recipients.filter(|recipient| recipient.state == RecipientState::Pending);
    open.map(|recipient| recipient.address.to_string()).collect()
}

#[test]
fn a_failure_of_a_message_with_a_null_reverse_path_leaves_nothing() -> Result<()> {
    // No DSN is owed for it (RFC 5321 §4.5.5), so nothing is kept for one.
    let Outcome { left, .. } = outcome_of(("on-transport-submission", "fail 550 5.7.1 No"), "", &[])?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn a_recipient_of_a_fork_does_not_fail_with_the_message() -> Result<()> {
    let script = "fork 1; fail 550 5.7.1 No";
    let Outcome { left, .. } = outcome(script, &["bea@b.example"])?;
    let [(entry, _)] = &left[..] else { anyhow::bail!("{left:?}") };
    ensure!(is_untold(entry) && open(entry) == ["bob@b.example"], "{entry:?}");
    Ok(())
}

#[test]
fn a_redirect_whose_new_recipient_was_forked_stands_when_the_rest_fails() -> Result<()> {
    // The new recipient has the first free id.
    let script = "redirect 1 bella@b.example; fork 2; fail 550 5.7.1 No";
    let Outcome { left, .. } = outcome(script, &["bella@b.example"])?;
    let [(entry, _)] = &left[..] else { anyhow::bail!("{left:?}") };
    ensure!(is_untold(entry) && open(entry) == ["bob@b.example"], "bea ended twice: {entry:?}");
    Ok(())
}
