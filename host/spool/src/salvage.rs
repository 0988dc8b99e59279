//! Reading segments that need not be whole: behind a damaged place the next record is looked for, and what is left is put
//! together as well as it can be.
//!
//! A record is only taken for one if its header's sum fits the segment's salt, so no message can pose as one. What is lost
//! with a damaged record is what it said: its entry is found as the record before had it, or if it said "done", once more.

use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem;

use crate::disk::{Disk, DiskFile, read_up_to};
use crate::entry::{Entry, QueueId};
use crate::error::{OpenError, ReadError};
use crate::listing::Listing;
use crate::outline::Outline;
use crate::queue::Queue;
use crate::record::{Checkpoint, HEADER_LENGTH, Header, Kind, MAGIC, Metadata, record_length};
use crate::scan::Found;
use crate::segment::{
    self, FIRST_OFFSET, Location, PREAMBLE_LENGTH, Preamble, PreambleFault, SegmentId, kept_place,
};
use crate::settings::Paths;
use crate::survey::Damage;

/// What was left of a damaged spool.
pub(crate) struct Salvage {
    pub(crate) queue: Queue,
    pub(crate) damage: Vec<Damage>,
    /// Records of the log from this number on count, whatever a kept segment says of their entries.
    as_of: u64,
}

/// What reading all segments came to.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) segments: usize,
    pub(crate) records: u64,
    pub(crate) damage: Vec<Damage>,
}

/// Puts together what is readable.
pub(crate) fn salvage(disk: &dyn Disk, paths: &Paths, listing: &Listing) -> Result<Salvage, OpenError> {
    let mut damage = Vec::new();
    let kept = open_all(disk, paths, &kept_ids(listing), &mut damage)?;
    let mut log = open_all(disk, paths, &log_ids(listing), &mut damage)?;
    let checkpoint = newest_checkpoint(&kept);
    let (oldest, as_of) = checkpoint.as_ref().map_or((1, 0), |(_, found)| (found.oldest, found.as_of));
    let mut salvage = Salvage { queue: Queue::default(), damage, as_of };
    for segment in &kept {
        salvage.read_kept(segment, checkpoint.as_ref());
    }
    log.retain(|segment| segment.preamble.id.sequence() >= oldest);
    // Swapped files are read in the order of what is in them.
    log.sort_by_key(|segment| segment.preamble.first);
    for segment in &log {
        salvage.read_log(segment);
    }
    salvage.queue.needs.drop_spare();
    Ok(salvage)
}

/// Reads every record of every segment and checks its sums.
pub(crate) fn check_segments(disk: &dyn Disk, paths: &Paths, listing: &Listing) -> Result<Read, OpenError> {
    let mut read = Read::default();
    let ids = [kept_ids(listing), log_ids(listing)].concat();
    for segment in open_all(disk, paths, &ids, &mut read.damage)? {
        read.segments = read.segments.saturating_add(1);
        read.damage.extend(segment.walk(|_| read.records = read.records.saturating_add(1)));
    }
    Ok(read)
}

impl Salvage {
    /// Entries of a kept segment, as far as their records there were the newest.
    fn read_kept(&mut self, segment: &Segment, checkpoint: Option<&(SegmentId, Checkpoint)>) {
        let id = segment.preamble.id;
        let newest = |place| match checkpoint {
            // One behind the newest checkpoint that can be read: all that it says is newer.
            Some((at, _)) if id > *at => true,
            Some((_, checkpoint)) => {
                let listed = checkpoint.kept.iter().find(|kept| SegmentId::Kept(kept.sequence) == id);
                listed.is_some_and(|kept| kept.newest.contains(place))
            }
            None => true,
        };
        self.queue.needs.add_segment(id, segment.preamble.salt);
        let damage = segment.walk(|found| {
            let number = found.header.number;
            self.queue.needs.add_record(&found.location);
            self.queue.needs.add_spare(number, found.location);
            if found.header.kind == Kind::Copy
                && kept_place(number).is_some_and(|(_, place)| newest(place))
                && let Ok(metadata) = serde_json::from_slice::<Metadata>(&found.metadata)
            {
                metadata.entries.into_iter().for_each(|entry| self.put(entry, found));
            }
        });
        self.damage.extend(damage);
    }

    fn read_log(&mut self, segment: &Segment) {
        self.queue.needs.add_segment(segment.preamble.id, segment.preamble.salt);
        let damage = segment.walk(|found| {
            self.queue.needs.add_record(&found.location);
            self.apply(found);
        });
        self.damage.extend(damage);
    }

    fn apply(&mut self, found: &Found) {
        if matches!(found.header.kind, Kind::Seal | Kind::Checkpoint) {
            return;
        }
        let Ok(metadata) = serde_json::from_slice::<Metadata>(&found.metadata) else { return };
        for entry in metadata.entries {
            if !self.is_outdated(entry.id, found.header.number) {
                self.put(entry, found);
            }
        }
        for id in metadata.done {
            if !self.is_outdated(id, found.header.number) {
                self.queue.remove(id);
            }
        }
    }

    fn put(&mut self, mut entry: Arc<Entry>, found: &Found) {
        Arc::make_mut(&mut entry).content.number(found.header.number);
        self.queue.put(&Outline::of(&entry), found.header.number, found.location);
    }

    /// Whether a record of the log says something that was before what a kept segment says of the entry.
    fn is_outdated(&self, id: QueueId, number: u64) -> bool {
        number < self.as_of && self.queue.base(id).is_some_and(|base| kept_place(base).is_some())
    }
}

