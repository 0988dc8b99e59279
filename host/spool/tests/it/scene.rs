//! A spool in a directory of its own, and entries to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use smtp::{Envelope, Facts, Ingress, Mailbox, Recipient, RecipientId, ReversePath, Timestamp};
use spool::disk::Disk;
use spool::{
    ContentPiece, EntryState, NewEntry, OpenError, QueueId, Recovery, Scores, Settings, Spool, StageName,
    StagePointer, Variables,
};

use crate::disks::Quick;

pub(crate) const NOW: Timestamp = Timestamp(1_700_000_000_000);

/// A directory that goes when the test ends.
pub(crate) struct Scene {
    pub(crate) directory: PathBuf,
}

impl Scene {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("spool-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self { directory }
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(&self.directory)
    }

    /// Opens on a disk that does not sync: for tests about what is in the files, not when.
    pub(crate) async fn open(&self) -> (Spool, Recovery) {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<(Spool, Recovery), OpenError> {
        Spool::open_on(self.settings(), Arc::new(Quick)).await
    }

    pub(crate) async fn open_on(&self, settings: Settings, disk: impl Disk) -> Spool {
        Spool::open_on(settings, Arc::new(disk)).await.unwrap().0
    }

    /// What a crash at this moment would leave, elsewhere.
    pub(crate) fn crashed(&self) -> Self {
        Self::copied_from(&self.directory)
    }

    /// A copy of a spool's directory.
    pub(crate) fn copied_from(directory: &Path) -> Self {
        let copy = Self::new();
        copy_files(directory, &copy.directory);
        copy
    }

    pub(crate) fn copy_to(&self, directory: &Path) {
        copy_files(&self.directory, directory);
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        files(&self.directory.join("segments"))
    }

    pub(crate) fn bodies(&self) -> Vec<PathBuf> {
        files(&self.directory.join("bodies"))
    }

    /// Indexes of sealed segments.
    pub(crate) fn indexes(&self) -> Vec<PathBuf> {
        files(&self.directory.join("index"))
    }

    pub(crate) fn last_segment(&self) -> PathBuf {
        self.segments().pop().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    for folder in ["segments", "bodies", "index"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for file in files(&from.join(folder)) {
            std::fs::copy(&file, to.join(folder).join(file.file_name().unwrap())).unwrap();
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn id(number: u128) -> QueueId {
    QueueId::from_number(number)
}

/// A message of a few bytes to one recipient.
pub(crate) fn entry(number: u128, content: &'static str) -> NewEntry {
    entry_of(number, vec![ContentPiece::Inline(Bytes::from_static(content.as_bytes()))])
}

pub(crate) fn entry_of(number: u128, content: Vec<ContentPiece>) -> NewEntry {
    let recipient = Recipient::new(RecipientId(0), Mailbox::parse("jo@tenant.example").unwrap());
    NewEntry {
        id: id(number),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: NOW,
        facts: None,
        tenant: "tenant".to_owned(),
        envelope: Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![recipient],
            ..Envelope::default()
        },
        content,
        variables: Variables::default(),
        scores: Scores::default(),
        stage: StagePointer::at(StageName::Submission),
        due: NOW,
        state: EntryState::Active,
    }
}

pub(crate) fn facts() -> Arc<Facts> {
    Arc::new(Facts::new("01JSESSION".to_owned(), "mx".into(), "mx.example".into()))
}

/// The bytes of an entry as it is stored now.
pub(crate) fn content(spool: &Spool, number: u128) -> Bytes {
    spool.load(&spool.entry(id(number)).unwrap().content).unwrap().bytes().unwrap()
}

/// Ids in the spool.
pub(crate) fn ids(spool: &Spool) -> Vec<u128> {
    spool.list(None, usize::MAX).into_iter().map(|summary| summary.id.number()).collect()
}
