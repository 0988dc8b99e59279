//! Who may connect now: lines of entries by the name of their queue, with the connections that each has.
//!
//! Promises: one host that is slow or dead takes one connection, not all of them, since a line's window opens by its
//! successes alone; entries that wait are kept as ids; a line whose hosts all failed rests, longer each time. Pure: no I/O, and
//! told the time. Leaves out what a connection does.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Duration;

use smtp::{QueueName, Timestamp};
use spool::{Lease, QueueId};
use tokio::sync::oneshot;

/// First rest of a line whose hosts all failed; it doubles with each failure. Ours: a host that restarts is asked again soon.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest rest: what waits meanwhile is late by this at most once the host is back. As long as the first retry wait.
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// What `messages_per_minute_max` counts over.
const MINUTE: Duration = Duration::from_secs(60);

/// All lines.
pub(super) struct Queues {
    lines: HashMap<LineName, Line>,
    /// Lines that may have something to start, each at most once.
    ready: VecDeque<LineName>,
    connections: usize,
    connections_max: usize,
}

/// What a line is called.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct LineName {
    /// Where its mail goes.
    pub(super) queue: QueueName,
    /// Whose mail it is, where that must not share a connection with the mail of others.
    pub(super) tenant: Option<Box<str>>,
}

impl fmt::Display for LineName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.queue.fmt(formatter)?;
        self.tenant.as_ref().map_or(Ok(()), |tenant| write!(formatter, " of {tenant}"))
    }
}

/// What the configuration allows a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct LineLimits {
    /// Connections at one time.
    pub(super) connections_max: usize,
    /// Messages in a minute; none where there is no limit.
    pub(super) messages_per_minute_max: Option<u32>,
}

struct Line {
    limits: LineLimits,
    parked: VecDeque<QueueId>,
    /// Connections that wait for their next message.
    idle: Vec<oneshot::Sender<Lease>>,
    connections: usize,
    /// Connections that it may have now.
    window: usize,
    failures: u32,
    rests_until: Option<Timestamp>,
    minute: Minute,
    place: Place,
}

/// Whether a line stands in [`Queues::ready`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Ready,
    Elsewhere,
}

#[derive(Clone, Copy, Debug, Default)]
struct Minute {
    began: Timestamp,
    messages: u32,
}

/// What becomes of an entry that comes.
pub(super) enum Offer {
    /// A connection that was idle has it.
    Taken,
    /// Connect for it: the connection is counted already.
    Connect(Lease),
    /// Park it, then [`Queues::push`] its id, without letting others in between.
    Park(Lease),
}

/// What a connection does behind a message.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// This one.
    Take(QueueId),
    /// It waits for the next.
    Rest,
    /// Others need its place, or nothing may be sent now.
    Close,
}

impl Queues {
    /// None yet, and so many connections in all.
    pub(super) fn new(connections_max: usize) -> Self {
        Self { lines: HashMap::new(), ready: VecDeque::new(), connections: 0, connections_max }
    }

    /// An entry for a line has come.
    pub(super) fn offer(
        &mut self,
        (name, limits): (&LineName, LineLimits),
        lease: Lease,
        now: Timestamp,
    ) -> Offer {
        let has_room = self.connections < self.connections_max;
        let line = self.lines.entry(name.clone()).or_insert_with(|| Line::new(limits));
        if line.parked.is_empty() && line.may_send(now) {
            let mut lease = lease;
            while let Some(idle) = line.idle.pop() {
                match idle.send(lease) {
                    Ok(()) => {
                        line.count_message(now);
                        return Offer::Taken;
                    }
                    Err(back) => lease = back,
                }
            }
            if has_room && line.connections < line.window {
                line.connections += 1;
                line.count_message(now);
                self.connections += 1;
                return Offer::Connect(lease);
            }
            return Offer::Park(lease);
        }
        Offer::Park(lease)
    }

    /// An entry was parked.
    pub(super) fn push(&mut self, name: &LineName, id: QueueId) {
        if let Some(line) = self.lines.get_mut(name) {
            line.parked.push_back(id);
        }
        self.stand(name);
    }

    /// An entry to connect for, if one may be connected for: the connection is counted already.
    pub(super) fn start(&mut self, now: Timestamp) -> Option<(LineName, QueueId)> {
        while self.connections < self.connections_max {
            let name = self.ready.pop_front()?;
            let Some(line) = self.lines.get_mut(&name) else { continue };
            line.place = Place::Elsewhere;
            if !line.may_send(now) || line.connections >= line.window {
                continue;
            }
            let Some(id) = line.parked.pop_front() else { continue };
            line.connections += 1;
            line.count_message(now);
            self.connections += 1;
            self.stand(&name);
            return Some((name, id));
        }
        None
    }

