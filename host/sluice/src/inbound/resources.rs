//! Is there room for more mail? Sampled beside the mail, so that MAIL costs one atomic read.
//!
//! RFC 5321 §4.5.3.1.10 names 452 for insufficient storage; with 4.3.1 (RFC 3463 §3.4) the client comes back later. Asking
//! before the message is sent saves both sides its bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio_util::sync::CancellationToken;

use crate::config::LowResources;

/// Time between two looks. A disk at 500 MiB/s can lose twice the default watermark in it; the watermarks leave room.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// What runs low.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scarcity {
    /// Free bytes on the spool's disk.
    Disk,
    /// Memory that the system can give.
    Memory,
    /// File descriptors of this process.
    Descriptors,
}

impl Scarcity {
    /// The word in the log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Descriptors => "descriptors",
        }
    }
}

/// What the last look found; cheap to clone and to ask.
#[derive(Clone, Debug, Default)]
pub struct Resources {
    state: Arc<AtomicU8>,
}

impl Resources {
    /// What runs low, if anything does.
    #[must_use]
    pub fn scarce(&self) -> Option<Scarcity> {
        match self.state.load(Ordering::Relaxed) {
            1 => Some(Scarcity::Disk),
            2 => Some(Scarcity::Memory),
            3 => Some(Scarcity::Descriptors),
            _ => None,
        }
    }

    fn set(&self, found: Option<Scarcity>) {
        let state = match found {
            None => 0,
            Some(Scarcity::Disk) => 1,
            Some(Scarcity::Memory) => 2,
            Some(Scarcity::Descriptors) => 3,
        };
        if self.state.swap(state, Ordering::Relaxed) == state {
            return;
        }
        match found {
            Some(scarcity) => {
                tracing::warn!(resource = scarcity.word(), "mail is deferred: a resource runs low");
            }
            None => tracing::info!("resources suffice again, mail is accepted"),
        }
    }

    /// Looks once, then at every interval until `stopping`.
    pub async fn watch(self, directory: PathBuf, minimums: LowResources, stopping: CancellationToken) {
        let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = ticks.tick() => self.set(look(&directory, &minimums)),
            }
        }
    }

    /// Looks now; used before the listeners open, so that the first client finds an answer.
    pub fn sample(&self, directory: &Path, minimums: &LowResources) {
        self.set(look(directory, minimums));
    }
}

/// A figure that can't be read is not scarce: a server must not stop because /proc is missing.
fn look(directory: &Path, minimums: &LowResources) -> Option<Scarcity> {
    let short = |figure: Option<u64>, minimum: u64| figure.is_some_and(|figure| figure < minimum);
    if short(disk_free_bytes(directory), minimums.disk_free_bytes_min) {
        Some(Scarcity::Disk)
    } else if short(memory_available_bytes(), minimums.memory_available_bytes_min) {
        Some(Scarcity::Memory)
    } else if short(descriptors_free(), minimums.descriptors_free_min) {
        Some(Scarcity::Descriptors)
    } else {
        None
    }
}

fn disk_free_bytes(directory: &Path) -> Option<u64> {
    let figures = rustix::fs::statvfs(directory).ok()?;
    figures.f_bavail.checked_mul(figures.f_frsize)
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
    use std::path::Path;

    use super::{Resources, Scarcity};
    use crate::config::LowResources;

    #[track_caller]
    fn check(minimums: &LowResources, expected: Option<Scarcity>) {
        let resources = Resources::default();
        resources.sample(Path::new("."), minimums);
        assert_eq!(resources.scarce(), expected);
    }

    fn none() -> LowResources {
        LowResources { disk_free_bytes_min: 0, memory_available_bytes_min: 0, descriptors_free_min: 0 }
    }

    #[test]
    fn nothing_is_scarce_without_watermarks() {
        check(&none(), None);
    }

    #[test]
    fn each_watermark_is_reached_by_an_absurd_minimum() {
        check(&LowResources { disk_free_bytes_min: u64::MAX, ..none() }, Some(Scarcity::Disk));
        check(&LowResources { memory_available_bytes_min: u64::MAX, ..none() }, Some(Scarcity::Memory));
        check(&LowResources { descriptors_free_min: u64::MAX, ..none() }, Some(Scarcity::Descriptors));
    }
}
