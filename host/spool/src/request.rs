//! A change that somebody waits for, and how all who wait for one batch are told what became of it.

use std::sync::Arc;
use std::thread::Thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc::Permit;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::change::Change;
use crate::entry::Entry;
use crate::error::CommitError;
use crate::shared::Shared;

/// What the committer is asked.
#[derive(Debug)]
pub(crate) enum Message {
    Commit(Request),
    /// Take nothing new, finish what was taken, seal, answer.
    Close(oneshot::Sender<()>),
}

/// A change that somebody waits for.
#[derive(Debug)]
pub(crate) struct Request {
    /// In a box: it is large, and goes through several hands.
    pub(crate) change: Box<Change>,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Its share of the queue's bytes.
    pub(crate) room: OwnedSemaphorePermit,
}

/// The subject as it is now, if it still is.
pub(crate) type Subject = Option<Arc<Entry>>;

/// What a caller is told.
pub(crate) type Answer = Result<Subject, CommitError>;

/// Hands a request over. From here on it happens whether or not the caller still waits: the entry is marked, so a lease
/// that is dropped meanwhile is not given to another before the record is through.
pub(crate) fn hand_over(
    (shared, committer): (&Shared, &Thread),
    permit: Permit<'_, Message>,
    request: Request,
) {
    if let Some(subject) = request.change.subject {
        shared.queue().begin_record(subject);
    }
    permit.send(Message::Commit(request));
    shared.bell.came(committer);
}

impl Request {
    /// Says that nothing was recorded.
    pub(crate) fn refuse(self, error: CommitError) {
        drop(self.room);
        // Nobody need wait for it.
        let _ = self.answer.send(Err(error));
    }
}

/// What is left to do for a batch once it is durable and true in memory, or was refused. It is done when this is dropped, so
/// that nobody waits for ever where a runtime ends.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) batch: Vec<Request>,
    /// The subject of each as it is now.
    pub(crate) outcome: Result<Vec<Subject>, CommitError>,
    /// Entries that gave way in memory; to drop them takes a while.
    pub(crate) spent: Vec<Arc<Entry>>,
}

/// Callers that are told by the committer itself: to wake one costs about what it costs to wake the runtime for all.
const DIRECT_MAX: usize = 2;

impl Verdict {
    /// Tells all callers. A thread outside of the runtime pays a lock and often a system call for each that it wakes, so
    /// one task wakes many.
    pub(crate) fn tell(self, runtime: &Handle) {
        if self.batch.len() > DIRECT_MAX {
            drop(runtime.spawn(async move { drop(self) }));
        }
    }
}

impl Drop for Verdict {
    fn drop(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        // First: who hears the answer finds the place free.
        let shares = batch.iter_mut().filter_map(|request| request.room.split(request.room.num_permits()));
        drop(shares.reduce(|mut room, share| {
            room.merge(share);
            room
        }));
        let mut outcome = std::mem::replace(&mut self.outcome, Ok(Vec::new())).map(Vec::into_iter);
        for request in batch {
            let told = match &mut outcome {
                Ok(subjects) => Ok(subjects.next().flatten()),
                Err(error) => Err(error.clone()),
            };
            // A caller that is gone has its record all the same.
            let _ = request.answer.send(told);
        }
        // Last: nobody waits for it.
        self.spent.clear();
    }
}
