//! Real folders and real events; every wait is for a report, never for a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::broadcast;
use tokio::time::timeout;

use super::{Watch, WatchSettings};
use crate::event::EventKind;
use crate::folder::Folder;
use crate::limits::Limits;
use crate::load_report::{LoadChange, LoadReport};
use crate::sinks::Sinks;
use crate::testing::{self, sink};

/// Nothing but a broken watch takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn watch(rescan: Duration) -> (TempDir, Sinks, Watch) {
    let root = TempDir::new().unwrap();
    let sinks = testing::sinks();
    let folder = Folder::new(root.path().to_owned(), sinks.clone(), Limits::default());
    let settings = WatchSettings { rescan, ..WatchSettings::default() };
    let watch = Watch::start(Arc::new(folder), settings).unwrap();
    (root, sinks, watch)
}

/// As `sluice sink push` and every careful copy do it.
fn put(path: &Path, bytes: &[u8]) {
    let hidden = path.with_file_name(".incoming");
    std::fs::write(&hidden, bytes).unwrap();
    std::fs::rename(&hidden, path).unwrap();
}

async fn next(reports: &mut broadcast::Receiver<Arc<LoadReport>>) -> LoadChange {
    let report = timeout(PATIENCE, reports.recv()).await.expect("a report").expect("a watch");
    assert_eq!(report.lines.len(), 1, "{report:?}");
    report.lines[0].change
}

#[tokio::test]
async fn a_file_that_appears_changes_and_disappears_is_followed_by_events_alone() {
    let (root, sinks, watch) = watch(PATIENCE * 2);
    let mut reports = watch.reports();
    let path = root.path().join("operator/tag.wasm");
    put(&path, &sink(&[EventKind::TransactionEnd], "one"));
    assert_eq!(next(&mut reports).await, LoadChange::Loaded);
    let first = sinks.registry();
    put(&path, &sink(&[EventKind::TransactionEnd], "two"));
    assert_eq!(next(&mut reports).await, LoadChange::Replaced);
    let digest = |snapshot: &crate::registry::Snapshot| {
        snapshot.bindings(EventKind::TransactionEnd, None)[0].installation.artifact.digest().clone()
    };
    // Who began with the first version keeps it.
    assert_ne!(digest(&first), digest(&sinks.registry()));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(next(&mut reports).await, LoadChange::Removed);
    assert!(sinks.registry().bindings(EventKind::TransactionEnd, None).is_empty());
    watch.stop().await;
}

#[tokio::test]
async fn a_new_tenants_folder_is_watched_too() {
    let (root, sinks, watch) = watch(PATIENCE * 2);
    let mut reports = watch.reports();
    let folder = root.path().join("tenants/acme");
    std::fs::create_dir(&folder).unwrap();
    put(&folder.join("tag.wasm"), &sink(&[EventKind::TransactionEnd], "one"));
    assert_eq!(next(&mut reports).await, LoadChange::Loaded);
    assert!(sinks.registry().tenant_wants(EventKind::TransactionEnd, "acme"));
    watch.stop().await;
}

#[tokio::test]
async fn the_timer_finds_what_no_event_told() {
    let (root, sinks, mut watch) = watch(Duration::from_millis(20));
    watch.watcher = None;
    let mut reports = watch.reports();
    put(&root.path().join("operator/tag.wasm"), &sink(&[EventKind::TransactionEnd], "one"));
    assert_eq!(next(&mut reports).await, LoadChange::Loaded);
    assert!(!sinks.registry().bindings(EventKind::TransactionEnd, None).is_empty());
    watch.stop().await;
}

#[tokio::test]
async fn what_lies_there_runs_when_a_rescan_returns() {
    let (root, sinks, mut watch) = watch(PATIENCE * 2);
    watch.watcher = None;
    put(&root.path().join("operator/tag.wasm"), &sink(&[EventKind::TransactionEnd], "one"));
    watch.rescan().await;
    assert!(!sinks.registry().bindings(EventKind::TransactionEnd, None).is_empty());
    assert!(watch.rescan().await.lines.is_empty());
    watch.stop().await;
}
