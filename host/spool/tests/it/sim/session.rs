//! One server on the disk: does what a workload asks, and notes what it was told.
//!
//! Nothing here is left to the scheduler. An op is submitted when the committer is idle, a batch while the sync before it is
//! held; body files are unlinked when the committer is idle again. So the order of all steps follows from the case alone.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use smtp::Timestamp;
use spool::{Body, CommitError, Lease, Spool, StoredContent};

use super::disk::SimDisk;
use super::model::{Effects, Model, State};
use super::request::{Request, Submission};
use super::workload::Op;
use crate::scene::{entry, id};

pub(crate) struct Session<'a> {
    pub(super) spool: Spool,
    pub(super) disk: SimDisk,
    pub(super) model: &'a mut Model,
    /// What was acknowledged last.
    pub(super) last: Vec<Effects>,
}

type Outcome = (Result<(), CommitError>, Option<Lease>);
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

impl<'a> Session<'a> {
    pub(super) fn new(spool: Spool, disk: SimDisk, model: &'a mut Model) -> Self {
        Self { spool, disk, model, last: Vec::new() }
    }

    /// Whether anything more can be done in this boot.
    pub(crate) fn goes_on(&self) -> bool {
        !self.disk.is_off() && !self.spool.poisoned()
    }

    pub(crate) async fn perform(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Abandon(length) => {
                drop(self.body(*length).await?);
                flush().await;
                Ok(())
            }
            Op::Commit(wishes) => {
                let mut requests = Vec::new();
                let mut busy = BTreeSet::new();
                for wish in wishes {
                    requests.extend(self.request(wish, &mut busy).await?);
                }
                flush().await;
                self.submit(requests).await
            }
        }
    }

    /// A body with bytes of its own; none if the disk did not take it.
    pub(super) async fn body(&mut self, length: usize) -> Result<Option<(Body, Bytes)>, String> {
        let bytes = letter(self.model.fresh(), length);
        let mut writer = self.spool.body();
        let written = async {
            for at in (0..bytes.len()).step_by(PART) {
                writer.append(bytes.slice(at..bytes.len().min(at + PART))).await?;
            }
            writer.finish().await
        };
        match written.await {
            Ok(body) => Ok(Some((body, bytes))),
            Err(_) if self.has_excuse() => Ok(None),
            Err(error) => Err(format!("a body was refused on a disk without faults: {error}")),
        }
    }

    /// Leases an entry that nobody has; none if the disk did not give it.
    pub(super) fn lease(&self, number: u128) -> Result<Option<Lease>, String> {
        let lease = match self.spool.lease_entry(id(number)) {
            Ok(Some(lease)) => lease,
            Ok(None) if !self.goes_on() => return Ok(None),
            Ok(None) => return Err(format!("entry {number} was acknowledged and is not to be had")),
            Err(_) if self.has_excuse() => return Ok(None),
            Err(error) => return Err(format!("entry {number} cannot be leased: {error}")),
        };
        let found = match state(&self.spool, &lease) {
            Ok(found) => found,
            Err(_) if self.has_excuse() => return Ok(None),
            Err(error) => return Err(error),
        };
        if self.model.known().get(&number) != Some(&found) {
            return Err(format!("entry {number} is leased in another state than it was acknowledged in"));
        }
        Ok(Some(lease))
    }

    /// Something went wrong on purpose.
    fn has_excuse(&self) -> bool {
        self.disk.is_off() || self.disk.struck() > 0
    }

    /// Submits, waits for the answers and notes them.
    async fn submit(&mut self, requests: Vec<Request>) -> Result<(), String> {
        let failed = self.disk.log_failed();
        let (effects, submissions): (Vec<Effects>, Vec<_>) =
            requests.into_iter().map(|request| (request.effects, request.submission)).unzip();
        let (open, gate) = close_gate();
        let outcomes = self.commit(submissions).await;
        self.until_idle().await;
        drop(open);
        gate.await.unwrap();
        flush().await;
        if !effects.is_empty() {
            self.last.clone_from(&effects);
        }
        for (effects, (result, lease)) in effects.into_iter().zip(&outcomes) {
            match result {
                Ok(()) if failed.is_some() => {
                    return Err("acknowledged after a sync of the log had failed".to_owned());
                }
                Ok(()) => {
                    check_lease(lease.as_ref(), &effects)?;
                    self.model.acknowledge(effects);
                }
                Err(CommitError::Poisoned) if self.has_excuse() => self.model.doubt(effects),
                Err(CommitError::Full) if self.has_excuse() => {}
                Err(error) => return Err(format!("refused on a disk without faults: {error}")),
            }
        }
        Ok(())
    }

    /// The first request goes alone; while its sync is held, the others queue behind it, so they are one batch.
    async fn commit(&self, submissions: Vec<Submission>) -> Vec<Outcome> {
        let mut running: Vec<Running<'_>> = submissions
            .into_iter()
            .map(|submission| Box::pin(submission.commit(&self.spool)) as Running<'_>)
            .collect();
        let mut outcomes = Vec::new();
        if running.len() > 1 {
            self.disk.hold();
            let first = &mut running[0];
            let ended = tokio::select! {
                outcome = first.as_mut() => Some(outcome),
                () = self.disk.held() => None,
            };
            if let Some(outcome) = ended {
                // It failed before its sync. The others go one by one.
                drop(running.remove(0));
                outcomes.push(outcome);
            } else {
                for other in &mut running[1..] {
                    let handed_over = poll_fn(|context| Poll::Ready(other.as_mut().poll(context))).await;
                    assert!(handed_over.is_pending(), "nothing is answered while a sync is held");
                }
            }
            self.disk.release();
        }
        for next in running {
            outcomes.push(next.await);
        }
        outcomes
    }

    /// Returns when the committer waits for the next request: three that it refuses, without a step of the disk in between,
    /// show that it has neither work nor a plan for it.
    async fn until_idle(&self) {
        let mut before = self.disk.steps();
        let mut idle = 0;
        while idle < 3 && self.goes_on() {
            let twice = self.spool.accept(vec![entry(0, ""), entry(0, "")]).await;
            assert!(matches!(twice, Err(CommitError::Exists(_) | CommitError::Poisoned)), "{twice:?}");
            let now = self.disk.steps();
            idle = if now == before { idle + 1 } else { 0 };
            before = now;
        }
    }

    /// A poisoned log takes and gives nothing.
    pub(crate) async fn check_poisoned(&self) -> Result<(), String> {
        if !self.has_excuse() {
            return Err("poisoned on a disk without faults".to_owned());
        }
        if self.spool.accept(vec![entry(u128::MAX, "")]).await.is_ok() || self.spool.lease(NEVER).is_some() {
            return Err("a poisoned log went on".to_owned());
        }
        Ok(())
    }
}

