//! The start: reads the log and rebuilds memory from it, or says in a sentence why it can't.
//!
//! Promises: after it, memory is what the acknowledged records say; a torn tail is cut off and reported; a body file that
//! nothing refers to, a half made segment and segments that were to be deleted are removed; nothing is changed on disk before
//! everything was read and found good. Leaves out: the format of one segment ([`crate::scan`]).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::body::BodyName;
use crate::disk::{Disk, Lock};
use crate::error::OpenError;
use crate::listing::Listing;
use crate::queue::Queue;
use crate::record::{Kind, Metadata, Oldest, SealReason};
use crate::scan::{End, Found, Scan, Tail};
use crate::segment::{Preamble, SegmentWriter};
use crate::settings::{Paths, Settings};
use crate::shared::{Shared, Tally};

/// What a start found, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Entries that are in the spool.
    pub entries: usize,
    /// Segments that were read.
    pub segments: usize,
    /// Records in them.
    pub records: u64,
    /// What a crash left half written. Nobody was told that it was accepted.
    pub torn: Option<Torn>,
    /// Body files that nothing refers to and that were removed.
    pub orphans: usize,
    /// Segments and half made files whose removal a crash had interrupted.
    pub leftovers: usize,
    /// What lies in the directory and isn't ours; it was left alone.
    pub unknown: Vec<PathBuf>,
}

/// The torn end of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where the good records end.
    pub offset: u64,
    /// Bytes that were cut off.
    pub bytes: u64,
}

/// All that a running spool begins with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: SegmentWriter,
    pub(crate) next: u64,
    pub(crate) spool: u64,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) recovery: Recovery,
}

/// Reads a spool's directory.
pub(crate) fn recover(settings: Settings, disk: Arc<dyn Disk>) -> Result<Recovered, OpenError> {
    let paths = Paths::of(&settings.directory);
    let lock = prepare(disk.as_ref(), &paths)?;
    let mut start = Start {
        disk: disk.as_ref(),
        paths: &paths,
        queue: Queue::default(),
        sizes: HashMap::new(),
        oldest: 0,
        garbage: Vec::new(),
        recovery: Recovery::default(),
    };
    let listing = Listing::of(disk.as_ref(), &paths)?;
    start.garbage.clone_from(&listing.half_made);
    start.recovery.unknown.clone_from(&listing.unknown);
    let scans = start.open_segments(&listing)?;
    let (writer, next) = if scans.is_empty() { start.first(&listing)? } else { start.read_log(scans)? };
    start.check_entries()?;
    start.check_bodies(&listing)?;
    let (writer, recovery, queue) = start.finish(writer)?;
    let spool = writer.preamble.spool;
    let run = disk.salt();
    let shared = Shared {
        settings,
        paths,
        disk,
        queue: Mutex::new(queue),
        changed: Notify::new(),
        poisoned: AtomicBool::new(false),
        tally: Tally::default(),
        files: Mutex::new(HashMap::new()),
        run,
        bodies_made: AtomicU64::new(0),
    };
    Ok(Recovered { shared: Arc::new(shared), writer, next, spool, lock, recovery })
}

/// Makes the directories durable and takes the lock.
fn prepare(disk: &dyn Disk, paths: &Paths) -> Result<Box<dyn Lock>, OpenError> {
    for path in [&paths.directory, &paths.segments, &paths.bodies] {
        disk.create_directory(path).map_err(|source| access(path, "make the directory", source))?;
    }
    let lock = disk.lock(&paths.lock).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(paths.directory.clone()),
        _ => access(&paths.lock, "lock the file", source),
    })?;
    let parent = paths.directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    for path in [Some(paths.directory.as_path()), parent].into_iter().flatten() {
        disk.sync_directory(path).map_err(|source| access(path, "sync the directory", source))?;
    }
    Ok(lock)
}

struct Start<'a> {
    disk: &'a dyn Disk,
    paths: &'a Paths,
    queue: Queue,
    /// What entries say of the sizes of body files.
    sizes: HashMap<BodyName, u64>,
    /// The first segment that is needed, as the log says.
    oldest: u64,
    /// Files to be unlinked once everything was found good.
    garbage: Vec<PathBuf>,
    recovery: Recovery,
}

/// The segment that goes on, not opened for writing yet.
enum Active {
    Fresh(Preamble),
    Last(End),
}

