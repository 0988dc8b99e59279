//! The handle: everything that others may do with a spool.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::Thread;

use bytes::Bytes;
use message::{Content, Piece};
use smtp::Timestamp;
use tokio::sync::mpsc::Permit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::body::BodyWriter;
use crate::change::Change;
use crate::committer::Committer;
use crate::compact::Cleaning;
use crate::company::Company;
use crate::content::{ContentPiece, StoredContent};
use crate::counts::{Counts, Summary, TenantCounts};
use crate::disk::{Disk, Space, SystemDisk};
use crate::entry::{Attempt, Done, Entry, NewEntry, QueueId, Stage};
use crate::error::{AcceptError, CommitError, OpenError, ReadError, RecordError};
use crate::lease::{Lease, Taken};
use crate::load;
use crate::recover::{self, Recovered};
use crate::recovery::Recovery;
use crate::request::{self, Message, Request};
use crate::reserve::Reserve;
use crate::settings::Settings;
use crate::shared::Shared;

/// Accepted mail at rest. A clone is the same spool.
#[derive(Debug, Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    committer: mpsc::Sender<Message>,
    /// The committer's, to wake it.
    thread: Thread,
    /// The queue's bytes, in units of [`ROOM_UNIT`].
    room: Arc<Semaphore>,
}

/// What [`Spool::delete`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The entry is gone.
    Yes,
    /// It is not there, or leased.
    No,
}

impl Spool {
    /// Opens the spool of a directory, or makes one, on the system's disk.
    ///
    /// # Errors
    /// When another server has it, when it cannot be used, or when acknowledged mail in it is damaged.
    pub async fn open(settings: Settings) -> Result<(Self, Recovery), OpenError> {
        Self::open_on(settings, Arc::new(SystemDisk)).await
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub async fn open_on(settings: Settings, disk: Arc<dyn Disk>) -> Result<(Self, Recovery), OpenError> {
        let runtime = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || recover::recover(settings, disk));
        let recovered = opening.await.map_err(|error| OpenError::Thread(io::Error::other(error)))??;
        let Recovered { shared, writer, next, kept_next, spool, lock, recovery } = recovered;
        let (sender, receiver) = mpsc::channel(shared.settings.commit_queue_max.max(1));
        let units = shared.settings.commit_queue_bytes_max / ROOM_UNIT;
        let room = Arc::new(Semaphore::new(units.clamp(1, Semaphore::MAX_PERMITS)));
        let committer = Committer {
            shared: shared.clone(),
            writer,
            next,
            spool,
            cleaning: Cleaning::new(kept_next),
            company: Company::default(),
            reserve: Reserve::default(),
            runtime,
            lock,
        };
        let thread = std::thread::Builder::new().name("spool-committer".to_owned());
        let thread = thread.spawn(move || committer.run(receiver)).map_err(OpenError::Thread)?;
        let thread = thread.thread().clone();
        Ok((Self { shared, committer: sender, thread, room }, recovery))
    }

