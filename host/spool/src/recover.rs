//! The start: reads the log and rebuilds memory from it, or says in a sentence why it can't.
//!
//! Promises: after it, memory is what the acknowledged records say; a torn tail is cut off and reported; a body file that
//! nothing refers to, a half made segment and segments that were to be deleted are removed; nothing is changed on disk before
//! everything was read and found good. Leaves out: the format of one segment ([`crate::scan`]).

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::body::BodyName;
use crate::disk::{Disk, Lock};
use crate::error::OpenError;
use crate::index::{Index, Said};
use crate::listing::Listing;
use crate::outline::Outline;
use crate::queue::Queue;
use crate::record::{Kind, SealReason};
use crate::recovery::{Recovery, Torn};
use crate::scan::{End, Scan, Tail};
use crate::segment::{Location, Preamble, SegmentId, SegmentWriter};
use crate::settings::{Paths, Settings};
use crate::settle;
use crate::shared::Shared;

/// All that a running spool begins with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: SegmentWriter,
    pub(crate) next: u64,
    /// Sequence of the next kept segment.
    pub(crate) kept_next: u64,
    pub(crate) spool: u64,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) recovery: Recovery,
}

/// Reads a spool's directory, and makes it one to go on with.
pub(crate) fn recover(settings: Settings, disk: Arc<dyn Disk>) -> Result<Recovered, OpenError> {
    let paths = Paths::of(&settings.directory);
    let lock = settle::directories(disk.as_ref(), &paths)?;
    let Read { start, active, next, kept_next } = Start::read(disk.as_ref(), &paths)?;
    let (writer, recovery, queue) = start.finish(active)?;
    let spool = writer.preamble.spool;
    let shared = Arc::new(Shared::new(settings, disk, queue));
    Ok(Recovered { shared, writer, next, kept_next, spool, lock, recovery })
}

pub(crate) struct Start<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) paths: &'a Paths,
    pub(crate) queue: Queue,
    /// What entries say of the sizes of body files.
    pub(crate) sizes: HashMap<BodyName, u64>,
    /// The spool that the segments say they belong to.
    pub(crate) spool: Option<u64>,
    /// The first segment of the log that counts, as the newest checkpoint says.
    pub(crate) oldest: u64,
    /// What earlier records of the log say of an entry that is kept is outdated.
    pub(crate) as_of: u64,
    /// The segment before a blank one: its seal may be in the page cache alone.
    sealed: Option<End>,
    /// Files to be unlinked once everything was found good.
    pub(crate) garbage: Vec<PathBuf>,
    /// Of sealed segments that had none.
    pub(crate) indexes: Vec<(SegmentId, Index)>,
    pub(crate) recovery: Recovery,
}

/// A spool that was read and found good; nothing was changed yet.
pub(crate) struct Read<'a> {
    pub(crate) start: Start<'a>,
    pub(crate) active: Active,
    next: u64,
    kept_next: u64,
}

/// The segment that goes on, not opened for writing yet.
pub(crate) enum Active {
    Fresh(Preamble),
    Last(End),
}

impl Active {
    /// What a crash left half written.
    pub(crate) fn torn(&self) -> Option<Torn> {
        let Self::Last(end) = self else { return None };
        let (path, offset, bytes, records) = (end.path.clone(), end.offset, end.torn, end.torn_records);
        (bytes > 0).then_some(Torn { path, offset, bytes, records })
    }
}

