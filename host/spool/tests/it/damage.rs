//! Bit rot, cut files, swapped files, missing files: a clear sentence each, never a silent start with less mail.

use std::path::Path;

use smtp::Timestamp;
use spool::{Deleted, Done, NewEntry, OpenError, Spool, Standing};

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

pub(crate) fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
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
pub(crate) async fn many_segments() -> Scene {
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
    assert!(error.to_string().ends_with("something else has that name: move it away"), "{error}");
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

/// A spool with entries in kept segments and in the log, closed in order.
pub(crate) async fn kept_segments() -> Scene {
    let scene = Scene::new();
    let settings = spool::Settings { segment_bytes_max: 4_096, ..scene.settings() };
    let spool = scene.open_on(settings, Quick).await;
    for number in 1..=60 {
        let due = if number % 20 == 1 { Timestamp(u64::MAX) } else { NOW };
        spool.accept(vec![NewEntry { due, ..entry(number, "a") }]).await.unwrap();
        if due == NOW {
            let mut lease = loop {
                match spool.lease(NOW) {
                    Some(lease) => break lease,
                    None => spool.due(NOW).await,
                }
            };
            spool.record_done(&mut lease, Done::default()).await.unwrap();
        }
    }
    assert!(spool.counts().copied > 0);
    close(spool).await;
    scene
}

type Harm = fn(&mut Vec<u8>, usize);

fn is_kept(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "kept")
}

#[tokio::test]
async fn every_missing_segment_is_noticed_where_old_entries_are_kept() {
    let image = kept_segments().await;
    for at in 0..image.segments().len() {
        let scene = image.crashed();
        std::fs::remove_file(&scene.segments()[at]).unwrap();
        let error = scene.try_open().await.unwrap_err();
        assert!(matches!(error, OpenError::Missing { .. }), "{at}: {error}");
        assert!(error.to_string().contains("restore"), "{error}");
    }
}

