//! Space comes back, and nothing with it.

use bytes::Bytes;
use smtp::Timestamp;
use spool::{ContentPiece, Done, Lease, NewEntry, Settings, Spool};

use crate::disks::Quick;
use crate::scene::{NOW, Scene, content, entry_of, id, ids};

fn small(scene: &Scene) -> Settings {
    let mut settings = scene.settings();
    settings.segment_bytes_max = 16 << 10;
    settings
}

fn kilobyte(number: u128) -> Bytes {
    vec![u8::try_from(number % 256).unwrap(); 1_000].into()
}

async fn accept(spool: &Spool, number: u128, due: Timestamp) {
    let new = NewEntry { due, ..entry_of(number, vec![ContentPiece::Inline(kilobyte(number))]) };
    spool.accept(vec![new]).await.unwrap();
}

/// The next entry. Compaction may have it for a moment.
async fn lease(spool: &Spool, now: Timestamp) -> Lease {
    loop {
        if let Some(lease) = spool.lease(now) {
            return lease;
        }
        spool.due(now).await;
    }
}

async fn deliver(spool: &Spool, number: u128) {
    let mut lease = lease(spool, NOW).await;
    assert_eq!(lease.id, id(number));
    assert_eq!(spool.load(&lease.content).unwrap().bytes().unwrap(), kilobyte(number));
    spool.record_done(&mut lease, Done::default()).await.unwrap();
}

/// The committer tends the log after it answered; closing waits for that.
async fn settle(spool: Spool) {
    spool.close().await;
}

#[tokio::test]
async fn segments_of_mail_that_is_done_are_deleted() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    for number in 1..=200 {
        accept(&spool, number, NOW).await;
        deliver(&spool, number).await;
    }
    let counts = spool.counts();
    assert_eq!((counts.entries, counts.needed_bytes), (0, 0));
    settle(spool).await;
    assert!(scene.segments().len() <= 3, "{:?}", scene.segments());
    let (again, recovery) = scene.open().await;
    assert_eq!((ids(&again).len(), recovery.torn), (0, None));
}

#[tokio::test]
async fn a_few_old_entries_do_not_hold_the_space_of_all_the_others() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let far = Timestamp(NOW.0 + 1_000_000);
    for number in 1..=300 {
        let old = number % 50 == 1;
        accept(&spool, number, if old { far } else { NOW }).await;
        if !old {
            deliver(&spool, number).await;
        }
    }
    let counts = spool.counts();
    assert_eq!(counts.entries, 6);
    for number in [1, 51, 101, 151, 201, 251] {
        assert_eq!(content(&spool, number), kilobyte(number));
    }
    settle(spool).await;
    assert!(scene.segments().len() <= 4, "{:?} {counts:?}", scene.segments());
    let (spool, _) = scene.open().await;
    assert_eq!(ids(&spool), [1, 51, 101, 151, 201, 251]);
    for number in [1, 51, 101, 151, 201, 251] {
        assert_eq!(content(&spool, number), kilobyte(number));
    }
    let mut lease = lease(&spool, far).await;
    spool.record_done(&mut lease, Done::default()).await.unwrap();
}

#[tokio::test]
async fn a_leased_entry_is_not_moved_under_its_lease() {
    let scene = Scene::new();
    let spool = scene.open_on(Settings { cache_bytes_max: 0, ..small(&scene) }, Quick).await;
    accept(&spool, 1, NOW).await;
    let mut lease = lease(&spool, NOW).await;
    for number in 2..=400 {
        accept(&spool, number, NOW).await;
        deliver(&spool, number).await;
    }
    assert!(scene.segments().len() > 4, "the oldest segment must stay");
    assert_eq!(spool.load(&lease.content).unwrap().bytes().unwrap(), kilobyte(1));
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    drop(lease);
    settle(spool).await;
    assert!(scene.segments().len() <= 2, "{:?}", scene.segments());
    let (again, _) = scene.open().await;
    assert_eq!(again.counts().entries, 0);
}

#[tokio::test]
async fn a_start_finishes_a_deletion_that_was_announced() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    for number in 1..=12 {
        accept(&spool, number, NOW).await;
    }
    let first = scene.segments()[0].clone();
    let bytes = std::fs::read(&first).unwrap();
    for number in 1..=12 {
        deliver(&spool, number).await;
    }
    settle(spool).await;
    assert!(!first.exists());
    // The crash came before the unlink was durable.
    let crashed = scene.crashed();
    let back = crashed.directory.join("segments").join(first.file_name().unwrap());
    std::fs::write(&back, bytes).unwrap();
    let (spool, recovery) = crashed.open().await;
    assert_eq!((ids(&spool).len(), recovery.leftovers), (0, 1), "what was done does not come back");
    assert!(!back.exists());
}
