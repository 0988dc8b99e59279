//! The simulated disk: a machine whose power, page cache and medium belong to the test.
//!
//! Every step through [`Disk`] that changes something is numbered. A boot can stop at any number, in the middle of that
//! step; from then on nothing is done. Then the next boot finds what the medium kept ([`SimDisk::after_power_loss`]), or the
//! page cache as it was if only the process died ([`SimDisk::after_kill`]).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use spool::disk::{Disk, DiskFile, Found, FoundKind, Lock, Space};
use tokio::sync::Notify;

use super::faults::{Fault, Faults, Step, Strike};
use super::file::SimFile;
use super::machine::Machine;
use super::media::{Data, Names, Node};

/// One boot of a machine.
#[derive(Debug)]
pub(super) struct Boot {
    pub(super) machine: Machine,
    locked: bool,
    power: Power,
    stop_at: Option<u64>,
    steps: u64,
    reads: u64,
    faults: Faults,
    /// A sync of the log or of its directory failed.
    log_failed: Option<u64>,
    trace: Vec<(Step, PathBuf)>,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    Off,
}

/// Whether the next sync of a segment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    No,
    Wanted,
    Holding,
}

/// A disk with everything in memory. A clone is the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    boot: Mutex<Boot>,
    released: Condvar,
    held: Notify,
}

/// A step that was taken, and what strikes it.
type Taken<'a> = (MutexGuard<'a, Boot>, Option<Strike>);

impl SimDisk {
    /// An empty disk.
    pub(crate) fn new(seed: u64) -> Self {
        Self::boot(Machine::new(seed))
    }

    fn boot(machine: Machine) -> Self {
        let boot = Boot {
            machine,
            locked: false,
            power: Power::On,
            stop_at: None,
            steps: 0,
            reads: 0,
            faults: Faults::default(),
            log_failed: None,
            trace: Vec::new(),
            hold: Hold::No,
        };
        let inner = Inner { boot: Mutex::new(boot), released: Condvar::new(), held: Notify::new() };
        Self(Arc::new(inner))
    }

    /// When this boot stops, and what goes wrong before.
    pub(crate) fn plan(&self, stop_at: Option<u64>, faults: Vec<Fault>) {
        let mut boot = self.lock_boot();
        boot.stop_at = stop_at.map(|steps| boot.steps + steps);
        boot.faults = Faults::new(faults);
    }

    /// Nothing goes wrong while the test itself looks around.
    pub(crate) fn pause(&self) {
        self.lock_boot().faults.paused = true;
    }

    /// Faults may strike again.
    pub(crate) fn resume(&self) {
        self.lock_boot().faults.paused = false;
    }

    pub(crate) fn turn_off(&self) {
        self.lock_boot().power = Power::Off;
    }

    pub(crate) fn is_off(&self) -> bool {
        self.lock_boot().power == Power::Off
    }

    /// Steps and reads so far.
    pub(crate) fn steps(&self) -> (u64, u64) {
        let boot = self.lock_boot();
        (boot.steps, boot.reads)
    }

    /// Faults that struck in this boot.
    pub(crate) fn struck(&self) -> u64 {
        self.lock_boot().faults.struck
    }

    /// The step at which a sync of the log failed.
    pub(crate) fn log_failed(&self) -> Option<u64> {
        self.lock_boot().log_failed
    }

    /// How often a step was taken, under a name.
    pub(crate) fn count(&self, step: Step, part: &str) -> usize {
        let boot = self.lock_boot();
        boot.trace
            .iter()
            .filter(|(kind, path)| *kind == step && path.to_string_lossy().contains(part))
            .count()
    }

    /// The last steps of this boot, for a counterexample.
    pub(crate) fn trace(&self) -> String {
        let boot = self.lock_boot();
        let from = boot.trace.len().saturating_sub(12);
        let lines = boot.trace[from..].iter().map(|(step, path)| format!("{step:?} {}", path.display()));
        lines.collect::<Vec<_>>().join(", ")
    }

    /// The files of a directory with their bytes as a reader sees them.
    pub(crate) fn files(&self, directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let boot = self.lock_boot();
        let Some(names) = boot.machine.directories.get(directory) else { return BTreeMap::new() };
        let file = |(name, node): (&OsString, &Node)| match node {
            Node::File(file) => Some((directory.join(name), boot.machine.files[*file].cache.clone())),
            Node::Directory => None,
        };
        names.now.iter().filter_map(file).collect()
    }

    /// Rot: changes bytes behind everyone's back.
    pub(crate) fn rot(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut boot = self.lock_boot();
        let file = boot.machine.file(path).unwrap();
        let mut bytes = boot.machine.files[file].cache.clone();
        change(&mut bytes);
        boot.machine.files[file] = Data::clean(bytes);
    }

    /// Where a sync of a segment waits if one is to wait.
    pub(super) fn wait_if_held<'a>(&'a self, mut boot: MutexGuard<'a, Boot>) -> MutexGuard<'a, Boot> {
        if boot.hold != Hold::Wanted {
            return boot;
        }
        boot.hold = Hold::Holding;
        self.0.held.notify_one();
        self.0.released.wait_while(boot, |boot| boot.hold == Hold::Holding).unwrap()
    }

    /// The next sync of a segment waits for [`SimDisk::release`].
    pub(crate) fn hold(&self) {
        self.lock_boot().hold = Hold::Wanted;
    }

