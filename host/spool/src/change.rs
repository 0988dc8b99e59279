//! What a call wants recorded, laid out as one record and as the change of memory that follows it.

use std::sync::Arc;

use bytes::Bytes;

use crate::body::BodyFile;
use crate::content::{ContentPiece, Layout};
use crate::entry::{Attempt, Done, Entry, NewEntry, QueueId, Stage};
use crate::error::CommitError;
use crate::record::{Draft, Kind, Metadata};
use crate::settings::Settings;

/// A record and its consequences.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) draft: Draft,
    pub(crate) metadata: Metadata,
    /// The leased entry that it is about, if it is about one.
    pub(crate) subject: Option<QueueId>,
    /// Body files that entries will refer to.
    pub(crate) files: Vec<Arc<BodyFile>>,
}

impl Change {
    pub(crate) fn accept(entries: Vec<NewEntry>, settings: &Settings) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Accept);
        plan.outbox(entries, None)?;
        plan.finish(settings)
    }

    /// An entry that was elsewhere, as it was there.
    pub(crate) fn restore(
        entry: Entry,
        content: Vec<ContentPiece>,
        settings: &Settings,
    ) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Accept);
        let content = plan.layout.place(content, None)?;
        plan.entries.push(Arc::new(Entry { content, ..entry }));
        plan.finish(settings)
    }

    pub(crate) fn stage(entry: &Entry, mut stage: Stage, settings: &Settings) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Stage);
        plan.subject = Some(entry.id);
        plan.outbox(std::mem::take(&mut stage.outbox), Some(entry))?;
        let mut next = entry.staged(&stage);
        if let Some(pieces) = stage.content {
            next.content = plan.layout.place(pieces, Some(&entry.content))?;
            next.version = next.version.saturating_add(1);
        }
        plan.entries.push(Arc::new(next));
        plan.finish(settings)
    }

    pub(crate) fn attempt(
        entry: &Entry,
        mut attempt: Attempt,
        settings: &Settings,
    ) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Attempt);
        plan.subject = Some(entry.id);
        plan.outbox(std::mem::take(&mut attempt.outbox), Some(entry))?;
        plan.entries.push(Arc::new(entry.attempted(&attempt)));
        plan.finish(settings)
    }

    pub(crate) fn done(entry: &Entry, done: Done, settings: &Settings) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Done);
        plan.subject = Some(entry.id);
        plan.outbox(done.outbox, Some(entry))?;
        plan.done.push(entry.id);
        plan.finish(settings)
    }

    /// Entries that it brings into the spool; they must not be there yet.
    pub(crate) fn brings(&self) -> impl Iterator<Item = QueueId> {
        // The subject comes behind the outbox, unless it ends.
        let subject = matches!(self.draft.kind, Kind::Stage | Kind::Attempt);
        let count = self.metadata.entries.len().saturating_sub(usize::from(subject));
        self.metadata.entries.iter().take(count).map(|entry| entry.id)
    }

    /// The end of an entry of which only the name is known.
    pub(crate) fn delete(id: QueueId, settings: &Settings) -> Result<Self, CommitError> {
        let mut plan = Plan::new(Kind::Done);
        plan.subject = Some(id);
        plan.done.push(id);
        plan.finish(settings)
    }
}

struct Plan {
    kind: Kind,
    layout: Layout,
    subject: Option<QueueId>,
    done: Vec<QueueId>,
    /// The outbox comes first: what it refers to is needed before the subject needs it no more.
    entries: Vec<Arc<Entry>>,
}

impl Plan {
    fn new(kind: Kind) -> Self {
        Self { kind, layout: Layout::default(), subject: None, done: Vec::new(), entries: Vec::new() }
    }

    fn outbox(&mut self, entries: Vec<NewEntry>, original: Option<&Entry>) -> Result<(), CommitError> {
        for mut new in entries {
            let pieces = std::mem::take(&mut new.content);
            let content = self.layout.place(pieces, original.map(|entry| &entry.content))?;
            self.entries.push(Arc::new(new.into_entry(content)));
        }
        Ok(())
    }

    fn finish(self, settings: &Settings) -> Result<Change, CommitError> {
        if self.entries.len() > settings.record_entries_max {
            return Err(CommitError::TooLarge("record_entries_max"));
        }
        let bytes_max = u64::try_from(settings.record_bytes_max).unwrap_or(u64::MAX);
        if self.layout.length() > bytes_max {
            return Err(CommitError::TooLarge("record_bytes_max"));
        }
        let metadata = Metadata { done: self.done, entries: self.entries };
        let (body, files): (Vec<Bytes>, _) = self.layout.finish();
        let draft =
            Draft::of_entries(self.kind, &metadata, body).ok_or(CommitError::TooLarge("record_bytes_max"))?;
        if draft.length() > bytes_max {
            return Err(CommitError::TooLarge("record_bytes_max"));
        }
        Ok(Change { draft, metadata, subject: self.subject, files })
    }
}
