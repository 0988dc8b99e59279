//! A disk that loses its power: ext4 on a loop device, shut down as its ioctl does it.
//!
//! From the shutdown on nothing reaches the device any more, the journal in memory included: what was not synced is gone.
//! Needs root, a loop device, `mkfs.ext4` and `python3` (which makes the one ioctl).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// Room for a round's mail several times over.
const DISK_BYTES: u64 = 512 << 20;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`, of Linux's `fs/ext4/ext4.h`.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes and mounts one, and tries whether its power can be cut.
    ///
    /// # Errors
    /// If this machine does not let one; the error says why.
    pub fn mount() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-disk-").tempdir()?;
        let disk = Self { folder };
        std::fs::create_dir(disk.root())?;
        std::fs::File::create(disk.image())?.set_len(DISK_BYTES)?;
        run(Command::new("mkfs.ext4").arg("-q").arg(disk.image()))?;
        disk.attach()?;
        disk.cut_power()?;
        disk.restore_power()?;
        Ok(disk)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Writes out all that is in memory, so that it outlasts a power loss.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn sync(&self) -> Result<()> {
        run(Command::new("sync").arg("-f").arg(self.root()))
    }

    /// From here on nothing is written any more, and whoever tries is told of an error.
    ///
    /// # Errors
    /// If the file system does not take the ioctl.
    pub fn cut_power(&self) -> Result<()> {
        run(Command::new("python3").arg("-c").arg(SHUT_DOWN).arg(self.root()))
    }

    /// Mounts it anew: the journal is replayed, and what was not synced is gone. Nobody may have a file open on it.
    ///
    /// # Errors
    /// If it can't be unmounted or mounted.
    pub fn restore_power(&self) -> Result<()> {
        run(Command::new("umount").arg(self.root()))?;
        self.attach()
    }

    /// Leaves the disk's image where it is, unmounted, for somebody to look at.
    ///
    /// # Errors
    /// If it can't be unmounted.
    pub fn keep(&mut self) -> Result<PathBuf> {
        run(Command::new("umount").arg(self.root()))?;
        self.folder.disable_cleanup(true);
        Ok(self.image())
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn attach(&self) -> Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.root()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Kept and unmounted already, or never mounted: then there is nothing to do.
        let _ = run(Command::new("umount").arg(self.root()));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let program = Path::new(command.get_program()).display().to_string();
    let told = command.output().with_context(|| format!("starting {program}"))?;
    let said = String::from_utf8_lossy(&told.stderr);
    ensure!(told.status.success(), "{program}: {}", said.lines().last().unwrap_or("no reason given"));
    Ok(())
}
