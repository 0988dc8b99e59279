//! The disk: the only file of this crate that makes system calls.
//!
//! Every step of the protocol in the crate's documentation (create, write, fdatasync, rename, directory sync, unlink) is one
//! method here, so that a simulated disk can stand in and fail, tear, reorder or stop at each of them. Methods do exactly
//! one thing: loops over short writes and decisions about errors belong to the callers, where the simulation sees them.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::FallocateFlags;

/// A file system as the spool uses it.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Makes a directory, and the ones above it; one that exists is fine.
    ///
    /// # Errors
    /// What the file system says.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Everything in a directory, in no order.
    ///
    /// # Errors
    /// What the file system says.
    fn list(&self, path: &Path) -> io::Result<Vec<Found>>;

    /// Creates a file that must not exist, for reading and writing.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// What the file system says.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames; durable only after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name; durable only after [`Disk::sync_directory`].
    ///
    /// # Errors
    /// What the file system says.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// What the file system says.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a file, creating it; held until the answer is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` when another holds it, else what the file system says.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// What is left for us on the file system that holds `path`.
    ///
    /// # Errors
    /// What the file system says.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// A number that nobody outside can guess; a simulation answers from its seed.
    fn salt(&self) -> u64;
}

/// An open file.
pub trait DiskFile: Send + Sync + fmt::Debug + 'static {
    /// One gathered write at an offset; it may be short.
    ///
    /// # Errors
    /// What the file system says.
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// One read at an offset; it may be short, and 0 is the end.
    ///
    /// # Errors
    /// What the file system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes the file's bytes and length durable (not its name).
    ///
    /// # Errors
    /// What the file system says; after an error the state of the bytes is unknown and never known again.
    fn sync_data(&self) -> io::Result<()>;

    /// Allocates blocks for a range without changing the file's length, so that writing there cannot find the disk full.
    /// They stay with the file until it is cut.
    ///
    /// # Errors
    /// `Unsupported` where the file system cannot, as is said here for all that don't do it; else what it says.
    fn allocate(&self, _offset: u64, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cuts the file.
    ///
    /// # Errors
    /// What the file system says.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The file's length.
    ///
    /// # Errors
    /// What the file system says.
    fn size(&self) -> io::Result<u64>;
}

/// A held lock; dropping it gives the directory free.
pub trait Lock: Send + Sync + fmt::Debug {}

/// Something found in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name inside the directory.
    pub name: OsString,
    /// What it is.
    pub kind: FoundKind,
}

/// What a name in a directory stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundKind {
    /// An ordinary file.
    File,
    /// A directory.
    Directory,
    /// A link, socket, device: never ours.
    Other,
}

/// Room on a file system, as far as this process may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that an unprivileged writer still gets.
    pub bytes_free: u64,
    /// Files that can still be made; none where the file system has no such bound.
    pub inodes_free: Option<u64>,
}

/// The operating system's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let file_type = entry.file_type()?;
            let kind = match (file_type.is_file(), file_type.is_dir()) {
                (true, _) => FoundKind::File,
                (_, true) => FoundKind::Directory,
                _ => FoundKind::Other,
            };
            found.push(Found { name: entry.file_name(), kind });
        }
        Ok(found)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)?;
        Ok(Arc::new(SystemFile(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(SystemFile(OpenOptions::new().read(true).write(true).open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(FILE_MODE)
            .open(path)?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(SystemLock(file)))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let found = rustix::fs::statvfs(path)?;
        let inodes_free = (found.f_files > 0).then_some(found.f_favail);
        Ok(Space { bytes_free: found.f_bavail.saturating_mul(found.f_frsize), inodes_free })
    }

    fn salt(&self) -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

/// Mail is nobody else's business: files are readable by the server's own user alone.
const FILE_MODE: u32 = 0o600;

#[derive(Debug)]
struct SystemFile(File);

impl DiskFile for SystemFile {
    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(&self.0, slices, offset)?)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        Ok(rustix::fs::fallocate(&self.0, FallocateFlags::KEEP_SIZE, offset, length)?)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

/// The lock goes with the descriptor, also when the process is killed.
#[derive(Debug)]
struct SystemLock(#[expect(dead_code, reason = "held for its lock, which ends with the descriptor")] File);

impl Lock for SystemLock {}

/// Writes all slices, however short the single writes are.
///
/// # Errors
/// What the disk says; `WriteZero` when it takes nothing more.
pub(crate) fn write_all_at(
    file: &dyn DiskFile,
    slices: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    let mut rest = slices;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let count = rest.len().min(GATHER_MAX);
        let Some(window) = rest.get(..count) else { break };
        match file.write_at(window, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                IoSlice::advance_slices(&mut rest, written);
                offset = offset.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Slices of one gathered write: `IOV_MAX` of Linux.
const GATHER_MAX: usize = 1024;

/// Reads exactly `length` bytes.
///
/// # Errors
/// What the disk says; `UnexpectedEof` when the file ends before.
pub(crate) fn read_exact_at(file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let bytes = read_up_to(file, offset, length)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// Reads `length` bytes, or fewer where the file ends before.
///
/// # Errors
/// What the disk says.
pub(crate) fn read_up_to(file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = offset.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes how many slices each write had, and takes a part of it.
    #[derive(Debug, Default)]
    struct Short(Mutex<Seen>);

    #[derive(Debug, Default)]
    struct Seen {
        slices: Vec<usize>,
        written: Vec<u8>,
    }

    impl DiskFile for Short {
        fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
            let mut seen = self.0.lock().unwrap();
            assert_eq!(u64::try_from(seen.written.len()).unwrap(), offset);
            seen.slices.push(slices.len());
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = bytes.len() - bytes.len() / 3;
            seen.written.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            unreachable!()
        }

        fn sync_data(&self) -> io::Result<()> {
            unreachable!()
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            unreachable!()
        }

        fn size(&self) -> io::Result<u64> {
            unreachable!()
        }
    }

    #[test]
    fn a_gathered_write_has_no_more_slices_than_the_system_takes_and_loses_none() {
        let bytes: Vec<u8> = (0..GATHER_MAX * 2 + 1).flat_map(|number| number.to_le_bytes()).collect();
        let mut slices: Vec<IoSlice<'_>> = bytes.chunks(8).map(IoSlice::new).collect();
        let file = Short::default();
        write_all_at(&file, &mut slices, 0).unwrap();
        let seen = file.0.into_inner().unwrap();
        assert_eq!(seen.slices.iter().max(), Some(&GATHER_MAX));
        assert_eq!(seen.written, bytes);
    }
}
