//! Kills the real server at random moments under load, as often as it is told to, and says what was lost or doubled.
//!
//! `cargo bench -p tests --bench kill -- --rounds 200`; with `--power-loss` its disk loses its power each time as well.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, ensure};
use clap::Parser;
use tests::kill::End;
use tests::kill::disk::Disk;
use tests::kill::rounds::{Plan, Tally, play};

/// Kills the real server under load, restarts it, and compares what it answered 250 with what lies in the mailboxes.
#[derive(Debug, Parser)]
struct Options {
    /// Rounds; in each the server is killed one to four times before it may deliver what is left.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// The first round's seed, which the others count up from; by chance if it is not said.
    #[arg(long)]
    seed: Option<u64>,
    /// Rounds that are played at one time.
    #[arg(long, default_value_t = 2)]
    at_once: usize,
    /// Cut the power of the disk (ext4 on a loop device) at each kill. Needs root; rounds then come one after the other.
    #[arg(long)]
    power_loss: bool,
    /// What `cargo bench` always says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut out = std::io::stdout();
    writeln!(out, "seed {seed}")?;
    let tally = if options.power_loss {
        let mut disk = match Disk::mount() {
            Ok(disk) => disk,
            Err(error) => {
                writeln!(out, "power loss is not possible here: {error:#}")?;
                return Ok(());
            }
        };
        let plan = Plan { seed, rounds: options.rounds, at_once: 1, end: End::PowerLoss(&disk) };
        let tally = play(Path::new(env!("CARGO_BIN_EXE_sluice-served")), &plan, show);
        if !tally.failures.is_empty() {
            writeln!(out, "the disk is kept: {}", disk.keep()?.display())?;
        }
        tally
    } else {
        let plan = Plan { seed, rounds: options.rounds, at_once: options.at_once.max(1), end: End::Kill };
        play(Path::new(env!("CARGO_BIN_EXE_sluice-served")), &plan, show)
    };
    for failure in &tally.failures {
        writeln!(out, "{failure}")?;
    }
    writeln!(out, "{tally}")?;
    ensure!(tally.failures.is_empty(), "{} rounds failed", tally.failures.len());
    Ok(())
}

/// A line for every tenth round, and for each that failed.
fn show(tally: &Tally) {
    if tally.rounds.is_multiple_of(10) || !tally.failures.is_empty() {
        // Progress is a courtesy: a closed output ends no round.
        let _ = writeln!(std::io::stderr(), "{tally}");
    }
}
