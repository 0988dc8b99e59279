//! Kills under load: nothing that was answered 250 is lost, nothing arrives twice.

use std::fs;

use anyhow::{Context, Result, ensure};
use tests::kill::judge::{Found, mailboxes};
use tests::kill::mail::{Known, NAME_FIELD};
use tests::kill::rounds::{Plan, play};
use tests::kill::{End, Round};

use crate::binary;

/// `cargo bench -p tests --bench kill` plays ten times as many.
const ROUNDS: u64 = 20;

#[test]
fn twenty_rounds_of_kills_lose_nothing_and_double_nothing() -> Result<()> {
    let plan = Plan { seed: fastrand::u64(..), rounds: ROUNDS, at_once: 4, end: End::Kill };
    let tally = play(binary(), &plan, |_| {});
    ensure!(tally.failures.is_empty(), "{tally}\n{}", tally.failures.join("\n"));
    ensure!(tally.rounds == ROUNDS && tally.acknowledged > 0, "{tally}");
    Ok(())
}

/// The control of the one above: what a good round left behind is spoilt, and must be judged so.
#[test]
fn a_message_that_is_taken_away_or_copied_behind_a_round_is_found() -> Result<()> {
    let round = Round::play(binary(), 1, End::Kill)?;
    ensure!(round.findings()?.is_clean(), "{}", round.findings()?);
    let acknowledged: Vec<_> = round.sent().iter().filter(|sent| sent.known == Known::Acknowledged).collect();
    ensure!(acknowledged.len() > 1, "only {} were acknowledged", acknowledged.len());
    let first = format!("{NAME_FIELD}: {}\r\n", acknowledged[0].name);
    let all = mailboxes(&round.mail())?;
    let is_first = |found: &&Found| String::from_utf8_lossy(&found.bytes).contains(&first);
    let path = &all.iter().find(is_first).context("the first message")?.path;
    fs::copy(path, path.with_extension("copy"))?;
    let findings = round.findings()?;
    ensure!((findings.lost.len(), findings.doubled.len()) == (0, 1), "{findings}");
    fs::remove_file(path.with_extension("copy"))?;
    fs::remove_file(path)?;
    let findings = round.findings()?;
    ensure!((findings.lost.len(), findings.doubled.len()) == (1, 0), "{findings}");
    Ok(())
}
