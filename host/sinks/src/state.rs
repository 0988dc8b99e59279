//! What one call has at hand: the data of its store, which the imports read and edit.

use std::sync::Arc;

use smtp::Envelope;
use tokio::time::Instant;

use crate::access::Access;
use crate::binding::Installation;
use crate::event::EventKind;
use crate::imports::Blobs;
use crate::limiter::Limiter;
use crate::limits::{Budget, DECISION_TIME_MIN, LOG_BYTES_MAX, METRIC_SAMPLES_MAX};
use crate::output::Wasi;
use crate::outside::Outside;
use crate::subject::{Disposition, Scores, Subject, Variables};
use crate::verdict::Deferral;

/// The data of a store.
pub(crate) struct State {
    /// The sink's own copy; it replaces the caller's if the sink succeeds.
    pub(crate) subject: Subject,
    pub(crate) call: Frame,
    pub(crate) limiter: Limiter,
    pub(crate) blobs: Blobs,
    /// Siblings that this call forked, and the message that the event came with while another one is selected.
    pub(crate) branches: Branches,
    /// Fuel for work that the host did by the byte.
    pub(crate) debt: u64,
    /// That part of it since the host last gave its thread to others.
    pub(crate) debt_since_yield: u64,
    pub(crate) log_bytes_left: usize,
    pub(crate) metric_samples_left: usize,
    /// Made when the guest first asks for it: most calls never do.
    pub(crate) wasi: Option<Box<Wasi>>,
}

/// What does not change during a call.
pub(crate) struct Frame {
    pub(crate) event: EventKind,
    pub(crate) access: Access,
    pub(crate) installation: Arc<Installation>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) deadline: Instant,
    pub(crate) budget: Budget,
    /// What this binding deferred with, if it is asked again.
    pub(crate) deferral: Option<Deferral>,
}

/// Forks of one call.
#[derive(Default)]
pub(crate) struct Branches {
    /// 0 is the message that the event came with; empty while nothing was forked.
    pub(crate) all: Vec<Branch>,
    pub(crate) selected: usize,
}

/// What is a message's own while several are at hand. The selected one's is in the subject, and its place here holds
/// what was there when it was put aside.
#[derive(Clone)]
pub(crate) struct Branch {
    pub(crate) envelope: Option<Arc<Envelope>>,
    pub(crate) draft: Option<message::Draft>,
    pub(crate) variables: Variables,
    pub(crate) scores: Scores,
    pub(crate) dispositions: Vec<Disposition>,
}

impl State {
    pub(crate) fn new(subject: Subject, call: Frame) -> Self {
        let limiter = Limiter::new(call.budget.memory_bytes);
        Self {
            subject,
            call,
            limiter,
            blobs: Blobs::default(),
            branches: Branches::default(),
            debt: 0,
            debt_since_yield: 0,
            log_bytes_left: LOG_BYTES_MAX,
            metric_samples_left: METRIC_SAMPLES_MAX,
            wasi: None,
        }
    }

    /// Whether enough of the wall clock is left to begin something slow, so that the guest can still decide: a tenth of it,
    /// at least [`DECISION_TIME_MIN`] (EVENTS).
    pub(crate) fn has_time(&self) -> bool {
        let reserve = (self.call.budget.wall_clock / 10).max(DECISION_TIME_MIN);
        self.call.deadline.saturating_duration_since(Instant::now()) > reserve
    }

    /// The installation whose variables these are.
    pub(crate) fn owner(&self) -> &str {
        &self.call.installation.id
    }

    /// What is the current message's own.
    pub(crate) fn branch(&self) -> Branch {
        let subject = &self.subject;
        Branch {
            envelope: subject.envelope.clone(),
            draft: subject.draft.clone(),
            variables: subject.variables.clone(),
            scores: subject.scores.clone(),
            dispositions: subject.dispositions.clone(),
        }
    }
}

impl Branch {
    /// Makes a branch the current message, and keeps what that was.
    pub(crate) fn exchange(&mut self, subject: &mut Subject) {
        std::mem::swap(&mut subject.envelope, &mut self.envelope);
        std::mem::swap(&mut subject.draft, &mut self.draft);
        std::mem::swap(&mut subject.variables, &mut self.variables);
        std::mem::swap(&mut subject.scores, &mut self.scores);
        std::mem::swap(&mut subject.dispositions, &mut self.dispositions);
    }
}
