//! Indexes of sealed segments: a start from them finds the same, and anything wrong with one costs time alone.

use std::path::PathBuf;

use spool::{Counts, OpenError, Spool, Summary};

use crate::damage::{change, kept_segments, many_segments};
use crate::scene::{NOW, Scene, id, ids};

type All = (Vec<Summary>, Counts, Vec<Result<String, String>>);

/// Everything that a spool has.
fn all(spool: &Spool) -> All {
    let lines = spool.list(None, usize::MAX);
    let one = |line: &Summary| {
        spool.entry(line.id).map(|entry| format!("{entry:?}")).map_err(|error| error.to_string())
    };
    let entries = lines.iter().map(one).collect();
    (lines, spool.counts(), entries)
}

async fn found(scene: &Scene) -> All {
    let (spool, _) = scene.open().await;
    let all = all(&spool);
    spool.close().await;
    all
}

/// The same, where a start has to read the segments; paths are those of `scene`.
async fn found_without_indexes(scene: &Scene) -> All {
    let copy = scene.crashed();
    copy.indexes().iter().for_each(|path| std::fs::remove_file(path).unwrap());
    found(&copy).await
}

fn names(paths: Vec<PathBuf>) -> Vec<String> {
    paths.into_iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn every_segment_but_the_one_that_is_written_to_has_an_index() {
    for scene in [many_segments().await, kept_segments().await] {
        let mut sealed = names(scene.segments());
        let active = sealed.iter().rposition(|name| name.ends_with(".log")).unwrap();
        sealed.remove(active);
        assert_eq!(names(scene.indexes()), sealed);
    }
}

#[tokio::test]
async fn a_start_from_indexes_finds_what_a_start_from_segments_finds() {
    let fixture = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1/spool");
    let scenes = [many_segments().await, kept_segments().await, Scene::copied_from(&fixture)];
    for scene in scenes {
        assert!(!scene.indexes().is_empty());
        assert_eq!(found(&scene.crashed()).await, found_without_indexes(&scene).await);
    }
}

#[tokio::test]
async fn an_index_that_is_missing_cut_or_flipped_anywhere_is_not_used_and_is_written_anew() {
    for image in [many_segments().await, kept_segments().await] {
        let expected = found_without_indexes(&image).await;
        let good = std::fs::read(&image.indexes()[0]).unwrap();
        for offset in (0..good.len()).step_by(23) {
            let cut: fn(&mut Vec<u8>, usize) = |bytes, offset| bytes.truncate(offset);
            let harms = [cut, |bytes, offset| bytes[offset] ^= 0x10, |bytes, offset| bytes[offset..].fill(0)];
            for harm in harms {
                let scene = image.crashed();
                let path = scene.indexes()[0].clone();
                change(&path, |bytes| harm(bytes, offset));
                assert_eq!(found(&scene).await, expected, "byte {offset}");
                assert_eq!(std::fs::read(&path).unwrap(), good, "byte {offset}");
            }
        }
        let scene = image.crashed();
        std::fs::remove_dir_all(scene.directory.join("index")).unwrap();
        assert_eq!(found(&scene).await, expected);
        assert_eq!(names(scene.indexes()), names(image.indexes()));
    }
}

#[tokio::test]
async fn an_index_of_another_segment_or_another_spool_is_not_used() {
    let (image, other) = (many_segments().await, many_segments().await);
    let expected = found(&image.crashed()).await;
    let good = std::fs::read(&image.indexes()[0]).unwrap();
    for stranger in [&image.indexes()[1], &other.indexes()[0]] {
        let scene = image.crashed();
        let path = scene.indexes()[0].clone();
        std::fs::copy(stranger, &path).unwrap();
        assert_eq!(found(&scene).await, expected);
        assert_eq!(std::fs::read(&path).unwrap(), good);
    }
}

#[tokio::test]
async fn damage_in_a_segment_with_its_index_is_an_error_of_its_entry_and_without_it_of_the_start() {
    let image = many_segments().await;
    let length = std::fs::metadata(&image.segments()[0]).unwrap().len();
    let mut damaged = 0;
    for offset in (64..usize::try_from(length).unwrap()).step_by(41) {
        let scene = image.crashed();
        change(&scene.segments()[0], |bytes| bytes[offset] ^= 0x10);
        let without = scene.crashed();
        without.indexes().iter().for_each(|path| std::fs::remove_file(path).unwrap());
        if let Err(error) = without.try_open().await {
            assert!(matches!(error, OpenError::Damaged { .. }), "byte {offset}: {error}");
        }
        let (spool, _) = scene.open().await;
        let (lines, _, entries) = all(&spool);
        assert_eq!(lines.len(), 60, "byte {offset}");
        let errors: Vec<_> = entries.iter().filter_map(|entry| entry.as_ref().err()).collect();
        assert!(errors.len() <= 1, "byte {offset}: {errors:?}");
        if let Some(error) = errors.first() {
            assert!(error.contains(scene.segments()[0].to_str().unwrap()), "{error}");
            let leases: Vec<_> = std::iter::from_fn(|| spool.lease(NOW)).collect();
            assert_eq!((leases.len(), spool.counts().damaged), (59, 1), "byte {offset}");
            damaged += 1;
        }
        spool.close().await;
    }
    assert!(damaged > 10, "{damaged}");
}

#[tokio::test]
async fn indexes_of_segments_that_are_gone_are_removed_and_strangers_left_alone() {
    let scene = many_segments().await;
    let gone = scene.directory.join("index/00000000000000ff.kept");
    std::fs::copy(&scene.indexes()[0], &gone).unwrap();
    let stranger = scene.directory.join("index/notes.txt");
    std::fs::write(&stranger, "?").unwrap();
    let (spool, recovery) = scene.open().await;
    assert_eq!((gone.exists(), recovery.unknown), (false, vec![stranger]));
    spool.close().await;
}

#[tokio::test]
async fn an_index_that_cannot_be_written_keeps_nobody_from_starting() {
    let scene = many_segments().await;
    let index = scene.indexes()[0].clone();
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    let (spool, _) = scene.open().await;
    assert_eq!(ids(&spool), (1..=60).collect::<Vec<_>>());
    assert_eq!(spool.lease(NOW).unwrap().id, id(1));
    spool.close().await;
}

#[tokio::test]
async fn verifying_needs_no_indexes_and_writes_none() {
    let scene = many_segments().await;
    std::fs::remove_dir_all(scene.directory.join("index")).unwrap();
    assert_eq!(spool::Survey::open(scene.settings()).unwrap().recovery().entries, 60);
    assert!(!scene.directory.join("index").exists());
}