impl Start<'_> {
    /// Opens the segments that follow each other up to the last one, checks that they belong together, and notes which
    /// is the first that the log needs.
    fn open_segments(&mut self, listing: &Listing) -> Result<Vec<Scan>, OpenError> {
        let mut scans: BTreeMap<u64, Scan> = BTreeMap::new();
        for sequence in listing.segments.iter().rev().copied() {
            let path = self.paths.segment(sequence);
            if scans.keys().next().is_some_and(|next| sequence.checked_add(1) != Some(*next)) {
                // Behind a gap: either deleted on purpose, which the log then says, or something is missing.
                self.garbage.push(path);
                continue;
            }
            let file = self.disk.open(&path).map_err(|source| access(&path, "open the segment", source))?;
            let scan = Scan::open(file, path)?;
            if scan.preamble.sequence != sequence {
                return Err(misplaced(
                    scan.path(),
                    "it says that it is another segment; two files were swapped",
                ));
            }
            if scans.values().next().is_some_and(|other| other.preamble.spool != scan.preamble.spool) {
                return Err(misplaced(scan.path(), "it belongs to another spool"));
            }
            self.oldest = self.oldest.max(scan.preamble.oldest);
            scans.insert(sequence, scan);
        }
        Ok(scans.into_values().collect())
    }

    /// A spool that has no log yet, unless there are bodies, which need one.
    fn first(&mut self, listing: &Listing) -> Result<(Active, u64), OpenError> {
        if !listing.bodies.is_empty() {
            let what =
                "there are bodies but no log that refers to them; the segments were removed".to_owned();
            return Err(OpenError::Missing { path: self.paths.segments.clone(), what });
        }
        let (spool, salt) = (self.disk.salt(), self.disk.salt());
        Ok((Active::Fresh(Preamble { spool, sequence: 1, first: 1, oldest: 1, salt }), 1))
    }

    /// Replays the log.
    fn read_log(&mut self, mut scans: Vec<Scan>) -> Result<(Active, u64), OpenError> {
        // A crash between making a segment and sealing the one before leaves a blank one behind an unsealed one. Only
        // then may the last but one be torn; if it turns out to be sealed, the blank one is simply the active one.
        let blank = scans.pop_if(|last| last.is_blank() && last.preamble.sequence > self.oldest);
        let last = scans.len().saturating_sub(1);
        let first = scans.first().or(blank.as_ref()).map_or(0, |scan| scan.preamble.sequence);
        let mut end: Option<End> = None;
        for (at, scan) in scans.into_iter().enumerate() {
            if let Some(before) = &end
                && before.next != scan.preamble.first
            {
                return Err(misplaced(scan.path(), "its records don't follow those of the segment before"));
            }
            end = Some(self.read_segment(scan, if at == last { Tail::MayBeTorn } else { Tail::Sealed })?);
        }
        let active = match (end, blank) {
            (Some(end), Some(blank)) if end.sealed == Some(SealReason::Rotated) => {
                if end.next != blank.preamble.first {
                    return Err(misplaced(
                        blank.path(),
                        "its records don't follow those of the segment before",
                    ));
                }
                self.read_segment(blank, Tail::MayBeTorn)?
            }
            (Some(end), Some(blank)) => {
                self.garbage.push(blank.path().clone());
                end
            }
            (Some(end), None) if end.sealed == Some(SealReason::Rotated) => {
                let path = self.paths.segment(end.preamble.sequence.saturating_add(1));
                return Err(OpenError::Missing {
                    path,
                    what: "the segment before says that it exists".to_owned(),
                });
            }
            (Some(end), None) => end,
            (None, Some(blank)) => self.read_segment(blank, Tail::MayBeTorn)?,
            (None, None) => {
                let what = "the log is empty".to_owned();
                return Err(OpenError::Missing { path: self.paths.segments.clone(), what });
            }
        };
        if first > self.oldest {
            let what = "later segments need it".to_owned();
            return Err(OpenError::Missing { path: self.paths.segment(first.saturating_sub(1)), what });
        }
        let next = active.next;
        Ok((Active::Last(active), next))
    }

    fn read_segment(&mut self, scan: Scan, tail: Tail) -> Result<End, OpenError> {
        self.recovery.segments = self.recovery.segments.saturating_add(1);
        let path = scan.path().clone();
        self.queue.needs.add_segment(scan.preamble.sequence, scan.preamble.salt);
        scan.run(tail, |found| self.replay(&path, &found))
    }

    fn replay(&mut self, path: &Path, found: &Found) -> Result<(), OpenError> {
        self.recovery.records = self.recovery.records.saturating_add(1);
        self.queue.needs.add_record(&found.location);
        let unreadable = |error: serde_json::Error| OpenError::Damaged {
            path: path.to_owned(),
            offset: found.location.offset,
            what: format!("the metadata of record {} cannot be read ({error})", found.header.number),
        };
        match found.header.kind {
            Kind::Seal => {}
            Kind::Oldest => {
                let oldest: Oldest = serde_json::from_slice(&found.metadata).map_err(unreadable)?;
                self.oldest = self.oldest.max(oldest.sequence);
            }
            Kind::Accept | Kind::Stage | Kind::Attempt | Kind::Done | Kind::Copy => {
                let metadata: Metadata = serde_json::from_slice(&found.metadata).map_err(unreadable)?;
                for mut entry in metadata.entries {
                    entry.content.number(found.header.number);
                    let files = entry.content.files().iter();
                    self.sizes.extend(files.map(|facts| (facts.name, facts.size)));
                    self.queue.put(&entry, found.header.number, found.location);
                }
                for id in metadata.done {
                    self.queue.remove(id);
                }
            }
        }
        Ok(())
    }

    /// Everything that an entry refers to must be in the log.
    fn check_entries(&mut self) -> Result<(), OpenError> {
        let before: Vec<u64> = self
            .queue
            .needs
            .segments()
            .keys()
            .copied()
            .take_while(|sequence| *sequence < self.oldest)
            .collect();
        for sequence in before {
            if self.queue.needs.segments().get(&sequence).is_some_and(|used| used.needed > 0) {
                let path = self.paths.segment(sequence);
                let what = "the log says that it is deleted, but an entry needs it".to_owned();
                return Err(OpenError::Damaged { path, offset: 0, what });
            }
            self.queue.needs.remove_segment(sequence);
            self.garbage.push(self.paths.segment(sequence));
        }
        match self.queue.first_incomplete() {
            None => Ok(()),
            Some((id, number)) => {
                let what = format!("entry {id} needs record {number}, which is in none of them");
                Err(OpenError::Missing { path: self.paths.segments.clone(), what })
            }
        }
    }

    /// Every body that an entry refers to must be there with its size; all others are orphans.
    fn check_bodies(&mut self, listing: &Listing) -> Result<(), OpenError> {
        let needed: std::collections::HashSet<BodyName> = self.queue.needs.bodies().collect();
        for name in &needed {
            let path = self.paths.bodies.join(name.to_string());
            let file = self.disk.open(&path).map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => {
                    OpenError::Missing { path: path.clone(), what: "an entry's content is in it".to_owned() }
                }
                _ => access(&path, "open the body", source),
            })?;
            let size = file.size().map_err(|source| access(&path, "measure the body", source))?;
            if self.sizes.get(name) != Some(&size) {
                let what = "the body is not as long as it was".to_owned();
                return Err(OpenError::Damaged { path, offset: size, what });
            }
        }
        let orphans = listing.bodies.iter().filter(|name| !needed.contains(name));
        let orphans: Vec<PathBuf> = orphans.map(|name| self.paths.bodies.join(name.to_string())).collect();
        self.recovery.orphans = orphans.len();
        self.recovery.leftovers = self.garbage.len();
        self.garbage.extend(orphans);
        Ok(())
    }

    /// Everything is good: cuts, removes, and opens the log for writing.
    fn finish(mut self, active: Active) -> Result<(SegmentWriter, Recovery, Queue), OpenError> {
        for path in &self.garbage {
            self.disk.unlink(path).map_err(|source| access(path, "remove the file", source))?;
        }
        if !self.garbage.is_empty() {
            for path in [&self.paths.segments, &self.paths.bodies] {
                self.disk
                    .sync_directory(path)
                    .map_err(|source| access(path, "sync the directory", source))?;
            }
        }
        let writer = match active {
            Active::Fresh(preamble) => {
                self.queue.needs.add_segment(preamble.sequence, preamble.salt);
                SegmentWriter::create(self.disk, self.paths, preamble).map_err(|source| {
                    access(&self.paths.segment(preamble.sequence), "make the segment", source)
                })?
            }
            Active::Last(end) => {
                if end.torn > 0 {
                    let cut = end.file.truncate(end.offset).and_then(|()| end.file.sync_data());
                    cut.map_err(|source| access(&end.path, "cut the torn end", source))?;
                    self.recovery.torn = Some(Torn { path: end.path, offset: end.offset, bytes: end.torn });
                }
                SegmentWriter { file: end.file, preamble: end.preamble, synced: end.offset }
            }
        };
        self.recovery.entries = self.queue.counts().entries;
        Ok((writer, self.recovery, self.queue))
    }
}

pub(crate) fn access(path: &Path, what: &'static str, source: io::Error) -> OpenError {
    OpenError::Access { path: path.to_owned(), what, source }
}

fn misplaced(path: &Path, what: &str) -> OpenError {
    OpenError::Misplaced { path: path.to_owned(), what: what.to_owned() }
}
