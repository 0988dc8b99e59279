//! A spool's directory looked at from outside, whole or damaged, with nothing of it changed.
//!
//! [`Survey::open`] reads it as a start would, [`Survey::salvage`] reads on behind each damaged place and finds what is left, so
//! that an operator can take it to another spool. A start reads headers and metadata alone; [`Survey::check`] reads every byte.
//! The server must not run meanwhile: the lock is held. Leaves out: mending; a damaged directory is exported and set aside.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::{Disk, Lock, SystemDisk};
use crate::entry::{Entry, QueueId};
use crate::error::{OpenError, ReadError};
use crate::listing::Listing;
use crate::load;
use crate::recover::Start;
use crate::recovery::Recovery;
use crate::salvage::{self, Salvage};
use crate::settings::{Paths, Settings};
use crate::settle;
use crate::shared::Shared;

/// What is in a spool's directory.
#[derive(Debug)]
pub struct Survey {
    shared: Shared,
    recovery: Recovery,
    damage: Vec<Damage>,
    #[expect(dead_code, reason = "held for what its drop does")]
    lock: Box<dyn Lock>,
}

/// A place where bytes are not as they were written; it reads as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} at offset {}", self.path.display(), self.what, self.offset)
    }
}

/// What [`Survey::check`] read, and what it found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Segments of the log and kept ones.
    pub segments: usize,
    /// Records in them whose header and metadata are whole.
    pub records: u64,
    /// Body files that entries refer to.
    pub bodies: usize,
    /// In the order of the files; each place once.
    pub damage: Vec<Damage>,
}

impl Survey {
    /// Reads the spool of a directory as a start would. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When there is none, a server runs on it, or what a start would refuse, with the same sentence.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        Self::open_on(settings, Arc::new(SystemDisk))
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Survey::open`].
    pub fn open_on(settings: Settings, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let paths = Paths::of(&settings.directory);
        let lock = lock(disk.as_ref(), &paths)?;
        let read = Start::read(disk.as_ref(), &paths)?;
        let torn = read.active.torn();
        let Start { queue, recovery, .. } = read.start;
        let shared = Shared::new(settings, disk, queue);
        Ok(Self { shared, recovery: Recovery { torn, ..recovery }, damage: Vec::new(), lock })
    }

    /// Reads what is readable of a spool that need not be whole. What a damaged record said is lost: its entry is found as
    /// the record before had it, also where the damaged one said that it was done.
    ///
    /// # Errors
    /// When there is none, a server runs on it, a later version wrote it, or its directories cannot be listed.
    pub fn salvage(settings: Settings) -> Result<Self, OpenError> {
        Self::salvage_on(settings, Arc::new(SystemDisk))
    }

    /// The same on any disk.
    ///
    /// # Errors
    /// As [`Survey::salvage`].
    pub fn salvage_on(settings: Settings, disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let paths = Paths::of(&settings.directory);
        let lock = lock(disk.as_ref(), &paths)?;
        let listing = Listing::of(disk.as_ref(), &paths)?;
        let Salvage { queue, damage, .. } = salvage::salvage(disk.as_ref(), &paths, &listing)?;
        let entries = queue.counts().entries;
        let recovery = Recovery { entries, unknown: listing.unknown, ..Recovery::default() };
        Ok(Self { shared: Shared::new(settings, disk, queue), recovery, damage, lock })
    }

    /// What salvage skipped; empty for what a start would take.
    #[must_use]
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What a start would find, as far as it was read; the torn end and what a start would remove are still there.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The entries, in the order of their ids.
    #[must_use]
    pub fn ids(&self) -> Vec<QueueId> {
        self.shared.queue().list(None, usize::MAX).into_iter().map(|summary| summary.id).collect()
    }

    /// An entry as its newest record has it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn entry(&self, id: QueueId) -> Result<Entry, ReadError> {
        self.shared.read_entry(id)
    }

    /// A range of an entry's content.
    ///
    /// # Errors
    /// When it cannot be read; [`ReadError::Gone`] where the record that holds it is missing.
    pub fn read(&self, entry: &Entry, range: &Range<u64>) -> Result<Bytes, ReadError> {
        load::read(&self.shared, &entry.content, range)
    }

    /// Reads every record and every body that an entry refers to, and checks all their sums.
    ///
    /// # Errors
    /// When the directories cannot be listed.
    pub fn check(&self) -> Result<Checked, OpenError> {
        let (disk, paths) = (self.shared.disk.as_ref(), &self.shared.paths);
        let listing = Listing::of(disk, paths)?;
        let read = salvage::check_segments(disk, paths, &listing)?;
        let bodies = self.shared.queue().counts().bodies;
        let mut checked =
            Checked { segments: read.segments, records: read.records, damage: read.damage, bodies };
        if let Some(torn) = &self.recovery.torn {
            // Never acknowledged, so nothing is lost by it.
            checked.damage.retain(|damage| damage.path != torn.path || damage.offset < torn.offset);
        }
        for id in self.ids() {
            let found = self.check_entry(id).err().map(|error| self.damage_of(id, error));
            checked.damage.extend(found.filter(|found| !checked.damage.contains(found)));
        }
        Ok(checked)
    }

    /// Reads an entry to its end.
    fn check_entry(&self, id: QueueId) -> Result<(), ReadError> {
        let entry = self.entry(id)?;
        let (size, mut at) = (entry.content.size(), 0);
        while at < size {
            let end = size.min(at.saturating_add(READ_BYTES));
            self.read(&entry, &(at..end))?;
            at = end;
        }
        Ok(())
    }

    fn damage_of(&self, id: QueueId, error: ReadError) -> Damage {
        let (path, offset, what) = match error {
            ReadError::Damaged { path, offset, what } => (path, offset, what.to_owned()),
            ReadError::Disk { path, source } => (path, 0, source.to_string()),
            ReadError::Gone => {
                let what = format!("entry {id} needs a record that is missing or damaged");
                (self.shared.paths.segments.clone(), 0, what)
            }
        };
        Damage { path, offset, what }
    }
}

/// Bytes of a content that are read at once: whole blocks of a body file, and most messages in one piece.
pub const READ_BYTES: u64 = 4 << 20;

/// Takes the lock of a spool that is there: taking it makes a file, which must not happen in a directory that is none.
fn lock(disk: &dyn Disk, paths: &Paths) -> Result<Box<dyn Lock>, OpenError> {
    if disk.list(&paths.segments).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let what = "this is no spool, or its log was removed".to_owned();
        return Err(OpenError::Missing { path: paths.segments.clone(), what });
    }
    settle::lock(disk, paths)
}
