//! A start over 200,000 entries of 16 KiB, the memory that each takes, and the next due one.
//!
//! A lease finds the next due entry in memory, and reads its record back unless it is fresh. So three are measured: of fresh
//! entries, which is the order in memory alone; of old ones for the first time since the page cache was dropped; and of the
//! same again, from the page cache.
//!
//! The start is cold: the page cache is dropped first, where the machine lets one. It happens in a process of its own, so that
//! its memory is the entries' alone. Run it with `cargo bench -p spool --bench queue`; it needs 4 GiB of disk, and fails
//! above its gates.

use std::io::{Error, Result, Write};
use std::ops::Range;
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
const LEASES: u64 = 10_000;

/// Small, so that all of them are fresh at once.
const FRESH_BYTES: usize = 100;

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
    let cold =
        if drop_caches(&folder) { "page cache dropped" } else { "warm: the page cache could not be dropped" };
    writeln!(std::io::stdout(), "{ENTRIES} entries of {MESSAGE_BYTES} bytes, {cold}")?;
    let opened = std::process::Command::new(std::env::current_exe()?).arg("open").arg(&folder).status()?;
    std::fs::remove_dir_all(folder)?;
    load::gates((!opened.success()).then_some("the start"))
}

fn open(folder: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let before = resident_bytes()?;
    let processor_before = processor_time()?;
    let (spool, start) = timed(|| runtime.block_on(Spool::open(Settings::new(folder))));
    let processor = processor_time()?.saturating_sub(processor_before);
    let (spool, recovery) = spool.map_err(Error::other)?;
    if u64::try_from(recovery.entries).ok() != Some(ENTRIES) {
        return Err(Error::other(format!("not all entries were there: {}", recovery.entries)));
    }
    let entry_bytes = resident_bytes()?.saturating_sub(before) / ENTRIES;
    let first = Leases::take(&spool)?;
    let again = Leases::take(&spool)?;
    runtime.block_on(accept(&spool, ENTRIES..ENTRIES + LEASES, |_| (Timestamp(0), FRESH_BYTES)))?;
    let fresh = Leases::take(&spool)?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "start                 {start:>10.2?}  (gate {START_MAX:?}), of which processor {processor:.2?}"
    )?;
    writeln!(out, "memory of an entry    {entry_bytes:>8} B  (gate {ENTRY_BYTES_MAX} B)")?;
    writeln!(out, "a lease                   mean      median")?;
    writeln!(
        out,
        "order in memory alone {:>10.2?} {:>10.2?}  (gates {NEXT_DUE_MAX:?})",
        fresh.mean, fresh.median
    )?;
    writeln!(
        out,
        "and record from cache {:>10.2?} {:>10.2?}  (gate of the median)",
        again.mean, again.median
    )?;
    writeln!(out, "and record from disk  {:>10.2?} {:>10.2?}", first.mean, first.median)?;
    let missed = [
        load::missed("start", start, START_MAX),
        load::missed("memory", entry_bytes, ENTRY_BYTES_MAX),
        load::missed("next due entry, mean", fresh.mean, NEXT_DUE_MAX),
        load::missed("next due entry, median", fresh.median.max(again.median), NEXT_DUE_MAX),
    ];
    load::gates(missed.into_iter().flatten())
}

/// How long leases took.
struct Leases {
    mean: Duration,
    median: Duration,
}

impl Leases {
    /// Leases the next due entries, and gives them back.
    fn take(spool: &Spool) -> Result<Self> {
        let late = Timestamp(u64::MAX);
        let leases: Vec<_> = (0..LEASES).map(|_| timed(|| spool.lease(late))).collect();
        if leases.iter().any(|(lease, _)| lease.is_none()) {
            return Err(Error::other("nothing was due, or an entry could not be read back"));
        }
        let mut times: Vec<Duration> = leases.iter().map(|(_, took)| *took).collect();
        times.sort_unstable();
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        let mean = times.iter().sum::<Duration>() / count;
        Ok(Self { mean, median: times.get(times.len() / 2).copied().unwrap_or(Duration::MAX) })
    }
}

/// What this process and the system for it computed so far, to a hundredth of a second.
fn processor_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program may hold spaces; behind it, user and system time are the 12th and 13th field (proc(5)).
    let fields = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let ticks =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Ok(Duration::from_millis(ticks * 10))
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
    // In no order, as retries are.
    let due = |number: u64| Timestamp((number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) + 1);
    accept(&spool, 0..ENTRIES, |number| (due(number), MESSAGE_BYTES)).await?;
    spool.close().await;
    Ok(())
}

/// Accepts entries, of which each is due then and has so many bytes.
async fn accept(spool: &Spool, numbers: Range<u64>, each: impl Fn(u64) -> (Timestamp, usize)) -> Result<()> {
    for first in numbers.clone().step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in first..numbers.end.min(first + AT_ONCE) {
            let (due, bytes) = each(number);
            let content = vec![ContentPiece::Inline(Bytes::from(vec![b'x'; bytes]))];
            let new = NewEntry { due, ..load::entry(number, content) };
            let spool = spool.clone();
            tasks.spawn(async move { spool.accept(vec![new]).await });
        }
        while let Some(accepted) = tasks.join_next().await {
            accepted?.map_err(Error::other)?;
        }
    }
    Ok(())
}

/// Whether the system let us.
fn drop_caches(folder: &Path) -> bool {
    let synced = std::process::Command::new("sync").arg("-f").arg(folder).status();
    synced.is_ok_and(|status| status.success()) && std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}