    /// A connection is through with a message.
    pub(super) fn next(&mut self, name: &LineName, now: Timestamp) -> Next {
        let others_wait = !self.ready.is_empty() && self.connections >= self.connections_max;
        let Some(line) = self.lines.get_mut(name) else { return Next::Close };
        if !line.may_send(now) || line.connections > line.window {
            return Next::Close;
        }
        match line.parked.pop_front() {
            Some(id) => {
                line.count_message(now);
                Next::Take(id)
            }
            None if others_wait => Next::Close,
            None => Next::Rest,
        }
    }

    /// A connection waits for the next entry of its line.
    pub(super) fn rest(&mut self, name: &LineName) -> Option<oneshot::Receiver<Lease>> {
        let line = self.lines.get_mut(name)?;
        let (sender, receiver) = oneshot::channel();
        line.idle.retain(|idle| !idle.is_closed());
        line.idle.push(sender);
        Some(receiver)
    }

    /// A host of the line serves us.
    pub(super) fn succeed(&mut self, name: &LineName) {
        if let Some(line) = self.lines.get_mut(name) {
            line.failures = 0;
            line.rests_until = None;
            line.window = line.window.saturating_add(1).min(line.limits.connections_max.max(1));
        }
        self.stand(name);
    }

    /// None of its hosts does. The answer is what waited: it has had its attempt, for nobody would have served it either.
    pub(super) fn fail(&mut self, name: &LineName, now: Timestamp) -> VecDeque<QueueId> {
        let Some(line) = self.lines.get_mut(name) else { return VecDeque::new() };
        let pause = PAUSE_MIN.saturating_mul(1 << line.failures.min(16)).min(PAUSE_MAX);
        line.failures = line.failures.saturating_add(1);
        line.window = 1;
        line.rests_until = Some(now + pause);
        std::mem::take(&mut line.parked)
    }

    /// A connection is over.
    pub(super) fn release(&mut self, name: &LineName) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(name) {
            line.connections = line.connections.saturating_sub(1);
        }
        self.stand(name);
        self.forget(name);
    }

    /// When a line that rests may go on.
    pub(super) fn next_wake(&self) -> Option<Timestamp> {
        self.lines.values().filter_map(|line| line.rests_until).min()
    }

    /// Lines whose rest is over may start.
    pub(super) fn wake(&mut self, now: Timestamp) {
        let over = |line: &Line| line.rests_until.is_some_and(|until| until <= now);
        let names: Vec<LineName> =
            self.lines.iter().filter(|(_, line)| over(line)).map(|(name, _)| name.clone()).collect();
        for name in names {
            if let Some(line) = self.lines.get_mut(&name) {
                line.rests_until = None;
            }
            self.stand(&name);
            self.forget(&name);
        }
    }

    /// A line that has something to send stands in the row of those that may start.
    fn stand(&mut self, name: &LineName) {
        let Some(line) = self.lines.get_mut(name) else { return };
        if line.place == Place::Elsewhere && !line.parked.is_empty() && line.rests_until.is_none() {
            line.place = Place::Ready;
            self.ready.push_back(name.clone());
        }
    }

    /// A line without anything is not kept: domains come and go.
    fn forget(&mut self, name: &LineName) {
        let is_empty =
            |line: &Line| line.connections == 0 && line.parked.is_empty() && line.rests_until.is_none();
        if self.lines.get(name).is_some_and(is_empty) {
            self.lines.remove(name);
        }
    }
}

impl Line {
    fn new(limits: LineLimits) -> Self {
        Self {
            limits,
            parked: VecDeque::new(),
            idle: Vec::new(),
            connections: 0,
            window: 1,
            failures: 0,
            rests_until: None,
            minute: Minute::default(),
            place: Place::Elsewhere,
        }
    }

    /// Whether it may send a message now; a line that has sent its share rests until its minute is over.
    fn may_send(&mut self, now: Timestamp) -> bool {
        if self.rests_until.is_some_and(|until| until > now) {
            return false;
        }
        self.rests_until = None;
        let minute_over = self.minute.began + MINUTE;
        let is_full = self.limits.messages_per_minute_max.is_some_and(|max| self.minute.messages >= max);
        if is_full && now < minute_over {
            self.rests_until = Some(minute_over);
            return false;
        }
        true
    }

