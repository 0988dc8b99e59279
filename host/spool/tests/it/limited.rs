//! A disk of a certain size, over the system's: what is allocated or written beyond it finds it full.

use std::collections::HashMap;
use std::io::{self, ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use spool::disk::{Disk, DiskFile, Found, Lock, Space};

use crate::disks::Quick;

/// Whether blocks can be allocated ahead of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    Allocates,
    Unsupported,
}

/// A clone is the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    ahead: Ahead,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    size: u64,
    names: HashMap<PathBuf, File>,
    /// Up to which offset each file has its blocks.
    blocks: HashMap<File, u64>,
    made: File,
}

/// A file keeps its number when it is renamed.
type File = usize;

impl State {
    fn used(&self) -> u64 {
        self.blocks.values().sum()
    }

    fn take(&mut self, file: File, end: u64) -> io::Result<()> {
        let before = self.blocks.get(&file).copied().unwrap_or(0);
        if end > before {
            if self.used() - before + end > self.size {
                return Err(ErrorKind::StorageFull.into());
            }
            self.blocks.insert(file, end);
        }
        Ok(())
    }
}

impl Limited {
    pub(crate) fn new(size: u64, ahead: Ahead) -> Self {
        Self { ahead, state: Arc::new(Mutex::new(State { size, ..State::default() })) }
    }

    /// Makes it larger: somebody deleted something else.
    pub(crate) fn grow(&self, bytes: u64) {
        self.state.lock().unwrap().size += bytes;
    }

    /// Takes all that is free: somebody wrote something else.
    pub(crate) fn fill(&self) {
        let mut state = self.state.lock().unwrap();
        state.size = state.used();
    }

    fn wrap(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        let mut state = self.state.lock().unwrap();
        state.made += 1;
        let made = state.made;
        let number = *state.names.entry(path.to_owned()).or_insert(made);
        Arc::new(LimitedFile { disk: self.clone(), number, file })
    }
}

impl Disk for Limited {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        Quick.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        Quick.list(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, Quick.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, Quick.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Quick.rename(from, to)?;
        let mut state = self.state.lock().unwrap();
        let replaced = state.names.remove(from).and_then(|number| state.names.insert(to.to_owned(), number));
        replaced.map(|number| state.blocks.remove(&number));
        Ok(())
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        Quick.unlink(path)?;
        let mut state = self.state.lock().unwrap();
        let removed = state.names.remove(path);
        removed.map(|number| state.blocks.remove(&number));
        Ok(())
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        Quick.sync_directory(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        Quick.lock(path)
    }
    fn space(&self, _: &Path) -> io::Result<Space> {
        let state = self.state.lock().unwrap();
        Ok(Space { bytes_free: state.size.saturating_sub(state.used()), inodes_free: None })
    }
    fn salt(&self) -> u64 {
        Quick.salt()
    }
}

#[derive(Debug)]
struct LimitedFile {
    disk: Limited,
    number: File,
    file: Arc<dyn DiskFile>,
}

impl LimitedFile {
    fn take(&self, end: u64) -> io::Result<()> {
        self.disk.state.lock().unwrap().take(self.number, end)
    }
}

impl DiskFile for LimitedFile {
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        self.take(offset + u64::try_from(length).unwrap())?;
        self.file.write_at(slices, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        match self.disk.ahead {
            Ahead::Allocates => self.take(offset + length),
            Ahead::Unsupported => Err(ErrorKind::Unsupported.into()),
        }
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)?;
        let mut state = self.disk.state.lock().unwrap();
        if let Some(end) = state.blocks.get_mut(&self.number) {
            *end = length.min(*end);
        }
        Ok(())
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
