//! Bit rot, cut files, swapped files, missing files: a clear sentence each, never a silent start with less mail.

use std::path::Path;

use spool::{OpenError, Spool};

use crate::disks::Quick;
use crate::scene::{NOW, Scene, content, entry, entry_of, id, ids};

/// A crash image of a spool with these entries, each in a batch of its own, and the offset of each record's end.
async fn three_entries() -> (Scene, Vec<u64>) {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let mut ends = Vec::new();
    for number in 1..=3 {
        spool.accept(vec![entry(number, "Subject: a\r\n\r\nbody\r\n")]).await.unwrap();
        ends.push(std::fs::metadata(scene.last_segment()).unwrap().len());
    }
    (scene.crashed(), ends)
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

async fn close(spool: Spool) {
    spool.close().await;
}

#[tokio::test]
async fn a_log_cut_at_any_byte_of_its_last_record_has_all_the_others() {
    let (image, ends) = three_entries().await;
    for length in ends[1]..=ends[2] {
        let scene = image.crashed();
        change(&scene.last_segment(), |bytes| bytes.truncate(usize::try_from(length).unwrap()));
        let (spool, recovery) = scene.open().await;
        if length == ends[2] {
            assert_eq!((ids(&spool), recovery.torn), (vec![1, 2, 3], None));
        } else {
            assert_eq!(ids(&spool), [1, 2], "cut at {length}");
            let torn = recovery.torn.map(|torn| (torn.offset, torn.bytes));
            assert_eq!(torn, (length > ends[1]).then(|| (ends[1], length - ends[1])));
        }
        assert_eq!(content(&spool, 2), "Subject: a\r\n\r\nbody\r\n");
        spool.accept(vec![entry(4, "after")]).await.unwrap();
        close(spool).await;
        let (spool, recovery) = scene.open().await;
        assert_eq!((content(&spool, 4), recovery.torn), ("after".into(), None));
        close(spool).await;
    }
}

#[tokio::test]
async fn a_last_record_with_zeros_for_its_end_is_torn_too() {
    let (image, ends) = three_entries().await;
    for zeros in [1, 5, 100, 300] {
        let scene = image.crashed();
        change(&scene.last_segment(), |bytes| {
            let start = bytes.len() - zeros;
            bytes[start..].fill(0);
        });
        let (spool, recovery) = scene.open().await;
        assert_eq!((ids(&spool), recovery.torn.unwrap().offset), (vec![1, 2], ends[1]));
        close(spool).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_in_an_acknowledged_record_is_named_and_never_less_mail() {
    let (image, ends) = three_entries().await;
    for offset in (0..ends[1]).chain([ends[1] + 3]).map(|offset| usize::try_from(offset).unwrap()) {
        let scene = image.crashed();
        let path = scene.last_segment();
        change(&path, |bytes| bytes[offset] ^= 0x10);
        match scene.try_open().await {
            Err(OpenError::Damaged { path: named, .. }) => assert_eq!(named, path),
            Err(OpenError::Newer { .. }) => assert!((8..12).contains(&offset)),
            Err(other) => panic!("{other}"),
            Ok((spool, recovery)) if offset > usize::try_from(ends[1]).unwrap() => {
                // The last batch: what a crash tore and what rotted look alike, so it is reported.
                assert_eq!((ids(&spool), recovery.torn.unwrap().offset), (vec![1, 2], ends[1]));
                close(spool).await;
            }
            Ok((spool, _)) => {
                // A body: headers and metadata are whole, so all entries are there and one says that it is damaged.
                assert_eq!(ids(&spool), [1, 2, 3], "offset {offset}");
                let damaged = [1, 2].map(|number| spool.load(&spool.entry(id(number)).unwrap().content));
                assert_eq!(damaged.iter().filter(|content| content.is_err()).count(), 1, "offset {offset}");
                close(spool).await;
            }
        }
    }
}

#[tokio::test]
async fn an_entry_that_rots_while_the_server_runs_is_set_aside_and_counted() {
    let scene = Scene::new();
    let settings = spool::Settings { cache_bytes_max: 0, ..scene.settings() };
    let spool = scene.open_on(settings, Quick).await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    spool.accept(vec![entry(2, "b")]).await.unwrap();
    change(&scene.last_segment(), |bytes| bytes[64 + 60] ^= 1);
    let lease = spool.lease(NOW).unwrap();
    assert_eq!(lease.id, id(2));
    assert!(spool.lease(NOW).is_none());
    let counts = spool.counts();
    assert_eq!((counts.entries, counts.damaged, counts.held), (2, 1, 0));
}

#[tokio::test]
async fn after_an_orderly_close_damage_in_the_last_record_is_rot_too() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let inside = usize::try_from(std::fs::metadata(scene.last_segment()).unwrap().len()).unwrap() - 10;
    close(spool).await;
    change(&scene.last_segment(), |bytes| bytes[inside] ^= 1);
    let error = scene.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_message_that_looks_like_the_log_is_not_taken_for_it() {
    let (image, ends) = three_entries().await;
    // The message holds this very log's own records; then the record behind it is torn.
    let forged = std::fs::read(image.last_segment()).unwrap();
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let pieces = vec![spool::ContentPiece::Inline(forged.into())];
    spool.accept(vec![entry_of(1, pieces)]).await.unwrap();
    let crashed = scene.crashed();
    change(&crashed.last_segment(), |bytes| bytes[70] ^= 1);
    let (spool, recovery) = crashed.open().await;
    assert_eq!((ids(&spool).len(), recovery.torn.unwrap().offset), (0, 64));
    assert!(ends[0] > 64);
}

#[tokio::test]
async fn a_newer_version_is_refused_with_a_sentence() {
    let (scene, _) = three_entries().await;
    change(&scene.last_segment(), |bytes| bytes[8] = 7);
    let text = scene.try_open().await.unwrap_err().to_string();
    assert!(text.contains("format version 7, this server reads up to 1"), "{text}");
}

/// A spool with several small segments, closed in order.
async fn many_segments() -> Scene {
    let scene = Scene::new();
    let mut settings = scene.settings();
    settings.segment_bytes_max = 4_096;
    let spool = scene.open_on(settings, Quick).await;
    for number in 1..=60 {
        spool.accept(vec![entry(number, "a")]).await.unwrap();
    }
    close(spool).await;
    assert!(scene.segments().len() >= 4);
    scene
}

#[tokio::test]
async fn every_missing_segment_is_noticed() {
    let image = many_segments().await;
    for at in 0..image.segments().len() {
        let scene = image.crashed();
        std::fs::remove_file(&scene.segments()[at]).unwrap();
        let error = scene.try_open().await.unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{at}: {error}");
    }
}

#[tokio::test]
async fn a_segment_cut_anywhere_is_noticed_when_others_follow() {
    let image = many_segments().await;
    let segments = image.segments();
    let length = std::fs::metadata(&segments[1]).unwrap().len();
    for length in (0..length).step_by(37) {
        let scene = image.crashed();
        change(&scene.segments()[1], |bytes| bytes.truncate(usize::try_from(length).unwrap()));
        let error = scene.try_open().await.unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{length}: {error}");
    }
}

#[tokio::test]
async fn swapped_segments_and_those_of_another_spool_are_noticed() {
    let scene = many_segments().await;
    let segments = scene.segments();
    let (first, second) = (std::fs::read(&segments[0]).unwrap(), std::fs::read(&segments[1]).unwrap());
    std::fs::write(&segments[0], &second).unwrap();
    std::fs::write(&segments[1], &first).unwrap();
    let error = scene.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Misplaced { .. }), "{error}");

    std::fs::write(&segments[0], &first).unwrap();
    let other = many_segments().await;
    std::fs::copy(&other.segments()[1], &segments[1]).unwrap();
    let error = scene.try_open().await.unwrap_err();
    assert!(error.to_string().contains("belongs to another spool"), "{error}");
}

#[tokio::test]
async fn bodies_without_a_log_and_a_log_without_its_body_are_noticed() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let mut writer = spool.body();
    writer.append(vec![b'x'; 2 << 20].into()).await.unwrap();
    let body = writer.finish().await.unwrap();
    spool.accept(vec![entry_of(1, vec![body.piece(0..body.size())])]).await.unwrap();
    close(spool).await;

    let without_log = scene.crashed();
    std::fs::remove_file(without_log.last_segment()).unwrap();
    assert!(matches!(without_log.try_open().await.unwrap_err(), OpenError::Missing { .. }));
    assert_eq!(without_log.bodies().len(), 1, "nothing is removed before everything is found good");

    let cut = scene.crashed();
    change(&cut.bodies()[0], |bytes| bytes.truncate(1_000));
    assert!(matches!(cut.try_open().await.unwrap_err(), OpenError::Damaged { .. }));

    let without_body = scene.crashed();
    std::fs::remove_file(&without_body.bodies()[0]).unwrap();
    assert!(matches!(without_body.try_open().await.unwrap_err(), OpenError::Missing { .. }));
}

