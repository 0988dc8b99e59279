//! `sluice spool import`: from files to a spool. Each entry is durable as it was, once, and a file that is no good keeps no
//! other one out.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures_util::future::join_all;
use spool::{CommitError, ContentPiece, Entry, QueueId, READ_BYTES, Spool};

use super::envelope::{Envelope, Files, Sum, block};
use super::outcome::Outcome;

/// Entries that become durable together: enough that a sync costs little for each.
const BATCH_ENTRIES: usize = 256;
/// Bytes of their messages, after which a batch takes no further one: small ones stay in memory until they are durable. As
/// much as the spool writes at once (`batch_bytes_max`).
const BATCH_BYTES: u64 = 16 << 20;

/// Takes every entry of a folder into a spool.
///
/// # Errors
/// When the folder can't be read, or the spool takes nothing more; what is wrong with single entries is told and counted.
pub(super) async fn import(spool: &Spool, folder: &Path) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let ids = list(folder, &mut outcome)?;
    let (mut batch, mut bytes) = (Vec::new(), 0_u64);
    for (at, id) in ids.iter().enumerate() {
        outcome.tell(at, ids.len());
        match read(spool, folder, *id).await {
            Ok(Some(ready)) => {
                bytes = bytes.saturating_add(ready.bytes);
                batch.push(ready);
            }
            Ok(None) => outcome.there = outcome.there.saturating_add(1),
            Err(error) => outcome.fail(&format!("{id}: {error:#}")),
        }
        if batch.len() >= BATCH_ENTRIES || bytes >= BATCH_BYTES {
            accept(spool, std::mem::take(&mut batch), &mut outcome).await?;
            bytes = 0;
        }
    }
    accept(spool, batch, &mut outcome).await?;
    Ok(outcome)
}

/// An entry whose content was read.
struct Ready {
    entry: Entry,
    content: Vec<ContentPiece>,
    bytes: u64,
}

/// Makes a batch durable, with as few syncs as the spool needs.
async fn accept(spool: &Spool, batch: Vec<Ready>, outcome: &mut Outcome) -> anyhow::Result<()> {
    let restored = batch.into_iter().map(async |Ready { entry, content, .. }| {
        let id = entry.id;
        (id, spool.restore(entry, content).await)
    });
    for (id, restored) in join_all(restored).await {
        match restored {
            Ok(()) => outcome.done = outcome.done.saturating_add(1),
            Err(
                error @ (CommitError::Poisoned | CommitError::Full | CommitError::Busy | CommitError::Closed),
            ) => {
                let done = outcome.done;
                return Err(error).with_context(|| {
                    format!("{id} was not imported, {done} others were; the same command goes on from there")
                });
            }
            Err(error @ (CommitError::TooLarge(_) | CommitError::Exists(_) | CommitError::Piece)) => {
                outcome.fail(&format!("{id}: {error}"));
            }
        }
    }
    Ok(())
}

/// The entries of a folder, by their envelopes.
fn list(folder: &Path, outcome: &mut Outcome) -> anyhow::Result<BTreeSet<QueueId>> {
    let unusable = || format!("{} cannot be read", folder.display());
    let mut envelopes = BTreeSet::new();
    let mut messages = BTreeSet::new();
    for found in std::fs::read_dir(folder).with_context(unusable)? {
        let path = found.with_context(unusable)?.path();
        let into = match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => &mut envelopes,
            Some("eml") => &mut messages,
            _ => continue,
        };
        // One spelling of each id: an id in small letters names no file of an export.
        let id = path.file_stem().and_then(|stem| {
            let id: QueueId = stem.to_str()?.parse().ok()?;
            (*id.to_string() == *stem).then_some(id)
        });
        match id {
            Some(id) => drop(into.insert(id)),
            None => outcome.fail(&format!("{}: the name is no entry's id", path.display())),
        }
    }
    for id in messages.difference(&envelopes) {
        outcome.fail(&format!("{id}: there is a message but no envelope {id}.json"));
    }
    Ok(envelopes)
}

/// Reads an entry and stores its content; none if the very same entry is in the spool.
async fn read(spool: &Spool, folder: &Path, id: QueueId) -> anyhow::Result<Option<Ready>> {
    let files = Files::of(folder, id);
    let envelope = Envelope::read(&files.envelope, id)?;
    if spool.summary(id).is_some() {
        return same(spool, &envelope).await.map(|()| None);
    }
    let unreadable = || format!("{} cannot be read", files.message.display());
    let mut message = File::open(&files.message).with_context(unreadable)?;
    let mut body = spool.body();
    let mut sum = Sum::default();
    loop {
        let bytes = block(&mut message).with_context(unreadable)?;
        if bytes.is_empty() {
            break;
        }
        sum.add(&bytes);
        body.append(Bytes::from(bytes)).await?;
    }
    let Envelope { entry, content } = envelope;
    let found = sum.facts();
    ensure!(
        found == content,
        "{} is not the message that was exported: it has {} bytes and the sum {}, its envelope says {} and {}",
        files.message.display(),
        found.bytes,
        found.crc32,
        content.bytes,
        content.crc32
    );
    let body = body.finish().await?;
    Ok(Some(Ready { entry, content: vec![body.piece(0..body.size())], bytes: found.bytes }))
}

/// Whether the entry in the spool is the same to the last byte.
async fn same(spool: &Spool, wanted: &Envelope) -> anyhow::Result<()> {
    let entry = spool.entry(wanted.entry.id)?;
    let (size, mut at) = (entry.content.size(), 0);
    let mut sum = Sum::default();
    while at < size {
        let end = size.min(at.saturating_add(READ_BYTES));
        sum.add(&spool.read(&entry.content, at..end).await?);
        at = end;
    }
    // As text: a score that is no number is not equal to itself.
    if (Envelope { entry, content: sum.facts() }).to_text()? != wanted.to_text()? {
        bail!("an entry of that id is in the spool and is not the same; it is left as it is");
    }
    Ok(())
}
