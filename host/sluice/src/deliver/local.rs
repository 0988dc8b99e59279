//! Maildir: a message is whole and synced before a reader can see it.
//!
//! Written under `tmp`, synced, renamed to `new`, and the folder synced. The name comes from the entry and the recipient,
//! so a delivery that is repeated after a crash finds the first one and leaves it alone. Many deliveries share the syncs.
//! Names of mailboxes come from outside: what a path can't hold is written `%XX`, so none can leave the root.

use std::collections::{BTreeSet, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use smtp::Mailbox;

use super::path::Pattern;

/// Mailboxes that are known to exist, so that a delivery need not ask the disk; forgotten all at once when there are more.
const KNOWN_MAX: usize = 16_384;

/// Files that are open at one time: a batch of messages to a thousand recipients each must not take all descriptors. Far
/// more would not share their syncs better; PERFORMANCE's runs have one recipient each.
const OPEN_FILES_MAX: usize = 256;

/// Where content comes from while it is written.
pub trait Source: Send {
    /// Writes all of it.
    ///
    /// # Errors
    /// What reading or writing said; the delivery is tried again.
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// One message for one mailbox.
pub struct Delivery {
    /// Whose mailbox.
    pub tenant: std::sync::Arc<str>,
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The file's name: the same for each attempt of this entry and recipient.
    pub name: String,
    /// Whether an earlier attempt may have got through: then `cur` is searched as well.
    pub history: History,
    /// Return-Path and Received, written above the content.
    pub trace: Bytes,
    /// The content, byte for byte.
    pub content: std::sync::Arc<dyn Source + Sync>,
}

/// Whether somebody tried this delivery before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum History {
    /// This is the first attempt.
    First,
    /// There was one, or a crash hides whether there was.
    Repeated,
}

/// Why a message isn't in its mailbox.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// Try again: the disk or the folder said no.
    #[error("{what}: {error}")]
    Later {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// Trying again is of no use: the mailbox's name is too long for a folder.
    #[error("the mailbox's name does not fit into a path")]
    NoSuchFolder,
}

fn later(what: &'static str) -> impl FnOnce(io::Error) -> DeliverError {
    move |error| DeliverError::Later { what, error }
}

/// All mailboxes under one root.
#[derive(Debug)]
pub struct Maildir {
    root: PathBuf,
    pattern: Pattern,
    known: Mutex<HashSet<PathBuf>>,
}

/// A delivery on its way through the steps of a batch.
struct Underway {
    temporary: PathBuf,
    target: PathBuf,
    folder: PathBuf,
    file: File,
}

enum Step {
    Written(Underway),
    /// In `new` or `cur`; the folder is synced all the same, for the attempt that put it there may have died before.
    Arrived {
        target: PathBuf,
        folder: PathBuf,
    },
    Failed(DeliverError),
}

impl Maildir {
    /// Mailboxes under `root`.
    #[must_use]
    pub fn new(root: PathBuf, pattern: Pattern) -> Self {
        Self { root, pattern, known: Mutex::default() }
    }

    /// Delivers a batch; blocks on the disk. The answers come in the order of the deliveries.
    ///
    /// All files are written before the first is synced, so that the file system can commit them together.
    pub fn deliver(&self, batch: &[Delivery]) -> Vec<Result<PathBuf, DeliverError>> {
        batch.chunks(OPEN_FILES_MAX).flat_map(|chunk| self.deliver_together(chunk)).collect()
    }

    fn deliver_together(&self, batch: &[Delivery]) -> Vec<Result<PathBuf, DeliverError>> {
        let mut steps: Vec<Step> =
            batch.iter().map(|delivery| self.write(delivery).unwrap_or_else(Step::Failed)).collect();
        for step in &mut steps {
            if let Step::Written(underway) = step {
                *step = publish(underway).unwrap_or_else(|error| {
                    discard(&underway.temporary);
                    Step::Failed(error)
                });
            }
        }
        let folders: BTreeSet<PathBuf> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Arrived { folder, .. } => Some(folder.clone()),
                Step::Written(_) | Step::Failed(_) => None,
            })
            .collect();
        let unsynced: BTreeSet<PathBuf> =
            folders.into_iter().filter(|folder| sync(folder).is_err()).collect();
        steps
            .into_iter()
            .map(|step| match step {
                Step::Arrived { folder, .. } if unsynced.contains(&folder) => Err(DeliverError::Later {
                    what: "syncing the mailbox",
                    error: io::Error::other("the folder could not be synced"),
                }),
                Step::Arrived { target, .. } => Ok(target),
                Step::Failed(error) => Err(error),
                Step::Written(underway) => Err(DeliverError::Later {
                    what: "publishing",
                    error: io::Error::other(underway.target.display().to_string()),
                }),
            })
            .collect()
    }

    fn write(&self, delivery: &Delivery) -> Result<Step, DeliverError> {
        let mailbox = self
            .pattern
            .folder(&delivery.tenant, &delivery.mailbox)
            .map(|relative| self.root.join(relative))
            .ok_or(DeliverError::NoSuchFolder)?;
        self.ensure(&mailbox).map_err(later("making the mailbox"))?;
        let target = mailbox.join("new").join(&delivery.name);
        if delivery.history == History::Repeated
            && let Some(found) = find(&mailbox, &delivery.name).map_err(later("searching the mailbox"))?
        {
            return Ok(Step::Arrived {
                folder: found.parent().map(Path::to_owned).unwrap_or_default(),
                target: found,
            });
        }
        let temporary = mailbox.join("tmp").join(&delivery.name);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody removed the mailbox under us: make it anew at the next attempt.
                self.forget(&mailbox);
                return Err(DeliverError::Later { what: "opening a file", error });
            }
            other => other.map_err(later("opening a file"))?,
        };
        if let Err(error) = fill(&mut file, delivery) {
            discard(&temporary);
            return Err(later("writing the message")(error));
        }
        Ok(Step::Written(Underway { temporary, folder: mailbox.join("new"), target, file }))
    }

    /// Makes the mailbox and its three folders, each synced into its parent.
    fn ensure(&self, mailbox: &Path) -> io::Result<()> {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(mailbox) {
            return Ok(());
        }
        for name in ["tmp", "new", "cur"] {
            make(&mailbox.join(name))?;
        }
        sync(mailbox)?;
        // A folder that is there may have been made by a run that died before it was durable.
        let inside = |folder: &&Path| folder.starts_with(&self.root);
        for above in mailbox.ancestors().skip(1).take_while(inside) {
            sync(above)?;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(mailbox.to_owned());
        Ok(())
    }

    fn forget(&self, mailbox: &Path) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(mailbox);
    }
}

