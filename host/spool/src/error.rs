//! Why the spool did not do as asked, split by what the caller does about it.

use std::io;
use std::path::PathBuf;

use crate::QueueId;

/// A record was not made durable. Nothing of it will be seen, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// A write or an fsync failed earlier or now: this log acknowledges nothing any more. A record in flight at that
    /// moment may or may not be found at the next start. Answer 451.
    #[error("the spool is poisoned by a disk error")]
    Poisoned,
    /// No room on the disk; nothing is half there. Answer 452 and try again later.
    #[error("no space left for the spool")]
    Full,
    /// The committer did not come to it within [`crate::Settings::commit_wait_max`]; nothing was handed over. Answer 451.
    #[error("the spool's disk is slower than what comes in")]
    Busy,
    /// More than a limit of [`crate::Settings`], by its name. Answer 552 or refuse the edit.
    #[error("more than {0}")]
    TooLarge(&'static str),
    /// An entry of that id is in the spool already, or comes twice in one record.
    #[error("entry {0} is in the spool already")]
    Exists(QueueId),
    /// A piece lies outside of what it refers to: a mistake of the caller.
    #[error("a piece of the content lies outside of its source")]
    Piece,
    /// The spool was closed.
    #[error("the spool is closed")]
    Closed,
}

/// What [`crate::Spool::accept`] answers.
pub type AcceptError = CommitError;

/// What the `record_…` functions answer.
pub type RecordError = CommitError;

/// A large body could not be written or synced; its file is gone again.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No room on the disk. Answer 452.
    #[error("no space left for a body")]
    Full,
    /// Anything else that the disk says. Answer 451.
    #[error("a body could not be stored: {0}")]
    Disk(#[source] io::Error),
}

impl From<io::Error> for BodyError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Disk(error) }
    }
}

/// Whether the disk has no room, as opposed to being broken.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Stored bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not the ones that were written: bit rot, or somebody changed the file.
    #[error("{path}: {what} at offset {offset}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The disk did not give them; trying again may help.
    #[error("{path}: {source}")]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The entry was finished or rewritten since; ask for it anew.
    #[error("the entry is no longer where it was")]
    Gone,
}

/// The spool was not opened. Every text is a sentence for an operator. Nothing is changed on disk before everything was read
/// and found good; only [`OpenError::Access`] can come later, when the torn end of the log may be cut off already and files that
/// nothing needs may be gone. Neither was ever acknowledged or is needed, so the next start goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{0}: another server is running on this spool; a spool has one server")]
    Locked(PathBuf),
    /// A directory or a file cannot be used as it must.
    #[error("{path}: cannot {what}: {source}; {}", remedy(source))]
    Access {
        /// Which.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Written by a later version.
    #[error(
        "{path}: format version {found}, this server reads up to {known}; run the newer server, or export there"
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Acknowledged mail is not as it was written. Starting anyway would lose it silently, so the spool doesn't.
    #[error(
        "{path}: {what} at offset {offset}; mail that was acknowledged is damaged, restore the file or set it aside"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A file that must be there is not.
    #[error("{path}: missing; {what}")]
    Missing {
        /// The file.
        path: PathBuf,
        /// Why it must be there.
        what: String,
    },
    /// A file that belongs to another spool or another place.
    #[error("{path}: {what}")]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Why it doesn't belong there.
        what: String,
    },
    /// The system gave no thread for the committer.
    #[error("cannot start the committer: {0}")]
    Thread(#[source] io::Error),
}

/// What an operator can do about it.
fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind::{AlreadyExists, NotADirectory, PermissionDenied, ReadOnlyFilesystem};
    match error.kind() {
        PermissionDenied => "give it to the user that the server runs as, with the right to read and write",
        ReadOnlyFilesystem => "mount its file system for writing",
        AlreadyExists | NotADirectory => "something else has that name: move it away",
        _ if is_full(error) => "make room on its file system",
        _ => "look after the disk, then start again",
    }
}
