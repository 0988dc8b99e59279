//! What sinks answer, how strict each answer is, and how the answers of a round become one (EVENTS, "The round").
//!
//! Promises that nothing that a sink says weakens what another one said: `merge` only ever gets stricter.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smtp::{By, Mailbox, Refusal};

use crate::binding::Position;
use crate::event::EventKind;
use crate::provider::Answer;

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The strictest of what was said.
    pub verdict: Verdict,
    /// Who said it; the host where nobody did.
    pub by: By,
    /// Each call that was made, in order; empty without allocation when nobody was asked.
    pub calls: Vec<Call>,
}

/// A verdict of either kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Of a gate, or of a notice (which knows `Continue` and `Disconnect` alone).
    Gate(smtp::Verdict),
    /// Of a stage.
    Stage(StageVerdict),
    /// Of a provider.
    Answer(Answer),
    /// Of a gate in the dialogue with another server.
    Outbound(smtp::client::Verdict),
    /// Of on-dsn; a fault there is a [`StageVerdict::Defer`] or [`StageVerdict::Hold`].
    Dsn(DsnVerdict),
}

/// What becomes of a DSN that the host composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DsnVerdict {
    /// It goes out.
    Continue,
    /// It does not; with a word.
    Suppress(String),
    /// It goes to these instead.
    Redirect(Vec<Mailbox>),
}

/// What becomes of a message in a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageVerdict {
    /// On to the next stage.
    Continue,
    /// Sleep, then go on with the binding at the deferral's position.
    Defer {
        /// How long.
        wait: Duration,
        /// A word for log and trace.
        reason: String,
        /// What to give back then.
        deferral: Deferral,
    },
    /// Too many faults in a row: wait until an operator looks. The deferral says where to go on.
    Hold {
        /// A word for log and trace.
        reason: String,
        /// What to give back then.
        deferral: Deferral,
    },
    /// A DSN for each recipient.
    Fail(Refusal),
    /// Drop it, tell nobody.
    Discard(String),
    /// Keep it aside, never with a DSN.
    Quarantine(String),
}

/// Where a deferred stage goes on, and what its sink wants to know then. It is stored with the entry as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// The first binding that is asked; those before it have had their say.
    pub position: Position,
    /// The installation that the state is of.
    pub installation: Arc<str>,
    /// The digest that deferred or faulted, to count faults of one version.
    pub digest: Arc<str>,
    /// What the sink returned.
    pub state: Bytes,
    /// How often this binding was asked about this message.
    pub attempts: u32,
    /// Faults in a row of this message, binding and digest.
    pub faults: u32,
}

/// One call of one binding: what `dev`, the trace and the log show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The binding's id.
    pub binding: Arc<str>,
    /// The installation's id.
    pub installation: Arc<str>,
    /// Which version: the first digits of the artifact's digest.
    pub digest: Arc<str>,
    /// The event.
    pub event: EventKind,
    /// The verdict's word, or what its fault was answered with.
    pub verdict: &'static str,
    /// What went wrong, if anything.
    pub fault: Option<Fault>,
    /// Fuel that was burnt, work of the host for the guest included.
    pub fuel: u64,
    /// Wall clock from the first wait for a permit to the end.
    pub took: Duration,
    /// Whether it staged edits that were kept.
    pub edits: Edits,
}

/// Whether a call staged edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edits {
    /// None, or they were dropped.
    None,
    /// Some, and they were merged.
    Merged,
}

/// Why a call has changed nothing. On-fault answers all of these alike.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {detail}")]
pub struct Fault {
    /// Which of the glossary's faults.
    pub kind: FaultKind,
    /// Bounded text, which may hold the guest's words.
    pub detail: String,
}

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The guest stopped abnormally.
    Trap,
    /// It worked more than its fuel allows.
    OutOfFuel,
    /// It ran past its wall clock.
    Deadline,
    /// It wanted more memory than its limit.
    OverMemory,
    /// One host call copied more than its limit.
    HostCallBytes,
    /// It returned what its event does not allow.
    IllegalVerdict,
    /// No place was free for it before its deadline.
    NoPermit,
}

impl FaultKind {
    /// The word in log, metrics and trace.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::OutOfFuel => "out-of-fuel",
            Self::Deadline => "deadline",
            Self::OverMemory => "over-memory",
            Self::HostCallBytes => "host-call-bytes",
            Self::IllegalVerdict => "illegal-verdict",
            Self::NoPermit => "no-permit",
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.word())
    }
}

