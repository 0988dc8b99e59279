//! What lies in a spool's directories, sorted into ours and unknown.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::body::BodyName;
use crate::disk::{Disk, FoundKind};
use crate::error::OpenError;
use crate::recover::access;
use crate::segment::SegmentId;
use crate::settings::{BODIES, INDEXES, LOCK, Paths, SEGMENTS};

#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Sequences of the log's segments, in order.
    pub(crate) segments: Vec<u64>,
    /// Sequences of the kept segments, in order.
    pub(crate) kept: Vec<u64>,
    pub(crate) bodies: Vec<BodyName>,
    /// Segments that never got their name.
    pub(crate) half_made: Vec<PathBuf>,
    /// Segments that have an index, those that are gone among them.
    pub(crate) indexes: Vec<SegmentId>,
    /// Not ours.
    pub(crate) unknown: Vec<PathBuf>,
}

impl Listing {
    pub(crate) fn of(disk: &dyn Disk, paths: &Paths) -> Result<Self, OpenError> {
        let mut listing = Self::default();
        for Name { name, .. } in names(disk, &paths.directory)? {
            if ![SEGMENTS, BODIES, INDEXES, LOCK].contains(&name.as_str()) {
                listing.unknown.push(paths.directory.join(name));
            }
        }
        for Name { name, kind } in names(disk, &paths.segments)? {
            let path = paths.segments.join(&name);
            match segment_name(&name).filter(|_| kind == FoundKind::File) {
                Some((sequence, "log")) => listing.segments.push(sequence),
                Some((sequence, "kept")) => listing.kept.push(sequence),
                Some((_, "new" | "kept-new")) => listing.half_made.push(path),
                _ => listing.unknown.push(path),
            }
        }
        for Name { name, kind } in names(disk, &paths.bodies)? {
            match name.parse().ok().filter(|_| kind == FoundKind::File) {
                Some(body) => listing.bodies.push(body),
                None => listing.unknown.push(paths.bodies.join(name)),
            }
        }
        let indexes = match names(disk, &paths.indexes) {
            // It need not be restored with the rest.
            Err(OpenError::Access { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
            named => named?,
        };
        for Name { name, kind } in indexes {
            match segment_name(&name).filter(|_| kind == FoundKind::File) {
                Some((sequence, "log")) => listing.indexes.push(SegmentId::Log(sequence)),
                Some((sequence, "kept")) => listing.indexes.push(SegmentId::Kept(sequence)),
                _ => listing.unknown.push(paths.indexes.join(name)),
            }
        }
        listing.segments.sort_unstable();
        listing.kept.sort_unstable();
        Ok(listing)
    }
}

struct Name {
    name: String,
    kind: FoundKind,
}

fn names(disk: &dyn Disk, path: &Path) -> Result<Vec<Name>, OpenError> {
    let found = disk.list(path).map_err(|source| access(path, "list the directory", source))?;
    let name = |found: crate::disk::Found| Name {
        name: found.name.to_string_lossy().into_owned(),
        kind: found.kind,
    };
    Ok(found.into_iter().map(name).collect())
}

/// The sequence and the ending of a segment's file name.
fn segment_name(name: &str) -> Option<(u64, &str)> {
    let (digits, ending) = name.split_once('.')?;
    let sequence = u64::from_str_radix(digits, 16).ok()?;
    (format!("{sequence:016x}") == digits).then_some((sequence, ending))
}
