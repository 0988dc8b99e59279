//! When to try again, when to tell the sender of a delay, when to give up: the retry schedule, as pure functions.
//!
//! RFC 5321 §4.5.4.1 wants the retry interval to be at least 30 minutes in general, shorter at first ("two attempts during
//! the first hour"), and to give up after 4 to 5 days at the earliest. No clock and no random source: `now` comes in, and
//! the jitter that keeps a thousand entries of one dead host apart is drawn from the entry's id. A schedule is a value, so
//! each route may have its own.
//!
//! A clock that is set back delays and never ends: ages count from `arrived`, waits from `now`.

use std::time::Duration;

use smtp::Timestamp;

use crate::QueueId;

/// The waits between attempts, and the ages of telling and of giving up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Wait after the first failed attempt, the second, and so on; the last one repeats.
    pub waits: Vec<Duration>,
    /// Age at which an entry expires, unless its envelope says otherwise.
    pub expiry: Duration,
    /// Age at which the sender is told that the message is late (RFC 3464 §2.3.3: `delayed`), once.
    pub delay_age: Duration,
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
    /// When that one was due; the newest record says so until the next is written.
    pub due: Timestamp,
}

impl Schedule {
    /// The time of the next attempt. One is made at the very moment of expiry, so that a host that came back during the
    /// longest wait still gets its mail, and one when the delay is to be told, so that what is told is true.
    #[must_use]
    pub fn next(&self, age: &Age, now: Timestamp) -> Next {
        let expires = self.expires(age);
        if now >= expires {
            return Next::Expire;
        }
        let step = usize::try_from(age.attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.waits.get(step).or(self.waits.last()).copied().unwrap_or(WAIT_MIN).max(WAIT_MIN);
        let at = now + self.jittered(wait, age);
        let delayed = age.arrived + self.delay_age;
        let at = if now < delayed { at.min(delayed) } else { at };
        Next::Attempt(at.min(expires))
    }

    /// When an entry is given up: as its envelope says, else at the schedule's age.
    #[must_use]
    pub fn expires(&self, age: &Age) -> Timestamp {
        age.expires.unwrap_or_else(|| age.arrived + self.expiry)
    }

    /// Whether the attempt that just failed is the one after which the sender is told of the delay. True for one attempt of
    /// an entry without anything being remembered: the record that tells it moves `due` past the moment.
    #[must_use]
    pub fn tells_delay(&self, age: &Age, now: Timestamp) -> bool {
        let delayed = age.arrived + self.delay_age;
        age.due <= delayed && delayed <= now && now < self.expires(age)
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
    /// and Exim use by their order of size. A delay is told after 4 h, as Sendmail does (`Timeout.queuewarn`).
    fn default() -> Self {
        let waits = [5, 15, 30, 60, 120, 240].map(|minutes| Duration::from_secs(minutes * 60));
        Self { waits: waits.to_vec(), expiry: EXPIRY, delay_age: DELAY_AGE, jitter_percent: 10 }
    }
}

/// RFC 5321 §4.5.4.1: "the give-up time generally needs to be at least 4-5 days".
const EXPIRY: Duration = Duration::from_secs(5 * 24 * 3600);

/// Long enough that most outages of a host end unnoticed, short enough to be told on the same day.
const DELAY_AGE: Duration = Duration::from_secs(4 * 3600);

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

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const ARRIVED: Timestamp = Timestamp(1_700_000_000_000);

    fn age(id: u128, attempts: u32) -> Age {
        Age { id: QueueId::from_number(id), arrived: ARRIVED, expires: None, attempts, due: ARRIVED }
    }

    fn steady() -> Schedule {
        Schedule { jitter_percent: 0, ..Schedule::default() }
    }

    /// A life without success: milliseconds of age at each attempt, and at those after which a delay is told.
    fn life(schedule: &Schedule, id: u128) -> (Vec<u64>, Vec<u64>) {
        let (mut now, mut due) = (ARRIVED, ARRIVED);
        let (mut attempts, mut told) = (vec![0], Vec::new());
        for count in 1..1000 {
            let age = Age { due, ..age(id, count) };
            if schedule.tells_delay(&age, now) {
                told.push(now.0 - ARRIVED.0);
            }
            match schedule.next(&age, now) {
                // Leased a little late each time, as a busy server would.
                Next::Attempt(at) => (due, now) = (at, Timestamp(at.0 + 3)),
                Next::Expire => return (attempts, told),
            }
            attempts.push(due.0 - ARRIVED.0);
        }
        panic!("the schedule never expires");
    }

    #[test]
    fn five_days_pass_by_the_table_without_jitter() {
        let (times, _) = life(&steady(), 7);
        let minutes: Vec<u64> = times.iter().take(9).map(|time| time / MINUTE).collect();
        assert_eq!(minutes, [0, 5, 20, 50, 110, 230, 240, 480, 720], "the seventh is for the delay");
        assert_eq!(times.last(), Some(&(120 * HOUR)), "the last attempt is at the expiry itself");
    }

    #[test]
    fn waits_grow_up_to_the_last_one_and_stay_there() {
        let wait = |attempts| match steady().next(&age(1, attempts), Timestamp(ARRIVED.0 + 5 * HOUR)) {
            Next::Attempt(at) => (at.0 - ARRIVED.0) / MINUTE - 300,
            Next::Expire => 0,
        };
        assert_eq!((1..=8).map(wait).collect::<Vec<_>>(), [5, 15, 30, 60, 120, 240, 240, 240]);
        assert_eq!(wait(u32::MAX), 240, "a count that ran over its end");
        assert_eq!(wait(0), 5, "a count that never began");
    }

    #[test]
    fn at_least_two_attempts_fall_in_the_first_hour() {
        for id in 0..500 {
            let first_hour = life(&Schedule::default(), id).0.into_iter().filter(|time| *time < HOUR).count();
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
    fn a_thousand_entries_of_one_dead_host_do_not_come_back_in_one_second() {
        let schedule = Schedule::default();
        let mut seconds = std::collections::BTreeMap::new();
        for id in 0..1000 {
            if let Next::Attempt(at) = schedule.next(&age(id, 6), Timestamp(ARRIVED.0 + 5 * HOUR)) {
                *seconds.entry(at.0 / 1000).or_insert(0) += 1;
            }
        }
        assert!(seconds.values().all(|entries| *entries < 10), "48 minutes are room enough for them");
    }

    #[test]
    fn an_envelope_may_expire_sooner_or_later_than_the_schedule() {
        let at = |milliseconds| Some(Timestamp(ARRIVED.0 + milliseconds));
        let soon = Age { expires: at(MINUTE), ..age(1, 1) };
        assert_eq!(Schedule::default().next(&soon, ARRIVED), Next::Attempt(Timestamp(ARRIVED.0 + MINUTE)));
        assert_eq!(Schedule::default().next(&soon, Timestamp(ARRIVED.0 + MINUTE)), Next::Expire);
        let late = Age { expires: at(240 * HOUR), ..age(1, 30) };
        let week = Timestamp(ARRIVED.0 + 168 * HOUR);
        assert_eq!(steady().next(&late, week), Next::Attempt(Timestamp(week.0 + 4 * HOUR)));
    }

    #[test]
    fn a_route_may_have_a_schedule_of_its_own() {
        let hurried =
            Schedule { waits: vec![Duration::from_secs(60)], expiry: Duration::from_secs(180), ..steady() };
        assert_eq!(life(&hurried, 1), (vec![0, MINUTE, 2 * MINUTE + 3, 3 * MINUTE], vec![]));
    }

    #[test]
    fn a_delay_is_told_once_and_when_it_is_there() {
        for id in 0..500 {
            assert_eq!(life(&Schedule::default(), id).1, [4 * HOUR + 3]);
        }
    }

    #[test]
    fn no_delay_is_told_of_what_is_given_up() {
        let brief = Age { expires: Some(Timestamp(ARRIVED.0 + 4 * HOUR)), ..age(1, 5) };
        assert!(!steady().tells_delay(&brief, Timestamp(ARRIVED.0 + 4 * HOUR)));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_expires_nor_spins() {
        let before = Timestamp(ARRIVED.0 - 72 * HOUR);
        assert_eq!(steady().next(&age(1, 1), before), Next::Attempt(Timestamp(before.0 + 5 * MINUTE)));
        assert!(!steady().tells_delay(&age(1, 1), before));
    }

    #[test]
    fn the_end_of_time_is_no_overflow() {
        let end = Timestamp(u64::MAX);
        let schedule = Schedule { waits: vec![Duration::MAX], expiry: Duration::MAX, ..Schedule::default() };
        assert_eq!(schedule.next(&age(1, 9), Timestamp(u64::MAX - 1)), Next::Attempt(end));
        assert_eq!(schedule.next(&age(1, 9), end), Next::Expire);
    }

    #[test]
    fn a_schedule_of_zeros_does_not_spin() {
        let schedule = Schedule { waits: vec![], ..steady() };
        assert_eq!(schedule.next(&age(1, 9), ARRIVED), Next::Attempt(ARRIVED + WAIT_MIN));
    }
}