/// How strict a verdict is; the order is EVENTS'. What ranks as continue: claim, rewrite, greet, an answer, another reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strictness {
    /// Changes nothing about whether the mail goes on.
    Continue,
    /// Positive, and nothing is kept.
    Discard,
    /// Positive, and kept aside.
    Quarantine,
    /// Not now.
    Defer,
    /// Never.
    Reject,
    /// Never, and the session is over.
    Disconnect,
}

impl Verdict {
    /// Where it stands in the order.
    pub fn strictness(&self) -> Strictness {
        match self {
            Self::Gate(verdict) => gate_strictness(verdict),
            Self::Stage(verdict) => verdict.strictness(),
            // The first that answers decides; nothing is stricter than an answer.
            Self::Answer(_) => Strictness::Continue,
            Self::Outbound(verdict) => outbound_strictness(verdict),
            Self::Dsn(verdict) => verdict.strictness(),
        }
    }

    /// The contract's word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gate(verdict) => gate_word(verdict),
            Self::Stage(verdict) => verdict.word(),
            Self::Answer(answer) => answer.word(),
            Self::Outbound(verdict) => outbound_word(verdict),
            Self::Dsn(DsnVerdict::Continue) => "continue",
            Self::Dsn(DsnVerdict::Suppress(_)) => "suppress",
            Self::Dsn(DsnVerdict::Redirect(_)) => "redirect",
        }
    }

    /// Whether it says something.
    fn speaks(&self) -> bool {
        !matches!(
            self,
            Self::Gate(smtp::Verdict::Continue)
                | Self::Stage(StageVerdict::Continue)
                | Self::Outbound(smtp::client::Verdict::Continue)
                | Self::Dsn(DsnVerdict::Continue)
        )
    }

    /// What stands after `next` was said too. Only what is at least as strict replaces; of equals the last one that says
    /// something stands for those that rank as continue, else the first, whose reply the client then gets.
    pub fn merge(&self, next: &Self) -> Merge {
        let (standing, said) = (self.strictness(), next.strictness());
        if said > standing || (said == Strictness::Continue && standing == said && next.speaks()) {
            Merge::Replace
        } else {
            Merge::Keep
        }
    }
}

impl DsnVerdict {
    /// Where it stands in the order.
    pub fn strictness(&self) -> Strictness {
        match self {
            Self::Continue | Self::Redirect(_) => Strictness::Continue,
            Self::Suppress(_) => Strictness::Discard,
        }
    }
}

/// What a merge decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// What stands, stands.
    Keep,
    /// The next one stands from here on.
    Replace,
}

impl StageVerdict {
    /// Where it stands in the order.
    pub fn strictness(&self) -> Strictness {
        match self {
            Self::Continue => Strictness::Continue,
            Self::Discard(_) => Strictness::Discard,
            Self::Quarantine(_) => Strictness::Quarantine,
            Self::Defer { .. } | Self::Hold { .. } => Strictness::Defer,
            Self::Fail(_) => Strictness::Reject,
        }
    }

    /// The contract's word for it; `hold` is the host's own.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Defer { .. } => "defer",
            Self::Hold { .. } => "hold",
            Self::Fail(_) => "fail",
            Self::Discard(_) => "discard",
            Self::Quarantine(_) => "quarantine",
        }
    }
}

/// Where a gate's verdict stands in the order.
pub(crate) fn gate_strictness(verdict: &smtp::Verdict) -> Strictness {
    match verdict {
        smtp::Verdict::Continue
        | smtp::Verdict::Greet(_)
        | smtp::Verdict::Claim
        | smtp::Verdict::Rewrite(_)
        | smtp::Verdict::Answer(_)
        | smtp::Verdict::More(_)
        | smtp::Verdict::Replace(_) => Strictness::Continue,
        smtp::Verdict::Discard(_) => Strictness::Discard,
        smtp::Verdict::Quarantine(_) => Strictness::Quarantine,
        smtp::Verdict::Defer(_) => Strictness::Defer,
        smtp::Verdict::Reject(_) => Strictness::Reject,
        smtp::Verdict::Disconnect(_) => Strictness::Disconnect,
    }
}

/// A judgement ranks with what it makes of the reply, so that a later sink's tag doesn't hide an earlier one's refusal.
pub(crate) fn outbound_strictness(verdict: &smtp::client::Verdict) -> Strictness {
    use smtp::client::{AfterReply, Class, Verdict};
    match verdict {
        Verdict::Continue | Verdict::GreetAs(_) => Strictness::Continue,
        Verdict::SkipHost | Verdict::Postpone(_) | Verdict::DropSession => Strictness::Defer,
        Verdict::Fail(_) => Strictness::Reject,
        Verdict::Judge(judgement) => match (judgement.class, judgement.next) {
            (Class::Permanent, _) => Strictness::Reject,
            (Class::Transient, _) => Strictness::Defer,
            (Class::AsSent | Class::Success, AfterReply::AsUsual) => Strictness::Continue,
            (Class::AsSent | Class::Success, _) => Strictness::Quarantine,
        },
    }
}

