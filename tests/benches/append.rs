//! Durable appends of 4 KiB by 1, 20 and 64 writers beside a bare loop: it writes the bytes of as many records in one go and
//! syncs once, the best that grouping can do.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use mimalloc::MiMalloc;
use smtp::{Envelope, Ingress, Timestamp};
use spool::{
    ContentPiece, EntryState, NewEntry, QueueId, Scores, Settings, Spool, StageName, StagePointer, Variables,
};
use tests::measure::{self, Rate};

/// As the server's binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const MESSAGE_BYTES: usize = 4096;
const ROUNDS: usize = 11;
const APPENDS_EACH: u64 = 200;
const WRITERS: [u64; 3] = [1, 20, 64];

/// So many writers at once.
struct Case {
    writers: u64,
    bare: Vec<Rate>,
    rounds: Vec<Rate>,
    syncs: u64,
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let settings = Settings::new(folder.path().join("spool"));
    let (spool, _) = runtime.block_on(Spool::open(settings))?;
    let numbers = Arc::new(AtomicU64::new(0));
    // Warms up, and tells how long a record is.
    runtime.block_on(appends(&spool, &numbers, 64))?;
    let counts = spool.counts();
    let record_bytes = counts.record_bytes / counts.records.max(1);
    let mut file = File::create(folder.path().join("bare"))?;
    let mut cases = WRITERS.map(|writers| Case { writers, bare: Vec::new(), rounds: Vec::new(), syncs: 0 });
    for _ in 0..ROUNDS {
        for case in &mut cases {
            case.bare.push(bare(&mut file, case.writers, record_bytes * case.writers)?);
            let before = spool.counts().syncs;
            case.rounds.push(runtime.block_on(appends(&spool, &numbers, case.writers))?);
            case.syncs += spool.counts().syncs - before;
        }
    }
    for case in &cases {
        case.report()?;
    }
    runtime.block_on(spool.close());
    Ok(())
}

impl Case {
    fn report(&self) -> Result<()> {
        let Self { writers, bare, rounds, syncs } = self;
        measure::report(&format!("bare write + fdatasync, {writers} records at once"), bare, None)?;
        measure::report(&format!("durable append, {writers} writers"), rounds, Some(bare))?;
        let ((wall, _), (bare_wall, _)) = (measure::middle(rounds), measure::middle(bare));
        let records = writers * APPENDS_EACH * u64::try_from(rounds.len())?;
        writeln!(
            std::io::stdout(),
            "    {:.2}x the bare loop's rate; {:.1} records share a sync",
            bare_wall.as_secs_f64() / wall.as_secs_f64(),
            records as f64 / *syncs as f64
        )
        .context("printing")
    }
}

/// Appends to one file that grows, as the log does.
fn bare(file: &mut File, at_once: u64, bytes: u64) -> Result<Rate> {
    let bytes = vec![b'x'; usize::try_from(bytes)?];
    let measured = measure::Measured::start();
    for _ in 0..APPENDS_EACH {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    Ok(measured.rate(APPENDS_EACH * at_once))
}

async fn appends(spool: &Spool, numbers: &Arc<AtomicU64>, writers: u64) -> Result<Rate> {
    let content = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    let measured = measure::Measured::start();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (spool, numbers, content) = (spool.clone(), Arc::clone(numbers), content.clone());
        tasks.spawn(async move {
            for _ in 0..APPENDS_EACH {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                spool.accept(vec![entry(number, content.clone())]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a writer died")??;
    }
    Ok(measured.rate(writers * APPENDS_EACH))
}

/// An entry that nobody leases while it is measured.
fn entry(number: u64, content: Bytes) -> NewEntry {
    let now = Timestamp(1);
    NewEntry {
        id: QueueId::from_number(u128::from(number)),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: now,
        facts: None,
        tenant: "b".to_owned(),
        envelope: Envelope::default(),
        content: vec![ContentPiece::Inline(content)],
        variables: Variables::default(),
        scores: Scores::default(),
        stage: StagePointer::at(StageName::Submission),
        due: Timestamp(u64::MAX),
        state: EntryState::Active,
    }
}
