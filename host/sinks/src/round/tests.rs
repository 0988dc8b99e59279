//! The round over real guests: order, tiers, the strictest verdict, and what is kept when.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use message::{Content, Draft};
use smtp::{Envelope, Gate, Ingress, Verdict};

use crate::binding::{OnFault, Tier};
use crate::event::{Event, EventKind};
use crate::guests::{Stand, asked, case, component, faults, handle, plain, subject, with_recipients};
use crate::limits::{DISPOSITIONS_MAX, FAULT_WAIT, Limits, STAGE_FAULTS_MAX};
use crate::subject::{MessageFacts, Staged, Subject, Tiers};
use crate::verdict::{self, Deferral, Edits, FaultKind, Outcome, StageVerdict};

const DATA: EventKind = EventKind::Data;
const END: EventKind = EventKind::EndOfData;
const STAGE: EventKind = EventKind::TransportSubmission;

fn with_message() -> Subject {
    with_recipients(3)
}

fn recipients(envelope: &Envelope) -> Vec<u32> {
    envelope.recipients.iter().map(|recipient| recipient.id.0).collect()
}

fn gate_of(outcome: &Outcome) -> &Verdict {
    match &outcome.verdict {
        verdict::Verdict::Gate(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

fn stage_of(outcome: Outcome) -> StageVerdict {
    match outcome.verdict {
        verdict::Verdict::Stage(verdict) => verdict,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_bound_is_no_opinion_and_no_call() {
    let outcome = Stand::new().fire(Event::PreCategorize, &mut subject()).await;
    assert_eq!(outcome.verdict, verdict::Verdict::Stage(StageVerdict::Continue));
    assert_eq!(outcome.calls.capacity(), 0);
}

#[tokio::test]
async fn sinks_are_asked_in_their_order_until_one_rejects() {
    let mut stand = Stand::new();
    stand.bind("acme/reject", DATA, &plain(DATA, case::REJECT)).priority = 20;
    stand.bind("acme/defer", DATA, &plain(DATA, case::DEFER)).priority = 10;
    stand.bind("acme/never", DATA, &plain(DATA, case::CONTINUE)).priority = 30;
    stand.bind("operator/last", DATA, &plain(DATA, case::CONTINUE)).tier = Tier::OperatorLast;
    stand.bind("operator/first", DATA, &plain(DATA, case::CONTINUE));
    let outcome = stand.fire(Event::Gate(Gate::Data), &mut subject()).await;
    assert_eq!(asked(&outcome), ["operator/first", "acme/defer", "acme/reject"]);
    assert!(matches!(gate_of(&outcome), Verdict::Reject(_)));
    assert_eq!(outcome.by.word(), "acme/reject");
}

#[tokio::test]
async fn done_skips_the_rest_of_its_own_tier() {
    let mut stand = Stand::new();
    stand.bind("acme/a-done", DATA, &plain(DATA, case::DONE));
    stand.bind("acme/b-skipped", DATA, &plain(DATA, case::REJECT));
    stand.bind("operator/last", DATA, &plain(DATA, case::DEFER)).tier = Tier::OperatorLast;
    let outcome = stand.fire(Event::Gate(Gate::Data), &mut subject()).await;
    assert_eq!(asked(&outcome), ["acme/a-done", "operator/last"]);
    assert!(matches!(gate_of(&outcome), Verdict::Defer(_)));
}

#[tokio::test]
async fn tiers_say_whose_sinks_are_asked() {
    let mut stand = Stand::new();
    stand.bind("acme/own", DATA, &plain(DATA, case::CONTINUE));
    stand.bind("operator/first", DATA, &plain(DATA, case::CONTINUE));
    for (tiers, expected) in [
        (Tiers::All, &["operator/first", "acme/own"][..]),
        (Tiers::OperatorOnly, &["operator/first"]),
        (Tiers::TenantOnly, &["acme/own"]),
    ] {
        let outcome = stand.fire(Event::Gate(Gate::Data), &mut Subject { tiers, ..subject() }).await;
        assert_eq!(asked(&outcome), expected);
    }
}

/// A guest that adds a field and then does something.
fn editor(event: EventKind, then: &str) -> Vec<u8> {
    let core = format!(
        r#"(import "sluice:sink/message-draft@0.1.0" "add-header"
               (func $add (param i32 i32 i32 i32 i32 i32)))
           (data (i32.const 256) "X-Tagyes")
           {}"#,
        handle(
            event,
            &format!(
                "(call $add (i32.const 0) (i32.const 256) (i32.const 5) (i32.const 261) (i32.const 3) (i32.const 512))
                 {then}"
            )
        )
    );
    component(event, "import sluice:sink/message-draft@0.1.0;", &core)
}

async fn tag_after(then: &str) -> Option<String> {
    let mut stand = Stand::new();
    stand.bind("acme/editor", END, &editor(END, then)).on_fault = OnFault::Skip;
    let mut subject = with_message();
    let outcome = stand.fire(Event::Gate(Gate::EndOfData), &mut subject).await;
    let tag = subject.draft.unwrap().header("X-Tag");
    let edits = if tag.is_some() { Edits::Merged } else { Edits::None };
    assert_eq!(outcome.calls[0].edits, edits);
    tag
}

#[tokio::test]
async fn edits_are_kept_as_the_verdict_says() {
    let quarantine = "(call $verdict (i32.const 5))";
    let discard = "(call $verdict (i32.const 4))";
    for then in [case::CONTINUE, case::DONE, quarantine] {
        assert_eq!(tag_after(then).await.as_deref(), Some("yes"), "{then}");
    }
    for then in [case::DEFER, case::REJECT, discard, "unreachable"] {
        assert_eq!(tag_after(then).await, None, "{then}");
    }
}

#[tokio::test]
async fn the_merged_verdict_drops_what_earlier_sinks_edited() {
    let mut stand = Stand::new();
    stand.bind("acme/a-editor", END, &editor(END, case::CONTINUE));
    stand.bind("acme/b-defer", END, &plain(END, case::DEFER));
    let mut subject = with_message();
    stand.fire(Event::Gate(Gate::EndOfData), &mut subject).await;
    assert!(!subject.draft.unwrap().is_edited());
}

/// Defers with one byte of state more than it got, and continues when it got two.
fn patient() -> Vec<u8> {
    let core = format!(
        r#"(import "sluice:sink/event@0.1.0" "state" (func $state (param i32)))
           {}"#,
        handle(
            STAGE,
            "(call $state (i32.const 512))
             (if (i32.ge_u (i32.load (i32.const 516)) (i32.const 2)) (then (return (call $verdict (i32.const 0)))))
             (i32.store (i32.const 1028) (i32.const 60))
             (i32.store (i32.const 1032) (i32.const 2048))
             (i32.store (i32.const 1036) (i32.add (i32.load (i32.const 516)) (i32.const 1)))
             (call $verdict (i32.const 2))"
        )
    );
    component(STAGE, "import sluice:sink/event@0.1.0;", &core)
}

fn resumed(deferral: Deferral, subject: Subject) -> Subject {
    let staged = Staged { due: smtp::Timestamp(0), deferral };
    Subject { staged: Some(Arc::new(staged)), ..subject }
}

#[tokio::test]
async fn a_deferred_stage_goes_on_where_it_was_with_the_sinks_state() {
    let mut stand = Stand::new();
    stand.bind("acme/a-before", STAGE, &editor(STAGE, case::CONTINUE));
    stand.bind("acme/b-patient", STAGE, &patient());
    stand.bind("acme/c-after", STAGE, &plain(STAGE, case::CONTINUE));
    let mut subject = with_message();
    let first = stand.fire(Event::TransportSubmission, &mut subject).await;
    assert_eq!(asked(&first), ["acme/a-before", "acme/b-patient"]);
    assert_eq!(subject.draft.as_ref().unwrap().header("X-Tag").as_deref(), Some("yes"), "it stays");
    let StageVerdict::Defer { deferral, wait, .. } = stage_of(first) else { panic!("a pause") };
    assert_eq!((wait.as_secs(), deferral.state.len(), deferral.attempts), (60, 1, 1));

    let mut subject = resumed(deferral, subject);
    let second = stand.fire(Event::TransportSubmission, &mut subject).await;
    assert_eq!(asked(&second), ["acme/b-patient"]);
    let StageVerdict::Defer { deferral, .. } = stage_of(second) else { panic!("a pause") };
    assert_eq!((deferral.state.len(), deferral.attempts), (2, 2));

    let mut subject = resumed(deferral, subject);
    let third = stand.fire(Event::TransportSubmission, &mut subject).await;
    assert_eq!(asked(&third), ["acme/b-patient", "acme/c-after"]);
    assert_eq!(stage_of(third), StageVerdict::Continue);
}

#[tokio::test]
async fn a_stage_that_faults_too_often_is_held() {
    let mut stand = Stand::new();
    stand.bind("acme/bad", STAGE, &plain(STAGE, "unreachable"));
    let mut subject = with_message();
    for faults in 1..STAGE_FAULTS_MAX {
        let outcome = stand.fire(Event::TransportSubmission, &mut subject).await;
        let StageVerdict::Defer { deferral, wait, .. } = stage_of(outcome) else { panic!("a pause") };
        assert_eq!((deferral.faults, wait), (faults, FAULT_WAIT));
        subject = resumed(deferral, subject);
    }
    let outcome = stand.fire(Event::TransportSubmission, &mut subject).await;
    assert!(matches!(stage_of(outcome), StageVerdict::Hold { .. }));
}

#[tokio::test]
async fn a_pause_does_not_weaken_a_quarantine_that_was_said_before() {
    let mut stand = Stand::new();
    stand.bind("acme/a-quarantine", STAGE, &editor(STAGE, "(call $verdict (i32.const 5))"));
    stand.bind("acme/b-patient", STAGE, &patient());
    let mut subject = with_message();
    let outcome = stand.fire(Event::TransportSubmission, &mut subject).await;
    let StageVerdict::Defer { deferral, .. } = stage_of(outcome) else { panic!("a pause") };
    assert_eq!(&*deferral.position.id, "acme/a-quarantine");
    assert!(!subject.draft.as_ref().unwrap().is_edited(), "it will be edited again");
    let outcome = stand.fire(Event::TransportSubmission, &mut resumed(deferral, subject)).await;
    assert_eq!(asked(&outcome), ["acme/a-quarantine", "acme/b-patient"]);
}

#[tokio::test]
async fn a_fork_takes_its_recipients_along_even_if_the_rest_fails() {
    let core = format!(
        r#"(import "sluice:sink/envelope-draft@0.1.0" "fork" (func $fork (param i32 i32 i32)))
           (data (i32.const 256) "\01\00\00\00")
           {}"#,
        handle(
            STAGE,
            "(call $fork (i32.const 256) (i32.const 1) (i32.const 512)) (call $verdict (i32.const 3))"
        )
    );
    let fork = component(STAGE, "import sluice:sink/envelope-draft@0.1.0;", &core);
    let mut stand = Stand::new();
    stand.bind("acme/fork", STAGE, &fork);
    stand.bind("acme/g-next", STAGE, &plain(STAGE, case::CONTINUE));
    let mut subject = with_message();
    let outcome = stand.fire(Event::TransportSubmission, &mut subject).await;
    assert!(matches!(stage_of(outcome), StageVerdict::Fail(_)));
    assert_eq!(recipients(subject.envelope.as_ref().unwrap()), [0, 2]);
    let sibling = subject.siblings.pop().expect("one sibling");
    assert_eq!(recipients(&sibling.envelope), [1]);
    let facts = MessageFacts {
        id: "01FORK".into(),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: None,
    };
    let mut sibling = sibling.subject(&subject, Arc::new(facts), "01FORK/stage".into());
    let rest = stand.fire(Event::TransportSubmission, &mut sibling).await;
    assert_eq!(asked(&rest), ["acme/g-next"]);
}

#[tokio::test]
async fn a_fault_of_on_reply_sends_the_reply_as_it_is() {
    let core = r#"(func (export "sluice:sink/on-reply@0.1.0#verbs") (result i32) (i32.const 4096))
        (func (export "sluice:sink/on-reply@0.1.0#handle")
            (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#;
    let mut stand = Stand::new();
    stand.bind("acme/reply", EventKind::Reply, &component(EventKind::Reply, "", core));
    let event = Event::Gate(Gate::Reply { verb: "NOOP".to_owned(), reply: smtp::Reply::bare(250, "OK") });
    let outcome = stand.fire(event, &mut subject()).await;
    assert_eq!(faults(&outcome), [FaultKind::Trap]);
    assert_eq!(gate_of(&outcome), &Verdict::Continue);
}

/// Asks for a line at first, then answers 250; traps if another sink's turn reaches it.
fn talker() -> Vec<u8> {
    let event = EventKind::InboundCommand;
    // `more`: reply at 4 (code, no status, no text), input line, state of one byte; `answer`: reply at 4.
    let core = r#"(func (export "sluice:sink/on-inbound-command@0.1.0#verbs") (result i32) (i32.const 4096))
        (func (export "sluice:sink/on-inbound-command@0.1.0#handle")
            (param $verb i32) (param i32 i32 i32 i32 i32) (param $state i32) (param $state_length i32) (result i32)
            (i32.store16 (i32.const 1028) (i32.const 354))
            (if (i32.eqz (local.get $state_length)) (then
                (i32.store (i32.const 1056) (i32.const 2048)) (i32.store (i32.const 1060) (i32.const 1))
                (return (call $verdict (i32.const 2)))))
            (i32.store16 (i32.const 1028) (i32.const 250))
            (call $verdict (i32.const 1)))"#;
    component(event, "", core)
}

#[tokio::test]
async fn a_dialogue_goes_on_with_the_sink_that_began_it() {
    let command = |input: &'static str, state: Bytes| {
        Event::Gate(Gate::InboundCommand {
            verb: "XTALK".to_owned(),
            argument: String::new(),
            input: input.into(),
            state,
        })
    };
    let mut stand = Stand::new();
    stand.bind("acme/talker", EventKind::InboundCommand, &talker());
    let outcome = stand.fire(command("", Bytes::new()), &mut subject()).await;
    let Verdict::More(dialogue) = gate_of(&outcome).clone() else { panic!("{outcome:?}") };
    assert_eq!(dialogue.reply.code(), 354);

    // One that would be asked first, had the dialogue not begun.
    stand.bind("acme/another", EventKind::InboundCommand, &talker());
    let outcome = stand.fire(command("a line", dialogue.state), &mut subject()).await;
    assert_eq!(asked(&outcome), ["acme/talker"]);
    assert!(matches!(gate_of(&outcome), Verdict::Answer(reply) if reply.code() == 250));

    let outcome = Stand::new().fire(command("a line", Bytes::from_static(b"\0\x01x")), &mut subject()).await;
    assert!(outcome.calls.is_empty());
}

#[tokio::test]
async fn the_deepest_message_is_parsed_off_the_guests_stack() {
    let core = format!(
        r#"(import "sluice:sink/message@0.1.0" "parts" (func $parts (param i32))) {}"#,
        handle(END, "(call $parts (i32.const 512)) (call $verdict (i32.const 0))")
    );
    let guest = component(END, "import sluice:sink/message@0.1.0;", &core);
    let mut stand = Stand::new();
    stand.bind("acme/parts", END, &guest);
    let nested = "Content-Type: message/rfc822\r\n\r\n".repeat(2_000) + "Subject: x\r\n\r\nend\r\n";
    let mut subject = with_message();
    subject.draft = Some(Draft::new(Content::new(Bytes::from(nested))));
    let outcome = stand.fire(Event::Gate(Gate::EndOfData), &mut subject).await;
    assert_eq!(faults(&outcome), []);
    assert!(outcome.calls[0].fuel > 60_000, "the view is paid for by the byte");
}

#[tokio::test]
async fn a_sink_that_redirects_for_ever_is_told_enough() {
    // Each redirect makes a recipient, which it redirects again until the host says no.
    let core = format!(
        r#"(import "sluice:sink/envelope-draft@0.1.0" "redirect" (func $redirect (param i32 i32 i32 i32)))
        (data (i32.const 256) "\2c\01\00\00\01\00\00\00\36\01\00\00\0c\00\00\00")
        (data (i32.const 300) "a")
        (data (i32.const 310) "acme.example")
        {}"#,
        handle(
            END,
            "(local $id i32)
            (loop
                (call $redirect (local.get $id) (i32.const 256) (i32.const 1) (i32.const 512))
                (if (i32.eqz (i32.load8_u (i32.const 512))) (then
                    (local.set $id (i32.load (i32.load (i32.const 516))))
                    (br 1))))
            (call $verdict (i32.const 0))"
        )
    );
    let mut stand = Stand::new();
    stand.bind("acme/redirect", END, &component(END, "import sluice:sink/envelope-draft@0.1.0;", &core));
    let mut subject = with_message();
    let outcome = stand.fire(Event::Gate(Gate::EndOfData), &mut subject).await;
    assert_eq!(faults(&outcome), []);
    assert_eq!(subject.dispositions.len(), DISPOSITIONS_MAX);
    assert_eq!(subject.envelope.expect("it is kept").recipients.len(), 3);
}

#[tokio::test]
async fn a_stage_that_found_no_place_is_not_counted_against_its_sink() {
    let limits = Limits { concurrent_events_max: 1, ..Limits::default() };
    let mut stand = Stand::with(&limits);
    let mut spin = stand.installation("acme/spin", &plain(DATA, "(loop (br 0)) (unreachable)"));
    spin.limits.wall_clock = Some(Duration::from_millis(300));
    spin.limits.fuel = Some(u64::MAX / 2);
    stand.bind_installation(spin, DATA);
    let mut wait = stand.installation("acme/wait", &plain(STAGE, case::CONTINUE));
    wait.limits.wall_clock = Some(Duration::from_millis(10));
    stand.bind_installation(wait, STAGE);
    let (mut one, mut other) = (subject(), with_message());
    let spinning = stand.fire(Event::Gate(Gate::Data), &mut one);
    let waiting = stand.fire(Event::TransportSubmission, &mut other);
    let (_, waiting) = tokio::join!(spinning, waiting);
    assert_eq!(faults(&waiting), [FaultKind::NoPermit]);
    let StageVerdict::Defer { deferral, .. } = stage_of(waiting) else { panic!("deferred") };
    assert_eq!(deferral.faults, 0);
}
