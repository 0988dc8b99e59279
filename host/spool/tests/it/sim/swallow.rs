//! A disk that says of some syncs that they were done and does nothing: for the control runs, which must lose mail.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use spool::disk::{Disk, DiskFile, Found, Lock, Space};

/// Which syncs are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swallow {
    /// Those of segments, except for the one that makes a new one.
    Log,
    /// Those of bodies.
    Bodies,
    /// Those of the directories of segments and bodies.
    Names,
}

/// The wrapper.
#[derive(Debug)]
pub(crate) struct Swallowing {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) what: Swallow,
}

impl Swallowing {
    fn wrap(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let folder = match self.what {
            Swallow::Log => "segments",
            Swallow::Bodies => "bodies",
            Swallow::Names => return file,
        };
        if !path.parent().is_some_and(|parent| parent.ends_with(folder)) {
            return file;
        }
        let new = path.extension().is_some_and(|extension| extension == "new");
        Arc::new(Unsynced { file, left: AtomicU32::new(u32::from(new)) })
    }
}

impl Disk for Swallowing {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.disk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        self.disk.list(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, self.disk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, self.disk.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let ours = path.ends_with("segments") || path.ends_with("bodies");
        if self.what == Swallow::Names && ours { Ok(()) } else { self.disk.sync_directory(path) }
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        self.disk.space(path)
    }
    fn salt(&self) -> u64 {
        self.disk.salt()
    }
}

#[derive(Debug)]
struct Unsynced {
    file: Arc<dyn DiskFile>,
    /// Syncs that are done.
    left: AtomicU32,
}

impl DiskFile for Unsynced {
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.file.write_at(slices, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => self.file.sync_data(),
            Err(_) => Ok(()),
        }
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