    /// Returns when a sync waits.
    pub(crate) async fn held(&self) {
        self.0.held.notified().await;
    }

    pub(crate) fn release(&self) {
        self.lock_boot().hold = Hold::No;
        self.0.released.notify_all();
    }

    /// The machine after the power was gone: what the medium happened to have.
    pub(crate) fn after_power_loss(&self) -> Self {
        Self::boot(self.off().without_power())
    }

    /// The same machine after the process died.
    pub(crate) fn after_kill(&self) -> Self {
        Self::boot(self.off())
    }

    fn off(&self) -> Machine {
        let mut boot = self.lock_boot();
        boot.power = Power::Off;
        boot.machine.clone()
    }

    pub(super) fn lock_boot(&self) -> MutexGuard<'_, Boot> {
        self.0.boot.lock().unwrap()
    }

    /// Takes a step; the caller does it and then says so with [`Boot::done`].
    pub(super) fn step(&self, step: Step, path: &Path) -> io::Result<Taken<'_>> {
        let mut boot = self.lock_boot();
        if boot.power == Power::Off {
            return Err(off());
        }
        let number = if step == Step::Read {
            boot.reads += 1;
            boot.reads
        } else {
            boot.steps += 1;
            boot.trace.push((step, path.to_owned()));
            if boot.stop_at.is_some_and(|at| boot.steps >= at) {
                boot.power = Power::Off;
            }
            boot.steps
        };
        let strike = boot.faults.strike(step, number);
        Ok((boot, strike))
    }
}

impl Boot {
    /// A sync of the log's failed: the first one counts.
    pub(super) fn fail_log(&mut self) {
        self.log_failed.get_or_insert(self.steps);
    }

    /// The answer to a step that was done, unless it was the last one.
    pub(super) fn done<T>(&self, answer: T) -> io::Result<T> {
        if self.power == Power::Off { Err(off()) } else { Ok(answer) }
    }

    fn names(&mut self, path: &Path) -> io::Result<(&mut Names, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = path.parent().and_then(|parent| self.machine.directories.get_mut(parent));
        Ok((parent.ok_or(io::ErrorKind::NotFound)?, name.to_owned()))
    }
}

impl Disk for SimDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        if self.lock_boot().machine.directories.contains_key(path) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_directory(parent)?;
        }
        let (mut boot, strike) = self.step(Step::MakeDirectory, path)?;
        if strike.is_some() {
            return Err(broken());
        }
        let (names, name) = boot.names(path)?;
        names.link(name, Node::Directory);
        boot.machine.directories.insert(path.to_owned(), Names::default());
        boot.done(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        let boot = self.lock_boot();
        let names = boot.machine.directories.get(path).ok_or(io::ErrorKind::NotFound)?;
        let found = |(name, node): (&OsString, &Node)| Found {
            name: name.clone(),
            kind: if *node == Node::Directory { FoundKind::Directory } else { FoundKind::File },
        };
        boot.done(names.now.iter().map(found).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let (mut boot, strike) = self.step(Step::Create, path)?;
        match strike {
            Some(Strike::Full) => return Err(full()),
            Some(Strike::Broken) => return Err(broken()),
            None => {}
        }
        if boot.machine.file(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = boot.machine.files.len();
        let (names, name) = boot.names(path)?;
        names.link(name, Node::File(file));
        boot.machine.files.push(Data::default());
        boot.done(Arc::new(SimFile::new(self, path, file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let boot = self.lock_boot();
        let file = boot.machine.file(path).ok_or(io::ErrorKind::NotFound)?;
        boot.done(Arc::new(SimFile::new(self, path, file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut boot, strike) = self.step(Step::Rename, from)?;
        if strike.is_some() {
            return Err(broken());
        }
        assert_eq!(from.parent(), to.parent(), "the simulation renames inside a directory");
        let to = to.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let (names, from) = boot.names(from)?;
        names.rename(from, to).ok_or(io::ErrorKind::NotFound)?;
        boot.done(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let (mut boot, strike) = self.step(Step::Unlink, path)?;
        if strike.is_some() {
            return Err(broken());
        }
        let (names, name) = boot.names(path)?;
        names.unlink(name).ok_or(io::ErrorKind::NotFound)?;
        boot.done(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let (mut boot, strike) = self.step(Step::SyncNames, path)?;
        // What a sync in progress got done is one of the images.
        boot.done(())?;
        if strike.is_none() {
            boot.machine.directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?.sync();
            return Ok(());
        }
        let Machine { directories, dice, .. } = &mut boot.machine;
        directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?.lose(dice);
        if path.ends_with("segments") {
            boot.fail_log();
        }
        Err(broken())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        let mut boot = self.lock_boot();
        if boot.locked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        boot.locked = true;
        boot.done(Box::new(SimLock(self.clone())))
    }

    fn space(&self, _: &Path) -> io::Result<Space> {
        Ok(Space { bytes_free: u64::MAX, inodes_free: None })
    }

    fn salt(&self) -> u64 {
        self.lock_boot().machine.dice.number()
    }
}

#[derive(Debug)]
struct SimLock(SimDisk);

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.lock_boot().locked = false;
    }
}

pub(super) fn off() -> io::Error {
    io::Error::other("the machine is off")
}

/// EIO of Linux.
pub(super) fn broken() -> io::Error {
    io::Error::from_raw_os_error(5)
}

/// ENOSPC of Linux.
pub(super) fn full() -> io::Error {
    io::Error::from_raw_os_error(28)
}
