//! The content as it came: immutable bytes, in memory or loaded when needed, with what was learned of them.
//!
//! Promises: a clone is one reference count; the header index and the MIME view are computed when first asked for, once,
//! and shared by all clones; header functions never load a body. Leaves out: edits ([`crate::Draft`]).

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::headers::{Extent, HeaderIndex};
use crate::mime::MimeCache;

/// The original content of a message.
#[derive(Clone)]
pub struct Content {
    inner: Arc<Inner>,
}

/// Where the bytes of a big message are while they are not in memory.
pub trait Load: Send + Sync {
    /// Exactly the bytes of `range`, which lies inside the content.
    ///
    /// # Errors
    /// When the bytes cannot be had now.
    fn load(&self, range: Range<u64>) -> Result<Bytes, LoadError>;
}

/// Stored bytes could not be read; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LoadError(pub String);

struct Inner {
    /// At least the header section; all of the content when `load` is `None`.
    head: Bytes,
    size: u64,
    load: Option<Arc<dyn Load>>,
    loaded: OnceLock<Bytes>,
    headers: OnceLock<HeaderIndex>,
    mime: MimeCache,
}

impl Content {
    /// A content that is wholly in memory.
    pub fn new(bytes: Bytes) -> Self {
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self::from_parts(bytes, size, None)
    }

    /// A content of `size` bytes of which `head`, its beginning, is in memory: at least the header section with the empty
    /// line, or else its first [`crate::limits::HEADER_SECTION_BYTES_MAX`] bytes.
    pub fn stored(head: Bytes, size: u64, load: Arc<dyn Load>) -> Self {
        let head_size = u64::try_from(head.len()).unwrap_or(u64::MAX);
        if head_size >= size {
            return Self::new(head);
        }
        Self::from_parts(head, size, Some(load))
    }

    fn from_parts(head: Bytes, size: u64, load: Option<Arc<dyn Load>>) -> Self {
        let inner = Inner {
            head,
            size,
            load,
            loaded: OnceLock::new(),
            headers: OnceLock::new(),
            mime: MimeCache::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Bytes of the whole content.
    pub fn size(&self) -> u64 {
        self.inner.size
    }

    /// Index of the header section, made when first asked for.
    pub fn headers(&self) -> &HeaderIndex {
        let extent = if self.inner.load.is_some() { Extent::Beginning } else { Extent::Whole };
        self.inner.headers.get_or_init(|| HeaderIndex::until(&self.inner.head, extent, |_| false))
    }

    /// What is in memory from the start: the header section and maybe more.
    pub fn head(&self) -> &Bytes {
        &self.inner.head
    }

    /// The whole content; a stored one is loaded once and then kept for as long as the content lives.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub fn bytes(&self) -> Result<Bytes, LoadError> {
        let Some(load) = &self.inner.load else { return Ok(self.inner.head.clone()) };
        if let Some(bytes) = self.inner.loaded.get() {
            return Ok(bytes.clone());
        }
        let bytes = load_exactly(load.as_ref(), 0..self.inner.size)?;
        Ok(self.inner.loaded.get_or_init(|| bytes).clone())
    }

    /// The bytes of a range, cut to the content; a stored one loads no more than that and keeps nothing.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
        let end = range.end.min(self.inner.size);
        let start = range.start.min(end);
        let held = self.inner.loaded.get().unwrap_or(&self.inner.head);
        if let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end))
            && to <= held.len()
        {
            return Ok(held.slice(from..to));
        }
        match &self.inner.load {
            Some(load) => load_exactly(load.as_ref(), start..end),
            None => Ok(Bytes::new()),
        }
    }

    /// The MIME view of the unedited content, to be filled by the first that needs it.
    pub(crate) fn mime_cache(&self) -> &MimeCache {
        &self.inner.mime
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Content").field("size", &self.inner.size).finish_non_exhaustive()
    }
}

fn load_exactly(load: &dyn Load, range: Range<u64>) -> Result<Bytes, LoadError> {
    let wanted = range.end - range.start;
    let bytes = load.load(range)?;
    if u64::try_from(bytes.len()) != Ok(wanted) {
        return Err(LoadError(format!("{} bytes instead of {wanted}", bytes.len())));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Counting {
        bytes: Bytes,
        loaded: AtomicU64,
    }

    impl Load for Counting {
        fn load(&self, range: Range<u64>) -> Result<Bytes, LoadError> {
            let (from, to) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            self.loaded.fetch_add(range.end - range.start, Ordering::Relaxed);
            self.bytes.get(from..to).map(Bytes::copy_from_slice).ok_or_else(|| LoadError("short".to_owned()))
        }
    }

    fn stored(text: &'static str, head: usize, size: u64) -> (Content, Arc<Counting>) {
        let bytes = Bytes::from_static(text.as_bytes());
        let load = Arc::new(Counting { bytes: bytes.clone(), loaded: AtomicU64::new(0) });
        let source: Arc<dyn Load> = load.clone();
        (Content::stored(bytes.slice(..head), size, source), load)
    }

    #[test]
    fn a_stored_content_loads_what_is_read_and_the_whole_only_once() {
        let (content, load) = stored("A: b\r\n\r\nbody", 8, 12);
        assert_eq!(content.headers().fields().len(), 1);
        assert_eq!(content.read(0..4).unwrap(), "A: b");
        assert_eq!(load.loaded.load(Ordering::Relaxed), 0);
        assert_eq!(content.read(9..99).unwrap(), "ody");
        assert_eq!(load.loaded.load(Ordering::Relaxed), 3);
        for _ in 0..2 {
            assert_eq!(content.bytes().unwrap(), "A: b\r\n\r\nbody");
            assert_eq!(load.loaded.load(Ordering::Relaxed), 15);
        }
        assert_eq!(content.read(8..12).unwrap(), "body");
        assert_eq!(load.loaded.load(Ordering::Relaxed), 15);
    }

    #[test]
    fn a_header_section_that_goes_beyond_what_is_in_memory_is_cut() {
        assert!(stored("A: b\r\nC: d\r\n\r\nbody", 6, 18).0.headers().bound().is_some());
        assert!(stored("A: b\r\nC: d\r\n\r\nbody", 14, 18).0.headers().bound().is_none());
    }

    #[test]
    fn a_loader_that_gives_too_little_is_an_error() {
        let (content, _) = stored("A: b\r\n\r\nbody", 8, 40);
        assert_eq!(content.bytes(), Err(LoadError("short".to_owned())));
        assert_eq!(content.read(38..99), Err(LoadError("short".to_owned())));
    }
}
