//! A wish turned into what is submitted, with what it would make of the entries.

use std::collections::BTreeSet;

use bytes::Bytes;
use smtp::{RecipientId, RecipientState, Timestamp};
use spool::{Attempt, CommitError, ContentPiece, Done, EntryState, Lease, NewEntry, Outcome, Spool, Stage};

use super::model::{self, Effects, State};
use super::session::{Session, letter};
use super::workload::{Edit, Outgoing, Rest, Wish};
use crate::scene::{NOW, entry_of};

/// A record that is about to be submitted.
pub(super) struct Request {
    pub(super) effects: Effects,
    pub(super) submission: Submission,
}

/// An entry to work on, with its bytes.
type Chosen = (Lease, Bytes);

pub(super) enum Submission {
    Accept(Vec<NewEntry>),
    Stage(Lease, Box<Stage>),
    Attempt(Lease, Attempt),
    Done(Lease, Done),
}

impl Submission {
    /// The answer, and the lease: nobody else may have the entry before everyone was answered.
    pub(super) async fn commit(self, spool: &Spool) -> (Result<(), CommitError>, Option<Lease>) {
        match self {
            Self::Accept(entries) => (spool.accept(entries).await, None),
            Self::Stage(mut lease, stage) => (spool.record_stage(&mut lease, *stage).await, Some(lease)),
            Self::Attempt(mut lease, attempt) => {
                (spool.record_attempt(&mut lease, attempt).await, Some(lease))
            }
            Self::Done(mut lease, done) => (spool.record_done(&mut lease, done).await, Some(lease)),
        }
    }
}

impl Session<'_> {
    /// None if there is no such entry, or the disk is in the way.
    pub(super) async fn request(
        &mut self,
        wish: &Wish,
        busy: &mut BTreeSet<u128>,
    ) -> Result<Option<Request>, String> {
        match wish {
            Wish::Accept { length, shares, rest } => self.accept(*length, *shares, *rest).await,
            Wish::Stage { which, edit, outbox, rest } => {
                let Some((lease, content)) = self.choose(*which, busy)? else { return Ok(None) };
                self.stage(lease, content, *edit, (outbox, *rest)).await
            }
            Wish::Attempt { which, outbox } => {
                let Some((lease, content)) = self.choose(*which, busy)? else { return Ok(None) };
                let (outbox, mut effects) = self.outbox(outbox, &content);
                let number = RecipientId(0);
                let outcome = Outcome { recipient: number, state: RecipientState::Deferred, reply: None };
                let due = Timestamp(NOW.0 + self.some_time());
                let attempt = Attempt { outcomes: vec![outcome], due, outbox };
                let number = lease.id.number();
                let entry = model::attempted(&self.model.known()[&number].entry, &attempt);
                effects.push((number, Some(State { entry, content })));
                Ok(Some(Request { effects, submission: Submission::Attempt(lease, attempt) }))
            }
            Wish::Done { which, outbox } => {
                let Some((lease, content)) = self.choose(*which, busy)? else { return Ok(None) };
                let (outbox, mut effects) = self.outbox(outbox, &content);
                effects.push((lease.id.number(), None));
                Ok(Some(Request { effects, submission: Submission::Done(lease, Done { outbox }) }))
            }
        }
    }

    /// The shares of one transaction, over one body.
    async fn accept(&mut self, length: usize, shares: usize, rest: Rest) -> Result<Option<Request>, String> {
        let Some((body, bytes)) = self.body(length).await? else { return Ok(None) };
        let (mut entries, mut effects) = (Vec::new(), Vec::new());
        for _ in 0..shares {
            let number = self.model.fresh();
            let head = Bytes::from(format!("X-Share: {number}\r\n"));
            let content = Bytes::from([&head[..], &bytes[..]].concat());
            let pieces = vec![ContentPiece::Inline(head), body.piece(0..body.size())];
            let new = NewEntry { state: state_of(rest), ..entry_of(number, pieces) };
            effects.push((number, Some(State { entry: model::accepted(&new), content })));
            entries.push(new);
        }
        Ok(Some(Request { effects, submission: Submission::Accept(entries) }))
    }

    async fn stage(
        &mut self,
        lease: Lease,
        content: Bytes,
        edit: Edit,
        (outbox, rest): (&[Outgoing], Rest),
    ) -> Result<Option<Request>, String> {
        let (outbox, mut effects) = self.outbox(outbox, &content);
        let whole = 0..lease.content.size();
        let (pieces, content) = match edit {
            Edit::None => (None, content),
            Edit::Prepend(length) => {
                let head = letter(self.model.fresh(), length);
                let content = Bytes::from([&head[..], &content[..]].concat());
                (Some(vec![ContentPiece::Inline(head), ContentPiece::Original(whole)]), content)
            }
            Edit::Halve => {
                let half = content.slice(..content.len() / 2);
                (Some(vec![ContentPiece::Original(0..whole.end / 2)]), half)
            }
            Edit::Replace(length) => {
                let Some((body, bytes)) = self.body(length).await? else { return Ok(None) };
                (Some(vec![body.piece(0..body.size())]), bytes)
            }
        };
        let due = Timestamp(NOW.0 + self.some_time());
        let stage = Stage { content: pieces, due, state: state_of(rest), outbox, ..Stage::of(&lease) };
        let number = lease.id.number();
        let entry = model::staged(&self.model.known()[&number].entry, &stage);
        effects.push((number, Some(State { entry, content })));
        Ok(Some(Request { effects, submission: Submission::Stage(lease, Box::new(stage)) }))
    }

    /// Leases one of the entries that are there.
    fn choose(&self, which: usize, busy: &mut BTreeSet<u128>) -> Result<Option<Chosen>, String> {
        let free: Vec<u128> =
            self.model.known().keys().copied().filter(|number| !busy.contains(number)).collect();
        let Some(number) = free.get(which % free.len().max(1)).copied() else { return Ok(None) };
        busy.insert(number);
        let lease = self.lease(number)?;
        Ok(lease.map(|lease| (lease, self.model.known()[&number].content.clone())))
    }

    fn outbox(&mut self, outgoing: &[Outgoing], original: &Bytes) -> (Vec<NewEntry>, Effects) {
        let (mut outbox, mut effects) = (Vec::new(), Vec::new());
        for outgoing in outgoing {
            let number = self.model.fresh();
            let (piece, content) = match outgoing {
                Outgoing::Fresh(length) => {
                    let bytes = letter(number, *length);
                    (ContentPiece::Inline(bytes.clone()), bytes)
                }
                Outgoing::Half => {
                    let half = original.slice(..original.len() / 2);
                    (ContentPiece::Original(0..u64::try_from(half.len()).unwrap()), half)
                }
            };
            let new = entry_of(number, vec![piece]);
            effects.push((number, Some(State { entry: model::accepted(&new), content })));
            outbox.push(new);
        }
        (outbox, effects)
    }

    /// So that each state of an entry differs from the ones before.
    fn some_time(&mut self) -> u64 {
        u64::try_from(self.model.fresh()).unwrap()
    }
}

fn state_of(rest: Rest) -> EntryState {
    match rest {
        Rest::Active => EntryState::Active,
        Rest::Quarantined => {
            EntryState::Quarantined { reason: "spam".to_owned(), binding: "b".to_owned(), until: NOW }
        }
        Rest::Held => EntryState::held("faults"),
    }
}
