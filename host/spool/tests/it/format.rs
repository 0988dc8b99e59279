//! What a version wrote, every later one reads: a directory of each version is kept in `tests/fixtures`.
//!
//! To write the one of the present version anew (only while no release has written it; later, a change of the format is a new
//! version with a directory of its own): `SPOOL_FIXTURE=write cargo test -p spool --test it format`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use smtp::{EnhancedStatus, Mailbox, Recipient, RecipientId, RecipientState, Reply, Timestamp};
use spool::{
    Attempt, ContentPiece, Done, EntryState, Ingress, NewEntry, Outcome, Position, QueueId, Resume, Settings,
    Spool, Stage, StageName, StagePointer, StoredContent, Tier,
};

use crate::disks::Quick;
use crate::scene::{NOW, Scene, entry, entry_of, facts, id, ids};

/// Nobody leases these by the way.
const FAR: Timestamp = Timestamp(NOW.0 + 1_000_000);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v1")
}

fn settings(scene: &Scene) -> Settings {
    Settings {
        segment_bytes_max: 4 << 10,
        body_inline_max: 1 << 10,
        kept_segments_max: 2,
        ..scene.settings()
    }
}

/// Entries in each state, a large body, an outbox, a share, an edit, old ones that were kept.
async fn fill(spool: &Spool) {
    let mut first = entry(1, "Subject: first\r\n\r\nOne.\r\n");
    first.facts = Some(facts());
    first.variables.insert("external-tag", "seen", Bytes::from_static(b"\x00\xff"));
    first.scores.0.insert("operator.spam".to_owned(), f64::NAN);
    let second = Recipient::new(RecipientId(1), Mailbox::parse("al@tenant.example").unwrap());
    first.envelope.recipients.push(second);
    let shared = Bytes::from_static(b"Subject: share\r\n\r\nBoth.\r\n");
    let share = |number, tenant: &str| NewEntry {
        tenant: tenant.to_owned(),
        ..entry_of(number, vec![ContentPiece::Inline(shared.clone())])
    };
    let mut writer = spool.body();
    writer.append(vec![b'x'; 3_000].into()).await.unwrap();
    let body = writer.finish().await.unwrap();
    let quarantined = EntryState::Quarantined { reason: "spam".into(), binding: "b1".into(), until: FAR };
    let held = EntryState::held("five faults");
    let mut entries = vec![
        vec![first],
        vec![share(2, "one"), share(3, "two")],
        vec![entry(4, "Subject: stage\r\n\r\nFour.\r\n")],
        vec![entry(5, "Subject: attempt\r\n\r\nFive.\r\n")],
        vec![NewEntry { state: quarantined, ..entry(6, "Subject: aside\r\n\r\n") }],
        vec![NewEntry { state: held, ..entry(7, "Subject: held\r\n\r\n") }],
        vec![entry_of(8, vec![body.piece(0..body.size())])],
        vec![entry(9, "Subject: done\r\n\r\n")],
    ];
    entries.iter_mut().flatten().for_each(|entry| entry.due = FAR);
    for batch in entries {
        spool.accept(batch).await.unwrap();
    }
    stage(spool).await;
    attempt(spool).await;
    let mut done = spool.lease_entry(id(9)).unwrap().unwrap();
    let mut report = entry(10, "Subject: report\r\n\r\n");
    (report.parent, report.ingress, report.due) = (Some(id(9)), Ingress::Dsn, FAR);
    spool.record_done(&mut done, Done { outbox: vec![report] }).await.unwrap();
    drop(done);
    young_ones(spool, 1_000, |counts| counts.copied >= 10).await;
    attempt(spool).await;
    young_ones(spool, 2_000, |_| false).await;
}

/// An edit with a resume, and a sibling that begins with the old content.
async fn stage(spool: &Spool) {
    let mut lease = spool.lease_entry(id(4)).unwrap().unwrap();
    let mut stage = Stage { due: FAR, ..Stage::of(&lease) };
    let tag = message::Piece::Bytes(Bytes::from_static(b"X-Tag: 1\r\n"));
    let pieces = vec![tag, message::Piece::Original(0..lease.content.size())];
    stage.content = Some(StoredContent::edited(pieces));
    let position = Position { tier: Tier::Tenant, priority: 7, id: "b2".into() };
    let state = spool::Binary(Bytes::from_static(b"state"));
    stage.stage = StagePointer::at(StageName::Categorize);
    stage.stage.resume = Some(Resume { position, state, attempt: 2, due: FAR });
    let sibling = NewEntry { due: FAR, ..entry_of(11, vec![ContentPiece::Original(0..16)]) };
    stage.outbox.push(sibling);
    spool.record_stage(&mut lease, stage).await.unwrap();
}

