//! An open file of the simulated disk: where writes are short, torn or refused, and syncs fail.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use spool::disk::DiskFile;

use super::disk::{SimDisk, broken, full};
use super::faults::{Step, Strike};

#[derive(Debug)]
pub(super) struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    file: usize,
}

impl SimFile {
    /// `file` is its index in the machine.
    pub(super) fn new(disk: &SimDisk, path: &Path, file: usize) -> Self {
        Self { disk: disk.clone(), path: path.to_owned(), file }
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let offset = usize::try_from(offset).unwrap();
        let (mut boot, strike) = self.disk.step(Step::Write, &self.path)?;
        let part = boot.machine.dice.below(bytes.len());
        let (count, answer) = match strike {
            Some(Strike::Full) if part == 0 || boot.machine.dice.one_in(2) => (0, Err(full())),
            Some(Strike::Full) => (part, Ok(part)),
            Some(Strike::Broken) => (part, Err(broken())),
            None if boot.machine.dice.one_in(25) => (0, Err(io::ErrorKind::Interrupted.into())),
            None if part > 0 && boot.machine.dice.one_in(10) => (part, Ok(part)),
            None => (bytes.len(), Ok(bytes.len())),
        };
        boot.machine.files[self.file].write(offset, &bytes[..count]);
        boot.done(())?;
        answer
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut boot, strike) = self.disk.step(Step::Read, &self.path)?;
        if strike.is_some() {
            return Err(broken());
        }
        let boot = &mut *boot;
        let bytes = &boot.machine.files[self.file].cache;
        let rest = bytes.get(usize::try_from(offset).unwrap()..).unwrap_or(&[]);
        let mut count = rest.len().min(buffer.len());
        if count > 1 && boot.machine.dice.one_in(20) {
            count = 1 + boot.machine.dice.below(count - 1);
        }
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (mut boot, strike) = self.disk.step(Step::Sync, &self.path)?;
        let is_log = self.path.parent().is_some_and(|parent| parent.ends_with("segments"));
        if is_log {
            boot = self.disk.wait_if_held(boot);
        }
        // What a sync in progress got done is one of the images.
        boot.done(())?;
        let machine = &mut boot.machine;
        if strike.is_none() {
            machine.files[self.file].sync();
            return Ok(());
        }
        let stale = machine.stale();
        machine.files[self.file].lose(&mut machine.dice, &stale);
        // A kept segment without a name is no part of the log yet: it is given up.
        if is_log && self.path.extension().is_none_or(|extension| extension != "kept-new") {
            boot.fail_log();
        }
        Err(broken())
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let (mut boot, strike) = self.disk.step(Step::Truncate, &self.path)?;
        if strike.is_some() {
            return Err(broken());
        }
        boot.machine.files[self.file].truncate(usize::try_from(length).unwrap());
        boot.done(())
    }

    fn size(&self) -> io::Result<u64> {
        let boot = self.disk.lock_boot();
        boot.done(u64::try_from(boot.machine.files[self.file].cache.len()).unwrap())
    }
}
