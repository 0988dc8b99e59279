//! What an operator can set about a spool, with the defaults and their origins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::segment::SegmentId;

/// Where the spool is and what bounds it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory; made if it is not there.
    pub directory: PathBuf,
    /// A segment is sealed before it grows past this, unless one record alone is larger. 64 MiB: space comes back in
    /// steps of a segment, and each seal costs a few syncs, so not much smaller; measured to be no bottleneck.
    pub segment_bytes_max: u64,
    /// Bytes of the log that are allocated ahead, and that only records of delivery may use when the disk is full. 4 MiB: an
    /// end is some 200 bytes and a stage some 1 KiB, so this ends what a few hundred leases began, many times over. At most twice
    /// as much is allocated. A segment grows past its size into it when the disk has no room for the next one.
    pub reserve_bytes: u64,
    /// A body up to this stays in memory and in the record; a larger one is streamed to a file of its own. 1 MiB: under
    /// it a second file and its two syncs cost more than writing the bytes into the log.
    pub body_inline_max: usize,
    /// Records that may wait for the committer; the next caller waits. 4,096: some 40 batches of 100 sessions.
    pub commit_queue_max: usize,
    /// Longest wait of something new for its place among them; then [`crate::CommitError::Busy`], and nothing is recorded. One
    /// minute: a tenth of what a client waits for the reply to its dot (RFC 5321 §4.5.3.2.6), so that the rest is left for the
    /// sync. Behind its place nothing is given up: the record is on its way, and a refusal would bring the message twice.
    pub commit_wait_max: Duration,
    /// Bytes of records that may wait for the committer or be on their way to disk; the next caller waits. 64 MiB.
    pub commit_queue_bytes_max: usize,
    /// Bytes after which a batch takes no further record, so that nobody waits long for a neighbour. 16 MiB.
    pub batch_bytes_max: u64,
    /// Bytes of one record (all shares and the outbox, bodies with files not counted); above it the call is refused.
    /// 48 MiB: dozens of inline bodies, and less than the queue takes.
    pub record_bytes_max: usize,
    /// Entries in one record: shares, siblings, outbox. 1,000: RFC 5321 §4.5.3.1.8 wants at least 100 recipients of one
    /// transaction, and each could be another tenant's.
    pub record_entries_max: usize,
    /// Bytes of fresh records whose entries stay in memory, so that their first lease reads nothing. 32 MiB.
    pub cache_bytes_max: usize,
    /// Open segment files kept for reading. 64.
    pub segment_files_max: usize,
    /// Segments of old entries that are less than half a segment long; above it the smallest are joined. 256: where one entry
    /// in a hundred stays for long there are some 200 of them, and joining would copy their entries once more.
    pub kept_segments_max: usize,
}

impl Settings {
    /// The defaults, in a directory.
    #[must_use]
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self {
            directory: directory.as_ref().to_owned(),
            segment_bytes_max: 64 << 20,
            reserve_bytes: 4 << 20,
            body_inline_max: 1 << 20,
            commit_queue_max: 4096,
            commit_wait_max: Duration::from_mins(1),
            commit_queue_bytes_max: 64 << 20,
            batch_bytes_max: 16 << 20,
            record_bytes_max: 48 << 20,
            record_entries_max: 1000,
            cache_bytes_max: 32 << 20,
            segment_files_max: 64,
            kept_segments_max: 256,
        }
    }
}

/// Where things are inside the directory.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub(crate) directory: PathBuf,
    pub(crate) segments: PathBuf,
    pub(crate) bodies: PathBuf,
    pub(crate) indexes: PathBuf,
    pub(crate) lock: PathBuf,
}

/// The names in the directory that are ours.
pub(crate) const SEGMENTS: &str = "segments";
pub(crate) const BODIES: &str = "bodies";
pub(crate) const INDEXES: &str = "index";
pub(crate) const LOCK: &str = "lock";

impl Paths {
    pub(crate) fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            segments: directory.join(SEGMENTS),
            bodies: directory.join(BODIES),
            indexes: directory.join(INDEXES),
            lock: directory.join(LOCK),
        }
    }

    /// A segment's file; names sort in the order of their sequence.
    pub(crate) fn segment(&self, id: SegmentId) -> PathBuf {
        self.segments.join(segment_name(id))
    }

    /// The index of a segment.
    pub(crate) fn index(&self, id: SegmentId) -> PathBuf {
        self.indexes.join(segment_name(id))
    }

    /// A segment before it may count.
    pub(crate) fn segment_new(&self, id: SegmentId) -> PathBuf {
        self.segments.join(match id {
            SegmentId::Log(sequence) => format!("{sequence:016x}.new"),
            SegmentId::Kept(sequence) => format!("{sequence:016x}.kept-new"),
        })
    }
}

fn segment_name(id: SegmentId) -> String {
    match id {
        SegmentId::Log(sequence) => format!("{sequence:016x}.log"),
        SegmentId::Kept(sequence) => format!("{sequence:016x}.kept"),
    }
}