#[tokio::test]
async fn a_spool_has_one_server() {
    let scene = Scene::new();
    let (_spool, _) = scene.open().await;
    let text = scene.try_open().await.unwrap_err().to_string();
    assert!(text.contains("another server is running on this spool"), "{text}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_is_named() {
    let scene = Scene::new();
    std::fs::write(scene.directory.join("segments"), "a file").unwrap();
    let error = scene.try_open().await.unwrap_err();
    assert!(matches!(error, OpenError::Access { .. }), "{error}");
    assert!(error.to_string().contains("segments: cannot make the directory"), "{error}");
    std::fs::remove_file(scene.directory.join("segments")).unwrap();
}

#[tokio::test]
async fn files_that_do_not_belong_are_named_and_left_alone() {
    let (scene, _) = three_entries().await;
    let strangers = ["core", "segments/notes.txt", "segments/1.log", "bodies/photo.jpg"];
    let strangers = strangers.map(|name| scene.directory.join(name));
    for path in &strangers {
        std::fs::write(path, "?").unwrap();
    }
    let (spool, recovery) = scene.open().await;
    for path in &strangers {
        assert!(recovery.unknown.contains(path) && path.exists(), "{}", path.display());
    }
    assert_eq!(spool.lease(NOW).unwrap().id, id(1));
}
