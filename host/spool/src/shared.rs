//! What the handles, the committer and the leases of one spool have in common.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::body::BodyName;
use crate::company::Bell;
use crate::disk::{Disk, DiskFile};
use crate::entry::{Entry, QueueId};
use crate::error::ReadError;
use crate::queue::Queue;
use crate::record::Metadata;
use crate::segment::{self, SegmentId};
use crate::settings::{Paths, Settings};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) paths: Paths,
    pub(crate) disk: Arc<dyn Disk>,
    /// Memory's view of the log. Held for moments, never over a wait or a system call.
    pub(crate) queue: Mutex<Queue>,
    /// Something may be due earlier than whoever waits believes.
    pub(crate) changed: Notify,
    /// Rung by callers while the committer waits for them.
    pub(crate) bell: Bell,
    pub(crate) poisoned: AtomicBool,
    pub(crate) tally: Tally,
    /// Segment files that were opened for reading.
    pub(crate) files: Mutex<Files>,
    /// Draws apart the body files of this run from those of earlier ones.
    pub(crate) run: u64,
    pub(crate) bodies_made: AtomicU64,
}

type Files = HashMap<SegmentId, Arc<dyn DiskFile>>;

/// What the committer did since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) copied: AtomicU64,
    pub(crate) kept_bytes: AtomicU64,
}

impl Shared {
    pub(crate) fn new(settings: Settings, disk: Arc<dyn Disk>, queue: Queue) -> Self {
        Self {
            paths: Paths::of(&settings.directory),
            run: disk.salt(),
            settings,
            disk,
            queue: Mutex::new(queue),
            changed: Notify::new(),
            bell: Bell::default(),
            poisoned: AtomicBool::new(false),
            tally: Tally::default(),
            files: Mutex::new(HashMap::new()),
            bodies_made: AtomicU64::new(0),
        }
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(crate) fn next_body(&self) -> BodyName {
        BodyName { run: self.run, count: self.bodies_made.fetch_add(1, Ordering::Relaxed) }
    }

    pub(crate) fn body_path(&self, name: BodyName) -> PathBuf {
        self.paths.bodies.join(name.to_string())
    }

    /// A segment's file for reading; the few that are in use stay open.
    pub(crate) fn segment_file(&self, id: SegmentId) -> Result<Arc<dyn DiskFile>, ReadError> {
        if let Some(file) = self.files().get(&id) {
            return Ok(file.clone());
        }
        let path = self.paths.segment(id);
        let file = self.disk.open(&path).map_err(|source| ReadError::Disk { path, source })?;
        let mut files = self.files();
        if files.len() >= self.settings.segment_files_max {
            files.clear();
        }
        files.insert(id, file.clone());
        Ok(file)
    }

    /// Removes the index of a segment that is gone, if it has one.
    pub(crate) fn remove_index(&self, id: SegmentId) {
        let path = self.paths.index(id);
        match self.disk.unlink(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "an index could not be removed; the next start will");
            }
            _ => {}
        }
    }

    pub(crate) fn forget_file(&self, id: SegmentId) {
        self.files().remove(&id);
    }

    /// Reads an entry's newest state.
    pub(crate) fn read_entry(&self, id: QueueId) -> Result<Entry, ReadError> {
        let (number, location, salt) = {
            let queue = self.queue();
            let number = queue.base(id).ok_or(ReadError::Gone)?;
            let (location, salt) = queue.needs.location(number).ok_or(ReadError::Gone)?;
            (number, location, salt)
        };
        let path = self.paths.segment(location.segment);
        let file = self.segment_file(location.segment)?;
        let (_, bytes) = segment::read_metadata(file.as_ref(), &path, &location, salt)?;
        let damaged = || ReadError::Damaged {
            path: path.clone(),
            offset: location.offset,
            what: "a record's metadata cannot be read",
        };
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let entry = metadata.entries.into_iter().find(|entry| entry.id == id).ok_or_else(damaged)?;
        let mut entry = Arc::unwrap_or_clone(entry);
        entry.content.number(number);
        Ok(entry)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
