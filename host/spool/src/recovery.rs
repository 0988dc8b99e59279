//! What a start or a verification found, as values and as sentences for an operator.

use std::fmt;
use std::path::PathBuf;

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

/// The torn end of the log; it reads as a sentence for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where the good records end.
    pub offset: u64,
    /// Bytes that were cut off.
    pub bytes: u64,
    /// Records among them that were whole, but behind or in one batch with a torn one.
    pub records: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, offset, bytes, records } = self;
        write!(
            formatter,
            "{}: the last write was torn: {bytes} bytes from offset {offset} on were cut off, with {records} whole records \
             among them; none of them was acknowledged, so their senders still have the mail",
            path.display()
        )
    }
}