impl<'a> Start<'a> {
    /// Reads all of it and changes nothing.
    pub(crate) fn read(disk: &'a dyn Disk, paths: &'a Paths) -> Result<Read<'a>, OpenError> {
        let mut start = Self {
            disk,
            paths,
            queue: Queue::default(),
            sizes: HashMap::new(),
            spool: None,
            oldest: 1,
            as_of: 0,
            sealed: None,
            garbage: Vec::new(),
            indexes: Vec::new(),
            recovery: Recovery::default(),
        };
        let listing = Listing::of(disk, paths)?;
        start.garbage.clone_from(&listing.half_made);
        start.recovery.unknown.clone_from(&listing.unknown);
        start.read_kept(&listing)?;
        let scans = start.open_segments(&listing)?;
        let (active, next) = if scans.is_empty() { start.first(&listing)? } else { start.read_log(scans)? };
        start.check_entries(next)?;
        start.check_bodies(&listing)?;
        start.find_superfluous_indexes(&listing);
        start.recovery.entries = start.queue.counts().entries;
        let kept_next = listing.kept.last().map_or(1, |last| last.saturating_add(1));
        Ok(Read { start, active, next, kept_next })
    }

    /// Opens the log's segments from the first that counts up to the last one, and checks that none is missing.
    fn open_segments(&mut self, listing: &Listing) -> Result<Vec<Scan>, OpenError> {
        let counts = listing.segments.partition_point(|sequence| *sequence < self.oldest);
        let (before, counting) = listing.segments.split_at(counts);
        let gone = before.iter().map(|sequence| self.paths.segment(SegmentId::Log(*sequence)));
        self.garbage.extend(gone);
        let mut scans = Vec::with_capacity(counting.len());
        for (sequence, expected) in counting.iter().zip(self.oldest..) {
            if *sequence != expected {
                let what = "later segments need it; restore the file".to_owned();
                return Err(OpenError::Missing { path: self.paths.segment(SegmentId::Log(expected)), what });
            }
            scans.push(self.open_segment(SegmentId::Log(*sequence))?);
        }
        Ok(scans)
    }

    /// Opens a segment and checks that it is the one, and of this spool.
    pub(crate) fn open_segment(&mut self, id: SegmentId) -> Result<Scan, OpenError> {
        let path = self.paths.segment(id);
        let file = self.disk.open(&path).map_err(|source| access(&path, "open the segment", source))?;
        let scan = Scan::open(file, path)?;
        if scan.preamble.id != id {
            return Err(misplaced(
                scan.path(),
                "it says that it is another segment, so files were swapped; give each its own name again",
            ));
        }
        if *self.spool.get_or_insert(scan.preamble.spool) != scan.preamble.spool {
            return Err(misplaced(
                scan.path(),
                "it belongs to another spool; move it back there and restore the file that was here",
            ));
        }
        Ok(scan)
    }

    /// A spool that has no log yet, unless there are bodies, which need one.
    fn first(&mut self, listing: &Listing) -> Result<(Active, u64), OpenError> {
        if !listing.bodies.is_empty() || !listing.kept.is_empty() {
            let what =
                "there are bodies or kept segments but no log that goes with them; restore its segments";
            let what = what.to_owned();
            return Err(OpenError::Missing { path: self.paths.segments.clone(), what });
        }
        let (spool, salt) = (self.disk.salt(), self.disk.salt());
        Ok((Active::Fresh(Preamble { spool, id: SegmentId::Log(1), first: 1, salt }), 1))
    }

    /// Replays the log.
    fn read_log(&mut self, mut scans: Vec<Scan>) -> Result<(Active, u64), OpenError> {
        // A crash between making a segment and sealing the one before leaves a blank one behind an unsealed one. Only
        // then may the last but one be torn; if it turns out to be sealed, the blank one is simply the active one.
        let blank = scans.pop_if(|last| last.is_blank() && last.preamble.id.sequence() > self.oldest);
        let last = scans.len().saturating_sub(1);
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
                self.sealed = Some(end);
                self.read_segment(blank, Tail::MayBeTorn)?
            }
            (Some(end), Some(blank)) => {
                self.garbage.push(blank.path().clone());
                end
            }
            (Some(end), None) if end.sealed == Some(SealReason::Rotated) => {
                let path = self.paths.segment(end.preamble.id.next());
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
        let next = active.next;
        Ok((Active::Last(active), next))
    }

    fn read_segment(&mut self, scan: Scan, tail: Tail) -> Result<End, OpenError> {
        self.recovery.segments = self.recovery.segments.saturating_add(1);
        self.replay_segment(scan, tail, |start, said| start.replay(said))
    }

    /// Hands over what the records of a segment say: from its index, or from the segment if it may be torn or has none.
    pub(crate) fn replay_segment(
        &mut self,
        scan: Scan,
        tail: Tail,
        replay: impl Fn(&mut Self, Said<'_>) -> Result<(), String>,
    ) -> Result<End, OpenError> {
        let path = scan.path().clone();
        let preamble = scan.preamble;
        self.queue.needs.add_segment(preamble.id, preamble.salt);
        let damaged = |location: &Location, what| OpenError::Damaged {
            path: path.clone(),
            offset: location.offset,
            what,
        };
        if tail == Tail::Sealed
            && let Some(index) = Index::read(self.disk, self.paths, &preamble)
            && let Some(records) = index.records(&preamble, scan.size)
        {
            let count = u64::try_from(records.len()).unwrap_or(0);
            for said in records {
                let location = said.location;
                replay(self, said).map_err(|what| damaged(&location, what))?;
            }
            let next = preamble.first.saturating_add(count);
            return Ok(scan.end_at_seal(next, SealReason::Rotated));
        }
        let mut index = Index::new(&preamble);
        let mut end = scan.run(tail, |found| {
            let metadata = found.read(&mut index).map_err(|what| damaged(&found.location, what))?;
            let said = Said::of(&found.header, found.location, &metadata);
            replay(self, said).map_err(|what| damaged(&found.location, what))
        })?;
        match tail {
            Tail::Sealed => self.indexes.push((preamble.id, index)),
            Tail::MayBeTorn => end.index = index,
        }
        Ok(end)
    }

    fn replay(&mut self, said: Said<'_>) -> Result<(), String> {
        self.recovery.records = self.recovery.records.saturating_add(1);
        self.queue.needs.add_record(&said.location);
        match said.kind {
            Kind::Seal => {}
            Kind::Checkpoint => return Err("a record is one of a kept segment".to_owned()),
            Kind::Accept | Kind::Stage | Kind::Attempt | Kind::Done | Kind::Copy => {
                for entry in &said.entries {
                    if !self.is_outdated(entry.id, said.number) {
                        self.put(entry, said.number, said.location);
                    }
                }
                for id in said.done {
                    if !self.is_outdated(id, said.number) {
                        self.queue.remove(id);
                    }
                }
            }
        }
        Ok(())
    }

    /// A record says that an entry is now so.
    pub(crate) fn put(&mut self, entry: &Outline<'_>, number: u64, location: Location) {
        self.sizes.extend(entry.refers.bodies.iter().map(|body| (body.name, body.size)));
        self.queue.put(entry, number, location);
    }

    /// Everything that an entry refers to must be in the log.
    fn check_entries(&mut self, next: u64) -> Result<(), OpenError> {
        if next < self.as_of {
            let what =
                format!("records {next} to {} are not in the log; restore its last segment", self.as_of - 1);
            return Err(OpenError::Missing { path: self.paths.segments.clone(), what });
        }
        self.queue.needs.drop_spare();
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

    /// Those of segments that are gone, or that are to go.
    fn find_superfluous_indexes(&mut self, listing: &Listing) {
        let listed = |id: &SegmentId| match id {
            SegmentId::Log(sequence) => listing.segments.contains(sequence),
            SegmentId::Kept(sequence) => listing.kept.contains(sequence),
        };
        let going = |id: &SegmentId| self.garbage.contains(&self.paths.segment(*id));
        let superfluous = listing.indexes.iter().filter(|id| !listed(id) || going(id));
        let superfluous: Vec<PathBuf> = superfluous.map(|id| self.paths.index(*id)).collect();
        self.garbage.extend(superfluous);
    }

    /// Everything is good: makes it durable, removes the rest, and opens the log for writing. In this order: a file may go
    /// only when what says so cannot go any more.
    fn finish(mut self, active: Active) -> Result<(SegmentWriter, Recovery, Queue), OpenError> {
        let active_end = if let Active::Last(end) = &active { Some(end) } else { None };
        for end in self.sealed.iter().chain(active_end) {
            settle::end_of_segment(end)?;
        }
        settle::names(self.disk, &self.paths.segments)?;
        for path in &self.garbage {
            self.disk.unlink(path).map_err(|source| access(path, "remove the file", source))?;
        }
        if !self.garbage.is_empty() {
            settle::names(self.disk, &self.paths.segments)?;
            settle::names(self.disk, &self.paths.bodies)?;
        }
        self.indexes.extend(self.sealed.map(|end| (end.preamble.id, end.index)));
        self.indexes.iter().for_each(|(id, index)| settle::index(self.disk, self.paths, *id, index));
        self.recovery.torn = active.torn();
        if let Some(torn) = &self.recovery.torn {
            tracing::warn!("{torn}");
        }
        for path in &self.recovery.unknown {
            tracing::warn!(path = %path.display(), "a file is not one of the spool's; it was left alone");
        }
        let writer = match active {
            Active::Fresh(preamble) => {
                settle::names_above(self.disk, &self.paths.directory)?;
                self.queue.needs.add_segment(preamble.id, preamble.salt);
                SegmentWriter::create(self.disk, self.paths, preamble)
                    .map_err(|source| access(&self.paths.segment(preamble.id), "make the segment", source))?
            }
            Active::Last(end) => {
                SegmentWriter { file: end.file, preamble: end.preamble, synced: end.offset, index: end.index }
            }
        };
        Ok((writer, self.recovery, self.queue))
    }
}

pub(crate) fn access(path: &Path, what: &'static str, source: io::Error) -> OpenError {
    OpenError::Access { path: path.to_owned(), what, source }
}

pub(crate) fn misplaced(path: &Path, what: &str) -> OpenError {
    OpenError::Misplaced { path: path.to_owned(), what: what.to_owned() }
}
