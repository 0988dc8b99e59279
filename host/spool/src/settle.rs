//! Making durable what a start found, before anyone relies on it.
//!
//! A server that died leaves in the page cache what it had not synced, and the next start cannot tell that from what is on
//! disk: it would deliver from it, write behind it, and remove files that it makes superfluous. Leaves out: what to look for
//! ([`crate::recover`]).

use std::io::{self, IoSlice};
use std::path::Path;

use crate::disk::{Disk, Lock, read_exact_at, write_all_at};
use crate::error::OpenError;
use crate::index::Index;
use crate::recover::access;
use crate::scan::End;
use crate::segment::SegmentId;
use crate::settings::Paths;

/// Makes the spool's directories, takes the lock, and makes the names of the directories durable.
pub(crate) fn directories(disk: &dyn Disk, paths: &Paths) -> Result<Box<dyn Lock>, OpenError> {
    for path in [&paths.directory, &paths.segments, &paths.bodies, &paths.indexes] {
        disk.create_directory(path).map_err(|source| access(path, "make the directory", source))?;
    }
    let lock = lock(disk, paths)?;
    names(disk, &paths.directory)?;
    Ok(lock)
}

/// Takes the lock: nobody else reads or changes the directory meanwhile.
pub(crate) fn lock(disk: &dyn Disk, paths: &Paths) -> Result<Box<dyn Lock>, OpenError> {
    disk.lock(&paths.lock).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked(paths.directory.clone()),
        _ => access(&paths.lock, "lock the file", source),
    })
}

/// The last batch of a segment, and the cut behind it. After a failed fsync the system takes pages for written that are not,
/// and would not write them at the next one, so they are written again.
pub(crate) fn end_of_segment(end: &End) -> Result<(), OpenError> {
    rewrite(end).map_err(|source| access(&end.path, "make the end of the segment durable", source))
}

fn rewrite(end: &End) -> io::Result<()> {
    let file = end.file.as_ref();
    let mut at = end.unsure;
    while at < end.offset {
        let length = BYTES_AT_ONCE.min(end.offset.saturating_sub(at));
        let bytes = read_exact_at(file, at, usize::try_from(length).unwrap_or(usize::MAX))?;
        write_all_at(file, &mut [IoSlice::new(&bytes)], at)?;
        at = at.saturating_add(length);
    }
    if end.torn > 0 {
        file.truncate(end.offset)?;
    }
    file.sync_data()
}

/// Bytes that are written again at once.
const BYTES_AT_ONCE: u64 = 1 << 20;

/// Indexes of sealed segments that had none. Nothing depends on them, so nothing is made durable.
pub(crate) fn index(disk: &dyn Disk, paths: &Paths, id: SegmentId, index: &Index) {
    if let Err(error) = index.write(disk, paths, id) {
        let path = paths.index(id);
        tracing::warn!(path = %path.display(), %error, "an index could not be written: the next start reads its segment");
    }
}

/// The names in a directory.
pub(crate) fn names(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    disk.sync_directory(path).map_err(|source| access(path, "sync the directory", source))
}

/// The names of all directories above: a start that was interrupted may have made any of them. One that we may not even
/// open is not ours.
pub(crate) fn names_above(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    for above in directory.ancestors().skip(1) {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match disk.sync_directory(above) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.map_err(|source| access(above, "sync the directory", source))?,
        }
    }
    Ok(())
}