/// Later than anything is due.
const NEVER: Timestamp = Timestamp(u64::MAX);

/// How bodies are appended, as reads from a socket would.
const PART: usize = 40_000;

/// A message that no other equals, not even in a part.
pub(super) fn letter(number: u128, length: usize) -> Bytes {
    let mut bytes = format!("Subject: {number}\r\n\r\n").into_bytes();
    let seed = u64::try_from(number).unwrap();
    let letter = |at: u64| b'a' + u8::try_from((seed.wrapping_mul(31) + at * at / 7 + at) % 26).unwrap();
    bytes.extend((0..u64::try_from(length).unwrap()).map(letter));
    bytes.into()
}

/// Keeps the pool's only thread busy until the sender is dropped, so that files are unlinked then.
fn close_gate() -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (open, closed) = std::sync::mpsc::channel();
    (open, tokio::task::spawn_blocking(move || assert!(closed.recv().is_err())))
}

/// Returns when the pool's only thread has done what was asked of it before.
pub(super) async fn flush() {
    tokio::task::spawn_blocking(|| ()).await.unwrap();
}

/// An entry with its bytes, read back.
pub(super) fn state(spool: &Spool, entry: &spool::Entry) -> Result<State, String> {
    let number = entry.id.number();
    let content = spool.load(&entry.content).map_err(|error| format!("entry {number}: {error}"))?;
    let content = content.bytes().map_err(|error| format!("entry {number}: {error}"))?;
    Ok(State { entry: spool::Entry { content: StoredContent::default(), ..entry.clone() }, content })
}

/// After an answer the lease shows the new state.
fn check_lease(lease: Option<&Lease>, effects: &Effects) -> Result<(), String> {
    let Some(lease) = lease else { return Ok(()) };
    let number = lease.id.number();
    let expected = effects.iter().find(|(id, _)| *id == number).and_then(|(_, state)| state.as_ref());
    let shown = spool::Entry { content: StoredContent::default(), ..lease.entry().as_ref().clone() };
    if expected.is_some_and(|state| state.entry != shown || lease.content.size() != length(&state.content)) {
        return Err(format!("the lease of entry {number} does not show what was recorded"));
    }
    Ok(())
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// Everything that is in a spool, read back.
pub(super) fn everything(spool: &Spool) -> Result<BTreeMap<u128, State>, String> {
    let mut found = BTreeMap::new();
    for summary in spool.list(None, usize::MAX) {
        let entry = spool.entry(summary.id).map_err(|error| format!("entry {}: {error}", summary.id))?;
        found.insert(summary.id.number(), state(spool, &entry)?);
    }
    if spool.counts().entries != found.len() {
        return Err("an entry is there twice".to_owned());
    }
    Ok(found)
}

/// What may be leased is what is there and moves.
pub(super) fn check_leases(spool: &Spool, found: &BTreeMap<u128, State>) -> Result<(), String> {
    let leases: Vec<Lease> = std::iter::from_fn(|| spool.lease(NEVER)).collect();
    let leased: BTreeSet<u128> = leases.iter().map(|lease| lease.id.number()).collect();
    let moving = found.iter().filter(|(_, state)| state.entry.state == spool::EntryState::Active);
    let moving: BTreeSet<u128> = moving.map(|(number, _)| *number).collect();
    if leased != moving || leases.len() != leased.len() {
        return Err(format!("{leased:?} are leased, {moving:?} are there and move"));
    }
    Ok(())
}
