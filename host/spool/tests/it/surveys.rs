//! A directory looked at from outside: what is there, what is damaged, what can be saved, and taking it elsewhere.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use spool::{
    CommitError, ContentPiece, Damage, Done, Entry, EntryState, NewEntry, OpenError, QueueId, Spool, Stage,
    Survey,
};

use crate::disks::Quick;
use crate::scene::{NOW, Scene, entry, entry_of, facts, id, ids};

fn survey(scene: &Scene) -> Survey {
    Survey::open_on(scene.settings(), Arc::new(Quick)).unwrap()
}

fn salvage(scene: &Scene) -> Survey {
    Survey::salvage_on(scene.settings(), Arc::new(Quick)).unwrap()
}

/// What a check finds, whether a server would start or not.
fn check(scene: &Scene) -> Vec<Damage> {
    let opened = Survey::open_on(scene.settings(), Arc::new(Quick));
    opened.unwrap_or_else(|_| salvage(scene)).check().unwrap().damage
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[usize::try_from(offset).unwrap()] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn content(survey: &Survey, entry: &Entry) -> Bytes {
    survey.read(entry, &(0..entry.content.size())).unwrap()
}

/// Entries 1 to 5, each in a batch of its own; 2 was edited, 3 has a body of its own, 4 is done. With the ends of the records.
async fn five() -> (Scene, Vec<u64>) {
    let scene = Scene::new();
    let settings = spool::Settings { body_inline_max: 1000, ..scene.settings() };
    let spool = scene.open_on(settings, Quick).await;
    let end = || std::fs::metadata(scene.last_segment()).unwrap().len();
    let mut ends = vec![end()];
    for number in [1, 2, 4, 5] {
        let held = EntryState::Held { reason: "x".into(), binding: Some("b".into()), until: Some(NOW) };
        let state = if number == 5 { held } else { EntryState::Active };
        let facts = Some(facts());
        spool
            .accept(vec![NewEntry { state, facts, ..entry(number, "Subject: a\r\n\r\nbody") }])
            .await
            .unwrap();
        ends.push(end());
    }
    let mut body = spool.body();
    body.append(Bytes::from(vec![b'x'; 700_000])).await.unwrap();
    let body = body.finish().await.unwrap();
    spool.accept(vec![entry_of(3, vec![body.piece(0..body.size())])]).await.unwrap();
    let mut lease = spool.lease_entry(id(2)).unwrap().unwrap();
    let edited = vec![ContentPiece::Inline("X-Edit: yes\r\n".into()), ContentPiece::Original(0..18)];
    let stage = Stage { content: Some(edited), ..Stage::of(&lease) };
    spool.record_stage(&mut lease, stage).await.unwrap();
    let mut done = spool.lease_entry(id(4)).unwrap().unwrap();
    spool.record_done(&mut done, Done::default()).await.unwrap();
    drop((lease, done));
    spool.close().await;
    (scene, ends)
}

fn numbers(survey: &Survey) -> Vec<u128> {
    survey.ids().into_iter().map(QueueId::number).collect()
}

#[tokio::test]
async fn a_whole_spool_is_counted_and_nothing_of_it_is_changed() {
    let (scene, _) = five().await;
    let before = std::fs::read(scene.last_segment()).unwrap();
    let survey = survey(&scene);
    assert_eq!(numbers(&survey), [1, 2, 3, 5]);
    let checked = survey.check().unwrap();
    assert_eq!((checked.segments, checked.bodies, checked.damage), (1, 1, vec![]));
    assert_eq!(checked.records, 8, "five accepts, a stage, a done and a seal");
    let edited = survey.entry(id(2)).unwrap();
    assert_eq!(content(&survey, &edited), "X-Edit: yes\r\nSubject: a\r\n\r\nbody");
    drop(survey);
    assert_eq!(std::fs::read(scene.last_segment()).unwrap(), before);
    scene.open().await.0.close().await;
}

#[tokio::test]
async fn what_a_running_server_has_and_what_is_no_spool_are_refused() {
    let (scene, _) = five().await;
    let (spool, _) = scene.open().await;
    let error = Survey::open(scene.settings()).unwrap_err();
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    spool.close().await;
    let empty = Scene::new();
    let error = Survey::open(empty.settings()).unwrap_err();
    assert!(matches!(error, OpenError::Missing { .. }), "{error}");
    assert_eq!(std::fs::read_dir(&empty.directory).unwrap().count(), 0, "not even a lock");
}

#[tokio::test]
async fn rot_anywhere_is_found_where_it_is_and_costs_at_most_the_entry_that_it_is_in() {
    let (image, ends) = five().await;
    let last = std::fs::metadata(image.last_segment()).unwrap().len();
    for offset in (64..last).step_by(17) {
        let scene = image.crashed();
        flip(&scene.last_segment(), offset);
        let found = check(&scene);
        // Behind the last record but the seal it is a torn tail, which costs nothing.
        if found.is_empty() {
            assert!(survey(&scene).recovery().torn.is_some(), "{offset}");
            continue;
        }
        let survey = salvage(&scene);
        let near = |at: u64| at <= offset && offset < at + 1000;
        assert!(found.iter().any(|found| near(found.offset)), "{offset}: {found:?}");
        let left: Vec<u128> = survey
            .ids()
            .into_iter()
            .filter(|id| survey.entry(*id).is_ok_and(|e| survey.read(&e, &(0..e.content.size())).is_ok()))
            .map(QueueId::number)
            .collect();
        let lost: Vec<u128> = [1, 2, 3, 5].into_iter().filter(|number| !left.contains(number)).collect();
        assert!(lost.len() <= 1, "{offset}: {lost:?}");
        if offset < ends[1] {
            assert_eq!(lost, [1], "{offset}");
        }
    }
}

#[tokio::test]
async fn a_damaged_preamble_does_not_hide_its_records() {
    let (image, _) = five().await;
    for offset in [0, 8, 14, 22, 30, 62] {
        let scene = image.crashed();
        flip(&scene.last_segment(), offset);
        assert!(Survey::open_on(scene.settings(), Arc::new(Quick)).is_err(), "{offset}");
        match Survey::salvage_on(scene.settings(), Arc::new(Quick)) {
            Ok(survey) => {
                assert_eq!((numbers(&survey), survey.damage().len()), (vec![1, 2, 3, 5], 1), "{offset}");
            }
            Err(error) => {
                assert!(offset == 8 && matches!(error, OpenError::Newer { .. }), "{offset}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_or_missing_body_is_named_and_the_others_are_saved() {
    let (image, _) = five().await;
    let scene = image.crashed();
    flip(&scene.bodies()[0], 300_000);
    let found = check(&scene);
    assert_eq!(
        (found.len(), found[0].path.clone(), found[0].offset),
        (1, scene.bodies()[0].clone(), 262_144)
    );
    std::fs::remove_file(&scene.bodies()[0]).unwrap();
    assert!(matches!(Survey::open(scene.settings()), Err(OpenError::Missing { .. })));
    let survey = salvage(&scene);
    assert_eq!(numbers(&survey), [1, 2, 3, 5]);
    let lost = survey.entry(id(3)).unwrap();
    assert!(survey.read(&lost, &(0..10)).is_err());
    assert_eq!(content(&survey, &survey.entry(id(1)).unwrap()), "Subject: a\r\n\r\nbody");
}

#[tokio::test]
async fn entries_are_restored_elsewhere_as_they_were_and_only_once() {
    let (scene, _) = five().await;
    let from = survey(&scene);
    let other = Scene::new();
    let (spool, _) = other.open().await;
    for id in from.ids() {
        let entry = from.entry(id).unwrap();
        let pieces = |entry| vec![ContentPiece::Inline(content(&from, entry))];
        spool.restore(entry.clone(), pieces(&entry)).await.unwrap();
        assert_eq!(spool.restore(entry.clone(), pieces(&entry)).await, Err(CommitError::Exists(id)));
        assert_same(&spool, &from, &entry);
    }
    spool.close().await;
    let (spool, _) = other.open().await;
    assert_eq!(ids(&spool), [1, 2, 3, 5]);
    for id in from.ids() {
        assert_same(&spool, &from, &from.entry(id).unwrap());
    }
    spool.close().await;
}

fn assert_same(spool: &Spool, from: &Survey, entry: &Entry) {
    let here = spool.entry(entry.id).unwrap();
    assert_eq!(Entry { content: entry.content.clone(), ..here.clone() }, *entry);
    assert_eq!(spool.load(&here.content).unwrap().bytes().unwrap(), content(from, entry));
}

#[tokio::test]
async fn a_torn_end_is_reported_and_is_no_damage() {
    let (image, _) = five().await;
    let scene = image.crashed();
    let mut bytes = std::fs::read(scene.last_segment()).unwrap();
    bytes.extend_from_slice(b"torn");
    std::fs::write(scene.last_segment(), &bytes).unwrap();
    let survey = survey(&scene);
    assert_eq!(survey.recovery().torn.as_ref().map(|torn| torn.bytes), Some(4));
    assert_eq!(survey.check().unwrap().damage, []);
    assert_eq!(std::fs::read(scene.last_segment()).unwrap(), bytes);
}

#[tokio::test]
async fn a_damaged_done_brings_its_entry_back() {
    let (image, _) = five().await;
    let scene = image.crashed();
    // The last record but the seal, whose metadata is this.
    let bytes = std::fs::read(scene.last_segment()).unwrap();
    let place = bytes.windows(8).rposition(|window| window == b"{\"done\":").unwrap();
    flip(&scene.last_segment(), u64::try_from(place).unwrap());
    assert_eq!(numbers(&salvage(&scene)), [1, 2, 3, 4, 5]);
}
