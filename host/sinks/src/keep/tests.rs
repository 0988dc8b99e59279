//! Conservation of recipients (EVENTS, rule 8), over random edits of several sinks one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use smtp::{RecipientId, RecipientState};

use super::{Commit, merge, restore};
use crate::bindings::sluice::sink::envelope_draft::Host;
use crate::bindings::sluice::sink::types::{Address, Notify};
use crate::event::EventKind;
use crate::guests::{self, Stand, case, plain, with_recipients};
use crate::limits::SIBLINGS_MAX;
use crate::state::State;
use crate::subject::{Disposition, Fate, Subject};
use crate::verdict::FaultKind;

const STAGE: EventKind = EventKind::TransportSubmission;

/// Numbers that only look random: xorshift.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

fn address() -> Address {
    Address { local: "new".to_owned(), domain: "acme.example".to_owned() }
}

/// Any edit of the envelope; what the host refuses is none.
async fn edit(state: &mut State, dice: &mut Dice) -> wasmtime::Result<()> {
    let ids: Vec<u32> =
        state.subject.envelope.iter().flat_map(|one| &one.recipients).map(|one| one.id.0).collect();
    let any = |dice: &mut Dice| ids.get(dice.roll(ids.len() + 1)).copied().unwrap_or(99);
    let id = any(dice);
    match dice.roll(12) {
        0 => drop(state.add_recipient(address(), Notify::empty()).await?),
        1..=3 => {
            let to = vec![address(); 1 + dice.roll(2)];
            drop(state.redirect(id, to).await?);
        }
        4 => drop(state.defer(id, None).await?),
        5 => drop(state.reject(id, None).await?),
        6 => drop(state.quarantine(id, "word".to_owned()).await?),
        7 => drop(state.discard(id, "word".to_owned()).await?),
        8 | 9 => {
            let ids = if dice.roll(2) == 0 { vec![id] } else { vec![id, any(dice)] };
            drop(state.fork(ids).await?);
        }
        _ => drop(state.select(u32::try_from(dice.roll(4)).unwrap())?),
    }
    Ok(())
}

/// What a message says of its recipients: each of its envelope has one decision or none, and is pending without one.
fn count(
    envelope: &smtp::Envelope,
    dispositions: &[Disposition],
    ends: &mut BTreeMap<RecipientId, usize>,
    successors: &mut Vec<RecipientId>,
) {
    for recipient in &envelope.recipients {
        *ends.entry(recipient.id).or_default() += 1;
        let decided = dispositions.iter().filter(|one| one.recipient == recipient.id).count();
        assert_eq!(decided, usize::from(recipient.state != RecipientState::Pending), "{recipient:?}");
    }
    for disposition in dispositions {
        if let Fate::Redirect(to) = &disposition.fate {
            *ends.entry(disposition.recipient).or_default() += 1;
            successors.extend(to);
        }
    }
}

/// Every recipient that there was and every one that took a place is in one envelope, or was redirected once.
fn check(start: &Subject, subject: &Subject, seed: u64) {
    let (mut ends, mut successors) = (BTreeMap::new(), Vec::new());
    count(subject.envelope.as_ref().unwrap(), &subject.dispositions, &mut ends, &mut successors);
    for sibling in &subject.siblings {
        count(&sibling.envelope, &sibling.dispositions, &mut ends, &mut successors);
    }
    assert!(ends.values().all(|number| *number == 1), "seed {seed}: {ends:?} {subject:#?}");
    let had = start.envelope.iter().flat_map(|envelope| &envelope.recipients).map(|one| one.id);
    for id in had.chain(successors) {
        assert!(ends.contains_key(&id), "seed {seed}: {id:?} is lost: {subject:#?}");
    }
}

#[tokio::test]
async fn each_recipient_ends_exactly_once_whatever_sinks_do() {
    let mut stand = Stand::new();
    let binding = stand.bind("acme/any", STAGE, &plain(STAGE, case::CONTINUE)).clone();
    for seed in 1..3_000_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let start = with_recipients(3);
        let mut subject = start.clone();
        for _ in 0..1 + dice.roll(3) {
            let mut state = guests::state(Arc::clone(&binding.installation), STAGE, subject.clone());
            for _ in 0..dice.roll(8) {
                edit(&mut state, &mut dice).await.unwrap();
            }
            let commit = if dice.roll(2) == 0 { Commit::Draft } else { Commit::NoDraft };
            merge(&mut subject, state, &binding, commit).unwrap();
            check(&start, &subject, seed);
        }
        restore(&mut subject, &start);
        check(&start, &subject, seed);
    }
}

#[tokio::test]
async fn forks_of_several_sinks_end_at_their_number_together() {
    let mut stand = Stand::new();
    let binding = stand.bind("acme/any", STAGE, &plain(STAGE, case::CONTINUE)).clone();
    let all = u32::try_from(SIBLINGS_MAX).unwrap();
    let mut subject = with_recipients(all + 1);
    for ids in [0..all / 2, all / 2..all] {
        let mut state = guests::state(Arc::clone(&binding.installation), STAGE, subject.clone());
        for id in ids {
            state.fork(vec![id]).await.unwrap().unwrap();
        }
        merge(&mut subject, state, &binding, Commit::Draft).unwrap();
    }
    let mut state = guests::state(Arc::clone(&binding.installation), STAGE, subject.clone());
    state.fork(vec![all]).await.unwrap().unwrap();
    let fault = merge(&mut subject, state, &binding, Commit::Draft).unwrap_err();
    assert_eq!(fault.kind, FaultKind::IllegalVerdict);
    assert_eq!(subject.siblings.len(), SIBLINGS_MAX);
}
