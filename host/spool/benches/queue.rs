//! A start over 200,000 entries of 16 KiB, the memory that each takes, and the next due one.
//!
//! The start is cold: the page cache is dropped first, where the machine lets one. It happens in a process of its own, so that
//! its memory is the entries' alone. Run it with `cargo bench -p spool --bench queue`; it needs 4 GiB of disk, and fails
//! above its gates.

use std::io::{Error, Result, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use smtp::Timestamp;
use spool::{ContentPiece, NewEntry, Settings, Spool};

mod load;

const ENTRIES: u64 = 200_000;
const MESSAGE_BYTES: usize = 16 << 10;
/// Entries that arrive at once.
const AT_ONCE: u64 = 500;
const LEASES: u32 = 10_000;

const START_MAX: Duration = Duration::from_secs(2);
const ENTRY_BYTES_MAX: u64 = 600;
const NEXT_DUE_MAX: Duration = Duration::from_micros(10);

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().filter(|argument| argument == "open").and_then(|_| arguments.next()) {
        Some(folder) => open(Path::new(&folder)),
        None => prepare(),
    }
}

fn prepare() -> Result<()> {
    let folder = load::folder("queue")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(fill(&folder))?;
    let cold = if drop_caches(&folder) { "cold" } else { "warm: the page cache could not be dropped" };
    writeln!(std::io::stdout(), "{ENTRIES} entries of {MESSAGE_BYTES} bytes, {cold}")?;
    let opened = std::process::Command::new(std::env::current_exe()?).arg("open").arg(&folder).status()?;
    std::fs::remove_dir_all(folder)?;
    load::gates((!opened.success()).then_some("the start"))
}

fn open(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = resident_bytes()?;
    let (spool, start) = timed(|| runtime.block_on(Spool::open(Settings::new(folder))));
    let (spool, recovery) = spool.map_err(Error::other)?;
    let entry_bytes = resident_bytes()?.saturating_sub(before) / ENTRIES;
    let late = Timestamp(u64::MAX);
    let mut leases: Vec<_> = (0..LEASES).map(|_| timed(|| spool.lease(late))).collect();
    leases.sort_by_key(|(_, took)| *took);
    let next_due = leases.get(leases.len() / 2).map_or(Duration::MAX, |(_, took)| *took);
    leases.retain(|(lease, _)| lease.is_some());
    let mut out = std::io::stdout();
    writeln!(out, "start                {start:>12.2?}  (gate {START_MAX:?})")?;
    writeln!(out, "memory of an entry   {entry_bytes:>10} B  (gate {ENTRY_BYTES_MAX} B)")?;
    writeln!(out, "next due entry, median {next_due:>12.2?}  (gate {NEXT_DUE_MAX:?})")?;
    let found = (u64::try_from(recovery.entries).ok(), u32::try_from(leases.len()).ok());
    if found != (Some(ENTRIES), Some(LEASES)) {
        return Err(Error::other(format!("not all entries were there: {found:?}")));
    }
    let missed = [
        load::missed("start", start, START_MAX),
        load::missed("memory", entry_bytes, ENTRY_BYTES_MAX),
        load::missed("next due entry", next_due, NEXT_DUE_MAX),
    ];
    load::gates(missed.into_iter().flatten())
}

/// What the system holds in memory for this process: what is allocated, and what the allocator wastes.
fn resident_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| Error::other("no VmRSS in /proc/self/status"))
}

async fn fill(folder: &Path) -> Result<()> {
    let (spool, _) = Spool::open(Settings::new(folder)).await.map_err(Error::other)?;
    for first in (0..ENTRIES).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in first..first + AT_ONCE {
            let content = vec![ContentPiece::Inline(Bytes::from(vec![b'x'; MESSAGE_BYTES]))];
            // In no order, as retries are.
            let due = Timestamp(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
            let new = NewEntry { due, ..load::entry(number, content) };
            let spool = spool.clone();
            tasks.spawn(async move { spool.accept(vec![new]).await });
        }
        while let Some(accepted) = tasks.join_next().await {
            accepted?.map_err(Error::other)?;
        }
    }
    spool.close().await;
    Ok(())
}

/// Whether the system let us.
fn drop_caches(folder: &Path) -> bool {
    let synced = std::process::Command::new("sync").arg("-f").arg(folder).status();
    synced.is_ok_and(|status| status.success()) && std::fs::write("/proc/sys/vm/drop_caches", "1").is_ok()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}
