//! Reads a whole spool, each byte of it against its sum, and changes nothing.
//!
//! A start reads headers and metadata alone; content is checked when it is read. This reads the content too, so an operator can
//! know before somebody needs it. Leaves out: mending.

use std::io;
use std::sync::Arc;

use crate::disk::{Disk, SystemDisk};
use crate::entry::QueueId;
use crate::error::{OpenError, ReadError};
use crate::load;
use crate::recover::{Start, access};
use crate::recovery::Recovery;
use crate::settings::{Paths, Settings};
use crate::shared::Shared;

/// What is in a spool, and what of it cannot be read.
#[derive(Debug)]
pub struct Report {
    /// What a start would find; the torn end and what it would remove are still there.
    pub found: Recovery,
    /// Entries whose state or content is damaged, in the order of their ids.
    pub unreadable: Vec<Unreadable>,
}

/// An entry that cannot be read back.
#[derive(Debug)]
pub struct Unreadable {
    /// Which.
    pub entry: QueueId,
    /// The file, the place in it, and what is wrong there.
    pub error: ReadError,
}

/// Verifies the spool of a directory, which no server may be running on. Blocks for as long as reading all of it takes.
///
/// # Errors
/// What a start would refuse, with the same sentence.
pub fn verify(settings: Settings) -> Result<Report, OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
    let paths = Paths::of(&settings.directory);
    let _lock = disk.lock(&paths.lock).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(paths.directory.clone()),
        _ => access(&paths.lock, "lock the file", source),
    })?;
    let read = Start::read(disk.as_ref(), &paths)?;
    let torn = read.active.torn();
    let Start { queue, recovery, .. } = read.start;
    let ids: Vec<QueueId> = queue.list(None, usize::MAX).into_iter().map(|summary| summary.id).collect();
    let shared = Shared::new(settings, disk.clone(), queue);
    let checked = ids.into_iter().map(|entry| (entry, check(&shared, entry)));
    let unreadable = checked.filter_map(|(entry, checked)| Some(Unreadable { entry, error: checked.err()? }));
    Ok(Report { unreadable: unreadable.collect(), found: Recovery { torn, ..recovery } })
}

/// Reads an entry to its end.
fn check(shared: &Shared, id: QueueId) -> Result<(), ReadError> {
    let content = shared.read_entry(id)?.content;
    let size = content.size();
    let mut at = 0_u64;
    while at < size {
        let end = at.saturating_add(CHECK_BYTES).min(size);
        load::read(shared, &content, &(at..end))?;
        at = end;
    }
    Ok(())
}

/// Bytes that are held in memory at once.
const CHECK_BYTES: u64 = 1 << 20;