async fn attempt(spool: &Spool) {
    let mut lease = spool.lease_entry(id(5)).unwrap().unwrap();
    let outcome = Outcome {
        recipient: RecipientId(0),
        state: RecipientState::Deferred,
        reply: Some(Reply::new(451, EnhancedStatus::new(4, 7, 1), "Greylisted")),
    };
    let attempt = Attempt { outcomes: vec![outcome], due: FAR, outbox: Vec::new() };
    spool.record_attempt(&mut lease, attempt).await.unwrap();
}

/// Mail that comes and goes, until something is so or a few segments are full.
async fn young_ones(spool: &Spool, first: u128, until: impl Fn(spool::Counts) -> bool) {
    for number in first..first + 60 {
        if until(spool.counts()) {
            return;
        }
        spool.accept(vec![NewEntry { due: NOW, ..entry(number, "young") }]).await.unwrap();
        let mut lease = loop {
            match spool.lease(NOW) {
                Some(lease) => break lease,
                None => spool.due(NOW).await,
            }
        };
        spool.record_done(&mut lease, Done::default()).await.unwrap();
    }
}

/// Each entry as JSON, without where its content is, and its content.
fn entries(spool: &Spool) -> Vec<(u128, Value, Bytes)> {
    let one = |number| {
        let entry = spool.entry(id(number)).unwrap();
        let content = spool.load(&entry.content).unwrap().bytes().unwrap();
        let mut value = serde_json::to_value(&entry).unwrap();
        value.as_object_mut().unwrap().remove("content").unwrap();
        (number, value, content)
    };
    ids(spool).into_iter().map(one).collect()
}

async fn write(directory: &Path) {
    let scene = Scene::new();
    let spool = scene.open_on(settings(&scene), Quick).await;
    fill(&spool).await;
    let entries = entries(&spool);
    spool.close().await;
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    std::fs::create_dir_all(directory.join("expected")).unwrap();
    scene.copy_to(&directory.join("spool"));
    for (number, value, content) in entries {
        let path = directory.join("expected").join(format!("{number}.json"));
        std::fs::write(&path, serde_json::to_string_pretty(&value).unwrap() + "\n").unwrap();
        std::fs::write(path.with_extension("eml"), content).unwrap();
    }
}

/// All that was written is there; a later version may know more.
fn includes(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| includes(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len()
                && found.iter().zip(expected).all(|(found, expected)| includes(found, expected))
        }
        _ => found == expected,
    }
}

#[tokio::test]
async fn a_directory_of_version_1_has_all_its_entries_as_they_were() {
    if std::env::var_os("SPOOL_FIXTURE").is_some() {
        write(&fixture()).await;
    }
    let scene = Scene::copied_from(&fixture().join("spool"));
    let (spool, recovery) = scene.open().await;
    assert_eq!((recovery.torn, recovery.orphans, recovery.leftovers), (None, 0, 0));
    assert_eq!(recovery.unknown, Vec::<PathBuf>::new());
    let found = entries(&spool);
    let numbers: Vec<u128> = found.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]);
    for (number, value, content) in found {
        let path = fixture().join("expected").join(format!("{number}.json"));
        let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(includes(&value, &expected), "entry {number} is\n{value:#}\nand was\n{expected:#}");
        assert_eq!(content, std::fs::read(path.with_extension("eml")).unwrap(), "entry {number}");
    }
    let counts = spool.counts();
    assert_eq!((counts.quarantined, counts.held, counts.bodies, counts.damaged), (1, 1, 1, 0));
}

#[tokio::test]
async fn the_directory_of_version_1_has_what_makes_reading_hard() {
    let scene = Scene::copied_from(&fixture().join("spool"));
    let names: Vec<String> = scene.segments().iter().map(|path| path.display().to_string()).collect();
    assert!(names.iter().any(|name| name.ends_with(".kept")), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("0000000000000001.log")), "{names:?}");
    assert_eq!(scene.bodies().len(), 1);
    let spool = Spool::open_on(settings(&scene), Arc::new(Quick)).await.unwrap().0;
    let five = spool.entry(QueueId::from_number(5)).unwrap();
    assert_eq!(five.envelope.recipients[0].attempts, 2);
}
