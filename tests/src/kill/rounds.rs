//! Many rounds, each from a seed of its own, and what they amount to.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

use super::mail::Known;
use super::{End, Round};

/// Which rounds to play.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Of the first round; each other one adds one.
    pub seed: u64,
    /// How many.
    pub rounds: u64,
    /// How many of them at one time.
    pub at_once: usize,
    /// What ends a life.
    pub end: End<'a>,
}

/// What happened in some rounds.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rounds that were played.
    pub rounds: u64,
    /// Servers that were killed.
    pub kills: usize,
    /// Messages that were answered 250.
    pub acknowledged: usize,
    /// Messages whose 250 never came.
    pub open: usize,
    /// Acknowledged messages that are missing in a mailbox.
    pub lost: usize,
    /// Messages that are in a mailbox more than once.
    pub doubled: usize,
    /// What is wrong with each bad round, its seed and its folder.
    pub failures: Vec<String>,
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} rounds, {} kills, {} acknowledged ({} more cut off), {} lost, {} doubled, {} rounds failed",
            self.rounds,
            self.kills,
            self.acknowledged,
            self.open,
            self.lost,
            self.doubled,
            self.failures.len()
        )
    }
}

/// Plays them; `progress` hears what all rounds until then amount to.
///
/// A round that fails ends no other: its findings are in the tally.
pub fn play(binary: &Path, plan: &Plan<'_>, progress: impl Fn(&Tally) + Sync) -> Tally {
    let next = AtomicU64::new(0);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..plan.at_once {
            scope.spawn(|| {
                while let Some(round) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|round| *round < plan.rounds)
                {
                    let seed = plan.seed.wrapping_add(round);
                    let played = Round::play(binary, seed, plan.end);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    if let Err(error) = played.and_then(|round| tally.add(round, seed)) {
                        tally.rounds += 1;
                        tally.failures.push(format!("seed {seed}: {error:#}"));
                    }
                    progress(&tally);
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Tally {
    fn add(&mut self, round: Round, seed: u64) -> Result<()> {
        let findings = round.findings()?;
        self.rounds += 1;
        self.kills += round.kills();
        self.acknowledged += round.count(Known::Acknowledged);
        self.open += round.count(Known::Open);
        self.lost += findings.lost.len();
        self.doubled += findings.doubled.len();
        if !findings.is_clean() {
            self.failures.push(format!("seed {seed}:\n{findings}kept in {}", round.kept().display()));
        }
        Ok(())
    }
}
