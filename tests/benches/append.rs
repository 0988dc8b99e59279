//! One durable append of 4 KiB beside a bare write and fdatasync, alone and with 20 writers at once.
//!
//! The bare baseline of 20 writers writes what they bring in one go and syncs once: the best that grouping can do.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use smtp::{Envelope, Timestamp};
use spool::{
    ContentPiece, EntryState, Ingress, NewEntry, QueueId, Scores, Settings, Spool, StageName, StagePointer,
    Variables,
};
use tests::measure::{self, Rate};

const MESSAGE_BYTES: usize = 4096;
const ROUNDS: usize = 5;
const APPENDS: u64 = 2000;
const WRITERS: u64 = 20;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let settings = Settings::new(folder.path().join("spool"));
    let (spool, _) = runtime.block_on(Spool::open(settings))?;
    let numbers = Arc::new(AtomicU64::new(0));
    let mut alone = Vec::new();
    let mut bare_alone = Vec::new();
    let mut grouped = Vec::new();
    let mut bare_grouped = Vec::new();
    for _ in 0..ROUNDS {
        bare_alone.push(bare(folder.path(), 1)?);
        alone.push(runtime.block_on(appends(&spool, &numbers, 1))?);
        bare_grouped.push(bare(folder.path(), WRITERS)?);
        grouped.push(runtime.block_on(appends(&spool, &numbers, WRITERS))?);
    }
    measure::report("bare write + fdatasync, alone", &bare_alone, None)?;
    measure::report("durable append, alone", &alone, Some(&bare_alone))?;
    measure::report("bare write + fdatasync, 20 at once", &bare_grouped, None)?;
    measure::report("durable append, 20 writers", &grouped, Some(&bare_grouped))?;
    runtime.block_on(spool.close());
    Ok(())
}

fn bare(folder: &Path, at_once: u64) -> Result<Rate> {
    let mut file = File::create(folder.join("bare"))?;
    let bytes = vec![b'x'; MESSAGE_BYTES * usize::try_from(at_once)?];
    let measured = measure::Measured::start();
    for _ in 0..APPENDS / at_once {
        file.write_all(&bytes)?;
        file.sync_data()?;
    }
    Ok(measured.rate(APPENDS))
}

async fn appends(spool: &Spool, numbers: &Arc<AtomicU64>, writers: u64) -> Result<Rate> {
    let content = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
    let measured = measure::Measured::start();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..writers {
        let (spool, numbers, content) = (spool.clone(), Arc::clone(numbers), content.clone());
        tasks.spawn(async move {
            for _ in 0..APPENDS / writers {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                spool.accept(vec![entry(number, content.clone())]).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a writer died")??;
    }
    Ok(measured.rate(APPENDS))
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
