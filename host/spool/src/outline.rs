//! What the queue needs to know of an entry: nothing of its envelope, and of its content only what it refers to.
//!
//! It is taken from an entry's state, or read from an index ([`crate::index`]), where it is written in this form; all numbers
//! are little-endian:
//! ```text
//!  0  id (16)   24  priority (1)   26  length of the tenant (4), tenant
//! 16  due (8)   25  rest (1)       ..  count (4), numbers of records (8 each)
//!                                  ..  count (4), body files: run (8), count (8), size (8)
//!                                  ..  bytes of the content (8)
//! ```

use bytes::{Buf, BufMut};
use smtp::Timestamp;

use crate::body::BodyName;
use crate::content::{Place, StoredContent};
use crate::entry::{Entry, EntryState, QueueId};

/// An entry as the queue sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outline<'a> {
    pub(crate) id: QueueId,
    pub(crate) tenant: &'a str,
    /// When its turn comes.
    pub(crate) due: Timestamp,
    pub(crate) priority: i8,
    pub(crate) rest: Rest,
    pub(crate) refers: References,
    /// Bytes of its content, which count for its tenant.
    pub(crate) size: u64,
}

/// Why an entry is not leased though it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Active,
    Quarantined,
    Held,
    /// It could not be read: it stays on disk and in the counts until someone looks.
    Damaged,
}

/// What must stay for a content to stay.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// Numbers of records, in order; the one that says so is among them only if it has its number already.
    pub(crate) records: Vec<u64>,
    pub(crate) bodies: Vec<BodySize>,
}

/// A body file and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodySize {
    pub(crate) name: BodyName,
    pub(crate) size: u64,
}

impl<'a> Outline<'a> {
    pub(crate) fn of(entry: &'a Entry) -> Self {
        Self {
            id: entry.id,
            tenant: &entry.tenant,
            due: entry.turn_comes(),
            priority: entry.envelope.priority,
            rest: Rest::of(&entry.state),
            refers: References::of(&entry.content),
            size: entry.content.size(),
        }
    }

    /// Appends the written form. None when a length doesn't fit it.
    pub(crate) fn write(&self, to: &mut Vec<u8>) -> Option<()> {
        to.put_u128_le(self.id.number());
        to.put_u64_le(self.due.0);
        to.put_i8(self.priority);
        to.put_u8(self.rest.code());
        put_length(to, self.tenant.len())?;
        to.put_slice(self.tenant.as_bytes());
        put_length(to, self.refers.records.len())?;
        self.refers.records.iter().for_each(|number| to.put_u64_le(*number));
        put_length(to, self.refers.bodies.len())?;
        for BodySize { name, size } in &self.refers.bodies {
            [name.run, name.count, *size].into_iter().for_each(|number| to.put_u64_le(number));
        }
        to.put_u64_le(self.size);
        Some(())
    }

    /// Takes the written form off the front. None when it is none.
    pub(crate) fn read(from: &mut &'a [u8]) -> Option<Self> {
        let id = QueueId::from_number(from.try_get_u128_le().ok()?);
        let due = Timestamp(from.try_get_u64_le().ok()?);
        let priority = from.try_get_i8().ok()?;
        let rest = Rest::from_code(from.try_get_u8().ok()?)?;
        let length = usize::try_from(from.try_get_u32_le().ok()?).ok()?;
        let (tenant, behind) = from.split_at_checked(length)?;
        *from = behind;
        let tenant = std::str::from_utf8(tenant).ok()?;
        let mut refers = References::default();
        for _ in 0..from.try_get_u32_le().ok()? {
            refers.records.push(from.try_get_u64_le().ok()?);
        }
        for _ in 0..from.try_get_u32_le().ok()? {
            let (run, count) = (from.try_get_u64_le().ok()?, from.try_get_u64_le().ok()?);
            let size = from.try_get_u64_le().ok()?;
            refers.bodies.push(BodySize { name: BodyName { run, count }, size });
        }
        let size = from.try_get_u64_le().ok()?;
        Some(Self { id, tenant, due, priority, rest, refers, size })
    }
}

/// Appends a length, if it fits.
pub(crate) fn put_length(to: &mut Vec<u8>, length: usize) -> Option<()> {
    to.put_u32_le(u32::try_from(length).ok()?);
    Some(())
}

impl References {
    pub(crate) fn of(content: &StoredContent) -> Self {
        let number = |place| match place {
            Place::Record(number) => Some(number),
            Place::Here | Place::Body(_) => None,
        };
        let mut records: Vec<u64> = content.places().filter_map(number).collect();
        records.sort_unstable();
        records.dedup();
        let bodies = content.files().iter().map(|facts| BodySize { name: facts.name, size: facts.size });
        Self { records, bodies: bodies.collect() }
    }
}

impl Rest {
    fn of(state: &EntryState) -> Self {
        match state {
            EntryState::Active => Self::Active,
            EntryState::Quarantined { .. } => Self::Quarantined,
            EntryState::Held { .. } => Self::Held,
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Quarantined => 1,
            Self::Held => 2,
            Self::Damaged => 3,
        }
    }

    /// None for what no record says.
    fn from_code(code: u8) -> Option<Self> {
        [Self::Active, Self::Quarantined, Self::Held].into_iter().find(|rest| rest.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        outline().write(&mut bytes).unwrap();
        bytes
    }

    fn outline() -> Outline<'static> {
        let name = BodyName { run: 4, count: 5 };
        Outline {
            id: QueueId::from_number(1 << 100 | 7),
            tenant: "straße",
            due: Timestamp(3),
            priority: -9,
            rest: Rest::Held,
            refers: References { records: vec![1, 2], bodies: vec![BodySize { name, size: 6 }] },
            size: 8,
        }
    }

    #[test]
    fn an_outline_reads_back_and_takes_no_byte_more() {
        let mut bytes = written();
        bytes.push(0xff);
        let mut rest = bytes.as_slice();
        assert_eq!(Outline::read(&mut rest), Some(outline()));
        assert_eq!(rest, [0xff]);
    }

    #[test]
    fn an_outline_that_is_cut_anywhere_is_none() {
        let bytes = written();
        for length in 0..bytes.len() {
            assert_eq!(Outline::read(&mut &bytes[..length]), None, "cut at {length}");
        }
    }

    #[test]
    fn lengths_that_reach_past_the_end_and_codes_of_nothing_are_none() {
        for (place, value) in [(25, 3), (25, 0xff), (29, 0xff), (26 + 4 + 7 + 3, 0xff)] {
            let mut bytes = written();
            bytes[place] = value;
            assert_eq!(Outline::read(&mut bytes.as_slice()), None, "byte {place}");
        }
    }
}
