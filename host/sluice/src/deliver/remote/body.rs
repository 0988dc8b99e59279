//! The bytes that go out: our Received field, then the content as it stands in the spool.
//!
//! A small content is held in memory while it is sent; a large one is read in the pieces that the session asks for. Only a
//! peer without 8BITMIME makes us hold all of an 8-bit message, for encoding it (RFC 6152 §3).

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use message::{Content, LoadError, down_encode};
use smtp::client::{ContentFacts, ContentScan};
use spool::{Spool, StoredContent};

use crate::deliver::COPY_BYTES;

/// What is sent of an entry.
pub(super) struct Body {
    /// The Received field.
    trace: Bytes,
    content: Content,
    facts: ContentFacts,
    /// All of it, in 7-bit form.
    encoded: Option<Bytes>,
}

/// Whether there is a 7-bit form.
pub(super) enum Encoding {
    /// Its facts; from now on it is what is read.
    Done(ContentFacts),
    /// It would break the message.
    Refused,
}

impl Body {
    /// Looks once at every byte.
    ///
    /// # Errors
    /// When the content can't be read.
    pub(super) async fn load(spool: &Spool, stored: &StoredContent, trace: Bytes) -> Result<Self, LoadError> {
        let (spool, stored) = (spool.clone(), stored.clone());
        blocking(move || {
            let content = spool.load(&stored).map_err(|error| LoadError(error.to_string()))?;
            let mut scan = ContentScan::default();
            scan.update(&trace);
            let mut at = 0;
            while at < content.size() {
                let end = content.size().min(at.saturating_add(COPY_BYTES));
                scan.update(&content.read(at..end)?);
                at = end;
            }
            Ok(Self { trace, content, facts: scan.finish(), encoded: None })
        })
        .await
    }

    /// For the message of a session. Each session begins with the content as it is.
    pub(super) fn facts(&mut self) -> ContentFacts {
        self.encoded = None;
        self.facts
    }

    /// Bytes of a range that lies inside.
    ///
    /// # Errors
    /// When they can't be read.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
        if let Some(encoded) = &self.encoded {
            return Ok(slice(encoded, &range));
        }
        let ahead = length(&self.trace);
        let behind = range.start.saturating_sub(ahead)..range.end.saturating_sub(ahead);
        if range.start >= ahead {
            return self.stored(behind).await;
        }
        let mut bytes = BytesMut::from(slice(&self.trace, &(range.start..range.end.min(ahead))).as_ref());
        if !behind.is_empty() {
            bytes.extend_from_slice(&self.stored(behind).await?);
        }
        Ok(bytes.freeze())
    }

    /// Makes the 7-bit form.
    ///
    /// # Errors
    /// When the content can't be read.
    pub(super) async fn encode(&mut self) -> Result<Encoding, LoadError> {
        let (trace, content) = (self.trace.clone(), self.content.clone());
        let encoded = blocking(move || {
            let mut whole = BytesMut::from(trace.as_ref());
            whole.extend_from_slice(&content.bytes()?);
            Ok(down_encode(&whole.freeze()).map(|encoded| (ContentScan::of(&encoded), encoded)))
        })
        .await?;
        let Ok((facts, encoded)) = encoded else { return Ok(Encoding::Refused) };
        self.encoded = Some(encoded);
        Ok(Encoding::Done(facts))
    }

    async fn stored(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
        if length(self.content.head()) >= self.content.size() {
            return self.content.read(range);
        }
        let content = self.content.clone();
        blocking(move || content.read(range)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(LoadError("the reading thread broke off".to_owned())))
}

/// Cut to what there is.
fn slice(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    bytes.slice(start..end)
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