    fn count_message(&mut self, now: Timestamp) {
        if now >= self.minute.began + MINUTE {
            self.minute = Minute { began: now, messages: 0 };
        }
        self.minute.messages = self.minute.messages.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn name(text: &str) -> LineName {
        LineName { queue: QueueName::parse(text).unwrap(), tenant: None }
    }

    fn limits(connections_max: usize) -> LineLimits {
        LineLimits { connections_max, messages_per_minute_max: None }
    }

    /// Lines with entries that are parked, as `(name, how many)`.
    fn queues(connections_max: usize, lines: &[(&str, usize)], limits: LineLimits) -> Queues {
        let mut queues = Queues::new(connections_max);
        for (line, count) in lines {
            queues.lines.insert(name(line), Line::new(limits));
            for number in 0..*count {
                queues.push(&name(line), QueueId::from_number(number as u128));
            }
        }
        queues
    }

    fn started(queues: &mut Queues) -> usize {
        std::iter::from_fn(|| queues.start(NOW)).count()
    }

    #[test]
    fn a_line_begins_with_one_connection_and_gets_one_more_for_each_success() {
        let mut queues = queues(100, &[("a", 50)], limits(3));
        assert_eq!(started(&mut queues), 1);
        for expected in [1, 1, 0] {
            queues.succeed(&name("a"));
            assert_eq!(started(&mut queues), expected);
        }
    }

    #[test]
    fn a_hundred_lines_that_hang_leave_the_rest_their_places() {
        let lines: Vec<(String, usize)> = (0..100).map(|number| (format!("dead{number}"), 50)).collect();
        let mut lines: Vec<(&str, usize)> =
            lines.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        lines.push(("alive", 50));
        let mut queues = queues(120, &lines, limits(20));
        assert_eq!(started(&mut queues), 101, "each has one");
        for _ in 0..19 {
            queues.succeed(&name("alive"));
        }
        assert_eq!(started(&mut queues), 19, "the one that answers has all the others");
    }

    #[test]
    fn all_lines_together_stay_below_the_bound_and_take_turns() {
        let mut queues = queues(2, &[("a", 5), ("b", 5), ("c", 5)], limits(5));
        assert_eq!(started(&mut queues), 2);
        assert_eq!(queues.next(&name("a"), NOW), Next::Take(QueueId::from_number(1)));
        queues.release(&name("a"));
        assert_eq!(queues.start(NOW).map(|(name, _)| name), Some(name("c")));
    }

    #[test]
    fn a_line_that_fails_rests_longer_each_time_and_gives_back_what_waited() {
        let mut queues = queues(10, &[("a", 3)], limits(5));
        let mut now = NOW;
        assert!(queues.start(now).is_some());
        assert_eq!(queues.fail(&name("a"), now).len(), 2);
        let mut rests = Vec::new();
        for number in 0..10 {
            let wake = queues.next_wake().unwrap();
            rests.push((wake.0 - now.0) / 1000);
            queues.push(&name("a"), QueueId::from_number(number));
            assert!(queues.start(now).is_none(), "it rests");
            now = wake;
            queues.wake(now);
            queues.release(&name("a"));
            assert!(queues.start(now).is_some(), "one is tried");
            assert!(queues.fail(&name("a"), now).is_empty());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
    }

    #[test]
    fn a_minute_has_so_many_messages_and_not_one_more() {
        let limits = LineLimits { connections_max: 9, messages_per_minute_max: Some(3) };
        let mut queues = queues(10, &[("a", 9)], limits);
        assert!(queues.start(NOW).is_some());
        for _ in 0..2 {
            assert!(matches!(queues.next(&name("a"), NOW), Next::Take(_)));
        }
        assert_eq!(queues.next(&name("a"), NOW), Next::Close);
        queues.release(&name("a"));
        let later = queues.next_wake().unwrap();
        assert_eq!(later, NOW + MINUTE);
        queues.wake(later);
        assert!(queues.start(later).is_some());
    }

    #[test]
    fn a_line_without_anything_is_forgotten() {
        let mut queues = queues(10, &[("a", 1)], limits(5));
        assert!(queues.start(NOW).is_some());
        assert_eq!(queues.next(&name("a"), NOW), Next::Rest);
        queues.release(&name("a"));
        assert!(queues.lines.is_empty());
        assert_eq!(queues.connections, 0);
    }
}