fn kept_ids(listing: &Listing) -> Vec<SegmentId> {
    listing.kept.iter().map(|sequence| SegmentId::Kept(*sequence)).collect()
}

fn log_ids(listing: &Listing) -> Vec<SegmentId> {
    listing.segments.iter().map(|sequence| SegmentId::Log(*sequence)).collect()
}

/// The checkpoint of the last kept segment that has one which can be read.
fn newest_checkpoint(kept: &[Segment]) -> Option<(SegmentId, Checkpoint)> {
    kept.iter().rev().find_map(|segment| {
        let mut checkpoint = None;
        segment.walk(|found| {
            if found.header.kind == Kind::Checkpoint {
                checkpoint = serde_json::from_slice(&found.metadata).ok();
            }
        });
        Some((segment.preamble.id, checkpoint?))
    })
}

/// A segment file, by its name; its preamble says the rest, if it can be read.
struct Segment {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    size: u64,
    preamble: Preamble,
}

fn open_all(
    disk: &dyn Disk,
    paths: &Paths,
    ids: &[SegmentId],
    damage: &mut Vec<Damage>,
) -> Result<Vec<Segment>, OpenError> {
    let mut segments = Vec::with_capacity(ids.len());
    for id in ids.iter().copied() {
        let path = paths.segment(id);
        let mut note = |what: &str| {
            damage.push(Damage { path: path.clone(), offset: 0, what: what.to_owned() });
        };
        let opened = disk.open(&path).and_then(|file| {
            let bytes = read_up_to(file.as_ref(), 0, PREAMBLE_LENGTH)?;
            Ok((file.size()?, bytes, file))
        });
        let (size, bytes, file) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                note(&format!("the segment cannot be read ({error})"));
                continue;
            }
        };
        let preamble = match Preamble::decode(&bytes) {
            Ok(preamble) => {
                if preamble.id != id {
                    note("the segment says that it is another one; files were swapped");
                }
                // Where it is found counts, because there it is read again.
                Preamble { id, ..preamble }
            }
            Err(PreambleFault::Newer(found)) => {
                return Err(OpenError::Newer { path, found, known: segment::FORMAT_VERSION });
            }
            Err(PreambleFault::Damaged) => {
                note("the segment's preamble is damaged");
                let Some(guess) = Preamble::guess(&bytes, id) else { continue };
                guess
            }
        };
        segments.push(Segment { file, path, size, preamble });
    }
    Ok(segments)
}

impl Segment {
    /// Hands over each record whose header and metadata are whole, in order. The answer is all that is not.
    fn walk(&self, mut take: impl FnMut(&Found)) -> Vec<Damage> {
        let mut damage = Vec::new();
        let mut offset = FIRST_OFFSET;
        while offset < self.size {
            let Some(location) = self.record_at(offset) else {
                let next = self.next_record(offset.saturating_add(1));
                let bytes = next.unwrap_or(self.size).saturating_sub(offset);
                damage.push(self.damage(offset, &format!("{bytes} bytes are no records")));
                offset = next.unwrap_or(self.size);
                continue;
            };
            let (file, salt) = (self.file.as_ref(), self.preamble.salt);
            match segment::read_metadata(file, &self.path, &location, salt) {
                Ok((header, metadata)) => {
                    if let Err(error) = segment::read_body(file, &self.path, &location, salt) {
                        damage.push(self.read_damage(&location, error));
                    }
                    take(&Found { header, location, metadata });
                }
                Err(error) => damage.push(self.read_damage(&location, error)),
            }
            offset = offset.saturating_add(length(&location));
        }
        damage
    }

    /// The record whose header begins there, if one does and the file holds it whole.
    fn record_at(&self, offset: u64) -> Option<Location> {
        let bytes = read_up_to(self.file.as_ref(), offset, HEADER_LENGTH).ok()?;
        let header = Header::decode(&bytes, self.preamble.salt)?;
        let location = Location {
            segment: self.preamble.id,
            offset,
            metadata_length: header.metadata_length,
            body_length: header.body_length,
        };
        (offset.saturating_add(length(&location)) <= self.size).then_some(location)
    }

    /// Where the next record begins, from an offset on.
    fn next_record(&self, mut offset: u64) -> Option<u64> {
        let finder = memmem::Finder::new(&MAGIC);
        while offset < self.size {
            // Blocks overlap by what a magic that is cut needs.
            let bytes =
                read_up_to(self.file.as_ref(), offset, SEARCH_BYTES.saturating_add(MAGIC.len())).ok()?;
            for place in finder.find_iter(&bytes) {
                let at = offset.saturating_add(u64::try_from(place).ok()?);
                if self.record_at(at).is_some() {
                    return Some(at);
                }
            }
            offset = offset.saturating_add(u64::try_from(SEARCH_BYTES).ok()?);
        }
        None
    }

    fn damage(&self, offset: u64, what: &str) -> Damage {
        Damage { path: self.path.clone(), offset, what: what.to_owned() }
    }

    fn read_damage(&self, location: &Location, error: ReadError) -> Damage {
        match error {
            ReadError::Damaged { path, offset, what } => Damage { path, offset, what: what.to_owned() },
            other => self.damage(location.offset, &other.to_string()),
        }
    }
}

/// Bytes that are searched at once.
const SEARCH_BYTES: usize = 1 << 20;

fn length(location: &Location) -> u64 {
    record_length(location.metadata_length, location.body_length)
}