    /// Receives a body. Dropped unfinished, or never accepted, it leaves nothing behind.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter::new(self.shared.clone())
    }

    /// Takes entries over: all of them or none, durably. Only after this may anyone answer 250.
    ///
    /// # Errors
    /// When they are not in the spool; see [`CommitError`] for what to answer.
    pub async fn accept(&self, entries: Vec<NewEntry>) -> Result<(), AcceptError> {
        let change = Change::accept(entries, &self.shared.settings)?;
        let wait_max = self.shared.settings.commit_wait_max;
        let placed = tokio::time::timeout(wait_max, self.place(&change)).await;
        let (permit, room) = placed.map_err(|_| CommitError::Busy)??;
        self.hand_over(permit, (change, room)).await.map(drop)
    }

    /// Takes an entry over that was in another spool, as it was there: id, version, stage, state and times. Durable like an
    /// accept; many at once share a sync.
    ///
    /// # Errors
    /// As [`Spool::accept`]; [`CommitError::Exists`] where an entry of that id is here.
    pub async fn restore(&self, entry: Entry, content: Vec<ContentPiece>) -> Result<(), AcceptError> {
        let change = Change::restore(entry, content, &self.shared.settings)?;
        self.commit(change).await.map(drop)
    }

    /// The next entry that is due, if there is one. A poisoned spool leases nothing: what became of a delivery could not be
    /// recorded, so it would be made again and again.
    #[must_use]
    pub fn lease(&self, now: Timestamp) -> Option<Lease> {
        loop {
            if self.poisoned() {
                return None;
            }
            let taken = self.shared.queue().take(now)?;
            match self.lease_of(taken.id, taken.cached) {
                Ok(lease) => return Some(lease),
                Err(error) => self.set_aside(taken.id, &error),
            }
        }
    }

    /// A certain entry, due or not, held or not: for operators, who then record what is to become of it. None when it is
    /// not there or someone has it.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub fn lease_entry(&self, id: QueueId) -> Result<Option<Lease>, ReadError> {
        if self.poisoned() {
            return Ok(None);
        }
        let Some(taken) = self.shared.queue().take_entry(id) else { return Ok(None) };
        match self.lease_of(taken.id, taken.cached) {
            Ok(lease) => Ok(Some(lease)),
            Err(error) => {
                self.set_aside(id, &error);
                Err(error)
            }
        }
    }

    /// Gives a lease up without putting the entry back into its time: the caller keeps the id, and gets it again by
    /// [`Spool::lease_entry`]. Nothing is recorded, so that a start finds it as due as it was.
    pub fn park(&self, lease: Lease) {
        lease.park();
    }

    /// Waits until something may be due: the next entry's time has come, or one with an earlier time appeared. Ask
    /// [`Spool::lease`] then; it may still have nothing.
    pub async fn due(&self, now: Timestamp) {
        let changed = self.shared.changed.notified();
        tokio::pin!(changed);
        // Enabled before looking, so that a change between looking and waiting wakes us.
        changed.as_mut().enable();
        let next = if self.poisoned() { None } else { self.shared.queue().next_due() };
        match next {
            Some(due) if due <= now => {}
            Some(due) => drop(tokio::time::timeout(now.until(due), changed).await),
            None => changed.await,
        }
    }

    /// Commits a stage with its outbox, durably. The lease goes on, with the entry as it is now.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub async fn record_stage(&self, lease: &mut Lease, stage: Stage) -> Result<(), RecordError> {
        let change = Change::stage(lease, stage, &self.shared.settings)?;
        self.commit_leased(lease, change).await
    }

    /// Records what an attempt came to, durably. The lease goes on, with the entry as it is now.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub async fn record_attempt(&self, lease: &mut Lease, attempt: Attempt) -> Result<(), RecordError> {
        let change = Change::attempt(lease, attempt, &self.shared.settings)?;
        self.commit_leased(lease, change).await
    }

    /// Ends an entry, durably, and starts what is in the outbox in the same moment. After an error the lease still stands.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub async fn record_done(&self, lease: &mut Lease, done: Done) -> Result<(), RecordError> {
        let change = Change::done(lease, done, &self.shared.settings)?;
        self.commit_leased(lease, change).await
    }

    /// Ends an entry without reading it, durably and without a DSN: for operators, and the only way to be rid of one that
    /// cannot be read back. Nothing is done where it is not there or someone is at work on it.
    ///
    /// # Errors
    /// When nothing was recorded.
    pub async fn delete(&self, id: QueueId) -> Result<Deleted, RecordError> {
        if self.poisoned() {
            return Err(CommitError::Poisoned);
        }
        if self.shared.queue().take_entry(id).is_none() {
            return Ok(Deleted::No);
        }
        let _taken = Taken::new(self.shared.clone(), id);
        let change = Change::delete(id, &self.shared.settings)?;
        self.commit(change).await?;
        Ok(Deleted::Yes)
    }

    /// A content for sinks and delivery: whole if it is small, else its header section and the rest on demand. Reads block.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub fn load(&self, content: &StoredContent) -> Result<Content, ReadError> {
        load::content(&self.shared, content)
    }

    /// A range of a content, off the reactor: for sending large ones in pieces.
    ///
    /// # Errors
    /// When it cannot be read back.
    pub async fn read(&self, content: &StoredContent, range: Range<u64>) -> Result<Bytes, ReadError> {
        let (shared, content) = (self.shared.clone(), content.clone());
        let reading = tokio::task::spawn_blocking(move || load::read(&shared, &content, &range));
        reading.await.map_err(|_| ReadError::Gone)?
    }

    /// An entry as it is now, without leasing it.
    ///
    /// # Errors
    /// When it cannot be read back, or is not there.
    pub fn entry(&self, id: QueueId) -> Result<Entry, ReadError> {
        self.shared.read_entry(id)
    }

    /// Up to `count` entries behind `after`, in the order of their ids.
    #[must_use]
    pub fn list(&self, after: Option<QueueId>, count: usize) -> Vec<Summary> {
        self.shared.queue().list(after, count)
    }

    /// One line about an entry, if it is there.
    #[must_use]
    pub fn summary(&self, id: QueueId) -> Option<Summary> {
        self.shared.queue().summary(id)
    }

    /// How much is where.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        Counts {
            records: tally.records.load(Ordering::Relaxed),
            record_bytes: tally.bytes.load(Ordering::Relaxed),
            syncs: tally.syncs.load(Ordering::Relaxed),
            copied: tally.copied.load(Ordering::Relaxed),
            kept_bytes: tally.kept_bytes.load(Ordering::Relaxed),
            commit_queue_bytes: self.commit_queue_bytes(),
            ..self.shared.queue().counts()
        }
    }

    /// What a tenant has in the spool, for deferring its mail before it is taken; a look-up in memory.
    #[must_use]
    pub fn tenant_counts(&self, tenant: &str) -> TenantCounts {
        self.shared.queue().tenant_counts(tenant)
    }

    /// Room on the spool's disk, for deferring mail before it is taken.
    ///
    /// # Errors
    /// What the system says.
    pub fn space(&self) -> io::Result<Space> {
        self.shared.disk.space(&self.shared.paths.directory)
    }

    /// Whether a disk error ended all acknowledging. Only a restart, which reads everything anew, heals it.
    #[must_use]
    pub fn poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// Finishes what was begun, seals the log and gives the directory free. Clones then answer [`CommitError::Closed`].
    pub async fn close(self) {
        let (sender, receiver) = oneshot::channel();
        if self.committer.send(Message::Close(sender)).await.is_ok() {
            // An error means that the committer is gone, which is what was wanted.
            let _ = receiver.await;
        }
    }

    /// Waits for a place in the committer's queue.
    async fn place(
        &self,
        change: &Change,
    ) -> Result<(Permit<'_, Message>, OwnedSemaphorePermit), CommitError> {
        if self.poisoned() {
            return Err(CommitError::Poisoned);
        }
        let bytes = usize::try_from(change.draft.length()).unwrap_or(usize::MAX);
        let units_max = (self.shared.settings.commit_queue_bytes_max / ROOM_UNIT).max(1);
        let units = u32::try_from((bytes / ROOM_UNIT).saturating_add(1).min(units_max)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(units).await.map_err(|_| CommitError::Closed)?;
        let permit = self.committer.reserve().await.map_err(|_| CommitError::Closed)?;
        Ok((permit, room))
    }

    async fn hand_over(
        &self,
        permit: Permit<'_, Message>,
        (change, room): (Change, OwnedSemaphorePermit),
    ) -> Result<Option<Arc<Entry>>, CommitError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { change: Box::new(change), answer, room };
        request::hand_over((&self.shared, &self.thread), permit, request);
        answered.await.unwrap_or(Err(CommitError::Closed))
    }

    /// For what became of an entry: waits for its place as long as it takes.
    async fn commit(&self, change: Change) -> Result<Option<Arc<Entry>>, CommitError> {
        let (permit, room) = self.place(&change).await?;
        self.hand_over(permit, (change, room)).await
    }

    async fn commit_leased(&self, lease: &mut Lease, change: Change) -> Result<(), CommitError> {
        if let Some(entry) = self.commit(change).await? {
            lease.set(entry);
        }
        Ok(())
    }

    /// Bytes of places that are taken.
    fn commit_queue_bytes(&self) -> usize {
        let all = (self.shared.settings.commit_queue_bytes_max / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS);
        all.saturating_sub(self.room.available_permits()).saturating_mul(ROOM_UNIT)
    }

    fn lease_of(&self, id: QueueId, cached: Option<Arc<Entry>>) -> Result<Lease, ReadError> {
        let entry = match cached {
            Some(entry) => entry,
            None => Arc::new(self.shared.read_entry(id)?),
        };
        Ok(Lease::new(self.shared.clone(), entry))
    }

    fn set_aside(&self, id: QueueId, error: &ReadError) {
        tracing::error!(entry = %id, %error, "an entry cannot be read back; it stays where it is and is not attempted");
        self.shared.queue().set_damaged(id);
    }
}

/// The queue's bytes are counted in KiB, because a semaphore counts to 2^29 at least.
const ROOM_UNIT: usize = 1 << 10;

impl StoredContent {
    /// What `message::Draft::pieces` made over [`Spool::load`] of this content, as pieces for [`Stage::content`].
    #[must_use]
    pub fn edited(edited: Vec<Piece>) -> Vec<ContentPiece> {
        let piece = |piece| match piece {
            Piece::Bytes(bytes) => ContentPiece::Inline(bytes),
            Piece::Original(range) => ContentPiece::Original(range),
        };
        edited.into_iter().map(piece).collect()
    }

    /// The whole of a leased entry's content, for a sibling of it.
    #[must_use]
    pub fn whole(&self) -> Vec<ContentPiece> {
        vec![ContentPiece::Original(0..self.size())]
    }
}
