//! When to try again: the retry schedule, as a pure function.
//!
//! RFC 5321 §4.5.4.1 wants the retry interval to be at least 30 minutes in general, shorter at first ("two attempts during
//! the first hour"), and to give up after 4 to 5 days at the earliest. No clock and no random source: `now` comes in, and
//! the jitter that keeps a thousand entries of one dead host apart is drawn from the entry's id.

use std::time::Duration;

use smtp::Timestamp;

use crate::QueueId;

/// The waits between attempts and the age of giving up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Wait after the first failed attempt, the second, and so on; the last one repeats.
    pub waits: Vec<Duration>,
    /// Age at which an entry expires, unless its envelope says otherwise.
    pub expiry: Duration,
    /// How far a wait is stretched or shortened at most, in percent of it.
    pub jitter_percent: u8,
}

/// What comes after an attempt that did not finish an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again at this time.
    Attempt(Timestamp),
    /// Give up, and send a DSN where one is wanted.
    Expire,
}

/// What the schedule needs to know of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// Draws the jitter.
    pub id: QueueId,
    /// When the entry was accepted.
    pub arrived: Timestamp,
    /// The envelope's own expiry, where one was set.
    pub expires: Option<Timestamp>,
    /// Attempts that were made, the one that just failed included.
    pub attempts: u32,
}

impl Schedule {
    /// The time of the next attempt. The last one is made at the very moment of expiry, so that a host that came back
    /// during the longest wait still gets its mail.
    #[must_use]
    pub fn next(&self, age: &Age, now: Timestamp) -> Next {
        let expires = age.expires.unwrap_or_else(|| age.arrived + self.expiry);
        if now >= expires {
            return Next::Expire;
        }
        let step = usize::try_from(age.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.waits.get(step).or(self.waits.last()).copied().unwrap_or(WAIT_MIN).max(WAIT_MIN);
        Next::Attempt((now + self.jittered(wait, age)).min(expires))
    }

    fn jittered(&self, wait: Duration, age: &Age) -> Duration {
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let span = milliseconds.saturating_mul(u64::from(self.jitter_percent.min(100))) / 100;
        let draw = mix(age.id, age.attempts) % span.saturating_mul(2).saturating_add(1);
        Duration::from_millis(milliseconds.saturating_sub(span).saturating_add(draw))
    }
}

impl Default for Schedule {
    /// 5 min, 15 min, 30 min, 1 h, 2 h, then every 4 h, for 5 days: within RFC 5321 §4.5.4.1, and the values that Postfix
    /// and Exim use by their order of size.
    fn default() -> Self {
        let waits = [5, 15, 30, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60));
        Self { waits: waits.to_vec(), expiry: EXPIRY, jitter_percent: 10 }
    }
}

/// RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
const EXPIRY: Duration = Duration::from_secs(5 * 24 * 3600);

/// A schedule that was configured to zero must not spin.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// The finaliser of splitmix64 over id and attempt: equal for equal arguments on every machine.
fn mix(id: QueueId, attempts: u32) -> u64 {
    let wide = id.number();
    let folded =
        u64::try_from(wide >> 64).unwrap_or(0) ^ u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(0);
    let mut value = folded ^ (u64::from(attempts) << 32);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;
    const ARRIVED: Timestamp = Timestamp(1_700_000_000_000);

    fn age(id: u128, attempts: u32) -> Age {
        Age { id: QueueId::from_number(id), arrived: ARRIVED, expires: None, attempts }
    }

    fn attempts_of(schedule: &Schedule, id: u128) -> Vec<u64> {
        let mut now = ARRIVED;
        let mut times = vec![now.0 - ARRIVED.0];
        for attempts in 1..1000 {
            match schedule.next(&age(id, attempts), now) {
                Next::Attempt(at) => now = at,
                Next::Expire => return times,
            }
            times.push(now.0 - ARRIVED.0);
        }
        panic!("the schedule never expires");
    }

    #[test]
    fn five_days_pass_by_the_table_without_jitter() {
        let schedule = Schedule { jitter_percent: 0, ..Schedule::default() };
        let times = attempts_of(&schedule, 7);
        let minutes: Vec<u64> = times.iter().take(8).map(|time| time / 60_000).collect();
        assert_eq!(minutes, [0, 5, 20, 50, 110, 230, 470, 710]);
        assert_eq!(*times.last().unwrap(), 120 * HOUR, "the last attempt is at the expiry itself");
    }

    #[test]
    fn at_least_two_attempts_fall_in_the_first_hour() {
        for id in 0..500 {
            let first_hour =
                attempts_of(&Schedule::default(), id).into_iter().filter(|time| *time < HOUR).count();
            assert!(first_hour >= 2, "RFC 5321 §4.5.4.1");
        }
    }

    #[test]
    fn jitter_stays_within_its_bound_and_comes_from_the_id() {
        let schedule = Schedule::default();
        let waits: Vec<u64> = (0..500)
            .map(|id| match schedule.next(&age(id, 1), ARRIVED) {
                Next::Attempt(at) => at.0 - ARRIVED.0,
                Next::Expire => panic!("fresh entries do not expire"),
            })
            .collect();
        assert!(waits.iter().all(|wait| (270_000..=330_000).contains(wait)));
        let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
        assert!(distinct.len() > 400, "ids are spread");
        assert_eq!(schedule.next(&age(3, 1), ARRIVED), schedule.next(&age(3, 1), ARRIVED));
    }

    #[test]
    fn an_envelope_may_expire_sooner_than_the_schedule() {
        let soon = Age { expires: Some(Timestamp(ARRIVED.0 + 60_000)), ..age(1, 1) };
        assert_eq!(Schedule::default().next(&soon, ARRIVED), Next::Attempt(Timestamp(ARRIVED.0 + 60_000)));
        assert_eq!(Schedule::default().next(&soon, Timestamp(ARRIVED.0 + 60_000)), Next::Expire);
    }

    #[test]
    fn a_schedule_of_zeros_does_not_spin() {
        let schedule = Schedule { waits: vec![], expiry: EXPIRY, jitter_percent: 0 };
        assert_eq!(schedule.next(&age(1, 9), ARRIVED), Next::Attempt(ARRIVED + WAIT_MIN));
    }
}
