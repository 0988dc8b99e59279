//! What a benchmark prints: wall clock and CPU of this process for each operation, and the ratio to a baseline.
//!
//! Machines are noisy: baseline and subject run in turns, the middle of the rounds counts, and only ratios mean something.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Stopwatch;

/// A measurement that runs.
#[derive(Debug)]
pub struct Measured {
    watch: Stopwatch,
    cpu: Duration,
}

/// The cost of one operation.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Wall clock.
    pub wall: Duration,
    /// CPU of all threads of the process.
    pub cpu: Duration,
}

impl Measured {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self { cpu: process_cpu().unwrap_or_default(), watch: Stopwatch::start() }
    }

    /// For each of so many operations.
    #[must_use]
    pub fn rate(&self, operations: u64) -> Rate {
        let each = |whole: Duration| whole.div_f64(f64::from(u32::try_from(operations).unwrap_or(u32::MAX)));
        let cpu = process_cpu().unwrap_or_default().saturating_sub(self.cpu);
        Rate { wall: each(self.watch.elapsed()), cpu: each(cpu) }
    }
}

/// CPU time of this process, in the nanoseconds that the scheduler counts.
fn process_cpu() -> Result<Duration> {
    let mut nanoseconds: u64 = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let told = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let ran: u64 = told.split(' ').next().context("schedstat is empty")?.parse()?;
        nanoseconds += ran;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Prints the middle of the rounds, beside the middle of the baseline's where there is one.
///
/// # Errors
/// If standard output is closed.
pub fn report(name: &str, rounds: &[Rate], baseline: Option<&[Rate]>) -> Result<()> {
    let (wall, cpu) = middle(rounds);
    let mut line = format!("{name:44} {:>12} wall {:>12} CPU", show(wall), show(cpu));
    if let Some(baseline) = baseline {
        let (bare_wall, bare_cpu) = middle(baseline);
        line += &format!("   {:.2}x wall, {:.2}x CPU", ratio(wall, bare_wall), ratio(cpu, bare_cpu));
    }
    writeln!(std::io::stdout(), "{line}").context("printing")
}

/// The middle wall clock and the middle CPU.
#[must_use]
pub fn middle(rounds: &[Rate]) -> (Duration, Duration) {
    let of = |what: fn(&Rate) -> Duration| {
        let mut all: Vec<Duration> = rounds.iter().map(what).collect();
        all.sort();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    (of(|rate| rate.wall), of(|rate| rate.cpu))
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        less if less < 1.0 => format!("{:.2} ns", less * 1e3),
        microseconds => format!("{microseconds:.2} us"),
    }
}
