//! Is there room for more mail? Sampled beside the mail, so that MAIL costs two atomic reads.
//!
//! Promises one watermark for each resource, a wider one to recover at (so that one delivered message does not open the door
//! for one message), and that what runs low shows in the log and the counters once, not once a client. Leaves out what is
//! answered (`admission`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use spool::Spool;
use tokio_util::sync::CancellationToken;

use crate::config::LowResources;
use crate::telemetry::counters::Counters;

/// Time between two looks. A disk at 500 MiB/s can lose twice the default watermark in it: what comes in nevertheless finds
/// a full disk at its dot, and is refused there.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// What runs low.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scarcity {
    /// Free bytes on the spool's disk.
    Disk,
    /// Files that can still be made on it.
    Inodes,
    /// Memory that the system can give.
    Memory,
    /// File descriptors of this process.
    Descriptors,
}

impl Scarcity {
    const ALL: [Self; 4] = [Self::Disk, Self::Inodes, Self::Memory, Self::Descriptors];

    /// The word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Inodes => "inodes",
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Disk => 1,
            Self::Inodes => 2,
            Self::Memory => 4,
            Self::Descriptors => 8,
        }
    }

    fn watermark(self, of: &LowResources) -> u64 {
        match self {
            Self::Disk => of.disk_free_bytes_min,
            Self::Inodes => of.inodes_free_min,
            Self::Memory => of.memory_available_bytes_min,
            Self::Descriptors => of.descriptors_free_min,
        }
    }

    fn figure(self, of: &Figures) -> Option<u64> {
        match self {
            Self::Disk => of.disk_free_bytes,
            Self::Inodes => of.inodes_free,
            Self::Memory => of.memory_available_bytes,
            Self::Descriptors => of.descriptors_free,
        }
    }

    fn count(self, counters: &Counters) {
        match self {
            Self::Disk => counters.disk_low.count(),
            Self::Inodes => counters.inodes_low.count(),
            Self::Memory => counters.memory_low.count(),
            Self::Descriptors => counters.descriptors_low.count(),
        }
    }
}

/// What one look found; none is what can't be read or has no bound.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    disk_free_bytes: Option<u64>,
    inodes_free: Option<u64>,
    memory_available_bytes: Option<u64>,
    descriptors_free: Option<u64>,
}

/// What the last look found; cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Resources {
    watermarks: LowResources,
    counters: Arc<Counters>,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// The bits of what is low.
    low: AtomicU8,
    /// Bytes on the disk above its watermark.
    disk_room_bytes: AtomicU64,
}

impl Resources {
    /// Nothing is low until the first look.
    #[must_use]
    pub fn new(watermarks: LowResources, counters: Arc<Counters>) -> Self {
        let state = State { low: AtomicU8::new(0), disk_room_bytes: AtomicU64::new(u64::MAX) };
        Self { watermarks, counters, state: Arc::new(state) }
    }

    /// What there is too little of for a message of this announced size (RFC 1870), if of anything.
    #[must_use]
    pub fn scarce(&self, announced: Option<u64>) -> Option<Scarcity> {
        let low = self.state.low.load(Ordering::Relaxed);
        if low != 0 {
            return Scarcity::ALL.into_iter().find(|scarcity| low & scarcity.bit() != 0);
        }
        let room = self.state.disk_room_bytes.load(Ordering::Relaxed);
        announced.filter(|announced| *announced > room).map(|_| Scarcity::Disk)
    }

    /// Looks now; used before the listeners open, so that the first client finds an answer. Blocks on the disk.
    pub fn sample(&self, spool: &Spool) {
        self.judge(&look(spool));
    }

    /// Looks at every interval until `stopping`.
    pub async fn watch(self, spool: Spool, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let (resources, spool) = (self.clone(), spool.clone());
            // Off the reactor: a disk that hangs must not hold the sessions of a thread.
            let looking = tokio::task::spawn_blocking(move || resources.sample(&spool));
            if looking.await.is_err() {
                tracing::error!("resources could not be looked at; the last look stands");
            }
        }
    }

    fn judge(&self, figures: &Figures) {
        let room = figures
            .disk_free_bytes
            .map_or(u64::MAX, |free| free.saturating_sub(self.watermarks.disk_free_bytes_min));
        self.state.disk_room_bytes.store(room, Ordering::Relaxed);
        let before = self.state.low.load(Ordering::Relaxed);
        let mut low = before;
        for scarcity in Scarcity::ALL {
            let was_low = before & scarcity.bit() != 0;
            let watermark = scarcity.watermark(&self.watermarks);
            let needed = if was_low { self.recovery(watermark) } else { watermark };
            // A figure that can't be read is not scarce: a server must not stop because /proc is missing.
            let free = scarcity.figure(figures);
            let is_low = free.is_some_and(|free| free < needed);
            match (was_low, is_low) {
                (false, true) => {
                    low |= scarcity.bit();
                    scarcity.count(&self.counters);
                    tracing::warn!(
                        resource = scarcity.word(),
                        free,
                        watermark,
                        "mail is deferred: a resource is below its watermark"
                    );
                }
                (true, false) => {
                    low &= !scarcity.bit();
                    self.counters.low_recovered.count();
                    tracing::info!(resource = scarcity.word(), free, watermark, "a resource suffices again");
                }
                (false, false) | (true, true) => {}
            }
        }
        self.state.low.store(low, Ordering::Relaxed);
    }

    /// What must be free again before what was low suffices.
    fn recovery(&self, watermark: u64) -> u64 {
        let wanted = u128::from(watermark) * u128::from(self.watermarks.recovery_percent) / 100;
        u64::try_from(wanted).unwrap_or(u64::MAX).max(watermark)
    }
}

