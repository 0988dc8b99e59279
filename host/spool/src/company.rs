//! Company for a batch: how long the committer waits for callers who are about to come back.
//!
//! Callers go in circles: whoever was answered soon brings the next record. A batch that closes as soon as the disk is free
//! takes those alone who came during the last sync, so halves of the callers take turns and each sync serves one half. So a
//! batch waits for as many as there are: those who were just answered and those who queued meanwhile. It waits for a part of
//! a sync at most, and ever more rarely where they don't come. Leaves out: who they are and what they bring.

use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// A wait may cost this part of a sync: with all callers in one batch it saves every second sync.
const PART_OF_SYNC: u32 = 2;
/// The longest wait, however slow the disk is. 1 ms: below what anyone who sends mail notices.
const WAIT_MAX: Duration = Duration::from_millis(1);
/// After so many vain waits in a row only one of 2^6 batches tries again.
const VAIN_MAX: u32 = 6;

/// What the committer expects of its callers.
#[derive(Debug, Default)]
pub(crate) struct Company {
    callers: usize,
    sync: Duration,
    vain: u32,
    /// Batches that don't wait, after vain waits.
    rest: u32,
}

/// A wait worth making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Callers that make the batch whole.
    pub(crate) callers: usize,
    /// When it closes without them.
    pub(crate) at_most: Duration,
}

impl Company {
    /// A batch was answered, which took the disk so long; `queued` callers wait already.
    pub(crate) fn answered(&mut self, answered: usize, queued: usize, sync: Duration) {
        self.callers = answered.saturating_add(queued);
        self.sync = sync;
    }

    /// What to wait for, where so many are here.
    pub(crate) fn wait(&mut self, here: usize) -> Option<Wait> {
        if here >= self.callers {
            return None;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        Some(Wait { callers: self.callers, at_most: (self.sync / PART_OF_SYNC).min(WAIT_MAX) })
    }

    /// A wait that began with `before` callers ended with `after`. In vain is what brought less than half of the missing.
    pub(crate) fn waited(&mut self, before: usize, after: usize) {
        let missing = self.callers.saturating_sub(before);
        if after.saturating_sub(before).saturating_mul(2) >= missing {
            self.vain = 0;
            return;
        }
        self.vain = self.vain.saturating_add(1).min(VAIN_MAX);
        self.rest = (1_u32 << self.vain) - 1;
    }
}

/// The bell of a committer that waits: the last caller that it waits for rings it.
#[derive(Debug, Default)]
pub(crate) struct Bell(AtomicIsize);

impl Bell {
    /// Rings when so many more have come.
    pub(crate) fn set(&self, missing: usize) {
        self.0.store(isize::try_from(missing).unwrap_or(isize::MAX), Ordering::Release);
    }

    /// One has come.
    pub(crate) fn came(&self, committer: &Thread) {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            committer.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Company, VAIN_MAX, WAIT_MAX, Wait};

    const SYNC: Duration = Duration::from_micros(400);

    #[test]
    fn a_caller_alone_is_never_kept_waiting() {
        let mut company = Company::default();
        assert_eq!(company.wait(1), None);
        company.answered(1, 0, SYNC);
        assert_eq!(company.wait(1), None);
    }

    #[test]
    fn halves_that_take_turns_are_brought_together() {
        let mut company = Company::default();
        company.answered(32, 32, SYNC);
        let expected = Wait { callers: 64, at_most: SYNC / 2 };
        assert_eq!(company.wait(32), Some(expected));
        company.waited(32, 64);
        company.answered(64, 0, SYNC);
        assert_eq!(company.wait(1), Some(expected));
    }

    #[test]
    fn a_slow_disk_makes_no_long_wait() {
        let mut company = Company::default();
        company.answered(2, 0, Duration::from_secs(1));
        assert_eq!(company.wait(1).map(|wait| wait.at_most), Some(WAIT_MAX));
    }

    #[test]
    fn callers_that_do_not_come_back_are_waited_for_more_and_more_rarely() {
        let mut company = Company::default();
        let mut waits = 0;
        for _ in 0..1000 {
            company.answered(4, 0, SYNC);
            if company.wait(1).is_some() {
                company.waited(1, 1);
                waits += 1;
            }
        }
        assert!((VAIN_MAX..VAIN_MAX + 1000 / (1 << VAIN_MAX) + 1).contains(&waits), "{waits}");
        while company.wait(1).is_none() {}
        company.waited(1, 4);
        company.answered(4, 0, SYNC);
        assert!(company.wait(1).is_some(), "they are back");
    }
}
