//! More than the disk takes: callers wait in a bounded queue, and a full disk still records what became of entries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use spool::{CommitError, ContentPiece, Done, NewEntry, Settings, Spool};
use tokio::task::JoinHandle;

use crate::disks::{Holding, Scripted};
use crate::limited::{Ahead, Limited};
use crate::scene::{NOW, Scene, entry_of, ids};

const KIB: usize = 1024;
/// Of one content.
const CONTENT_BYTES: usize = 4 * KIB;
/// Of the simulated disk: a handful of entries.
const DISK_BYTES: u64 = 256 * 1024;
const RESERVE_BYTES: u64 = 16 * 1024;

fn large(number: u128) -> NewEntry {
    entry_of(number, vec![ContentPiece::Inline(Bytes::from(vec![b'x'; CONTENT_BYTES]))])
}

fn accepting(spool: &Spool, numbers: std::ops::Range<u128>) -> Vec<JoinHandle<Result<(), CommitError>>> {
    let accept = |number| {
        let spool = spool.clone();
        tokio::spawn(async move { spool.accept(vec![large(number)]).await })
    };
    numbers.map(accept).collect()
}

/// All tasks run up to where they wait: the runtime has one thread.
async fn run_up() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

/// A spool whose first sync is being held.
async fn held(settings: Settings) -> (Spool, Arc<Holding>, JoinHandle<Result<(), CommitError>>) {
    let disk = Arc::new(Holding::default());
    let spool = Spool::open_on(settings, Arc::new(Scripted(disk.clone()))).await.unwrap().0;
    disk.close();
    let first = accepting(&spool, 0..1).pop().unwrap();
    let waiting = disk.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_sync()).await.unwrap();
    (spool, disk, first)
}

#[tokio::test]
async fn callers_of_a_slow_disk_wait_and_the_queue_does_not_grow() {
    let scene = Scene::new();
    let settings = Settings { commit_queue_bytes_max: 64 * KIB, ..scene.settings() };
    let (spool, disk, first) = held(settings).await;
    let tasks = accepting(&spool, 1..201);
    run_up().await;
    let queued = spool.counts().commit_queue_bytes;
    assert!(queued <= 64 * KIB && queued > 64 * KIB - 2 * CONTENT_BYTES, "{queued}");
    assert!(tasks.iter().all(|task| !task.is_finished()), "nobody is refused");
    disk.open();
    first.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(spool.counts().entries, 201);
    assert_eq!(spool.counts().commit_queue_bytes, 0);
}

#[tokio::test]
async fn the_number_of_records_that_wait_is_bounded_too() {
    let scene = Scene::new();
    let (spool, disk, first) = held(Settings { commit_queue_max: 3, ..scene.settings() }).await;
    let tasks = accepting(&spool, 1..11);
    run_up().await;
    // Those without a place in the queue wait with their room: the record is counted from there on.
    let queued = spool.counts().commit_queue_bytes;
    assert!(queued >= 3 * CONTENT_BYTES, "{queued}");
    assert!(tasks.iter().all(|task| !task.is_finished()));
    disk.open();
    first.await.unwrap().unwrap();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(spool.counts().entries, 11);
}

#[tokio::test]
async fn who_gets_no_place_in_time_is_told_and_who_has_one_waits_for_the_disk() {
    let scene = Scene::new();
    let settings = Settings { commit_queue_bytes_max: 16 * KIB, ..scene.settings() };
    let (spool, disk, first) = held(settings).await;
    let tasks = accepting(&spool, 1..11);
    run_up().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    run_up().await;
    assert!(tasks.iter().all(|task| !task.is_finished()), "a minute is not over");
    tokio::time::advance(Duration::from_secs(2)).await;
    run_up().await;
    tokio::time::resume();
    let refused = tasks.iter().filter(|task| task.is_finished()).count();
    assert!((1..10).contains(&refused), "{refused}");
    disk.open();
    first.await.unwrap().unwrap();
    let mut accepted = vec![0];
    for (number, task) in (1..).zip(tasks) {
        match task.await.unwrap() {
            Ok(()) => accepted.push(number),
            Err(error) => assert_eq!(error, CommitError::Busy),
        }
    }
    assert_eq!(accepted.len(), 11 - refused);
    assert_eq!(ids(&spool), accepted, "what was refused is not there, what was not is");
}

