//! Files that are read again when they change: aliases, certificates, users.
//!
//! Promises that a version which can't be read or has a fault changes nothing: the last good one holds, and the log says why
//! in one line. Leaves out what stands in the files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Time between two looks at the files: a person who saved one and tries it shall not wait longer.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What was made of some files, as long as they stay as they are.
#[derive(Debug)]
pub(crate) struct Reloaded<T> {
    paths: Vec<PathBuf>,
    read: Reader<T>,
    live: RwLock<Arc<T>>,
    /// Of the versions that were looked at last, good or bad.
    seen: Mutex<Stamps>,
}

/// Makes something of the files; the paths are those that were given, in their order.
pub(crate) type Reader<T> = fn(&[PathBuf]) -> Result<T, FileError>;

type Stamps = Vec<Option<Stamp>>;

/// Why nothing could be made of a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The system said no.
    #[error("{path} can't be read: {error}", path = path.display())]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Not what it should be.
    #[error("{path}: {fault}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        fault: String,
    },
}

/// Tells one version of a file from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    seconds: i64,
    nanoseconds: i64,
}

/// Something with files that may change.
pub(crate) trait Look: Send + Sync {
    /// Whether there is anything to look at.
    fn has_files(&self) -> bool;
    /// Reads again what changed. Blocks on the disk.
    fn look(&self);
}

impl<T> Reloaded<T> {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// When one can't be read, or has a fault: a server does not start with half of what it needs.
    pub(crate) fn open(paths: Vec<PathBuf>, read: Reader<T>) -> Result<Self, FileError> {
        let seen = Mutex::new(stamps(&paths));
        let live = RwLock::new(Arc::new(read(&paths)?));
        Ok(Self { paths, read, live, seen })
    }

    /// What was made of the last good version.
    pub(crate) fn live(&self) -> Arc<T> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the files again if one is another than the one that was looked at last. Blocks on the disk.
    pub(crate) fn look(&self) {
        // Taken before the files are read: a change meanwhile is seen at the next look.
        let stamps = stamps(&self.paths);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == stamps {
                return;
            }
            *seen = stamps;
        }
        match (self.read)(&self.paths) {
            Ok(fresh) => {
                *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                tracing::info!(files = ?self.paths, "read again");
            }
            Err(error) => tracing::error!(%error, "the last good version stays"),
        }
    }
}

impl FileError {
    /// What is wrong with the content of a file.
    pub(crate) fn content(path: &Path, fault: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), fault: fault.into() }
    }
}

impl Stamp {
    /// None where there is no file.
    fn of(path: &Path) -> Option<Self> {
        let facts = fs::metadata(path).ok()?;
        let (inode, bytes) = (facts.ino(), facts.len());
        Some(Self { inode, bytes, seconds: facts.mtime(), nanoseconds: facts.mtime_nsec() })
    }
}

fn stamps(paths: &[PathBuf]) -> Stamps {
    paths.iter().map(|path| Stamp::of(path)).collect()
}

/// All bytes of a file that has at most so many.
///
/// # Errors
/// When it can't be read, or is longer.
pub(crate) fn bytes(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let disk = |error| FileError::Disk { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(disk)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(disk)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(FileError::content(path, format!("longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// The text of a file that has at most so many bytes.
///
/// # Errors
/// As [`bytes`], and when it is not UTF-8.
pub(crate) fn text(path: &Path, bytes_max: u64) -> Result<String, FileError> {
    String::from_utf8(bytes(path, bytes_max)?).map_err(|_| FileError::content(path, "not UTF-8"))
}

/// Looks at all of them again and again, until `stopping`.
pub(crate) async fn watch(mut watched: Vec<Arc<dyn Look>>, stopping: CancellationToken) {
    watched.retain(|one| one.has_files());
    if watched.is_empty() {
        return;
    }
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        let watched = watched.clone();
        let look = move || watched.iter().for_each(|one| one.look());
        if let Err(error) = tokio::task::spawn_blocking(look).await {
            tracing::error!(%error, "the files were not looked at");
        }
    }
}