#[tokio::test]
async fn a_kept_segment_that_is_cut_zeroed_or_flipped_is_named_and_never_less_mail() {
    let image = kept_segments().await;
    let at = image.segments().iter().position(|path| is_kept(path)).unwrap();
    // With its index, damage inside is found when it is read; here it is to be found at the start.
    image.indexes().iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let length = usize::try_from(std::fs::metadata(&image.segments()[at]).unwrap().len()).unwrap();
    for offset in (0..length).step_by(19) {
        let harms: [Harm; 3] = [
            |bytes, offset| bytes.truncate(offset),
            |bytes, offset| bytes[offset..].fill(0),
            |bytes, offset| bytes[offset] ^= 0x10,
        ];
        for (harm, apply) in harms.into_iter().enumerate() {
            let scene = image.crashed();
            let path = scene.segments()[at].clone();
            change(&path, |bytes| apply(bytes, offset));
            match scene.try_open().await {
                Err(OpenError::Damaged { path: named, .. }) => assert_eq!(named, path),
                Err(OpenError::Newer { .. }) => assert!((8..12).contains(&offset)),
                Err(other) => panic!("{other}"),
                Ok((spool, _)) => {
                    // A body: everything is there, and the one entry says that it is damaged.
                    assert_eq!((harm, ids(&spool).as_slice()), (2, &[1, 21, 41][..]), "offset {offset}");
                    let load = |number| spool.load(&spool.entry(id(number)).unwrap().content);
                    let damaged = [1, 21, 41].map(load).iter().filter(|content| content.is_err()).count();
                    assert!(damaged <= 1, "offset {offset}");
                    close(spool).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_kept_segment_is_not_taken_for_one_of_the_log() {
    let scene = kept_segments().await;
    let segments = scene.segments();
    let (kept, log): (Vec<_>, Vec<_>) = segments.iter().partition(|path| is_kept(path));
    let (kept_bytes, log_bytes) = (std::fs::read(kept[0]).unwrap(), std::fs::read(log[0]).unwrap());
    std::fs::write(kept[0], &log_bytes).unwrap();
    let text = scene.try_open().await.unwrap_err().to_string();
    assert!(text.contains("it says that it is another segment, so files were swapped"), "{text}");
    std::fs::write(kept[0], &kept_bytes).unwrap();
    let other = kept_segments().await;
    let same = other.segments().into_iter().find(|path| path.file_name() == kept[0].file_name()).unwrap();
    std::fs::copy(same, kept[0]).unwrap();
    let text = scene.try_open().await.unwrap_err().to_string();
    assert!(text.contains("belongs to another spool"), "{text}");
}

#[tokio::test]
async fn a_segment_of_zeros_is_named() {
    let image = many_segments().await;
    for at in 0..image.segments().len() {
        let scene = image.crashed();
        change(&scene.segments()[at], |bytes| bytes.fill(0));
        let error = scene.try_open().await.unwrap_err();
        let OpenError::Damaged { path, offset: 0, .. } = &error else { panic!("{error}") };
        assert_eq!(*path, scene.segments()[at]);
        assert!(error.to_string().contains("restore the file or set it aside"), "{error}");
    }
}

#[tokio::test]
async fn a_torn_end_says_what_was_lost_and_that_nobody_was_told() {
    let (image, ends) = three_entries().await;
    // The last record is whole, but the one before it in the same batch is not; nothing says that they were acknowledged.
    let scene = image.crashed();
    let path = scene.last_segment();
    change(&path, |bytes| {
        let last = bytes[usize::try_from(ends[1]).unwrap()..].to_vec();
        bytes.truncate(usize::try_from(ends[1]).unwrap());
        bytes.extend_from_slice(&[0; 100]);
        bytes.extend_from_slice(&last);
    });
    let (spool, recovery) = scene.open().await;
    let torn = recovery.torn.unwrap();
    assert_eq!((torn.offset, torn.bytes, torn.records), (ends[1], ends[2] - ends[1] + 100, 1));
    let text = torn.to_string();
    for part in
        [path.to_str().unwrap(), "were cut off, with 1 whole records", "none of them was acknowledged"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(ids(&spool), [1, 2]);
}

/// A spool with two large bodies of the same length in files, closed in order.
async fn two_bodies() -> Scene {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    for number in 1..=2_u8 {
        let mut writer = spool.body();
        writer.append(vec![number; 2 << 20].into()).await.unwrap();
        let body = writer.finish().await.unwrap();
        spool.accept(vec![entry_of(number.into(), vec![body.piece(0..body.size())])]).await.unwrap();
    }
    close(spool).await;
    scene
}

#[tokio::test]
async fn swapped_and_zeroed_bodies_are_errors_of_their_entries_and_never_other_mail() {
    let image = two_bodies().await;
    let swapped = image.crashed();
    let bodies = swapped.bodies();
    let (first, second) = (std::fs::read(&bodies[0]).unwrap(), std::fs::read(&bodies[1]).unwrap());
    std::fs::write(&bodies[0], second).unwrap();
    std::fs::write(&bodies[1], first).unwrap();
    let zeroed = image.crashed();
    zeroed.bodies().iter().for_each(|path| change(path, |bytes| bytes.fill(0)));
    for scene in [swapped, zeroed] {
        let (spool, _) = scene.open().await;
        assert_eq!(ids(&spool), [1, 2]);
        for number in 1..=2 {
            let stored = spool.entry(id(number)).unwrap().content;
            let error = spool.read(&stored, 0..1_000).await.unwrap_err().to_string();
            assert!(error.contains("a block of a body file is damaged"), "{error}");
            assert!(scene.bodies().iter().any(|path| error.contains(path.to_str().unwrap())), "{error}");
        }
        close(spool).await;
    }
}

#[tokio::test]
async fn a_body_that_is_cut_grown_or_missing_is_named_at_the_start() {
    let image = two_bodies().await;
    for length in [0, 1, (2 << 20) - 1, (2 << 20) + 1] {
        let scene = image.crashed();
        change(&scene.bodies()[1], |bytes| bytes.resize(length, 0));
        let error = scene.try_open().await.unwrap_err();
        assert!(error.to_string().contains("the body is not as long as it was"), "{error}");
        assert!(error.to_string().contains(scene.bodies()[1].to_str().unwrap()), "{error}");
    }
    let scene = image.crashed();
    let path = scene.bodies()[0].clone();
    std::fs::remove_file(&path).unwrap();
    let error = scene.try_open().await.unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()) && error.contains("missing; "), "{error}");
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_back_is_seen_named_and_deleted() {
    let (image, ends) = three_entries().await;
    let (spool, _) = image.open().await;
    change(&image.last_segment(), |bytes| bytes[usize::try_from(ends[0]).unwrap() + 60] ^= 1);
    assert!(spool.lease_entry(id(2)).is_err());
    assert_eq!((spool.summary(id(2)).unwrap().standing, spool.counts().damaged), (Standing::Damaged, 1));
    let why = spool.entry(id(2)).unwrap_err().to_string();
    assert!(why.ends_with(&format!("a record's metadata is damaged at offset {}", ends[0])), "{why}");
    assert_eq!(spool.delete(id(2)).await, Ok(Deleted::Yes));
    assert_eq!(spool.delete(id(2)).await, Ok(Deleted::No));
    assert_eq!((ids(&spool), spool.counts().damaged), (vec![1, 3], 0));
    close(spool).await;
}

#[tokio::test]
async fn an_entry_that_someone_works_on_is_not_deleted() {
    let (image, _) = three_entries().await;
    let (spool, _) = image.open().await;
    let lease = spool.lease(NOW).unwrap();
    assert_eq!(spool.delete(lease.id).await, Ok(Deleted::No));
    let id = lease.id;
    drop(lease);
    assert_eq!(spool.delete(id).await, Ok(Deleted::Yes));
    close(spool).await;
}
