//! Durable appends of 4 KiB by 1, 20 and 64 writers beside a bare loop: it writes the bytes of as many records in one go and
//! syncs once, the best that grouping can do.
//!
//! Both run in turns, because a disk is never the same twice; the middle of the rounds counts. Run it with
//! `cargo bench -p spool --bench append`; it fails below its gate.

use std::fs::File;
use std::io::{Result, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mimalloc::MiMalloc;
use smtp::Timestamp;
use spool::{ContentPiece, NewEntry, Settings, Spool};

mod load;

/// As the server's binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const MESSAGE_BYTES: usize = 4096;
const ROUNDS: usize = 9;
const APPENDS_EACH: u32 = 200;
const WRITERS: [u32; 3] = [1, 20, 64];

/// Of the bare loop's rate, with the most writers.
const RATE_MIN: f64 = 0.8;

/// So many writers at once.
#[derive(Default)]
struct Case {
    writers: u32,
    bare: Vec<Cost>,
    spool: Vec<Cost>,
    syncs: u64,
}

/// Of one append.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    /// Of all threads of this process.
    processor: Duration,
}

fn main() -> Result<()> {
    let folder = load::folder("append")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let opened = runtime.block_on(Spool::open(Settings::new(folder.join("spool"))));
    let (spool, _) = opened.map_err(std::io::Error::other)?;
    let numbers = Arc::new(AtomicU64::new(0));
    // Warms up, and tells how long a record is.
    runtime.block_on(appends(&spool, &numbers, 64))?;
    let counts = spool.counts();
    let record_bytes = counts.record_bytes / counts.records.max(1);
    let mut file = File::create(folder.join("bare"))?;
    let mut cases = WRITERS.map(|writers| Case { writers, ..Case::default() });
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.bare.push(bare(&mut file, case.writers, record_bytes)?);
            let before = spool.counts().syncs;
            case.spool.push(runtime.block_on(appends(&spool, &numbers, case.writers))?);
            case.syncs += spool.counts().syncs - before;
        }
    }
    writeln!(std::io::stdout(), "a record of {record_bytes} bytes   wall    processor")?;
    for case in &cases {
        case.report()?;
    }
    runtime.block_on(spool.close());
    std::fs::remove_dir_all(folder)?;
    // A rate is a time turned around.
    let most = cases.last().and_then(|case| load::missed("64 writers", -case.rate(), -RATE_MIN));
    load::gates(most)
}

impl Case {
    fn report(&self) -> Result<()> {
        let Self { writers, bare, spool, syncs } = self;
        let line = |name: &str, costs: &[Cost]| {
            let Cost { wall, processor } = middle(costs);
            writeln!(std::io::stdout(), "{writers:2} {name:22} {wall:>10.2?} {processor:>10.2?}")
        };
        line("at once by a bare loop", bare)?;
        line("writers", spool)?;
        let records = f64::from(writers * APPENDS_EACH) * ROUNDS as f64;
        let (rate, shared) = (self.rate(), records / *syncs as f64);
        let gate = if *writers == 64 { format!(" (gate {RATE_MIN})") } else { String::new() };
        writeln!(
            std::io::stdout(),
            "   {rate:.2}x the bare loop's rate{gate}; {shared:.1} records share a sync"
        )
    }

    /// Of the bare loop's.
    fn rate(&self) -> f64 {
        middle(&self.bare).wall.as_secs_f64() / middle(&self.spool).wall.as_secs_f64()
    }
}

fn middle(costs: &[Cost]) -> Cost {
    let of = |what: fn(&Cost) -> Duration| {
        let mut all: Vec<Duration> = costs.iter().map(what).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Cost { wall: of(|cost| cost.wall), processor: of(|cost| cost.processor) }
}

/// Appends to one file that grows, as the log does.
fn bare(file: &mut File, at_once: u32, record_bytes: u64) -> Result<Cost> {
    let bytes = vec![b'x'; usize::try_from(record_bytes * u64::from(at_once)).unwrap_or(0)];
    let measured = Measured::start();
    for _ in 0..APPENDS_EACH {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    Ok(measured.each(APPENDS_EACH * at_once))
}

async fn appends(spool: &Spool, numbers: &Arc<AtomicU64>, writers: u32) -> Result<Cost> {
    let content = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    let measured = Measured::start();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (spool, numbers, content) = (spool.clone(), Arc::clone(numbers), content.clone());
        tasks.spawn(async move {
            for _ in 0..APPENDS_EACH {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                // Nobody leases it while it is measured.
                let content = vec![ContentPiece::Inline(content.clone())];
                let new = NewEntry { due: Timestamp(u64::MAX), ..load::entry(number, content) };
                spool.accept(vec![new]).await.map_err(std::io::Error::other)?;
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.map_err(std::io::Error::other).flatten()?;
    }
    Ok(measured.each(writers * APPENDS_EACH))
}

/// A measurement that runs.
struct Measured {
    began: Instant,
    processor: Duration,
}

impl Measured {
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    fn start() -> Self {
        Self { processor: processor_time(), began: Instant::now() }
    }

    /// Of each of so many operations.
    fn each(&self, operations: u32) -> Cost {
        let wall = self.began.elapsed();
        let processor = processor_time().saturating_sub(self.processor);
        Cost { wall: wall / operations, processor: processor / operations }
    }
}

/// What the threads that live have computed so far; none of ours ends meanwhile.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = |task: std::fs::DirEntry| {
        let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.filter_map(nanoseconds).sum())
}
