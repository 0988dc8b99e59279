//! Disks that fail: wrapped around the system's, each step through [`Disk`] can be counted, refused, held or cut short.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use spool::disk::{Disk, DiskFile, Found, Lock, Space, SystemDisk};

/// What is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Write,
    Sync,
    SyncDirectory,
    Rename,
    Unlink,
    Truncate,
}

/// Decides about each step, with the file's path where there is one.
pub(crate) trait Script: Send + Sync + std::fmt::Debug + 'static {
    fn step(&self, step: Step, path: &Path) -> io::Result<Verdict>;
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Do,
    /// Says that it was done. A sync that is skipped is a disk without power loss.
    Skip,
    /// A write that ends after half its bytes and then fails.
    Half,
}

/// Never syncs: for tests about what is in the files.
#[derive(Debug)]
pub(crate) struct Quick;

/// A disk under a script.
#[derive(Debug)]
pub(crate) struct Scripted<S>(pub(crate) Arc<S>);

impl Script for Quick {
    fn step(&self, step: Step, _: &Path) -> io::Result<Verdict> {
        Ok(if matches!(step, Step::Sync | Step::SyncDirectory) { Verdict::Skip } else { Verdict::Do })
    }
}

/// Everything stops after a number of steps, as it does in a crash: what came before stays, the write in which it comes is
/// half there, and nothing more is done.
#[derive(Debug)]
pub(crate) struct Stopping {
    pub(crate) left: AtomicI64,
}

impl Stopping {
    pub(crate) fn after(steps: i64) -> Arc<Self> {
        Arc::new(Self { left: AtomicI64::new(steps) })
    }
}

impl Script for Stopping {
    fn step(&self, step: Step, _: &Path) -> io::Result<Verdict> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Quick.step(step, Path::new("")),
            0 if step == Step::Write => Ok(Verdict::Half),
            _ => Err(io::Error::other("the machine is off")),
        }
    }
}

/// Fails each step of a kind while it is armed, and takes notes.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) step: Step,
    pub(crate) path: &'static str,
    pub(crate) kind: io::ErrorKind,
    pub(crate) armed: Mutex<bool>,
}

impl Failing {
    pub(crate) fn new(step: Step, path: &'static str, kind: io::ErrorKind) -> Arc<Self> {
        Arc::new(Self { step, path, kind, armed: Mutex::new(false) })
    }

    pub(crate) fn arm(&self) {
        *self.armed.lock().unwrap() = true;
    }

    pub(crate) fn disarm(&self) {
        *self.armed.lock().unwrap() = false;
    }
}

impl Script for Failing {
    fn step(&self, step: Step, path: &Path) -> io::Result<Verdict> {
        if step == self.step && *self.armed.lock().unwrap() && path.to_string_lossy().contains(self.path) {
            if step == Step::Write {
                return Ok(Verdict::Half);
            }
            return Err(self.kind.into());
        }
        Quick.step(step, path)
    }
}

/// Holds every sync of a segment until told.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    state: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    closed: bool,
    waiting: usize,
    steps: Vec<Step>,
}

impl Holding {
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().closed = true;
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().closed = false;
        self.changed.notify_all();
    }

    /// Returns when a sync is being held.
    pub(crate) fn wait_for_sync(&self) {
        let state = self.state.lock().unwrap();
        drop(self.changed.wait_while(state, |state| state.waiting == 0).unwrap());
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.state.lock().unwrap().steps.clone()
    }
}

impl Script for Holding {
    fn step(&self, step: Step, path: &Path) -> io::Result<Verdict> {
        let mut state = self.state.lock().unwrap();
        state.steps.push(step);
        if step == Step::Sync && path.to_string_lossy().contains("segments") {
            state.waiting += 1;
            self.changed.notify_all();
            state = self.changed.wait_while(state, |state| state.closed).unwrap();
            state.waiting -= 1;
        }
        drop(state);
        Quick.step(step, path)
    }
}

impl Disk for Quick {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        SystemDisk.list(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Scripted(Arc::new(Self)).create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Scripted(Arc::new(Self)).open(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        SystemDisk.unlink(path)
    }
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        SystemDisk.lock(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemDisk.space(path)
    }
    fn salt(&self) -> u64 {
        SystemDisk.salt()
    }
}

impl<S: Script> Scripted<S> {
    fn wrap(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(ScriptedFile { script: self.0.clone(), path: path.to_owned(), file })
    }
}

impl<S: Script> Disk for Scripted<S> {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        SystemDisk.list(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.step(Step::Create, path)?;
        Ok(self.wrap(path, SystemDisk.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.wrap(path, SystemDisk.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.step(Step::Rename, from)?;
        SystemDisk.rename(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.0.step(Step::Unlink, path)?;
        SystemDisk.unlink(path)
    }
    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self.0.step(Step::SyncDirectory, path)? {
            Verdict::Do => SystemDisk.sync_directory(path),
            Verdict::Skip | Verdict::Half => Ok(()),
        }
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        SystemDisk.lock(path)
    }
    fn space(&self, path: &Path) -> io::Result<Space> {
        SystemDisk.space(path)
    }
    fn salt(&self) -> u64 {
        SystemDisk.salt()
    }
}

#[derive(Debug)]
struct ScriptedFile<S> {
    script: Arc<S>,
    path: std::path::PathBuf,
    file: Arc<dyn DiskFile>,
}

impl<S: Script> DiskFile for ScriptedFile<S> {
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if self.script.step(Step::Write, &self.path)? == Verdict::Half {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.file.write_at(&[IoSlice::new(&bytes[..bytes.len() / 2])], offset)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(slices, offset)
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        match self.script.step(Step::Sync, &self.path)? {
            Verdict::Do => self.file.sync_data(),
            Verdict::Skip | Verdict::Half => Ok(()),
        }
    }
    fn truncate(&self, length: u64) -> io::Result<()> {
        self.script.step(Step::Truncate, &self.path)?;
        self.file.truncate(length)
    }
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }
}
