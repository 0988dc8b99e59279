//! Limits of what one call may ask the host for, reached.

use std::time::Duration;

use bytes::Bytes;
use message::{Content, Draft};
use smtp::{RecipientId, RecipientState, Timestamp};
use tokio::time::Instant;

use crate::bindings::sluice::sink::types::{Address, Error, Notify};
use crate::bindings::sluice::sink::{envelope_draft, message as read, random, session};
use crate::event::EventKind;
use crate::guests::{Stand, subject, with_recipients};
use crate::limits::{
    DECISION_TIME_MIN, EXPIRY_MAX, INLINE_BYTES_MAX, RANDOM_BYTES_MAX, RECIPIENTS_MAX, SIBLINGS_MAX,
    TARPIT_MAX, VARIABLE_KEY_BYTES_MAX, WORD_BYTES_MAX,
};
use crate::state::State;

const STAGE: EventKind = EventKind::TransportSubmission;

async fn add(state: &mut State) -> Result<u32, Error> {
    let address = Address { local: "more".to_owned(), domain: "acme.example".to_owned() };
    envelope_draft::Host::add_recipient(state, address, Notify::empty()).await.unwrap()
}

async fn fork(state: &mut State, id: u32) -> Result<u32, Error> {
    envelope_draft::Host::fork(state, vec![id]).await.unwrap()
}

#[tokio::test]
async fn recipients_end_at_their_number_with_those_of_forks() {
    let mut state = Stand::new().state(STAGE, with_recipients(2));
    fork(&mut state, 0).await.unwrap();
    for _ in 2..RECIPIENTS_MAX {
        add(&mut state).await.unwrap();
    }
    assert!(matches!(add(&mut state).await, Err(Error::QuotaExceeded)));
    envelope_draft::Host::select(&mut state, 1).unwrap().unwrap();
    assert!(matches!(add(&mut state).await, Err(Error::QuotaExceeded)), "the fork has no room of its own");
}

#[tokio::test]
async fn forks_end_at_their_number() {
    let siblings = u32::try_from(SIBLINGS_MAX).unwrap();
    let mut state = Stand::new().state(STAGE, with_recipients(siblings + 1));
    for id in 0..siblings {
        assert_eq!(fork(&mut state, id).await.unwrap(), id + 1);
    }
    assert!(matches!(fork(&mut state, siblings).await, Err(Error::QuotaExceeded)));
    let envelope = state.subject.envelope.expect("message 0");
    assert!(envelope.recipient(RecipientId(siblings)).is_some(), "what was not forked stays");
}

#[tokio::test]
async fn an_expiry_is_neither_past_nor_far_away() {
    const NOW: Timestamp = Timestamp(1_700_000_000_000);
    let mut state = Stand::new().state(STAGE, with_recipients(1));
    let last = NOW + EXPIRY_MAX;
    for (at, expected) in [(0.0, NOW), (1_700_000_000_001.0, Timestamp(NOW.0 + 1)), (9e15, last)] {
        envelope_draft::Host::set_expiry(&mut state, at).unwrap().unwrap();
        assert_eq!(state.subject.envelope.as_ref().unwrap().expires, Some(expected));
    }
    for nonsense in [f64::NAN, f64::INFINITY, -1.0] {
        envelope_draft::Host::set_expiry(&mut state, nonsense).unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn a_recipient_that_was_deferred_before_may_be_decided_about_once_more() {
    let mut subject = with_recipients(1);
    std::sync::Arc::make_mut(subject.envelope.as_mut().unwrap()).recipients[0].state =
        RecipientState::Deferred;
    let mut state = Stand::new().state(STAGE, subject);
    envelope_draft::Host::defer(&mut state, 0, None).await.unwrap().unwrap();
    let again = envelope_draft::Host::reject(&mut state, 0, None).await.unwrap();
    assert!(matches!(again, Err(Error::InvalidArgument(_))));
}

#[tokio::test]
async fn a_tarpit_ends_at_its_longest() {
    let mut state = Stand::new().state(EventKind::Connect, subject());
    session::Host::tarpit(&mut state, 1_000).unwrap().unwrap();
    assert_eq!(state.subject.tarpit, Duration::from_secs(1));
    session::Host::tarpit(&mut state, u32::MAX).unwrap().unwrap();
    assert_eq!(state.subject.tarpit, TARPIT_MAX);
}

#[tokio::test]
async fn random_bytes_come_in_small_pieces() {
    let mut state = Stand::new().state(EventKind::Connect, subject());
    let bytes = random::Host::bytes(&mut state, u32::MAX).await.unwrap();
    assert_eq!(bytes.len(), usize::try_from(RANDOM_BYTES_MAX).unwrap());
}

#[tokio::test]
async fn keys_and_words_end_at_their_bytes() {
    let mut state = Stand::new().state(EventKind::EndOfData, with_recipients(1));
    for (length, fits) in [(VARIABLE_KEY_BYTES_MAX, true), (VARIABLE_KEY_BYTES_MAX + 1, false)] {
        let set = read::Host::set_variable(&mut state, "k".repeat(length), vec![1]).await.unwrap();
        assert_eq!(set.is_ok(), fits);
        let set = session::Host::set_variable(&mut state, "k".repeat(length), vec![1]).await.unwrap();
        assert_eq!(set.is_ok(), fits);
    }
    for (length, fits) in [(WORD_BYTES_MAX, true), (WORD_BYTES_MAX + 1, false)] {
        let set = read::Host::set_score(&mut state, "s".repeat(length), 1.0).await.unwrap();
        assert_eq!(set.is_ok(), fits);
    }
    let reason = "w".repeat(WORD_BYTES_MAX + 1);
    let discarded = envelope_draft::Host::discard(&mut state, 0, reason).await.unwrap();
    assert!(matches!(discarded, Err(Error::InvalidArgument(_))));
}

#[tokio::test]
async fn a_message_that_is_too_long_for_the_guests_fiber_is_read_as_well() {
    let head = "Subject: x\r\n\r\n";
    for over in [0, 1] {
        let body = usize::try_from(INLINE_BYTES_MAX).unwrap() - head.len() + over;
        let content = Bytes::from(format!("{head}{}", "x".repeat(body)));
        let mut subject = with_recipients(1);
        subject.draft = Some(Draft::new(Content::new(content.clone())));
        let mut state = Stand::new().state(EventKind::EndOfData, subject);
        let end = u32::try_from(content.len() - 4).unwrap();
        let read = read::Host::read_part(&mut state, 0, end, 10).await.unwrap().unwrap();
        assert_eq!(read, b"xxxx");
    }
}

#[tokio::test]
async fn nothing_slow_is_begun_when_a_guest_could_not_decide_any_more() {
    let mut state = Stand::new().state(EventKind::Connect, subject());
    // A tenth of it is less than the least.
    state.call.budget.wall_clock = DECISION_TIME_MIN;
    state.call.deadline = Instant::now() + DECISION_TIME_MIN + Duration::from_secs(60);
    assert!(state.has_time());
    state.call.deadline = Instant::now() + DECISION_TIME_MIN;
    assert!(!state.has_time());
}
