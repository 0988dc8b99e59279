//! Bodies while they arrive: in memory up to a limit, past it in a file of their own.
//!
//! Promises: memory for a body is bounded by `body_inline_max` or two blocks, whatever its size; `finish` answers when the
//! file and its name are durable; a file that no accepted entry came to refer to is unlinked. Writing happens off the
//! reactor. Leaves out: what refers to a body ([`crate::content`]).

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use message::{Content, Load, LoadError, Piece};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::task::JoinHandle;

use crate::content::{BodyFacts, ContentPiece};
use crate::disk::{Disk, DiskFile, write_all_at};
use crate::error::BodyError;
use crate::load;
use crate::shared::Shared;

/// A body file is written and summed in blocks of 256 KiB: a hop to the blocking pool (some 40 us) is then no more than the
/// copy itself, and four clients that send at once hold 2 MiB.
pub(crate) const BLOCK_BYTES: usize = 256 << 10;

/// Receives one body.
#[derive(Debug)]
pub struct BodyWriter {
    shared: Arc<Shared>,
    pending: BytesMut,
    size: u64,
    stream: Option<Stream>,
}

/// The file side of a body that outgrew memory.
#[derive(Debug)]
struct Stream {
    name: BodyName,
    file: Arc<dyn DiskFile>,
    guard: Guard,
    offset: u64,
    sums: Vec<u32>,
    writing: Option<JoinHandle<io::Result<u32>>>,
}

impl BodyWriter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, pending: BytesMut::new(), size: 0, stream: None }
    }

    /// Takes more of the body. Waits while the disk is behind, so a sender is slowed down and memory stays bounded.
    ///
    /// # Errors
    /// When the disk does not take it; the writer is then good for nothing but being dropped.
    pub async fn append(&mut self, bytes: Bytes) -> Result<(), BodyError> {
        self.size = self.size.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.pending.extend_from_slice(&bytes);
        drop(bytes);
        if self.stream.is_none() && self.pending.len() > self.shared.settings.body_inline_max {
            self.stream = Some(Stream::create(&self.shared).await?);
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while self.pending.len() >= BLOCK_BYTES {
            let block = self.pending.split_to(BLOCK_BYTES).freeze();
            stream.write(block).await?;
        }
        Ok(())
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the body. One with a file is durable afterwards, its name included.
    ///
    /// # Errors
    /// When the disk fails; the file is then gone.
    pub async fn finish(mut self) -> Result<Body, BodyError> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(Body(Kind::Inline(self.pending.freeze())));
        };
        if !self.pending.is_empty() {
            stream.write(self.pending.split().freeze()).await?;
        }
        stream.settle().await?;
        let Stream { name, file, guard, sums, .. } = stream;
        let facts = Arc::new(BodyFacts { name, size: self.size, sums });
        let shared = self.shared.clone();
        let body = off_reactor(move || {
            file.sync_data()?;
            shared.disk.sync_directory(&shared.paths.bodies)?;
            let read = |range| load::read_file(file.as_ref(), &guard.path, &facts, &range);
            let head = load::head(facts.size, read).map_err(io::Error::other)?;
            Ok(BodyFile { facts, head, file, guard })
        })
        .await?;
        Ok(Body(Kind::File(Arc::new(body))))
    }
}

impl Stream {
    async fn create(shared: &Arc<Shared>) -> Result<Self, BodyError> {
        let name = shared.next_body();
        let path = shared.body_path(name);
        let guard = Guard { disk: shared.disk.clone(), path: path.clone(), kept: AtomicBool::new(false) };
        let disk = shared.disk.clone();
        let file = off_reactor(move || disk.create(&path)).await?;
        Ok(Self { name, file, guard, offset: 0, sums: Vec::new(), writing: None })
    }