fn small(scene: &Scene) -> Settings {
    Settings { reserve_bytes: RESERVE_BYTES, ..scene.settings() }
}

/// A spool on a small disk, and as many entries as it takes.
async fn filled(scene: &Scene, settings: Settings, disk: &Limited) -> (Spool, u128) {
    let spool = scene.open_on(settings, disk.clone()).await;
    for number in 0.. {
        match spool.accept(vec![large(number)]).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, CommitError::Full);
                return (spool, number);
            }
        }
    }
    unreachable!("the disk is finite")
}

#[tokio::test]
async fn a_full_disk_accepts_nothing_and_still_records_every_delivery() {
    let scene = Scene::new();
    let disk = Limited::new(DISK_BYTES, Ahead::Allocates);
    let (spool, count) = filled(&scene, small(&scene), &disk).await;
    disk.fill();
    assert!(count > 10, "{count}");
    for _ in 0..count {
        let mut lease = spool.lease(NOW).unwrap();
        spool.record_done(&mut lease, Done::default()).await.unwrap();
    }
    assert!(spool.lease(NOW).is_none());
    assert_eq!(spool.accept(vec![large(count)]).await, Err(CommitError::Full), "there is still no room");
    let crashed = scene.crashed();
    assert!(ids(&crashed.open().await.0).is_empty(), "nothing is delivered again");
    disk.grow(DISK_BYTES);
    spool.accept(vec![large(count)]).await.unwrap();
    spool.close().await;
    assert_eq!(ids(&scene.open().await.0), [count]);
}

#[tokio::test]
async fn without_blocks_ahead_a_full_disk_records_no_delivery() {
    let scene = Scene::new();
    let disk = Limited::new(DISK_BYTES, Ahead::Unsupported);
    let (spool, _) = filled(&scene, small(&scene), &disk).await;
    disk.fill();
    let mut lease = spool.lease(NOW).unwrap();
    assert_eq!(spool.record_done(&mut lease, Done::default()).await, Err(CommitError::Full));
}

#[tokio::test]
async fn a_full_disk_lets_a_segment_grow_past_its_size() {
    let scene = Scene::new();
    let disk = Limited::new(DISK_BYTES, Ahead::Allocates);
    let settings = Settings { segment_bytes_max: 40 * 1024, ..small(&scene) };
    let (spool, count) = filled(&scene, settings.clone(), &disk).await;
    disk.fill();
    let segments = spool.counts().segments;
    assert!(segments > 2, "{segments}");
    for _ in 0..count {
        let mut lease = spool.lease(NOW).unwrap();
        spool.record_done(&mut lease, Done::default()).await.unwrap();
    }
    // Segments that nothing needs are gone: their room is there again, and mail is taken by itself.
    spool.accept(vec![large(count)]).await.unwrap();
    spool.close().await;
    let (spool, recovery) = Spool::open_on(settings, Arc::new(disk)).await.unwrap();
    assert_eq!((ids(&spool), recovery.torn), (vec![count], None));
}

#[tokio::test]
async fn when_the_reserve_is_used_up_nothing_is_leased_for_a_moment() {
    let scene = Scene::new();
    let disk = Limited::new(DISK_BYTES, Ahead::Allocates);
    let (spool, _) = filled(&scene, Settings { reserve_bytes: 1024, ..scene.settings() }, &disk).await;
    disk.fill();
    let mut recorded = 0;
    let (mut refused, other) = loop {
        let mut lease = spool.lease(NOW).unwrap();
        match spool.record_done(&mut lease, Done::default()).await {
            Ok(()) => recorded += 1,
            Err(error) => break (lease, error),
        }
    };
    assert_eq!(other, CommitError::Full);
    assert!(recorded > 0);
    assert!(spool.lease(NOW).is_none(), "another delivery could not be recorded either");
    disk.grow(DISK_BYTES);
    spool.record_done(&mut refused, Done::default()).await.unwrap();
    assert!(spool.lease(NOW + Duration::from_secs(9)).is_none());
    assert!(spool.lease(NOW + Duration::from_secs(10)).is_some());
}