fn outbound_word(verdict: &smtp::client::Verdict) -> &'static str {
    use smtp::client::Verdict;
    match verdict {
        Verdict::Continue => "continue",
        Verdict::GreetAs(_) => "greet-as",
        Verdict::SkipHost => "skip-host",
        Verdict::Postpone(_) => "postpone",
        Verdict::Fail(_) => "fail",
        Verdict::DropSession => "drop-session",
        Verdict::Judge(_) => "judge",
    }
}

fn gate_word(verdict: &smtp::Verdict) -> &'static str {
    match verdict {
        smtp::Verdict::Continue => "continue",
        smtp::Verdict::Greet(_) => "greet",
        smtp::Verdict::Claim => "claim",
        smtp::Verdict::Rewrite(_) => "rewrite",
        smtp::Verdict::Discard(_) => "discard",
        smtp::Verdict::Quarantine(_) => "quarantine",
        smtp::Verdict::Defer(_) => "defer",
        smtp::Verdict::Reject(_) => "reject",
        smtp::Verdict::Disconnect(_) => "disconnect",
        smtp::Verdict::Answer(_) => "answer",
        smtp::Verdict::More(_) => "more",
        smtp::Verdict::Replace(_) => "replace",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use smtp::Refusal;

    use super::{Merge, StageVerdict, Strictness, Verdict};

    fn gates() -> Vec<Verdict> {
        let reply = smtp::Reply::bare(250, "OK");
        let all = [
            smtp::Verdict::Continue,
            smtp::Verdict::Greet("hello".to_owned()),
            smtp::Verdict::Claim,
            smtp::Verdict::Rewrite(Vec::new()),
            smtp::Verdict::Answer(reply.clone()),
            smtp::Verdict::Replace(reply),
            smtp::Verdict::Discard("word".to_owned()),
            smtp::Verdict::Quarantine("word".to_owned()),
            smtp::Verdict::Defer(Refusal::default()),
            smtp::Verdict::Reject(Refusal::default()),
            smtp::Verdict::Disconnect(None),
        ];
        all.into_iter().map(Verdict::Gate).collect()
    }

    fn stages() -> Vec<Verdict> {
        let position =
            crate::Position { tier: crate::Tier::Tenant, priority: 1, id: std::sync::Arc::from("acme/one") };
        let deferral = super::Deferral {
            position,
            installation: "acme/one".into(),
            digest: "0".into(),
            state: bytes::Bytes::new(),
            attempts: 1,
            faults: 0,
        };
        let all = [
            StageVerdict::Continue,
            StageVerdict::Discard("word".to_owned()),
            StageVerdict::Quarantine("word".to_owned()),
            StageVerdict::Defer { wait: Duration::ZERO, reason: String::new(), deferral },
            StageVerdict::Fail(Refusal::default()),
        ];
        all.into_iter().map(Verdict::Stage).collect()
    }

    fn merged(said: &[&Verdict]) -> Verdict {
        let mut standing = said[0].clone();
        for next in &said[1..] {
            if standing.merge(next) == Merge::Replace {
                standing = (*next).clone();
            }
        }
        standing
    }

    #[test]
    fn nothing_that_is_said_weakens_what_stands() {
        for all in [gates(), stages()] {
            for number in 0..all.len().pow(3) {
                let places = [1, all.len(), all.len() * all.len()];
                let said = places.map(|place| &all[number / place % all.len()]);
                let strictest = said.iter().map(|verdict| verdict.strictness()).max().unwrap();
                assert_eq!(merged(&said).strictness(), strictest, "{said:?}");
            }
        }
    }

    #[test]
    fn the_order_is_the_one_of_the_round() {
        let order: Vec<Strictness> = gates().iter().map(Verdict::strictness).collect();
        assert!(order.is_sorted());
        assert!(Strictness::Discard < Strictness::Quarantine && Strictness::Defer < Strictness::Reject);
    }

    #[test]
    fn of_what_ranks_as_continue_the_last_that_says_something_stands() {
        let [none, greet, claim] = [0, 1, 2].map(|index| gates()[index].clone());
        assert_eq!(merged(&[&greet, &claim, &none]), claim);
        assert_eq!(merged(&[&none, &greet]), greet);
    }
}
