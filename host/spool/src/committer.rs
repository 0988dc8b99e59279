//! The committer: one thread that makes what concurrent callers want recorded durable, one sync for all of them.
//!
//! While a sync runs, callers queue; when it ends, all that queued and those who are about to come back ([`crate::company`])
//! are the next batch: one gathered write, one fdatasync. Then memory is changed, and only then is anyone answered, by one
//! task for all ([`crate::request`]). The queue is bounded in records and bytes, so callers of a slow disk wait instead of
//! growing it. A write or sync that fails poisons the log: from then on every answer is [`CommitError::Poisoned`], because
//! after a failed fsync nobody knows what is on disk. Only a full disk is harmless: what was written of the batch is cut off
//! again, and the next batch may find room.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError::{Disconnected, Empty};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::body::unlink_later;
use crate::change::Change;
use crate::compact::Cleaning;
use crate::company::Company;
use crate::disk::Lock;
use crate::entry::{Entry, QueueId};
use crate::error::{CommitError, is_full};
use crate::outline::Outline;
use crate::queue::Queue;
use crate::record::{Draft, SealReason};
use crate::request::{Message, Request, Subject, Verdict};
use crate::reserve::Reserve;
use crate::segment::{Location, SegmentWriter};
use crate::shared::Shared;

/// Records that are durable.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Number of the first one.
    pub(crate) first: u64,
    pub(crate) locations: Vec<Location>,
}

/// The only writer of the log.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: SegmentWriter,
    /// Number of the next record.
    pub(crate) next: u64,
    pub(crate) spool: u64,
    pub(crate) cleaning: Cleaning,
    pub(crate) company: Company,
    pub(crate) reserve: Reserve,
    pub(crate) runtime: Handle,
    /// Goes with the committer: when nothing more can be written.
    #[expect(dead_code, reason = "held for what its drop does")]
    pub(crate) lock: Box<dyn Lock>,
}

impl Committer {
    /// Runs until the channel is closed and empty.
    pub(crate) fn run(mut self, mut queue: Receiver<Message>) {
        let runtime = self.runtime.clone();
        let _entered = runtime.enter();
        let mut closing = Vec::new();
        self.fill_reserve();
        loop {
            let first =
                if self.has_work() { queue.try_recv() } else { queue.blocking_recv().ok_or(Disconnected) };
            let first = match first {
                Ok(first) => first,
                Err(Empty) => {
                    self.tend();
                    continue;
                }
                Err(Disconnected) => break,
            };
            self.await_company(&queue);
            let batch = self.gather(first, &mut queue, &mut closing);
            let (callers, began) = (batch.len(), Instant::now());
            let verdict = self.commit(batch);
            // Before they are told: who comes back at once is no further caller.
            self.company.answered(callers, queue.len(), began.elapsed());
            verdict.tell(&self.runtime);
            self.tend();
        }
        // A log without it reads as after a crash: the start finds the same.
        let _ = self.seal(SealReason::Closed);
        drop(self);
        for answer in closing {
            // Whoever closed may not wait for it.
            let _ = answer.send(());
        }
    }

    /// Lets those who are about to come back queue behind the first.
    fn await_company(&mut self, queue: &Receiver<Message>) {
        let here = || queue.len().saturating_add(1);
        let before = here();
        let Some(wait) = self.company.wait(before) else { return };
        let until = Instant::now() + wait.at_most;
        loop {
            let missing = wait.callers.saturating_sub(here());
            let left = until.saturating_duration_since(Instant::now());
            if missing == 0 || left.is_zero() {
                break;
            }
            self.shared.bell.set(missing);
            // Whoever came between the count and the bell did not ring it.
            if here().saturating_add(missing) == wait.callers {
                std::thread::park_timeout(left);
            }
        }
        self.company.waited(before, here());
    }

    /// All that queued while the last sync ran, up to the size of a batch.
    fn gather(
        &self,
        first: Message,
        queue: &mut Receiver<Message>,
        closing: &mut Vec<oneshot::Sender<()>>,
    ) -> Vec<Request> {
        let mut batch = Vec::with_capacity(queue.len().saturating_add(1));
        let mut bytes = 0_u64;
        let mut message = Some(first);
        while let Some(next) = message {
            match next {
                Message::Commit(request) => {
                    bytes = bytes.saturating_add(request.change.draft.length());
                    batch.push(request);
                }
                Message::Close(answer) => {
                    queue.close();
                    closing.push(answer);
                }
            }
            message = if bytes < self.shared.settings.batch_bytes_max { queue.try_recv().ok() } else { None };
        }
        batch
    }

    fn commit(&mut self, batch: Vec<Request>) -> Verdict {
        let batch = self.make_room(batch);
        let mut batch = self.admit(batch);
        let mut spent = Vec::new();
        let outcome = self.record(&mut batch, &mut spent);
        Verdict { batch, outcome, spent }
    }

    /// Refuses what would bring an entry that is there already, in the place of which it would come. Decided here, where
    /// all that comes first is known: two callers may bring the same id at once.
    fn admit(&self, batch: Vec<Request>) -> Vec<Request> {
        let mut brought = HashSet::with_capacity(batch.len());
        let known: Vec<Option<QueueId>> = {
            let queue = self.shared.queue();
            batch.iter().map(|request| first_known(&queue, &mut brought, &request.change)).collect()
        };
        let mut admitted = Vec::with_capacity(batch.len());
        for (request, known) in batch.into_iter().zip(known) {
            let Some(known) = known else {
                admitted.push(request);
                continue;
            };
            let error = CommitError::Exists(known);
            self.refuse([request.change.as_ref()], &error);
            request.refuse(error);
        }
        admitted
    }

