//! A crash at every single step: what was acknowledged is there and whole, what was not is whole or absent.
//!
//! The disk stops at step n, for every n; a write in progress is left half. What is not here: losing what was written but not
//! synced, and reordering, for which a disk has to be simulated wholly.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use message::Piece;
use smtp::Timestamp;
use spool::{ContentPiece, Done, NewEntry, Settings, Spool, Stage, StageName, StagePointer, StoredContent};

use crate::disks::{Scripted, Stopping};
use crate::scene::{NOW, Scene, content, entry_of, id, ids};

/// What a caller was told.
#[derive(Debug, Default)]
struct Told {
    /// Contents that an entry may have now: the last acknowledged one, or what was in flight. None: it may be gone.
    may_be: BTreeMap<u128, Vec<Option<Bytes>>>,
}

fn settings(scene: &Scene) -> Settings {
    let mut settings = scene.settings();
    settings.segment_bytes_max = 6_000;
    settings.body_inline_max = 2_000;
    settings
}

impl Told {
    /// Something is about to be asked for.
    fn asked(&mut self, number: u128, content: Option<Bytes>) {
        self.may_be.entry(number).or_insert_with(|| vec![None]).push(content);
    }

    /// It was acknowledged.
    fn acknowledged(&mut self, number: u128, content: Option<Bytes>) {
        self.may_be.insert(number, vec![content]);
    }

    fn check(&self, spool: &Spool, steps: i64) {
        for (number, may_be) in &self.may_be {
            let found = ids(spool).contains(number).then(|| content(spool, *number));
            assert!(may_be.contains(&found), "stopped after {steps} steps: entry {number} is not as it was");
        }
        let unknown: Vec<_> =
            ids(spool).into_iter().filter(|number| !self.may_be.contains_key(number)).collect();
        assert!(unknown.is_empty(), "stopped after {steps} steps: {unknown:?} came from nowhere");
    }
}

/// Accepts, stages with a sibling, ends; every third entry has a large body, every fifth stays.
async fn work(spool: &Spool, told: &mut Told) -> Option<()> {
    for number in 1..=25_u128 {
        let length = if number.is_multiple_of(3) { 5_000 } else { 300 };
        let bytes = Bytes::from(vec![u8::try_from(number).unwrap(); length]);
        let mut writer = spool.body();
        writer.append(bytes.clone()).await.ok()?;
        let body = writer.finish().await.ok()?;
        told.asked(number, Some(bytes.clone()));
        let stays = number.is_multiple_of(5);
        let due = if stays { Timestamp(u64::MAX) } else { NOW };
        let new = NewEntry { due, ..entry_of(number, vec![body.piece(0..body.size())]) };
        spool.accept(vec![new]).await.ok()?;
        told.acknowledged(number, Some(bytes.clone()));
        if stays {
            continue;
        }
        let mut lease = lease(spool).await?;
        let (edited, sibling) = (Bytes::from([b"X: y\r\n", &bytes[..]].concat()), number + 100);
        let mut stage = Stage { stage: StagePointer::at(StageName::Deliver), ..Stage::of(&lease) };
        let whole = Piece::Original(0..lease.content.size());
        stage.content =
            Some(StoredContent::edited(vec![Piece::Bytes(Bytes::from_static(b"X: y\r\n")), whole]));
        stage.outbox.push(NewEntry {
            due: Timestamp(u64::MAX),
            ..entry_of(sibling, vec![ContentPiece::Original(0..100)])
        });
        told.asked(number, Some(edited.clone()));
        told.asked(sibling, Some(bytes.slice(..100)));
        spool.record_stage(&mut lease, stage).await.ok()?;
        told.acknowledged(number, Some(edited));
        told.acknowledged(sibling, Some(bytes.slice(..100)));
        told.asked(number, None);
        spool.record_done(&mut lease, Done::default()).await.ok()?;
        told.acknowledged(number, None);
        if number.is_multiple_of(2) {
            let mut lease = loop {
                match spool.lease_entry(id(sibling)).ok()? {
                    Some(lease) => break lease,
                    None if spool.poisoned() => return None,
                    None => tokio::task::yield_now().await,
                }
            };
            told.asked(sibling, None);
            spool.record_done(&mut lease, Done::default()).await.ok()?;
            told.acknowledged(sibling, None);
        }
    }
    Some(())
}

/// The next entry. Compaction may have it for a moment.
async fn lease(spool: &Spool) -> Option<spool::Lease> {
    while !spool.poisoned() {
        if let Some(lease) = spool.lease(NOW) {
            return Some(lease);
        }
        spool.due(NOW).await;
    }
    None
}

#[tokio::test]
async fn a_crash_at_every_step_loses_nothing_that_was_acknowledged() {
    let mut steps = 0;
    loop {
        let scene = Scene::new();
        let disk = Stopping::after(steps);
        let mut told = Told::default();
        let opened = Spool::open_on(settings(&scene), Arc::new(Scripted(disk.clone()))).await;
        let finished = match opened {
            Ok((spool, _)) => {
                let finished = work(&spool, &mut told).await;
                assert!(finished.is_none() || spool.counts().copied > 0, "the work makes kept segments too");
                spool.close().await;
                finished
            }
            Err(_) => None,
        };
        let (spool, _) =
            scene.try_open().await.unwrap_or_else(|error| panic!("after {steps} steps: {error}"));
        told.check(&spool, steps);
        // It goes on where it stopped, and once more reads back what it wrote.
        spool.accept(vec![entry_of(999, vec![])]).await.unwrap();
        spool.close().await;
        let (spool, recovery) = scene.open().await;
        assert!(ids(&spool).contains(&999) && recovery.torn.is_none(), "after {steps} steps");
        spool.close().await;
        if finished.is_some() {
            assert!(steps > 150, "the work has as many steps");
            return;
        }
        steps += 1;
    }
}
