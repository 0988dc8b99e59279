//! Watching the sinks folders: what the file system tells is gathered for a moment, then scanned; a timer scans too, because
//! a file system may forget to tell, and so does whoever asks.
//!
//! A scan finds out by itself what changed, so a lost or doubled event costs nothing but time.

use std::sync::Arc;
use std::time::Duration;

use notify_debouncer_full::notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use crate::folder::Folder;
use crate::load_report::LoadReport;

/// Reports that a slow reader may be behind; then it misses the oldest. Ours.
const REPORTS_MAX: usize = 64;

/// How the folders are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// How long the file system must be quiet before a scan. Default 50 ms: an upload is a handful of events, and a version is
    /// to be live within a second of its rename, of which compiling a Rust sink takes up to half.
    pub quiet: Duration,
    /// Time between scans that nobody asked for. Default 10 s: some network file systems tell nothing.
    pub rescan: Duration,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self { quiet: Duration::from_millis(50), rescan: Duration::from_secs(10) }
    }
}

/// Scans a folder whenever something may have changed, until it is dropped; a scan that has begun is finished.
pub struct Watch {
    folder: Arc<Folder>,
    reports: broadcast::Sender<Arc<LoadReport>>,
    task: JoinHandle<()>,
    wake: mpsc::Sender<()>,
    watcher: Option<Debouncer<RecommendedWatcher, RecommendedCache>>,
}

impl Watch {
    /// Makes the folders where they lack, and watches them. If the file system can't be watched, one warning says so and the
    /// timer remains. Called within a tokio runtime, whose task it spawns.
    ///
    /// # Errors
    /// When the folders can't be made.
    pub fn start(folder: Arc<Folder>, settings: WatchSettings) -> std::io::Result<Self> {
        for name in ["operator", "tenants"] {
            std::fs::create_dir_all(folder.root().join(name))?;
        }
        // One place is enough: who is woken scans everything.
        let (wake, woken) = mpsc::channel(1);
        let (reports, _) = broadcast::channel(REPORTS_MAX);
        let watcher = watcher(&folder, settings.quiet, wake.clone())
            .inspect_err(|error| {
                tracing::warn!(reason = %error, "the sinks folders can't be watched: only the timer scans them");
            })
            .ok();
        let task = tokio::spawn(run(Arc::clone(&folder), settings.rescan, woken, reports.clone()));
        Ok(Self { folder, reports, task, wake, watcher })
    }

    /// Scans now and tells what it did; for SIGHUP and the admin API.
    pub async fn rescan(&self) -> Arc<LoadReport> {
        scan(&self.folder, &self.reports).await
    }

    /// Every report that has a line, from now on.
    pub fn reports(&self) -> broadcast::Receiver<Arc<LoadReport>> {
        self.reports.subscribe()
    }

    /// Ends after the scan that is under way.
    pub async fn stop(self) {
        let Self { task, wake, watcher, .. } = self;
        drop((wake, watcher));
        // A panic of the task was told when it happened; there is nothing to add at the end.
        let _ended = task.await;
    }
}

fn watcher(
    folder: &Folder,
    quiet: Duration,
    wake: mpsc::Sender<()>,
) -> notify_debouncer_full::notify::Result<Debouncer<RecommendedWatcher, RecommendedCache>> {
    let handler = move |result: DebounceEventResult| {
        // Reading is told as well, also our own: it changes nothing. An error may hide a change.
        let is_change = match result {
            Ok(events) => events.iter().any(|event| !matches!(event.kind, EventKind::Access(_))),
            Err(_) => true,
        };
        if is_change {
            // Full means that a scan is due anyway; closed that we end.
            let _due = wake.try_send(());
        }
    };
    // It wakes as seldom as it may: by default four times as often, which is all the CPU of a server that has nothing to do.
    let mut watcher = new_debouncer(quiet, Some(quiet), handler)?;
    watcher.watch(folder.root(), RecursiveMode::Recursive)?;
    Ok(watcher)
}

async fn run(
    folder: Arc<Folder>,
    rescan: Duration,
    mut woken: mpsc::Receiver<()>,
    reports: broadcast::Sender<Arc<LoadReport>>,
) {
    loop {
        scan(&folder, &reports).await;
        match tokio::time::timeout(rescan, woken.recv()).await {
            Ok(Some(())) | Err(_) => {}
            Ok(None) => return,
        }
    }
}

async fn scan(folder: &Folder, reports: &broadcast::Sender<Arc<LoadReport>>) -> Arc<LoadReport> {
    let report = Arc::new(folder.scan().await);
    if !report.lines.is_empty() {
        // Nobody listens: the log has it.
        let _listeners = reports.send(Arc::clone(&report));
    }
    report
}

#[cfg(test)]
mod tests;