    /// Makes changes durable, then true in memory. The answer is the subject of each as it is now.
    fn record(
        &mut self,
        batch: &mut [Request],
        spent: &mut Vec<Arc<Entry>>,
    ) -> Result<Vec<Subject>, CommitError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let stored = if self.shared.is_poisoned() {
            Err(CommitError::Poisoned)
        } else {
            self.store(batch.iter().map(|request| &request.change.draft))
        };
        match stored {
            Ok(stored) => Ok(self.apply(batch, &stored, spent)),
            Err(error) => {
                self.refuse(batch.iter().map(|request| request.change.as_ref()), &error);
                Err(error)
            }
        }
    }

    /// One gathered write, one sync.
    pub(crate) fn store<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Draft> + Clone,
    ) -> Result<Stored, CommitError> {
        let bytes: u64 = records.clone().map(Draft::length).sum();
        match self.rotate_before(bytes) {
            // Then the old segment grows past its size, into its reserve: a record of delivery must not be refused for that.
            Ok(()) | Err(CommitError::Full) => {}
            Err(error) => return Err(error),
        }
        // Only now: a rotation takes a number for its seal.
        let first = self.next;
        let locations = match self.writer.append(records.clone(), first) {
            Ok(locations) => locations,
            Err(error) if is_full(&error) && self.cut().is_ok() => {
                tracing::warn!(%error, "the spool's disk is full");
                return Err(CommitError::Full);
            }
            Err(error) => return Err(self.poison("write", &error)),
        };
        if let Err(error) = self.writer.sync(bytes) {
            return Err(self.poison("sync", &error));
        }
        records.for_each(|draft| self.writer.index.push(draft));
        let count = u64::try_from(locations.len()).unwrap_or(0);
        self.next = self.next.saturating_add(count);
        self.shared.tally.records.fetch_add(count, Ordering::Relaxed);
        self.shared.tally.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shared.tally.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(Stored { first, locations })
    }

    pub(crate) fn poison(&self, what: &'static str, error: &io::Error) -> CommitError {
        self.shared.poisoned.store(true, Ordering::Release);
        self.shared.changed.notify_waiters();
        tracing::error!(%error, what, "the spool is poisoned: nothing is acknowledged until a restart");
        CommitError::Poisoned
    }

    fn apply(&self, batch: &mut [Request], stored: &Stored, spent: &mut Vec<Arc<Entry>>) -> Vec<Subject> {
        let cache_bytes_max = self.shared.settings.cache_bytes_max;
        let mut subjects = Vec::with_capacity(batch.len());
        let mut freed = Vec::new();
        // Ends alone make nothing due, so they wake nobody.
        let may_be_due = batch.iter().any(|request| !request.change.metadata.entries.is_empty());
        let mut queue = self.shared.queue();
        for ((request, location), number) in batch.iter_mut().zip(&stored.locations).zip(stored.first..) {
            let Change { draft, metadata, subject, files } = &mut *request.change;
            files.iter().for_each(|file| file.keep());
            queue.needs.add_record(location);
            let metadata_cost = draft.metadata_bytes() / metadata.entries.len().max(1);
            let mut found = None;
            for mut entry in std::mem::take(&mut metadata.entries) {
                Arc::make_mut(&mut entry).content.number(number);
                if *subject == Some(entry.id) {
                    found = Some(entry.clone());
                }
                let cost = metadata_cost.saturating_add(entry.content.cached_bytes());
                freed.extend(queue.put(&Outline::of(&entry), number, *location));
                queue.cache(entry, cost);
            }
            metadata.done.iter().for_each(|id| freed.extend(queue.remove(*id)));
            subject.iter().for_each(|id| queue.end_record(*id));
            subjects.push(found);
        }
        queue.trim_cache(cache_bytes_max, spent);
        drop(queue);
        if may_be_due {
            self.shared.changed.notify_waiters();
        }
        for name in freed {
            unlink_later(self.shared.disk.clone(), self.shared.body_path(name));
        }
        subjects
    }

    /// Nothing was recorded. What happened meanwhile outside (a delivery) cannot be undone, so its entry waits a moment
    /// before anyone may lease it again, instead of being delivered over and over on a full disk.
    pub(crate) fn refuse<'a>(&self, changes: impl IntoIterator<Item = &'a Change>, error: &CommitError) {
        let mut queue = self.shared.queue();
        for change in changes {
            if *error == CommitError::Poisoned {
                // The record may be on disk after all; the next start needs its bodies, or removes them as orphans.
                change.files.iter().for_each(|file| file.keep());
            }
            if let Some(subject) = change.subject {
                queue.postpone(subject, REFUSED_WAIT_MILLISECONDS);
                queue.end_record(subject);
            }
        }
    }

    /// Tells whoever waits that an entry may be leased again.
    pub(crate) fn give_back(&self, id: QueueId) {
        self.shared.queue().release(id);
        self.shared.changed.notify_waiters();
    }
}

/// The first entry that a change brings though it is there; a change that brings none such is noted as coming.
fn first_known(queue: &Queue, brought: &mut HashSet<QueueId>, change: &Change) -> Option<QueueId> {
    for (count, id) in change.brings().enumerate() {
        if queue.contains(id) || !brought.insert(id) {
            // None of it comes, so others may bring the rest.
            for id in change.brings().take(count) {
                brought.remove(&id);
            }
            return Some(id);
        }
    }
    None
}

/// Ten seconds: a full disk is noticed to have room again within that time.
pub(crate) const REFUSED_WAIT_MILLISECONDS: u64 = 10_000;