fn look(spool: &Spool) -> Figures {
    let space = spool.space().ok();
    Figures {
        disk_free_bytes: space.map(|space| space.bytes_free),
        inodes_free: space.and_then(|space| space.inodes_free),
        memory_available_bytes: memory_available_bytes(),
        descriptors_free: descriptors_free(),
    }
}

fn memory_available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Since Linux 6.2 the size of /proc/self/fd is the number of open descriptors; before that it is 0, and they are counted.
fn descriptors_free() -> Option<u64> {
    let most = getrlimit(Resource::Nofile).current?;
    let open = match std::fs::metadata("/proc/self/fd").ok()?.len() {
        0 => u64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        open => open,
    };
    Some(most.saturating_sub(open))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Figures, Resources, Scarcity};
    use crate::config::LowResources;
    use crate::telemetry::counters::Counters;

    const WATERMARKS: LowResources = LowResources {
        disk_free_bytes_min: 1000,
        inodes_free_min: 100,
        memory_available_bytes_min: 1000,
        descriptors_free_min: 100,
        recovery_percent: 110,
    };
    const PLENTY: Figures = Figures {
        disk_free_bytes: Some(5000),
        inodes_free: Some(5000),
        memory_available_bytes: Some(5000),
        descriptors_free: Some(5000),
    };

    fn resources() -> (Resources, Arc<Counters>) {
        let counters = Arc::new(Counters::default());
        (Resources::new(WATERMARKS, Arc::clone(&counters)), counters)
    }

    #[track_caller]
    fn check(figures: Figures, expected: Option<Scarcity>) {
        let (resources, _) = resources();
        resources.judge(&figures);
        assert_eq!(resources.scarce(None), expected);
    }

    #[test]
    fn each_watermark_is_reached_below_it_and_not_at_it() {
        check(PLENTY, None);
        check(Figures { disk_free_bytes: Some(1000), ..PLENTY }, None);
        check(Figures { disk_free_bytes: Some(999), ..PLENTY }, Some(Scarcity::Disk));
        check(Figures { inodes_free: Some(100), ..PLENTY }, None);
        check(Figures { inodes_free: Some(99), ..PLENTY }, Some(Scarcity::Inodes));
        check(Figures { memory_available_bytes: Some(999), ..PLENTY }, Some(Scarcity::Memory));
        check(Figures { descriptors_free: Some(99), ..PLENTY }, Some(Scarcity::Descriptors));
    }

    #[test]
    fn what_cannot_be_read_is_not_scarce() {
        check(Figures::default(), None);
    }

    #[test]
    fn what_was_low_suffices_again_a_tenth_above_its_watermark() {
        let (resources, counters) = resources();
        for (free, expected) in [
            (1000, None),
            (999, Some(Scarcity::Disk)),
            (1000, Some(Scarcity::Disk)),
            (1099, Some(Scarcity::Disk)),
            (1100, None),
            (1000, None),
        ] {
            resources.judge(&Figures { disk_free_bytes: Some(free), ..PLENTY });
            assert_eq!(resources.scarce(None), expected, "{free}");
        }
        assert_eq!((counters.disk_low.value(), counters.low_recovered.value()), (1, 1));
    }

    #[test]
    fn two_that_are_low_recover_each_by_itself() {
        let (resources, counters) = resources();
        let disk = Figures { disk_free_bytes: Some(0), ..PLENTY };
        resources.judge(&Figures { descriptors_free: Some(0), ..disk });
        assert_eq!(resources.scarce(None), Some(Scarcity::Disk));
        resources.judge(&Figures { descriptors_free: Some(0), ..PLENTY });
        assert_eq!(resources.scarce(None), Some(Scarcity::Descriptors));
        resources.judge(&PLENTY);
        assert_eq!(resources.scarce(None), None);
        assert_eq!((counters.disk_low.value(), counters.descriptors_low.value()), (1, 1));
        assert_eq!(counters.low_recovered.value(), 2);
    }

    #[test]
    fn an_announced_size_must_fit_above_the_watermark() {
        let (resources, _) = resources();
        assert_eq!(resources.scarce(Some(u64::MAX)), None, "nobody looked yet");
        resources.judge(&PLENTY);
        assert_eq!(resources.scarce(Some(4000)), None);
        assert_eq!(resources.scarce(Some(4001)), Some(Scarcity::Disk));
    }
}
