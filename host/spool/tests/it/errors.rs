//! Disks that say no: what is answered, and what is true afterwards.

use std::io::ErrorKind;
use std::sync::Arc;

use spool::{CommitError, Done, Spool};

use crate::disks::{Failing, Holding, Scripted, Step};
use crate::scene::{NOW, Scene, entry, ids};

#[tokio::test]
async fn nothing_is_acknowledged_while_its_sync_runs() {
    let scene = Scene::new();
    let disk = Arc::new(Holding::default());
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    disk.close();
    let accepting = spool.clone();
    let task = tokio::spawn(async move { accepting.accept(vec![entry(1, "a")]).await });
    let waiting = disk.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_sync()).await.unwrap();
    assert!(!task.is_finished());
    assert!(spool.lease(NOW).is_none(), "nor is it leased");
    disk.open();
    task.await.unwrap().unwrap();
    assert!(spool.lease(NOW).is_some());
}

#[tokio::test]
async fn all_that_queues_during_a_sync_shares_the_next_one() {
    let scene = Scene::new();
    let disk = Arc::new(Holding::default());
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    let syncs = spool.counts().syncs;
    disk.close();
    let tasks: Vec<_> = (0..50_u128)
        .map(|number| {
            let spool = spool.clone();
            tokio::spawn(async move { spool.accept(vec![entry(number, "a")]).await })
        })
        .collect();
    // All 50 run up to their wait in the time that the first sync is held.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    disk.open();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let counts = spool.counts();
    assert_eq!(counts.records, 50);
    assert!(counts.syncs - syncs <= 3, "{counts:?}");
}

async fn poisoned(step: Step, kind: ErrorKind) -> (Scene, Spool) {
    let scene = Scene::new();
    let disk = Failing::new(step, "segments", kind);
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    disk.arm();
    assert_eq!(spool.accept(vec![entry(2, "b")]).await, Err(CommitError::Poisoned));
    disk.disarm();
    (scene, spool)
}

#[tokio::test]
async fn a_failed_sync_ends_all_acknowledging_until_a_restart() {
    let (scene, spool) = poisoned(Step::Sync, ErrorKind::Other).await;
    assert!(spool.poisoned());
    assert_eq!(spool.accept(vec![entry(3, "c")]).await, Err(CommitError::Poisoned));
    assert!(spool.lease(NOW).is_none(), "a delivery could not be recorded");
    spool.close().await;
    let (spool, _) = scene.open().await;
    assert!(!spool.poisoned());
    let found = ids(&spool);
    assert!(found == [1] || found == [1, 2], "the one in flight is whole or absent: {found:?}");
    spool.accept(vec![entry(3, "c")]).await.unwrap();
}

#[tokio::test]
async fn a_sync_that_finds_the_disk_full_poisons_too() {
    let (_scene, spool) = poisoned(Step::Sync, ErrorKind::StorageFull).await;
    assert!(spool.poisoned());
}

#[tokio::test]
async fn a_disk_that_is_full_where_a_segment_ends_refuses_and_heals_too() {
    let scene = Scene::new();
    // The next segment fits, the seal of this one does not.
    let disk = Failing::new(Step::Write, "0000000000000001.", ErrorKind::StorageFull);
    let mut settings = scene.settings();
    settings.segment_bytes_max = 1;
    let spool = scene.open_on(settings, Scripted(disk.clone())).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    disk.arm();
    assert_eq!(spool.accept(vec![entry(2, "b")]).await, Err(CommitError::Full));
    assert!(!spool.poisoned());
    let crashed = scene.crashed();
    assert_eq!(ids(&crashed.open().await.0), [1]);
    disk.disarm();
    spool.accept(vec![entry(2, "b")]).await.unwrap();
    let crashed = scene.crashed();
    assert_eq!(ids(&crashed.open().await.0), [1, 2]);
    spool.close().await;
    assert_eq!(ids(&scene.open().await.0), [1, 2]);
}

#[tokio::test]
async fn a_full_disk_refuses_and_heals_when_there_is_room() {
    let scene = Scene::new();
    let disk = Failing::new(Step::Write, "segments", ErrorKind::StorageFull);
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let length = std::fs::metadata(scene.last_segment()).unwrap().len();
    disk.arm();
    assert_eq!(spool.accept(vec![entry(2, "b")]).await, Err(CommitError::Full));
    assert!(!spool.poisoned());
    assert_eq!(std::fs::metadata(scene.last_segment()).unwrap().len(), length, "nothing is half there");
    disk.disarm();
    spool.accept(vec![entry(2, "b")]).await.unwrap();
    spool.close().await;
    let (spool, recovery) = scene.open().await;
    assert_eq!((ids(&spool), recovery.torn), (vec![1, 2], None));
}

#[tokio::test]
async fn an_end_that_could_not_be_recorded_is_not_attempted_at_once() {
    let scene = Scene::new();
    let disk = Failing::new(Step::Write, "segments", ErrorKind::StorageFull);
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    disk.arm();
    assert_eq!(spool.record_done(&mut lease, Done::default()).await, Err(CommitError::Full));
    disk.disarm();
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    spool.accept(vec![entry(2, "b")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    disk.arm();
    assert!(spool.record_done(&mut lease, Done::default()).await.is_err());
    drop(lease);
    assert!(spool.lease(NOW).is_none());
    assert!(spool.lease(NOW + std::time::Duration::from_secs(10)).is_some());
}

#[tokio::test]
async fn a_closed_spool_says_so_and_gives_its_directory_free() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let clone = spool.clone();
    spool.close().await;
    assert_eq!(clone.accept(vec![entry(1, "a")]).await, Err(CommitError::Closed));
    scene.open().await;
}

#[tokio::test]
async fn the_disk_tells_its_room() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    assert!(spool.space().unwrap().bytes_free > 0);
}

#[test]
fn a_batch_is_answered_though_the_runtime_that_opened_the_spool_has_ended() {
    let scene = Scene::new();
    let disk = Arc::new(Holding::default());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let opener = runtime();
    let spool = opener.block_on(scene.open_on(scene.settings(), Scripted(disk.clone())));
    drop(opener);
    runtime().block_on(async {
        disk.close();
        let accept = |number| {
            let spool = spool.clone();
            async move { spool.accept(vec![entry(number, "a")]).await }
        };
        let mut callers: tokio::task::JoinSet<_> = (1..=8).map(accept).collect();
        // All are taken: one batch is held, the others are the next.
        while spool.counts().commit_queue_bytes < 8 << 10 {
            tokio::task::yield_now().await;
        }
        disk.open();
        while let Some(answer) = callers.join_next().await {
            answer.unwrap().unwrap();
        }
        assert_eq!((ids(&spool).len(), spool.counts().commit_queue_bytes), (8, 0));
        spool.close().await;
    });
}
