//! Who gets an entry, and when.

use std::time::Duration;

use smtp::Timestamp;
use spool::{Done, NewEntry, Stage, Standing};

use crate::disks::{Holding, Scripted};
use crate::scene::{NOW, Scene, entry, id};

#[tokio::test]
async fn a_leased_entry_is_nobody_elses_until_the_lease_is_dropped() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let lease = spool.lease(NOW).unwrap();
    assert!(spool.lease(NOW).is_none());
    assert!(spool.lease_entry(id(1)).unwrap().is_none());
    assert_eq!(spool.counts().leased, 1);
    drop(lease);
    assert_eq!(spool.counts().leased, 0);
    assert_eq!(spool.lease(NOW).unwrap().id, id(1));
}

#[tokio::test]
async fn a_parked_entry_comes_back_by_its_id_alone_and_at_a_start_by_its_time() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    spool.park(spool.lease(NOW).unwrap());
    assert_eq!((spool.counts().entries, spool.counts().leased), (1, 0));
    assert!(spool.lease(NOW).is_none(), "whoever parked it remembers it");
    let again = spool.lease_entry(id(1)).unwrap().unwrap();
    assert!(spool.lease_entry(id(1)).unwrap().is_none());
    drop(again);
    spool.park(spool.lease(NOW).unwrap());
    spool.close().await;
    let (spool, _) = scene.open().await;
    assert_eq!(spool.lease(NOW).unwrap().id, id(1));
}

#[tokio::test]
async fn higher_priority_goes_first_among_what_is_due() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let mut urgent = entry(3, "urgent");
    urgent.envelope.priority = 5;
    urgent.due = Timestamp(NOW.0 + 2);
    let later = NewEntry { due: Timestamp(NOW.0 + 1), ..entry(2, "b") };
    spool.accept(vec![entry(1, "a"), later, urgent]).await.unwrap();
    let now = Timestamp(NOW.0 + 2);
    let order: Vec<_> = (0..3).map(|_| spool.lease(now).unwrap()).collect();
    let order: Vec<u128> = order.iter().map(|lease| lease.id.number()).collect();
    assert_eq!(order, [3, 1, 2]);
}

#[tokio::test]
async fn a_lease_outlives_a_record_whose_caller_went_away() {
    let scene = Scene::new();
    let disk = std::sync::Arc::new(Holding::default());
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    disk.close();
    let recording = spool.clone();
    let task = tokio::spawn(async move { recording.record_done(&mut lease, Done::default()).await });
    let waiting = disk.clone();
    tokio::task::spawn_blocking(move || waiting.wait_for_sync()).await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(spool.lease(NOW).is_none(), "the entry is being ended; nobody may deliver it again");
    disk.open();
    spool.clone().close().await;
    assert_eq!(spool.counts().entries, 0);
}

#[tokio::test]
async fn a_held_entry_moves_again_when_an_operator_says_so() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let state = spool::EntryState::held("faults");
    spool.accept(vec![NewEntry { state, ..entry(1, "a") }]).await.unwrap();
    assert!(spool.lease(NOW).is_none());
    assert_eq!((spool.counts().held, spool.list(None, 1)[0].standing), (1, Standing::Held));
    let mut lease = spool.lease_entry(id(1)).unwrap().unwrap();
    let stage = Stage { state: spool::EntryState::Active, ..Stage::of(&lease) };
    spool.record_stage(&mut lease, stage).await.unwrap();
    drop(lease);
    assert_eq!(spool.counts().held, 0);
    assert!(spool.lease(NOW).is_some());
}

#[tokio::test(start_paused = true)]
async fn due_waits_for_the_next_entry_without_polling() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let hour = Duration::from_secs(3600);
    spool.accept(vec![NewEntry { due: NOW + hour, ..entry(1, "a") }]).await.unwrap();
    let began = tokio::time::Instant::now();
    spool.due(NOW).await;
    assert_eq!(began.elapsed(), hour);
    assert!(spool.lease(NOW + hour).is_some());
}

#[tokio::test]
async fn due_wakes_for_an_entry_that_comes_meanwhile() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let waiting = spool.clone();
    let task = tokio::spawn(async move { waiting.due(NOW).await });
    tokio::task::yield_now().await;
    assert!(!task.is_finished(), "there is nothing");
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    task.await.unwrap();
    let lease = spool.lease(NOW).unwrap();
    let waiting = spool.clone();
    let task = tokio::spawn(async move { waiting.due(NOW).await });
    tokio::task::yield_now().await;
    assert!(!task.is_finished(), "it is leased");
    drop(lease);
    task.await.unwrap();
}

#[tokio::test]
async fn entries_are_listed_in_pages() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept((1..=5).map(|number| entry(number, "a")).collect()).await.unwrap();
    let first = spool.list(None, 2);
    let rest = spool.list(Some(first[1].id), 9);
    assert_eq!((first.len(), rest.len(), rest[0].id), (2, 3, id(3)));
}
