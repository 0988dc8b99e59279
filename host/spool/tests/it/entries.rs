//! What is accepted, staged and done, and what a restart makes of it.

use bytes::Bytes;
use message::Piece;
use smtp::{Mailbox, Recipient, RecipientId, RecipientState, ReversePath, Timestamp};
use spool::{
    Attempt, Binary, CommitError, ContentPiece, Done, EntryState, NewEntry, Outcome, Position, Resume, Spool,
    Stage, StageName, StagePointer, Standing, StoredContent, TenantCounts, Tier,
};

use crate::scene::{NOW, Scene, content, entry, entry_of, facts, id, ids};

#[tokio::test]
async fn an_entry_reads_back_whole_after_a_restart() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let mut new = NewEntry {
        parent: Some(id(99)),
        maker: Some("external-tag".to_owned()),
        facts: Some(facts()),
        stage: StagePointer {
            stage: StageName::PostCategorize,
            resume: Some(Resume {
                position: Position { tier: Tier::Tenant, priority: 24_575, id: "policy".to_owned() },
                state: Binary(Bytes::from_static(b"\0\xffstate")),
                attempt: 3,
                due: Timestamp(NOW.0 + 5),
            }),
            route: Some(smtp::Route::exchangers(smtp::Domain::parse("b.example").unwrap())),
        },
        state: EntryState::Quarantined {
            reason: "spam".to_owned(),
            binding: "policy".to_owned(),
            until: Timestamp(NOW.0 + 9),
        },
        ..entry(1, "Subject: a\r\n\r\nbody\r\n")
    };
    new.variables.insert("policy", "seen", Bytes::from_static(b"\0\x01\x02"));
    new.scores.0.insert("operator.spam".to_owned(), f64::INFINITY);
    spool.accept(vec![new.clone()]).await.unwrap();
    let before = spool.entry(id(1)).unwrap();
    spool.close().await;

    let (spool, recovery) = scene.open().await;
    assert_eq!((recovery.entries, recovery.torn), (1, None));
    let after = spool.entry(id(1)).unwrap();
    assert_eq!(after, before);
    assert_eq!((after.facts, after.variables, after.scores), (new.facts, new.variables, new.scores));
    assert_eq!((after.stage, after.state, after.maker), (new.stage, new.state, new.maker));
    assert_eq!(content(&spool, 1), "Subject: a\r\n\r\nbody\r\n");
    assert_eq!(spool.list(None, 9)[0].standing, Standing::Quarantined);
    assert!(spool.lease(Timestamp(u64::MAX)).is_none(), "quarantine is not leased");
}

#[tokio::test]
async fn every_address_that_is_accepted_reads_back() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let addresses = [
        r#""a b\"c"@tenant.example"#,
        r#""@"@tenant.example"#,
        "x@[IPv6:::1]",
        "x@[192.0.2.1]",
        "\u{e4}@tenant.example",
    ];
    let addresses = addresses.map(|text| Mailbox::parse(text).unwrap());
    for (number, address) in (1..).zip(&addresses) {
        let mut new = entry(number, "a");
        new.envelope.reverse_path = ReversePath::Mailbox(address.clone());
        new.envelope.recipients.push(Recipient::new(RecipientId(1), address.clone()));
        spool.accept(vec![new]).await.unwrap();
    }
    spool.close().await;
    let (spool, _) = scene.open().await;
    for (number, address) in (1..).zip(&addresses) {
        let envelope = spool.entry(id(number)).unwrap().envelope;
        assert_eq!(envelope.reverse_path, ReversePath::Mailbox(address.clone()));
        assert_eq!(&envelope.recipients[1].address, address);
    }
}

#[tokio::test]
async fn shares_of_one_transaction_are_one_record_with_one_copy_of_the_bytes() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let body = Bytes::from(vec![b'x'; 100_000]);
    let share = |number| entry_of(number, vec![ContentPiece::Inline(body.clone())]);
    spool.accept(vec![share(1), share(2), share(3)]).await.unwrap();
    let counts = spool.counts();
    assert_eq!((counts.records, counts.syncs, counts.entries), (1, 1, 3));
    assert!(counts.log_bytes < 104_000, "{counts:?}");
    let restarted = scene.crashed();
    let (again, _) = restarted.open().await;
    for number in 1..=3 {
        assert_eq!(content(&again, number), body);
    }
}

