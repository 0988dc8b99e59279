//! How often a password may be guessed, by network and by user. Pure: it is told the time.
//!
//! Each failure fills a bucket that empties slowly. Whoever is at the brim is not answered any more, neither yes nor no, so a
//! guess in that time tells nothing. A network that a user came from before is not kept out by what others guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use smtp::Timestamp;

/// Time in which one failure is forgotten: a person who mistyped is let in again at once, and a machine gets 1,440 guesses a day.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);
/// How long a network counts as a user's own.
const OWN_FOR: Duration = Duration::from_hours(30 * 24);
/// Buckets and known networks that are remembered, each; about 8 MiB. The oldest half goes when there are more.
const REMEMBERED_MAX: usize = 65_536;

/// Failures that are left at each end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GuessLimits {
    /// Of one network.
    pub(crate) per_network_max: u32,
    /// At one user, from networks that are not theirs.
    pub(crate) per_user_max: u32,
}

/// Who failed how often.
#[derive(Debug)]
pub(crate) struct Guesses {
    limits: GuessLimits,
    failures: HashMap<Guesser, Failures>,
    own: HashMap<(IpAddr, String), Timestamp>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Guesser {
    Network(IpAddr),
    User(String),
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// When the last one was forgotten, or came.
    since: Timestamp,
}

/// Whether a password is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Chance {
    /// It is.
    Given,
    /// Not now.
    Later,
}

impl Guesses {
    /// Nobody has failed yet.
    pub(crate) fn new(limits: GuessLimits) -> Self {
        Self { limits, failures: HashMap::new(), own: HashMap::new() }
    }

    /// Whether this client may try this user, whether they exist or not.
    pub(crate) fn chance(&mut self, address: IpAddr, user: &str, now: Timestamp) -> Chance {
        let network = network(address);
        let is_own = self
            .own
            .get(&(network, user.to_owned()))
            .is_some_and(|since| now.since(*since).is_none_or(|passed| passed < OWN_FOR));
        let of_network = self.count(&Guesser::Network(network), now);
        let of_user = if is_own { 0 } else { self.count(&Guesser::User(user.to_owned()), now) };
        if of_network >= self.limits.per_network_max || of_user >= self.limits.per_user_max {
            return Chance::Later;
        }
        Chance::Given
    }

    /// It was not the password.
    pub(crate) fn failed(&mut self, address: IpAddr, user: &str, now: Timestamp) {
        for guesser in [Guesser::Network(network(address)), Guesser::User(user.to_owned())] {
            let count = self.count(&guesser, now);
            if self.failures.len() >= REMEMBERED_MAX && !self.failures.contains_key(&guesser) {
                forget(&mut self.failures, |failures| failures.since);
            }
            let failures = self.failures.entry(guesser).or_insert(Failures { count, since: now });
            failures.count = failures.count.saturating_add(1);
        }
    }

    /// It was. What the network failed at stays: whoever has one account guesses at others.
    pub(crate) fn succeeded(&mut self, address: IpAddr, user: &str, now: Timestamp) {
        if self.own.len() >= REMEMBERED_MAX {
            forget(&mut self.own, |since| *since);
        }
        self.own.insert((network(address), user.to_owned()), now);
    }

    /// What is left after some time.
    fn count(&mut self, guesser: &Guesser, now: Timestamp) -> u32 {
        let Some(failures) = self.failures.get_mut(guesser) else { return 0 };
        let passed = now.since(failures.since).unwrap_or_default();
        let forgotten = u32::try_from(passed.as_secs() / FORGOTTEN_AFTER.as_secs()).unwrap_or(u32::MAX);
        if forgotten > 0 {
            failures.count = failures.count.saturating_sub(forgotten);
            failures.since = failures.since + FORGOTTEN_AFTER * forgotten;
        }
        let count = failures.count;
        if count == 0 {
            self.failures.remove(guesser);
        }
        count
    }
}

/// The older half goes.
fn forget<K: Clone + Eq + std::hash::Hash, V>(all: &mut HashMap<K, V>, since: impl Fn(&V) -> Timestamp) {
    let mut times: Vec<Timestamp> = all.values().map(&since).collect();
    times.sort_unstable();
    let Some(middle) = times.get(times.len() / 2).copied() else { return };
    let before = all.len();
    all.retain(|_, value| since(value) > middle);
    if all.len() == before {
        all.clear();
    }
}

/// An IPv6 customer has at least a /64 (RFC 6177), so one address there means nothing.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use smtp::Timestamp;

    use super::{Chance, GuessLimits, Guesses, REMEMBERED_MAX};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guesses() -> Guesses {
        Guesses::new(GuessLimits { per_network_max: 3, per_user_max: 5 })
    }

    fn fail(guesses: &mut Guesses, from: &str, user: &str, times: usize) {
        (0..times).for_each(|_| guesses.failed(address(from), user, NOW));
    }

    #[test]
    fn a_network_has_so_many_guesses_and_one_more_each_minute() {
        let mut guesses = guesses();
        let from = "2001:db8::1";
        for user in ["ann", "bob", "cid"] {
            assert_eq!(guesses.chance(address(from), user, NOW), Chance::Given);
            fail(&mut guesses, from, user, 1);
        }
        assert_eq!(guesses.chance(address("2001:db8::ffff:1"), "dan", NOW), Chance::Later, "the same /64");
        assert_eq!(guesses.chance(address("2001:db8:0:1::1"), "dan", NOW), Chance::Given);
        let later = NOW + Duration::from_secs(60);
        assert_eq!(guesses.chance(address(from), "dan", later), Chance::Given);
        guesses.failed(address(from), "dan", later);
        assert_eq!(guesses.chance(address(from), "dan", later), Chance::Later);
    }

    #[test]
    fn a_user_is_guessed_from_many_networks_no_more_and_still_comes_in_from_their_own() {
        let mut guesses = guesses();
        guesses.succeeded(address("192.0.2.200"), "ann", NOW);
        for last in 1..=5 {
            fail(&mut guesses, &format!("192.0.2.{last}"), "ann", 1);
        }
        assert_eq!(guesses.chance(address("192.0.2.9"), "ann", NOW), Chance::Later);
        assert_eq!(guesses.chance(address("192.0.2.9"), "bob", NOW), Chance::Given);
        assert_eq!(guesses.chance(address("192.0.2.200"), "ann", NOW), Chance::Given);
        let much_later = NOW + Duration::from_hours(31 * 24);
        fail(&mut guesses, "192.0.2.8", "ann", 1);
        assert_eq!(guesses.chance(address("192.0.2.200"), "ann", much_later), Chance::Given);
        assert!(guesses.failures.len() < 10);
    }

    #[test]
    fn a_right_password_buys_no_guesses_at_others() {
        let mut guesses = guesses();
        fail(&mut guesses, "192.0.2.1", "bob", 2);
        guesses.succeeded(address("192.0.2.1"), "ann", NOW);
        fail(&mut guesses, "192.0.2.1", "bob", 1);
        assert_eq!(guesses.chance(address("192.0.2.1"), "bob", NOW), Chance::Later);
        assert_eq!(guesses.chance(address("192.0.2.1"), "ann", NOW), Chance::Later);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut guesses = guesses();
        for number in 0..=u32::try_from(REMEMBERED_MAX).unwrap() {
            let from = IpAddr::V4(number.into());
            let now = NOW + Duration::from_millis(number.into());
            guesses.failed(from, &number.to_string(), now);
            guesses.succeeded(from, &number.to_string(), now);
        }
        assert!(guesses.failures.len() <= REMEMBERED_MAX && guesses.own.len() <= REMEMBERED_MAX);
    }
}