/// Makes a folder and what is missing above it; each new one is synced into its parent.
fn make(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = folder.parent() else { return Err(error) };
            make(parent)?;
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => sync(parent),
            }
        }
        Err(error) => Err(error),
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn fill(file: &mut File, delivery: &Delivery) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(64 * 1024, file);
    out.write_all(&delivery.trace)?;
    delivery.content.write_to(&mut out)?;
    out.flush()
}

/// Removes what was half written: on a full disk it would take the room that it failed for. One that stays is written over by
/// the next attempt.
fn discard(temporary: &Path) {
    if let Err(error) = std::fs::remove_file(temporary) {
        tracing::debug!(path = %temporary.display(), %error, "a half written message stays in tmp");
    }
}

fn publish(underway: &Underway) -> Result<Step, DeliverError> {
    underway.file.sync_all().map_err(later("syncing the message"))?;
    match renameat_with(CWD, &underway.temporary, CWD, &underway.target, RenameFlags::NOREPLACE) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            // An attempt before a crash got through. What is left in tmp is ours alone.
            let _ = std::fs::remove_file(&underway.temporary);
        }
        Err(Errno::INVAL | Errno::NOSYS) => link(underway)?,
        Err(errno) => return Err(later("publishing the message")(errno.into())),
    }
    Ok(Step::Arrived { target: underway.target.clone(), folder: underway.folder.clone() })
}

