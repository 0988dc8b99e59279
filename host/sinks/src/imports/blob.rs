//! `blob`: bytes that stay with the host for the length of a call.

use bytes::{Bytes, BytesMut};

use super::Answer;
use crate::bindings::sluice::sink::blob::Host;
use crate::bindings::sluice::sink::types::Error;
use crate::limits::{BLOB_BYTES_MAX, BLOBS_MAX, READ_BYTES_MAX};
use crate::state::State;

/// The blobs of one call; an id is a position.
#[derive(Default)]
pub(crate) struct Blobs {
    all: Vec<Bytes>,
    bytes: u64,
}

impl Blobs {
    /// Keeps bytes; sharing them costs nothing but counts all the same.
    pub(crate) fn add(&mut self, bytes: Bytes) -> Result<u32, Error> {
        if self.all.len() >= BLOBS_MAX {
            return Err(Error::QuotaExceeded);
        }
        self.reserve(bytes.len())?;
        let id = u32::try_from(self.all.len()).map_err(|_| Error::QuotaExceeded)?;
        self.all.push(bytes);
        Ok(id)
    }

    /// The bytes of an id.
    pub(crate) fn bytes(&self, id: u32) -> Result<&Bytes, Error> {
        usize::try_from(id).ok().and_then(|index| self.all.get(index)).ok_or(Error::NotFound)
    }

    fn append(&mut self, id: u32, more: &[u8]) -> Result<(), Error> {
        self.bytes(id)?;
        self.reserve(more.len())?;
        let index = usize::try_from(id).map_err(|_| Error::NotFound)?;
        let blob = self.all.get_mut(index).ok_or(Error::NotFound)?;
        // Grown in place while nobody else reads them.
        let mut bytes = BytesMut::from(std::mem::take(blob));
        bytes.extend_from_slice(more);
        *blob = bytes.freeze();
        Ok(())
    }

    fn reserve(&mut self, more: usize) -> Result<(), Error> {
        let bytes = self.bytes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        if bytes > BLOB_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Host for State {
    async fn create(&mut self, bytes: Vec<u8>) -> Answer<u32> {
        self.charge_length(bytes.len()).await?;
        Ok(self.blobs.add(bytes.into()))
    }

    async fn append(&mut self, id: u32, bytes: Vec<u8>) -> Answer<()> {
        self.charge_length(bytes.len()).await?;
        Ok(self.blobs.append(id, &bytes))
    }

    async fn from_part(&mut self, part: u32) -> Answer<u32> {
        match self.part_bytes(part).await? {
            Ok(bytes) => Ok(self.blobs.add(bytes)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn size(&mut self, id: u32) -> Answer<u32> {
        Ok(self.blobs.bytes(id).map(|bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX)))
    }

    async fn read(&mut self, id: u32, offset: u32, length: u32) -> Answer<Vec<u8>> {
        let slice = self.blobs.bytes(id).map(|bytes| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
            let length = usize::try_from(length.min(READ_BYTES_MAX)).unwrap_or_default();
            let end = start.saturating_add(length).min(bytes.len());
            bytes.get(start..end).unwrap_or_default().to_vec()
        });
        self.charge_length(slice.as_ref().map_or(0, Vec::len)).await?;
        Ok(slice)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Blobs;
    use crate::bindings::sluice::sink::types::Error;
    use crate::limits::{BLOB_BYTES_MAX, BLOBS_MAX};

    #[test]
    fn blobs_end_at_their_number() {
        let mut blobs = Blobs::default();
        for _ in 0..BLOBS_MAX {
            blobs.add(Bytes::from_static(b"a")).unwrap();
        }
        assert!(matches!(blobs.add(Bytes::new()), Err(Error::QuotaExceeded)));
        assert!(matches!(blobs.bytes(u32::MAX), Err(Error::NotFound)));
    }

    #[test]
    fn blobs_end_at_their_bytes_together() {
        let mut blobs = Blobs::default();
        let half = Bytes::from(vec![0; usize::try_from(BLOB_BYTES_MAX / 2).unwrap()]);
        let first = blobs.add(half.clone()).unwrap();
        blobs.add(half).unwrap();
        assert!(matches!(blobs.append(first, b"x"), Err(Error::TooLarge)));
        assert!(matches!(blobs.add(Bytes::from_static(b"x")), Err(Error::TooLarge)));
    }

    #[test]
    fn what_is_appended_follows_what_was_there() {
        let mut blobs = Blobs::default();
        let id = blobs.add(Bytes::from_static(b"a")).unwrap();
        blobs.append(id, b"bc").unwrap();
        assert_eq!(blobs.bytes(id).unwrap().as_ref(), b"abc");
    }
}
