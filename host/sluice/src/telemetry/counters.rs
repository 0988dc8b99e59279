//! What happened since the start, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// How many until now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The server's counters; each line is its help text.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sessions that were begun.
    pub sessions: Counter,
    /// Clients that were turned away because a connection limit was reached.
    pub connections_refused: Counter,
    /// AUTH exchanges that ended with an identity.
    pub logins: Counter,
    /// AUTH exchanges that ended without.
    pub logins_refused: Counter,
    /// AUTH exchanges in which nobody looked at the password.
    pub logins_deferred: Counter,
    /// Transactions that were answered 250 after their sync.
    pub accepted: Counter,
    /// Bytes of content in them.
    pub accepted_bytes: Counter,
    /// Transactions that were refused for ever at the dot.
    pub rejected: Counter,
    /// Transactions that were refused for now at the dot.
    pub deferred: Counter,
    /// Transactions or recipients that a sink discarded.
    pub discarded: Counter,
    /// Entries that a sink quarantined.
    pub quarantined: Counter,
    /// Transactions that were refused at MAIL because something was running low.
    pub low_resources: Counter,
    /// Times that the free bytes of the spool's disk fell below their watermark.
    pub disk_low: Counter,
    /// Times that the files which can still be made on the spool's disk fell below their watermark.
    pub inodes_low: Counter,
    /// Times that the memory which the system can give fell below its watermark.
    pub memory_low: Counter,
    /// Times that the free file descriptors fell below their watermark.
    pub descriptors_low: Counter,
    /// Times that one of these four sufficed again.
    pub low_recovered: Counter,
    /// Recipients at RCPT, and transactions at the dot, that were refused because their tenant has too much in the queue.
    pub tenant_queue_full: Counter,
    /// Transactions that were refused at MAIL because the spool stores nothing until a restart.
    pub spool_unavailable: Counter,
    /// Recipients whose message reached their mailbox.
    pub delivered: Counter,
    /// Recipients whose message another server took.
    pub relayed: Counter,
    /// Deliveries that did not work and are tried again.
    pub delivery_deferred: Counter,
    /// Recipients that were given up.
    pub failed: Counter,
    /// Calls of sinks.
    pub sink_calls: Counter,
    /// Calls of sinks that ended in a fault.
    pub sink_faults: Counter,
    /// Observations that nobody took in time.
    pub observations_lost: Counter,
}

impl Counters {
    /// Counts the calls of one event, and which of them ended in a fault.
    pub fn count_calls(&self, calls: &[sinks::Call]) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.sink_calls.add(number(calls.len()));
        self.sink_faults.add(number(calls.iter().filter(|call| call.fault.is_some()).count()));
    }
}

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn a_counter_counts() {
        let counters = Counters::default();
        counters.accepted.count();
        counters.accepted.add(2);
        assert_eq!(counters.accepted.value(), 3);
        assert_eq!(counters.rejected.value(), 0);
    }
}
