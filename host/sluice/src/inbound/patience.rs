//! How long a client may take in all for what it owes us: a command, or a content at its slowest.
//!
//! RFC 5321 §4.5.3.2 names waits for each read, so a client that sends one byte in each of them would stay for ever. Here the
//! waits since our last word are one budget. A content earns time by its bytes, never above one wait, as with Postfix's
//! `smtpd_per_request_deadline` and `smtpd_min_data_rate`. What the server itself takes costs the client nothing.

use std::time::Duration;

use smtp::Pace;

/// What is left of a client's time.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Absent as long as nobody waited since our last word.
    left: Option<Duration>,
}

impl Patience {
    /// We said something: what the client owes now is something new.
    pub(super) fn renew(&mut self) {
        self.left = None;
    }

    /// How long to wait at most now.
    pub(super) fn wait(&mut self, wait_max: Duration) -> Duration {
        (*self.left.get_or_insert(wait_max)).min(wait_max)
    }

    /// A wait took so long.
    pub(super) fn spend(&mut self, took: Duration) {
        self.left = self.left.map(|left| left.saturating_sub(took));
    }

    /// So many bytes came.
    pub(super) fn earn(&mut self, bytes: u64, (pace, wait_max): (Pace, Duration)) {
        let earned = match pace {
            Pace::Together => return,
            Pace::Rate { bytes_per_second_min } => {
                Duration::from_millis(bytes.saturating_mul(1000) / u64::from(bytes_per_second_min.max(1)))
            }
        };
        self.left = self.left.map(|left| left.saturating_add(earned).min(wait_max.max(left)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smtp::Pace;

    use super::Patience;

    const WAIT_MAX: Duration = Duration::from_secs(300);
    const RATE: Pace = Pace::Rate { bytes_per_second_min: 500 };

    /// Seconds that a client lasts which sends so many bytes every 100 seconds.
    fn lasts(pace: Pace, bytes: u64) -> Option<u32> {
        let mut patience = Patience::default();
        for passed in (0..100_000).step_by(100) {
            if patience.wait(WAIT_MAX) < Duration::from_secs(100) {
                return Some(passed);
            }
            patience.spend(Duration::from_secs(100));
            patience.earn(bytes, (pace, WAIT_MAX));
        }
        None
    }

    #[test]
    fn a_command_that_comes_byte_by_byte_has_one_wait_in_all() {
        assert_eq!(lasts(Pace::Together, 1), Some(300));
        assert_eq!(lasts(Pace::Together, 1_000_000), Some(300));
    }

    #[test]
    fn a_content_lasts_as_long_as_it_keeps_the_rate() {
        assert_eq!(lasts(RATE, 1), Some(300));
        assert_eq!(lasts(RATE, 40_000), Some(1_100));
        assert_eq!(lasts(RATE, 50_000), None);
    }

    #[test]
    fn much_at_once_buys_one_wait_and_our_word_a_new_one() {
        let mut patience = Patience::default();
        patience.wait(WAIT_MAX);
        patience.spend(Duration::from_secs(200));
        patience.earn(u64::MAX, (RATE, WAIT_MAX));
        assert_eq!(patience.wait(WAIT_MAX), WAIT_MAX);
        patience.spend(WAIT_MAX);
        assert_eq!(patience.wait(WAIT_MAX), Duration::ZERO);
        patience.renew();
        assert_eq!(patience.wait(WAIT_MAX), WAIT_MAX);
    }
}
