//! Large bodies: files of their own, durable before they count, gone when nothing needs them.

use std::sync::Arc;

use bytes::Bytes;
use message::Piece;
use spool::{Done, ReadError, Stage, StoredContent};

use crate::disks::{Failing, Holding, Scripted, Step};
use crate::scene::{NOW, Scene, content, entry_of, id};

const LARGE: usize = 3 << 20;

fn bytes(length: usize) -> Bytes {
    let mut bytes = b"Subject: large\r\n\r\n".to_vec();
    bytes.extend((0..length - bytes.len()).map(|at| u8::try_from(at % 251).unwrap()));
    bytes.into()
}

async fn body(spool: &spool::Spool, bytes: &Bytes) -> spool::Body {
    let mut writer = spool.body();
    for chunk in bytes.chunks(50_000) {
        writer.append(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

/// Unlinking happens on the blocking pool; closing waits for nothing of it, so look until it came.
async fn until_no_bodies(scene: &Scene) {
    while !scene.bodies().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_body_up_to_the_limit_makes_no_file_and_one_byte_more_does() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let at_limit = body(&spool, &bytes(1 << 20)).await;
    assert!(scene.bodies().is_empty());
    let above = body(&spool, &bytes((1 << 20) + 1)).await;
    assert_eq!(scene.bodies().len(), 1);
    assert_eq!((at_limit.size(), above.size()), (1 << 20, (1 << 20) + 1));
}

#[tokio::test]
async fn a_large_body_is_whole_before_and_after_a_restart_and_goes_when_it_is_done() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let expected = bytes(LARGE + 12_345);
    let body = body(&spool, &expected).await;
    assert_eq!(body.content().bytes().unwrap(), expected);
    assert_eq!(body.content().head(), &Bytes::from_static(b"Subject: large\r\n\r\n"));
    let log_bytes = spool.counts().log_bytes;
    spool.accept(vec![entry_of(1, vec![body.piece(0..body.size())])]).await.unwrap();
    drop(body);
    assert!(spool.counts().log_bytes - log_bytes < 4_096, "the body is not in the log");
    spool.close().await;

    let (spool, recovery) = scene.open().await;
    assert_eq!(recovery.orphans, 0);
    assert_eq!(content(&spool, 1), expected);
    let stored = spool.entry(id(1)).unwrap().content;
    let part = spool.read(&stored, 262_100..262_200).await.unwrap();
    assert_eq!(part, expected.slice(262_100..262_200), "a range over the border of two blocks");
    let mut lease = spool.lease(NOW).unwrap();
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    until_no_bodies(&scene).await;
}

#[tokio::test]
async fn an_edit_of_a_large_message_costs_its_changed_bytes_alone() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let expected = bytes(LARGE);
    let body = body(&spool, &expected).await;
    let size = body.size();
    spool.accept(vec![entry_of(1, body.pieces(vec![Piece::Original(0..size)]))]).await.unwrap();
    let before = spool.counts().record_bytes;
    let mut lease = spool.lease(NOW).unwrap();
    let tag = Bytes::from_static(b"X-Tag: 1\r\n");
    let pieces = vec![Piece::Bytes(tag.clone()), Piece::Original(0..18), Piece::Original(20..size)];
    let stage = Stage { content: Some(StoredContent::edited(pieces)), ..Stage::of(&lease) };
    spool.record_stage(&mut lease, stage).await.unwrap();
    assert!(spool.counts().record_bytes - before < 4_096);
    let edited = [&tag[..], &expected[..18], &expected[20..]].concat();
    assert_eq!(content(&spool, 1), edited);
    let crashed = scene.crashed();
    let (again, _) = crashed.open().await;
    assert_eq!(spool.entry(id(1)).unwrap(), again.entry(id(1)).unwrap());
}

#[tokio::test]
async fn a_body_that_is_never_accepted_leaves_nothing() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let mut writer = spool.body();
    writer.append(bytes(LARGE)).await.unwrap();
    assert_eq!(scene.bodies().len(), 1);
    drop(writer);
    until_no_bodies(&scene).await;
    let finished = body(&spool, &bytes(LARGE)).await;
    assert_eq!(scene.bodies().len(), 1);
    drop(finished);
    until_no_bodies(&scene).await;
}

#[tokio::test]
async fn a_crash_between_finish_and_accept_leaves_an_orphan_that_the_start_removes() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let _body = body(&spool, &bytes(LARGE)).await;
    let crashed = scene.crashed();
    assert_eq!(crashed.bodies().len(), 1);
    let (_spool, recovery) = crashed.open().await;
    assert_eq!((recovery.orphans, recovery.entries), (1, 0));
    assert!(crashed.bodies().is_empty());
}

#[tokio::test]
async fn finish_syncs_the_file_and_then_its_directory() {
    let scene = Scene::new();
    let disk = Arc::new(Holding::default());
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    let before = disk.steps().len();
    let _body = body(&spool, &bytes(LARGE)).await;
    let steps = disk.steps().split_off(before);
    assert_eq!(steps.first(), Some(&Step::Create));
    assert_eq!(steps[steps.len() - 3..], [Step::Write, Step::Sync, Step::SyncDirectory]);
}

#[tokio::test]
async fn a_failed_sync_of_a_body_concerns_that_body_alone() {
    let scene = Scene::new();
    let disk = Failing::new(Step::Sync, "bodies", std::io::ErrorKind::Other);
    let spool = scene.open_on(scene.settings(), Scripted(disk.clone())).await;
    disk.arm();
    let mut writer = spool.body();
    writer.append(bytes(LARGE)).await.unwrap();
    assert!(writer.finish().await.is_err());
    disk.disarm();
    assert!(!spool.poisoned());
    let body = body(&spool, &bytes(LARGE)).await;
    spool.accept(vec![entry_of(1, vec![body.piece(0..body.size())])]).await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_a_body_is_an_error_and_never_other_bytes() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let body = body(&spool, &bytes(LARGE)).await;
    spool.accept(vec![entry_of(1, vec![body.piece(0..body.size())])]).await.unwrap();
    let path = scene.bodies().pop().unwrap();
    let mut damaged = std::fs::read(&path).unwrap();
    damaged[LARGE - 7] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let stored = spool.entry(id(1)).unwrap().content;
    let error = spool.read(&stored, 0..stored.size()).await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    assert!(spool.read(&stored, 0..1_000).await.is_ok(), "other blocks are still good");
}
