//! Time and fresh identifiers: the only file of the server that reads a clock or a random source.
//!
//! Everything else is told the time, so that a test can tell it another one.

use std::time::SystemTime;

use smtp::Timestamp;
use spool::QueueId;
use ulid::Ulid;

/// The wall clock in milliseconds; a clock set before 1970 reads as 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the place that STYLE names for reading the clock")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A new ULID: sorts by the time it was made, unique without a counter to keep.
#[must_use]
pub fn fresh_id() -> Ulid {
    Ulid::new()
}

/// A new name for an entry.
#[must_use]
pub fn queue_id() -> QueueId {
    QueueId::from_number(fresh_id().0)
}

/// Random bytes that nobody can guess.
#[must_use]
pub fn random_bytes<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    for chunk in bytes.chunks_mut(8) {
        // The low bytes of 80 random bits (ULID §Randomness), from the generator that cryptography uses too.
        let fresh = fresh_id().random().to_le_bytes();
        chunk.iter_mut().zip(fresh).for_each(|(into, from)| *into = from);
    }
    bytes
}

/// The wall clock as `sinks` asks for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl sinks::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        now()
    }
}
