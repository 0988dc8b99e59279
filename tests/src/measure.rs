//! What a benchmark prints: wall clock and CPU of a process for each operation, and the ratio to a baseline.
//!
//! Machines are noisy: baseline and subject run in turns, the middle of the rounds counts, and only ratios mean something.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock::Stopwatch;

/// A measurement of a process, which runs.
#[derive(Debug)]
pub struct Measured {
    process: String,
    watch: Stopwatch,
    /// What each of its threads had used when it began.
    before: BTreeMap<String, Usage>,
}

/// What something used of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU, in the nanoseconds that the scheduler counts.
    pub cpu: Duration,
    /// How often a thread gave the CPU away or lost it.
    pub switches: u64,
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
    /// Starts one of this process.
    #[must_use]
    pub fn start() -> Self {
        Self::of_process("self".to_owned())
    }

    /// Starts one of another process.
    #[must_use]
    pub fn of(process: u32) -> Self {
        Self::of_process(process.to_string())
    }

    fn of_process(process: String) -> Self {
        let before = usage_of_threads(&process).unwrap_or_default();
        Self { process, before, watch: Stopwatch::start() }
    }

    /// For each of so many operations.
    #[must_use]
    pub fn rate(&self, operations: u64) -> Rate {
        let each = |whole: Duration| whole.div_f64(f64::from(u32::try_from(operations).unwrap_or(u32::MAX)));
        let wall = self.watch.elapsed();
        Rate { wall: each(wall), cpu: each(self.used().cpu) }
    }

    /// What was used until now. What threads did that have ended meanwhile is not known any more.
    #[must_use]
    pub fn used(&self) -> Usage {
        let mut used = Usage::default();
        for (thread, now) in usage_of_threads(&self.process).unwrap_or_default() {
            let before = self.before.get(&thread).copied().unwrap_or_default();
            used.cpu += now.cpu.saturating_sub(before.cpu);
            used.switches += now.switches.saturating_sub(before.switches);
        }
        used
    }
}

fn usage_of_threads(process: &str) -> Result<BTreeMap<String, Usage>> {
    let mut found = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        // A thread may end between the listing and the reading.
        let (Ok(times), Ok(status)) =
            (std::fs::read_to_string(task.join("schedstat")), std::fs::read_to_string(task.join("status")))
        else {
            continue;
        };
        let ran: u64 = times.split(' ').next().context("schedstat is empty")?.parse()?;
        let switches = status.lines().filter(|line| line.contains("ctxt_switches:"));
        let switches = switches.filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok()).sum();
        found.insert(task.display().to_string(), Usage { cpu: Duration::from_nanos(ran), switches });
    }
    Ok(found)
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
