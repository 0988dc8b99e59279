//! A moment as a number, so that pure code can be told the time instead of reading a clock.
//!
//! Promises an order, and arithmetic that saturates instead of wrapping; leaves out calendars and time zones.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z; as in the contract, below 2^53 for the next 285,000 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// How long ago `earlier` was, or `None` when it lies in the future: a clock that was set back is the caller's to judge.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// How long until `later`; nothing when that has passed already.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_millis(later.0.saturating_sub(self.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_that_is_too_long_saturates() {
        assert_eq!(Timestamp(5) + Duration::MAX, Timestamp(u64::MAX));
        assert_eq!(Timestamp(5) - Duration::MAX, Timestamp(0));
    }

    #[test]
    fn a_moment_in_the_future_is_no_age() {
        assert_eq!(Timestamp(5).since(Timestamp(3)), Some(Duration::from_millis(2)));
        assert_eq!(Timestamp(3).since(Timestamp(5)), None);
        assert_eq!(Timestamp(5).until(Timestamp(3)), Duration::ZERO);
    }
}
