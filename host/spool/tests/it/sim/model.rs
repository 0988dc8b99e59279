//! What callers were told, and so what a start may find.
//!
//! A record that was acknowledged is there, whole. One that was submitted when the machine stopped, or when the log was
//! poisoned, is there whole or not at all, with all of its entries. One that was refused is not there. What a start once
//! found counts as acknowledged from then on: it may have been delivered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use smtp::Recipient;
use spool::{Attempt, Entry, NewEntry, Stage, StageName, StagePointer, StoredContent};

/// An entry and its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Without the places of its content, which compaction changes.
    pub(crate) entry: Entry,
    pub(crate) content: Bytes,
}

/// What one record makes of entries; none is an end.
pub(crate) type Effects = Vec<(u128, Option<State>)>;

/// When a caller is told that its record is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// When the spool says so.
    Acknowledged,
    /// As soon as it was handed over: a server that answers 250 before the sync.
    Submitted,
}

#[derive(Debug, Clone)]
pub(crate) struct Model {
    promise: Promise,
    known: BTreeMap<u128, State>,
    unsure: Vec<Effects>,
    next: u128,
}

impl Model {
    pub(crate) fn new(promise: Promise) -> Self {
        Self { promise, known: BTreeMap::new(), unsure: Vec::new(), next: 0 }
    }

    /// A number that no entry had before.
    pub(crate) fn fresh(&mut self) -> u128 {
        self.next += 1;
        self.next
    }

    pub(crate) fn known(&self) -> &BTreeMap<u128, State> {
        &self.known
    }

    pub(crate) fn acknowledge(&mut self, effects: Effects) {
        for (id, state) in effects {
            match state {
                Some(state) => drop(self.known.insert(id, state)),
                None => drop(self.known.remove(&id)),
            }
        }
    }

    /// It was submitted, and nobody knows what became of it.
    pub(crate) fn doubt(&mut self, effects: Effects) {
        match self.promise {
            Promise::Acknowledged => self.unsure.push(effects),
            Promise::Submitted => self.acknowledge(effects),
        }
    }

    /// What a start found must be what was promised.
    pub(crate) fn check(&mut self, found: &BTreeMap<u128, State>) -> Result<(), String> {
        for effects in std::mem::take(&mut self.unsure) {
            let half = effects.iter().find(|(id, _)| found.get(id) != self.known.get(id)).map(|(id, _)| *id);
            match (effects.iter().all(|(id, state)| found.get(id) == state.as_ref()), half) {
                (true, _) => self.acknowledge(effects),
                (false, None) => {}
                (false, Some(id)) => {
                    return Err(format!("a record in flight is neither whole nor absent (entry {id})"));
                }
            }
        }
        let ids: BTreeSet<u128> = self.known.keys().chain(found.keys()).copied().collect();
        ids.into_iter().try_for_each(|id| match (self.known.get(&id), found.get(&id)) {
            (Some(known), Some(found)) if known == found => Ok(()),
            (Some(known), Some(found)) => {
                Err(format!("entry {id} is not as it was acknowledged: {}", difference(known, found)))
            }
            (Some(_), None) => Err(format!("entry {id} was acknowledged and is gone")),
            (None, _) => Err(format!("entry {id} is there, though it was refused, ended or never submitted")),
        })
    }
}

fn difference(known: &State, found: &State) -> String {
    if known.entry != found.entry {
        return format!("{:?} became {:?}", known.entry, found.entry);
    }
    let same = known.content.iter().zip(&found.content).take_while(|(one, other)| one == other).count();
    let lengths = (known.content.len(), found.content.len());
    format!("its {} bytes became {} bytes, other ones from byte {same} on", lengths.0, lengths.1)
}

/// The entry that an accept makes.
pub(crate) fn accepted(new: &NewEntry) -> Entry {
    Entry {
        id: new.id,
        parent: new.parent,
        maker: new.maker.clone(),
        ingress: new.ingress,
        arrived: new.arrived,
        facts: new.facts.clone(),
        tenant: new.tenant.clone(),
        envelope: new.envelope.clone(),
        content: StoredContent::default(),
        version: 1,
        variables: new.variables.clone(),
        scores: new.scores.clone(),
        stage: new.stage.clone(),
        due: new.due,
        state: new.state.clone(),
    }
}

/// The entry that a stage makes.
pub(crate) fn staged(entry: &Entry, stage: &Stage) -> Entry {
    Entry {
        envelope: stage.envelope.clone(),
        variables: stage.variables.clone(),
        scores: stage.scores.clone(),
        stage: stage.stage.clone(),
        due: stage.due,
        state: stage.state.clone(),
        version: entry.version + u32::from(stage.content.is_some()),
        ..entry.clone()
    }
}

/// The entry that an attempt makes.
pub(crate) fn attempted(entry: &Entry, attempt: &Attempt) -> Entry {
    let mut next = Entry { stage: StagePointer::at(StageName::Deliver), due: attempt.due, ..entry.clone() };
    for outcome in &attempt.outcomes {
        let tried = |recipient: &&mut Recipient| recipient.id == outcome.recipient;
        let recipient = next.envelope.recipients.iter_mut().find(tried).unwrap();
        recipient.attempts += 1;
        recipient.state = outcome.state;
        recipient.last_reply.clone_from(&outcome.reply);
    }
    next
}