#[tokio::test]
async fn an_id_is_accepted_once() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    assert_eq!(spool.accept(vec![entry(2, "b"), entry(1, "c")]).await, Err(CommitError::Exists(id(1))));
    assert_eq!(ids(&spool), [1]);
}

#[tokio::test]
async fn an_outbox_never_takes_the_place_of_another_entry() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    spool.accept(vec![NewEntry { due: Timestamp(u64::MAX), ..entry(2, "b") }]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    let done = Done { outbox: vec![entry(2, "c")] };
    assert_eq!(spool.record_done(&mut lease, done).await, Err(CommitError::Exists(id(2))));
    let done = Done { outbox: vec![entry(1, "c")] };
    assert_eq!(spool.record_done(&mut lease, done).await, Err(CommitError::Exists(id(1))));
    assert_eq!((content(&spool, 1), content(&spool, 2)), ("a".into(), "b".into()));
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    assert_eq!(ids(&spool), [2]);
}

#[tokio::test]
async fn an_id_that_two_callers_bring_at_once_is_accepted_once() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let (one, other) = tokio::join!(spool.accept(vec![entry(1, "a")]), spool.accept(vec![entry(1, "b")]));
    assert_eq!((one, other), (Ok(()), Err(CommitError::Exists(id(1)))));
    assert_eq!(spool.accept(vec![entry(2, "b"), entry(2, "c")]).await, Err(CommitError::Exists(id(2))));
    assert_eq!(content(&spool, 1), "a");
}

#[tokio::test]
async fn limits_of_a_record_are_reached() {
    let scene = Scene::new();
    let mut settings = scene.settings();
    settings.record_entries_max = 2;
    settings.record_bytes_max = 5_000;
    let spool = scene.open_on(settings, crate::disks::Quick).await;
    let three = vec![entry(1, "a"), entry(2, "b"), entry(3, "c")];
    assert_eq!(spool.accept(three).await, Err(CommitError::TooLarge("record_entries_max")));
    let large = entry_of(1, vec![ContentPiece::Inline(vec![0; 5_001].into())]);
    assert_eq!(spool.accept(vec![large]).await, Err(CommitError::TooLarge("record_bytes_max")));
    let outside = entry_of(1, vec![ContentPiece::Original(0..1)]);
    assert_eq!(spool.accept(vec![outside]).await, Err(CommitError::Piece));
    spool.accept(vec![entry(1, "a"), entry(2, "b")]).await.unwrap();
}

#[tokio::test]
async fn a_stage_commits_content_envelope_variables_and_siblings_in_one_record() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "Subject: a\r\n\r\nbody\r\n")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    let mut stage = Stage::of(&lease);
    stage.content = Some(StoredContent::edited(vec![
        Piece::Bytes(Bytes::from_static(b"X-Tag: 1\r\n")),
        Piece::Original(0..lease.content.size()),
    ]));
    stage.variables.insert("tag", "k", Bytes::from_static(b"v"));
    stage.stage = StagePointer::at(StageName::PreCategorize);
    stage.due = Timestamp(NOW.0 + 1);
    let sibling = NewEntry { parent: Some(lease.id), ..entry_of(2, lease.content.whole()) };
    stage.outbox.push(sibling);
    let syncs = spool.counts().syncs;
    spool.record_stage(&mut lease, stage).await.unwrap();
    assert_eq!(spool.counts().syncs, syncs + 1, "one durable write");
    assert_eq!((lease.version, lease.stage.stage), (2, StageName::PreCategorize));

    for spool in [spool, scene.crashed().open().await.0] {
        assert_eq!(content(&spool, 1), "X-Tag: 1\r\nSubject: a\r\n\r\nbody\r\n");
        assert_eq!(content(&spool, 2), "Subject: a\r\n\r\nbody\r\n");
        let staged = spool.entry(id(1)).unwrap();
        assert_eq!((staged.version, staged.due), (2, Timestamp(NOW.0 + 1)));
        assert_eq!(staged.variables.value("tag", "k"), Some(&Bytes::from_static(b"v")));
        assert_eq!(spool.entry(id(2)).unwrap().parent, Some(id(1)));
    }
}

