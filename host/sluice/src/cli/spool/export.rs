//! `sluice spool export`: from a spool to files. Each file is complete and durable when it has its name, and none is overwritten.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use spool::{Entry, EntryState, QueueId, READ_BYTES, ReadError, Survey};
use tempfile::NamedTempFile;

use super::envelope::{ContentFacts, Envelope, Files, Sum, block};
use super::outcome::Outcome;

/// Which entries.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// These; all where none is named.
    pub(super) ids: Vec<QueueId>,
    /// Of this tenant.
    pub(super) tenant: Option<String>,
    /// In this state.
    pub(super) state: Option<State>,
}

/// A state of an entry, as an operator asks for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(in crate::cli) enum State {
    /// Moving.
    Active,
    /// Set aside by a sink.
    Quarantined,
    /// Held by the host or an operator.
    Held,
}

/// Entries between two syncs of the folder: enough that they cost little beside those of the files.
const SYNC_ENTRIES: usize = 256;

/// Writes what the filter lets through into a folder, which is made if it is not there.
///
/// # Errors
/// When the folder can't be used; what is wrong with single entries is told and counted.
pub(super) fn export(survey: &Survey, folder: &Path, filter: &Filter) -> anyhow::Result<Outcome> {
    let unusable = || format!("{} cannot be used", folder.display());
    std::fs::create_dir_all(folder).with_context(unusable)?;
    let mut outcome = Outcome::default();
    let mut ids: BTreeSet<QueueId> = survey.ids().into_iter().collect();
    if !filter.ids.is_empty() {
        let wanted: BTreeSet<QueueId> = filter.ids.iter().copied().collect();
        for id in wanted.difference(&ids) {
            outcome.fail(&format!("{id}: there is no such entry"));
        }
        ids.retain(|id| wanted.contains(id));
    }
    for (at, id) in ids.iter().enumerate() {
        outcome.tell(at, ids.len());
        if at.is_multiple_of(SYNC_ENTRIES) {
            sync(folder).with_context(unusable)?;
        }
        match write_entry(survey, folder, *id, filter) {
            Ok(Wrote::New) => outcome.done = outcome.done.saturating_add(1),
            Ok(Wrote::WasThere) => outcome.there = outcome.there.saturating_add(1),
            Ok(Wrote::Filtered) => {}
            Err(error) => outcome.fail(&format!("{id}: {error:#}")),
        }
    }
    sync(folder).with_context(unusable)?;
    Ok(outcome)
}

enum Wrote {
    New,
    WasThere,
    Filtered,
}

fn write_entry(survey: &Survey, folder: &Path, id: QueueId, filter: &Filter) -> anyhow::Result<Wrote> {
    let entry = survey.entry(id).map_err(lost)?;
    if !filter.lets_through(&entry) {
        return Ok(Wrote::Filtered);
    }
    let Files { message, envelope } = Files::of(folder, id);
    let mut file = NamedTempFile::new_in(folder)?;
    let content = copy(survey, &entry, &mut file).with_context(|| whose(&entry))?;
    let text = Envelope { entry, content }.to_text()?;
    // A message alone is of an export that was interrupted before the envelope.
    let written = place(file, &message, |found| Ok(sum_of(found)? == content))?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let same = |found: &Path| Ok(std::fs::read(found)? == text.as_bytes());
    Ok(match (written, place(file, &envelope, same)?) {
        (Wrote::WasThere, Wrote::WasThere) => Wrote::WasThere,
        _ => Wrote::New,
    })
}

/// Writes a content out and sums it.
fn copy(survey: &Survey, entry: &Entry, out: &mut NamedTempFile) -> anyhow::Result<ContentFacts> {
    let (size, mut at) = (entry.content.size(), 0);
    let mut sum = Sum::default();
    while at < size {
        let end = size.min(at.saturating_add(READ_BYTES));
        let bytes = survey.read(entry, &(at..end)).map_err(lost)?;
        sum.add(&bytes);
        out.write_all(&bytes)?;
        at = end;
    }
    Ok(sum.facts())
}

/// Makes a file durable and gives it its name, unless the same is there already.
fn place(
    file: NamedTempFile,
    path: &Path,
    same: impl Fn(&Path) -> io::Result<bool>,
) -> anyhow::Result<Wrote> {
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(Wrote::New),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let same = same(path).with_context(|| path.display().to_string())?;
            ensure!(same, "{} is there and is not the same; it is left as it is", path.display());
            Ok(Wrote::WasThere)
        }
        Err(error) => Err(error.error).with_context(|| path.display().to_string()),
    }
}

fn sum_of(path: &Path) -> io::Result<ContentFacts> {
    let mut file = File::open(path)?;
    let mut sum = Sum::default();
    loop {
        let bytes = block(&mut file)?;
        if bytes.is_empty() {
            return Ok(sum.facts());
        }
        sum.add(&bytes);
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn lost(error: ReadError) -> anyhow::Error {
    match error {
        ReadError::Gone => anyhow::anyhow!("a record that it needs is missing or damaged"),
        other => other.into(),
    }
}

/// Whom an operator may have to tell of a loss.
fn whose(entry: &Entry) -> String {
    let from = match &entry.envelope.reverse_path {
        smtp::ReversePath::Null => "<>".to_owned(),
        smtp::ReversePath::Mailbox(mailbox) => format!("<{mailbox}>"),
    };
    let recipients = entry.envelope.recipients.iter().map(|recipient| format!("<{}>", recipient.address));
    format!("from {from} to {}", recipients.collect::<Vec<_>>().join(" "))
}

impl Filter {
    fn lets_through(&self, entry: &Entry) -> bool {
        let state = match entry.state {
            EntryState::Active => State::Active,
            EntryState::Quarantined { .. } => State::Quarantined,
            EntryState::Held { .. } => State::Held,
        };
        self.tenant.as_ref().is_none_or(|tenant| *tenant == entry.tenant)
            && self.state.is_none_or(|wanted| wanted == state)
    }
}