    /// Starts writing a block when the one before is written: one block is on its way while the next one fills.
    async fn write(&mut self, block: Bytes) -> Result<(), BodyError> {
        self.settle().await?;
        let (file, offset) = (self.file.clone(), self.offset);
        self.offset = offset.saturating_add(u64::try_from(block.len()).unwrap_or(u64::MAX));
        self.writing = Some(tokio::task::spawn_blocking(move || {
            write_all_at(file.as_ref(), &mut [IoSlice::new(&block)], offset)?;
            Ok(crc32fast::hash(&block))
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), BodyError> {
        if let Some(writing) = self.writing.take() {
            self.sums.push(writing.await.map_err(io::Error::other)??);
        }
        Ok(())
    }
}

async fn off_reactor<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A whole body that no entry refers to yet. When the last clone goes without an accept, its file goes too.
#[derive(Debug, Clone)]
pub struct Body(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Inline(Bytes),
    File(Arc<BodyFile>),
}

impl Body {
    /// Bytes of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.0 {
            Kind::Inline(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Kind::File(file) => file.facts.size,
        }
    }

    /// For gates: the content, of which only the head is in memory if there is a file.
    #[must_use]
    pub fn content(&self) -> Content {
        match &self.0 {
            Kind::Inline(bytes) => Content::new(bytes.clone()),
            Kind::File(file) => Content::stored(file.head.clone(), file.facts.size, file.clone()),
        }
    }

    /// A range of it as a piece of an entry's content.
    #[must_use]
    pub fn piece(&self, range: Range<u64>) -> ContentPiece {
        ContentPiece::Body { body: self.clone(), range }
    }

    /// What `message::Draft::pieces` made over [`Body::content`], as pieces of an entry's content.
    #[must_use]
    pub fn pieces(&self, edited: Vec<Piece>) -> Vec<ContentPiece> {
        let piece = |piece| match piece {
            Piece::Bytes(bytes) => ContentPiece::Inline(bytes),
            Piece::Original(range) => self.piece(range),
        };
        edited.into_iter().map(piece).collect()
    }

    pub(crate) fn file(&self) -> Option<&Arc<BodyFile>> {
        match &self.0 {
            Kind::File(file) => Some(file),
            Kind::Inline(_) => None,
        }
    }

    /// The bytes of a range that was checked, if they are in memory.
    pub(crate) fn inline(&self, range: &Range<u64>) -> Bytes {
        match (&self.0, usize::try_from(range.start), usize::try_from(range.end)) {
            (Kind::Inline(bytes), Ok(from), Ok(to)) if from <= to && to <= bytes.len() => {
                bytes.slice(from..to)
            }
            _ => Bytes::new(),
        }
    }
}

/// A finished body file.
#[derive(Debug)]
pub(crate) struct BodyFile {
    facts: Arc<BodyFacts>,
    head: Bytes,
    file: Arc<dyn DiskFile>,
    guard: Guard,
}

impl BodyFile {
    pub(crate) fn facts(&self) -> &Arc<BodyFacts> {
        &self.facts
    }

    /// From now on the spool decides when the file goes.
    pub(crate) fn keep(&self) {
        self.guard.kept.store(true, Ordering::Release);
    }
}

impl Load for BodyFile {
    fn load(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
        load::read_file(self.file.as_ref(), &self.guard.path, &self.facts, &range)
            .map_err(|error| LoadError(error.to_string()))
    }
}

/// Unlinks the file unless an accepted entry took it over.
struct Guard {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    kept: AtomicBool,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(formatter)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !*self.kept.get_mut() {
            unlink_later(self.disk.clone(), std::mem::take(&mut self.path));
        }
    }
}

/// Unlinks a body off the reactor; one that stays because of a crash or an error is an orphan that the next start removes.
pub(crate) fn unlink_later(disk: Arc<dyn Disk>, path: PathBuf) {
    let work = move || {
        if let Err(error) = disk.unlink(&path) {
            tracing::warn!(path = %path.display(), %error, "a body file could not be removed");
        }
    };
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}

/// Names a body file: the run of the server that made it, and its count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BodyName {
    pub(crate) run: u64,
    pub(crate) count: u64,
}

impl fmt::Display for BodyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}-{:016x}", self.run, self.count)
    }
}

impl FromStr for BodyName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (run, count) = text.split_once('-').ok_or("not the name of a body")?;
        let hex = |digits| u64::from_str_radix(digits, 16).map_err(|_| "not the name of a body");
        let name = Self { run: hex(run)?, count: hex(count)? };
        if name.to_string() == text { Ok(name) } else { Err("not the name of a body") }
    }
}

impl Serialize for BodyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BodyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