#[tokio::test]
async fn an_attempt_keeps_each_recipients_outcome_and_the_next_time() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "a")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    let reply = smtp::Reply::from_sink(451, None, &["later"]).unwrap();
    let outcome =
        Outcome { recipient: RecipientId(0), state: RecipientState::Deferred, reply: Some(reply.clone()) };
    let attempt = Attempt { outcomes: vec![outcome], due: Timestamp(NOW.0 + 300_000), outbox: vec![] };
    spool.record_attempt(&mut lease, attempt).await.unwrap();
    drop(lease);
    assert!(spool.lease(Timestamp(NOW.0 + 299_999)).is_none());
    let restarted = scene.crashed();
    for spool in [spool, restarted.open().await.0] {
        let lease = spool.lease(Timestamp(NOW.0 + 300_000)).unwrap();
        let recipient = &lease.envelope.recipients[0];
        // Its stages are behind it, though nothing was recorded of them.
        assert_eq!(lease.stage, StagePointer::at(StageName::Deliver));
        assert_eq!((recipient.attempts, recipient.state), (1, RecipientState::Deferred));
        assert_eq!(recipient.last_reply, Some(reply.clone()));
    }
}

#[tokio::test]
async fn done_ends_an_entry_and_begins_its_dsn_in_the_same_record() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    spool.accept(vec![entry(1, "Subject: a\r\n\r\nbody\r\n")]).await.unwrap();
    let mut lease = spool.lease(NOW).unwrap();
    let dsn = entry_of(
        2,
        vec![ContentPiece::Inline(Bytes::from_static(b"DSN\r\n\r\n")), ContentPiece::Original(0..12)],
    );
    spool.record_done(&mut lease, Done { outbox: vec![dsn] }).await.unwrap();
    drop(lease);
    let restarted = scene.crashed();
    for spool in [spool, restarted.open().await.0] {
        assert_eq!(ids(&spool), [2]);
        assert_eq!(content(&spool, 2), "DSN\r\n\r\nSubject: a\r\n", "the DSN keeps the bytes that it quotes");
        assert_eq!(spool.counts().entries, 1);
    }
}

#[tokio::test]
async fn a_spool_goes_on_after_many_restarts() {
    let scene = Scene::new();
    for number in 0..5 {
        let (spool, recovery) = scene.open().await;
        assert_eq!(recovery.entries, usize::try_from(number).unwrap());
        spool.accept(vec![entry(number, "a")]).await.unwrap();
        spool.close().await;
    }
    assert_eq!(scene.segments().len(), 1);
}

#[tokio::test]
async fn what_a_tenant_has_is_counted_apart_and_found_again_by_a_start() {
    let scene = Scene::new();
    let (spool, _) = scene.open().await;
    let other = NewEntry { tenant: "other".to_owned(), ..entry(2, "bb") };
    spool.accept(vec![entry(1, "a"), other, entry(3, "ccc")]).await.unwrap();
    let check = |spool: &Spool, tenant: &str, entries: usize, bytes: u64| {
        assert_eq!(spool.tenant_counts(tenant), TenantCounts { entries, bytes });
    };
    check(&spool, "tenant", 2, 4);
    check(&spool, "other", 1, 2);
    let mut lease = spool.lease(NOW).unwrap();
    let edited = vec![ContentPiece::Inline(Bytes::from_static(b"four"))];
    let stage = Stage { content: Some(edited), ..Stage::of(&lease) };
    spool.record_stage(&mut lease, stage).await.unwrap();
    check(&spool, "tenant", 2, 7);
    spool.record_done(&mut lease, Done::default()).await.unwrap();
    check(&spool, "tenant", 1, 3);
    check(&spool, "nobody", 0, 0);
    spool.close().await;
    let (spool, _) = scene.open().await;
    check(&spool, "tenant", 1, 3);
    check(&spool, "other", 1, 2);
}
