//! Space comes back, and nothing with it.

use bytes::Bytes;
use smtp::Timestamp;
use spool::{Attempt, ContentPiece, Done, Lease, NewEntry, Settings, Spool, StageName};

use crate::disks::Quick;
use crate::scene::{NOW, Scene, content, entry_of, id, ids};

fn small(scene: &Scene) -> Settings {
    let mut settings = scene.settings();
    settings.segment_bytes_max = 16 << 10;
    settings.kept_segments_max = 2;
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

#[tokio::test]
async fn an_entry_that_stays_is_copied_away_from_the_young_ones_and_not_again_and_again() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let far = Timestamp(NOW.0 + 1_000_000);
    accept(&spool, 1, far).await;
    for number in 2..=1_000 {
        accept(&spool, number, NOW).await;
        deliver(&spool, number).await;
    }
    let counts = spool.counts();
    assert!((1..=3).contains(&counts.copied), "{counts:?}");
    assert!(counts.kept_bytes * 10 < counts.record_bytes, "{counts:?}");
    assert_eq!(content(&spool, 1), kilobyte(1));
}

#[tokio::test]
async fn what_was_done_does_not_come_back_from_a_kept_segment() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let far = Timestamp(NOW.0 + 1_000_000);
    // Two stay together in one kept segment; then one is done, and the record that says so is deleted with the log.
    accept(&spool, 1, far).await;
    accept(&spool, 2, far).await;
    let mut next = 3;
    work_off(&spool, &mut next, |counts| counts.copied >= 2).await;
    let mut lease = spool.lease_entry(id(1)).unwrap().unwrap();
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    let done_in = scene.segments().into_iter().rfind(|path| path.extension().unwrap() == "log").unwrap();
    work_off(&spool, &mut next, |_| !done_in.exists()).await;
    assert_eq!(spool.counts().copied, 2, "the other stayed where it was");
    settle(spool).await;
    let (again, _) = scene.open().await;
    assert_eq!(ids(&again), [2]);
    assert_eq!(content(&again, 2), kilobyte(2));
}

#[tokio::test]
async fn an_attempt_of_an_old_entry_leaves_its_content_where_it_is_kept() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let far = Timestamp(NOW.0 + 1_000_000);
    accept(&spool, 1, far).await;
    let mut next = 2;
    work_off(&spool, &mut next, |counts| counts.copied == 1).await;
    let kept_bytes = spool.counts().kept_bytes;
    let mut lease = spool.lease_entry(id(1)).unwrap().unwrap();
    let attempt = Attempt { outcomes: Vec::new(), due: far, outbox: Vec::new() };
    spool.record_attempt(&mut lease, attempt).await.unwrap();
    drop(lease);
    work_off(&spool, &mut next, |counts| counts.copied == 2).await;
    assert_eq!(content(&spool, 1), kilobyte(1));
    assert!(spool.counts().kept_bytes > kept_bytes);
    settle(spool).await;
    let (again, _) = scene.open().await;
    assert_eq!((ids(&again), content(&again, 1)), (vec![1], kilobyte(1)));
    assert_eq!(again.entry(id(1)).unwrap().stage.stage, StageName::Deliver);
}

#[tokio::test]
async fn shares_of_one_message_stay_one_when_they_are_kept() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let due = Timestamp(NOW.0 + 1_000_000);
    let bytes: Bytes = vec![7; 10_000].into();
    let share = |number| NewEntry { due, ..entry_of(number, vec![ContentPiece::Inline(bytes.clone())]) };
    spool.accept((1..=5).map(share).collect()).await.unwrap();
    let mut next = 6;
    work_off(&spool, &mut next, |counts| counts.copied == 5).await;
    assert!(spool.counts().kept_bytes < 20_000, "{:?}", spool.counts());
    settle(spool).await;
    let (again, _) = scene.open().await;
    for number in 1..=5 {
        assert_eq!(content(&again, number), bytes);
    }
}

#[tokio::test]
async fn there_are_never_many_small_kept_segments() {
    let scene = Scene::new();
    let spool = scene.open_on(small(&scene), Quick).await;
    let far = Timestamp(NOW.0 + 1_000_000);
    for number in 1..=600 {
        let old = number % 100 == 1;
        accept(&spool, number, if old { far } else { NOW }).await;
        if !old {
            deliver(&spool, number).await;
        }
    }
    settle(spool).await;
    let kept = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "kept");
    let kept = scene.segments().iter().filter(|path| kept(path)).count();
    assert!((1..=4).contains(&kept), "{kept}");
}

/// Young mail comes and goes until something is so.
async fn work_off(spool: &Spool, next: &mut u128, until: impl Fn(spool::Counts) -> bool) {
    for _ in 0..1_000 {
        if until(spool.counts()) {
            return;
        }
        accept(spool, *next, NOW).await;
        deliver(spool, *next).await;
        *next += 1;
    }
    panic!("never: {:?}", spool.counts());
}
