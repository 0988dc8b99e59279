//! Write amplification: how many bytes the log costs for each byte that callers had recorded, when one entry in a hundred
//! stays for five days under steady traffic, and how often such an entry was copied.
//!
//! The five days are a number of entries that arrive in them, so days take seconds. All others are delivered at once; the
//! old ones are attempted on the way, ever more rarely, and are done when the five days are over. Run it with
//! `cargo bench -p spool --bench compaction`. It fails above its gates.

use std::io::Write;

use bytes::Bytes;
use smtp::Timestamp;
use spool::{Attempt, ContentPiece, Done, NewEntry, Settings, Spool};

mod load;

/// Entries that arrive in five days.
const FIVE_DAYS: u64 = 60_000;
/// Of which one in so many stays.
const OLD_EVERY: u64 = 100;
/// After three times five days, what is measured repeats itself.
const ENTRIES: u64 = 3 * FIVE_DAYS;
/// Entries that arrive at once.
const AT_ONCE: u64 = 64;
const MESSAGE_BYTES: usize = 4096;
/// Small, so that five days are some hundred segments, as they are on a busy server.
const SEGMENT_BYTES: u64 = 2 << 20;

/// Bytes written for each byte that callers had recorded.
const AMPLIFICATION_MAX: f64 = 1.1;
/// Bytes that compaction wrote for each byte of the entries that stay: their content twice, and their state after attempts.
const COPIED_BYTES_MAX: f64 = 4.0;

fn main() -> std::io::Result<()> {
    let folder = load::folder("compaction")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let settings = Settings { segment_bytes_max: SEGMENT_BYTES, ..Settings::new(&folder) };
    let (spool, _) = runtime.block_on(Spool::open(settings)).map_err(std::io::Error::other)?;
    let mut log_bytes_max = 0;
    let mut arrived = 0;
    while arrived < ENTRIES {
        runtime.block_on(round(&spool, arrived)).map_err(std::io::Error::other)?;
        arrived += AT_ONCE;
        log_bytes_max = log_bytes_max.max(spool.counts().log_bytes);
    }
    let counts = spool.counts();
    let asked = counts.record_bytes;
    let amplification = ratio(asked + counts.kept_bytes, asked);
    let old = ENTRIES / OLD_EVERY;
    let copies = ratio(counts.copied, old);
    let copied_bytes = ratio(counts.kept_bytes, old * u64::try_from(MESSAGE_BYTES).unwrap_or(0));
    let mut out = std::io::stdout();
    writeln!(out, "bytes that callers had recorded             {asked:>14}")?;
    writeln!(
        out,
        "bytes written / bytes recorded              {amplification:>14.3}  (gate {AMPLIFICATION_MAX})"
    )?;
    writeln!(out, "copies of an old entry, attempts included    {copies:>13.2}")?;
    writeln!(
        out,
        "bytes of copies / bytes of old messages      {copied_bytes:>13.2}  (gate {COPIED_BYTES_MAX})"
    )?;
    writeln!(
        out,
        "largest log / what was needed at the end    {:>14.2}",
        ratio(log_bytes_max, counts.needed_bytes)
    )?;
    writeln!(out, "segments at the end                         {:>14}", counts.segments)?;
    runtime.block_on(spool.close());
    std::fs::remove_dir_all(folder)?;
    let amplification = load::missed("write amplification", amplification, AMPLIFICATION_MAX);
    load::gates(amplification.into_iter().chain(load::missed("copied bytes", copied_bytes, COPIED_BYTES_MAX)))
}

/// Some entries arrive, and whatever is due is worked on.
async fn round(spool: &Spool, arrived: u64) -> Result<(), spool::CommitError> {
    let now = Timestamp(arrived);
    let mut tasks = tokio::task::JoinSet::new();
    for number in arrived..arrived + AT_ONCE {
        let content = vec![ContentPiece::Inline(Bytes::from(vec![b'x'; MESSAGE_BYTES]))];
        let new = NewEntry { arrived: now, due: now, ..load::entry(number, content) };
        let spool = spool.clone();
        tasks.spawn(async move { spool.accept(vec![new]).await });
    }
    while let Some(accepted) = tasks.join_next().await {
        accepted.map_err(|_| spool::CommitError::Closed)??;
    }
    while let Some(mut lease) = spool.lease(now) {
        let spool = spool.clone();
        tasks.spawn(async move {
            let age = now.0.saturating_sub(lease.arrived.0);
            let old = u64::try_from(lease.id.number()).unwrap_or(0).is_multiple_of(OLD_EVERY);
            if !old || age >= FIVE_DAYS {
                return spool.record_done(&mut lease, Done::default()).await;
            }
            let due = Timestamp(lease.arrived.0.saturating_add((age * 2).clamp(FIVE_DAYS / 256, FIVE_DAYS)));
            spool.record_attempt(&mut lease, Attempt { outcomes: Vec::new(), due, outbox: Vec::new() }).await
        });
    }
    while let Some(worked) = tasks.join_next().await {
        worked.map_err(|_| spool::CommitError::Closed)??;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}