/// For file systems that can't rename without replacing.
fn link(underway: &Underway) -> Result<(), DeliverError> {
    match std::fs::hard_link(&underway.temporary, &underway.target) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(later("publishing the message")(error))
        }
        _ => std::fs::remove_file(&underway.temporary).map_err(later("publishing the message")),
    }
}

/// The message of an earlier attempt: in `new`, or in `cur` with the flags that a reader put behind a colon.
fn find(mailbox: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let fresh = mailbox.join("new").join(name);
    if fresh.try_exists()? {
        return Ok(Some(fresh));
    }
    for entry in std::fs::read_dir(mailbox.join("cur"))? {
        let entry = entry?;
        let found = entry.file_name();
        let seen = found.to_str().and_then(|found| found.strip_prefix(name));
        if seen.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use smtp::Mailbox;

    use super::super::path::Pattern;
    use super::{DeliverError, Delivery, History, KNOWN_MAX, Maildir, OPEN_FILES_MAX, Source};

    struct Text(&'static str);

    impl Source for Text {
        fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
            out.write_all(self.0.as_bytes())
        }
    }

    struct Broken;

    impl Source for Broken {
        fn write_to(&self, _: &mut dyn Write) -> io::Result<()> {
            Err(io::Error::other("broken"))
        }
    }

    /// Counts the files that are being written at one time.
    struct Counting {
        folder: PathBuf,
        most: Arc<AtomicUsize>,
    }

    impl Source for Counting {
        fn write_to(&self, _: &mut dyn Write) -> io::Result<()> {
            self.most.fetch_max(list(&self.folder).len(), Ordering::Relaxed);
            Ok(())
        }
    }

    struct Scene {
        root: PathBuf,
        maildir: Maildir,
    }

    impl Scene {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("sluice-maildir-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let maildir = Maildir::new(root.clone(), Pattern::parse("{domain}/{local}").unwrap());
            Self { root, maildir }
        }

        fn new_folder(&self) -> Vec<PathBuf> {
            list(&self.root.join("a.example/ann/new"))
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    fn list(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn delivery(history: History, content: Arc<dyn Source + Sync>) -> Delivery {
        Delivery {
            tenant: "a".into(),
            mailbox: Mailbox::parse("ann@a.example").unwrap(),
            name: "1.ID_0.mx.example".to_owned(),
            history,
            trace: Bytes::from_static(b"Return-Path: <>\r\n"),
            content,
        }
    }

    #[test]
    fn a_message_arrives_under_its_trace_fields() {
        let scene = Scene::new("arrives");
        let done =
            scene.maildir.deliver(&[delivery(History::First, Arc::new(Text("Subject: x\r\n\r\ny\r\n")))]);
        let path = done[0].as_ref().unwrap();
        assert_eq!(fs::read(path).unwrap(), b"Return-Path: <>\r\nSubject: x\r\n\r\ny\r\n");
        assert!(list(&scene.root.join("a.example/ann/tmp")).is_empty());
    }

    #[test]
    fn a_repeated_delivery_leaves_one_message() {
        let scene = Scene::new("repeated");
        for history in [History::First, History::First, History::Repeated] {
            let done = scene.maildir.deliver(&[delivery(history, Arc::new(Text("x")))]);
            assert!(done[0].is_ok());
        }
        assert_eq!(scene.new_folder().len(), 1);
    }

    #[test]
    fn a_repeated_delivery_finds_what_a_reader_has_seen() {
        let scene = Scene::new("seen");
        let first = scene.maildir.deliver(&[delivery(History::First, Arc::new(Text("x")))]);
        let seen = scene.root.join("a.example/ann/cur/1.ID_0.mx.example:2,S");
        fs::rename(first[0].as_ref().unwrap(), &seen).unwrap();
        let again = scene.maildir.deliver(&[delivery(History::Repeated, Arc::new(Text("x")))]);
        assert_eq!(again[0].as_ref().unwrap(), &seen);
        assert!(scene.new_folder().is_empty());
    }

    #[test]
    fn one_broken_message_does_not_hold_the_others_of_its_batch() {
        let scene = Scene::new("broken");
        let mut other = delivery(History::First, Arc::new(Text("x")));
        other.name = "2.ID_0.mx.example".to_owned();
        let done = scene.maildir.deliver(&[delivery(History::First, Arc::new(Broken)), other]);
        assert!(matches!(done[0], Err(DeliverError::Later { .. })));
        assert!(done[1].is_ok());
        assert_eq!(scene.new_folder().len(), 1);
    }

    #[test]
    fn a_message_that_could_not_be_written_leaves_nothing_half_there() {
        let scene = Scene::new("half");
        let failed = scene.maildir.deliver(&[delivery(History::First, Arc::new(Broken))]);
        assert!(failed[0].is_err());
        assert!(list(&scene.root.join("a.example/ann/tmp")).is_empty());
        assert!(scene.new_folder().is_empty());
        let again = scene.maildir.deliver(&[delivery(History::Repeated, Arc::new(Text("x")))]);
        assert!(again[0].is_ok());
        assert_eq!(scene.new_folder().len(), 1);
    }

    #[test]
    fn a_large_batch_has_a_bound_of_open_files_and_keeps_its_order() {
        let scene = Scene::new("large");
        let most = Arc::new(AtomicUsize::new(0));
        let folder = scene.root.join("a.example/ann/tmp");
        let counting = Arc::new(Counting { folder, most: Arc::clone(&most) });
        let named = |number: usize| {
            let content = Arc::clone(&counting) as Arc<dyn Source + Sync>;
            Delivery { name: number.to_string(), ..delivery(History::First, content) }
        };
        let batch: Vec<Delivery> = (0..=OPEN_FILES_MAX).map(named).collect();
        let done = scene.maildir.deliver(&batch);
        assert_eq!(done.len(), batch.len());
        for (delivery, done) in batch.iter().zip(&done) {
            assert_eq!(done.as_ref().unwrap().file_name().unwrap().to_str(), Some(&*delivery.name));
        }
        assert_eq!(most.load(Ordering::Relaxed), OPEN_FILES_MAX);
    }

    #[test]
    fn more_mailboxes_than_are_remembered_are_forgotten_and_found_again() {
        let scene = Scene::new("known");
        let known = || scene.maildir.known.lock().unwrap();
        known().extend((0..KNOWN_MAX - 1).map(|number| scene.root.join(number.to_string())));
        assert!(scene.maildir.deliver(&[delivery(History::First, Arc::new(Text("x")))])[0].is_ok());
        assert_eq!(known().len(), KNOWN_MAX);
        let mut other = delivery(History::First, Arc::new(Text("y")));
        other.mailbox = Mailbox::parse("bo@a.example").unwrap();
        assert!(scene.maildir.deliver(&[other])[0].is_ok());
        assert_eq!(known().len(), 1);
        let mut second = delivery(History::First, Arc::new(Text("z")));
        second.name = "2.ID_0.mx.example".to_owned();
        assert!(scene.maildir.deliver(&[second])[0].is_ok());
        assert_eq!((known().len(), scene.new_folder().len()), (2, 2));
    }

    #[test]
    fn a_mailbox_that_was_removed_is_made_anew_at_the_next_attempt() {
        let scene = Scene::new("removed");
        assert!(scene.maildir.deliver(&[delivery(History::First, Arc::new(Text("x")))])[0].is_ok());
        fs::remove_dir_all(scene.root.join("a.example")).unwrap();
        assert!(scene.maildir.deliver(&[delivery(History::First, Arc::new(Text("x")))])[0].is_err());
        assert!(scene.maildir.deliver(&[delivery(History::Repeated, Arc::new(Text("x")))])[0].is_ok());
    }
}
