//! Replies, notices and the end: everything that a session says passes here.
//!
//! Promises EVENTS' order: change of state, on-reply, send, on-rejected; and that a session over a limit hears 421 and ends.

use super::{Phase, Question, Session, Task};
use crate::facts::Facts;
use crate::gate::{By, Decision, Gate, Heeded, Refusal, Verdict};
use crate::notice::{DisconnectCause, Notice, NoticeKind, Violation};
use crate::replies;
use crate::reply::Reply;
use std::borrow::Cow;
use std::sync::Arc;

/// The verb of a command that is answered; borrowed for all that the host knows.
pub(crate) type Label = Cow<'static, str>;

/// A reply on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) verb: Label,
    pub(crate) reply: Reply,
    pub(crate) by: By,
}

/// What a gate answers when the sink that refuses brings no reply of its own.
#[derive(Debug)]
pub(crate) struct Refusals {
    pub(crate) defer: Reply,
    pub(crate) reject: Reply,
}

/// A verdict, as far as all gates share it.
#[derive(Debug)]
pub(crate) enum Ruling {
    Proceed,
    Refuse(Reply),
    /// Refuse and end the session.
    End(Reply),
    /// One that only some gates know.
    Special(Verdict),
}

impl Ruling {
    /// A refusal has to be of its class, whatever the sink gave.
    pub(crate) fn new(verdict: Verdict, otherwise: &Refusals) -> Self {
        let chosen = |refusal: Refusal, fits: fn(&Reply) -> bool, otherwise: &Reply| {
            refusal.reply.filter(fits).unwrap_or_else(|| otherwise.clone())
        };
        match verdict {
            Verdict::Continue => Self::Proceed,
            Verdict::Defer(refusal) => Self::Refuse(chosen(refusal, Reply::is_transient, &otherwise.defer)),
            Verdict::Reject(refusal) => Self::Refuse(chosen(refusal, Reply::is_permanent, &otherwise.reject)),
            Verdict::Disconnect(reply) => Self::End(closing(reply)),
            special => Self::Special(special),
        }
    }
}

/// The contract's `disconnect`: 421, or a 5xx.
pub(crate) fn closing(reply: Option<Reply>) -> Reply {
    reply.filter(|reply| reply.code() == 421 || reply.is_permanent()).unwrap_or(replies::DISCONNECTED)
}

/// Why a decision was not followed.
pub(crate) const NOT_THIS_GATE: Heeded = Heeded::Ignored("the verdict is not one of this gate");

impl Session {
    /// Queues a reply of the host's.
    pub(crate) fn send(&mut self, verb: impl Into<Label>, reply: Reply) {
        self.send_by(verb, reply, By::Host);
    }

    /// Queues a reply. One that passes a limit of the session becomes 421, and the last.
    pub(crate) fn send_by(&mut self, verb: impl Into<Label>, reply: Reply, by: By) {
        let verb = verb.into();
        if reply.is_refusal() {
            self.totals.refused = self.totals.refused.saturating_add(1);
            // RFC 5321 §4.2.2: these say that the client does not keep to the protocol.
            let is_error = matches!(reply.code(), 500..=504 | 530 | 555) && by == By::Host;
            if is_error {
                let facts: &mut Facts = Arc::make_mut(&mut self.facts);
                facts.errors = facts.errors.saturating_add(1);
            }
            let limits = &self.settings.limits;
            let is_over =
                self.facts.errors >= limits.errors_max || self.totals.refused >= limits.refusals_max;
            if is_over && reply.code() != 421 {
                return self.send_too_many_errors(verb);
            }
        }
        self.tasks.push_back(Task::Send(Outgoing { verb, reply, by }));
    }

    /// Queues a reply after which the session ends.
    pub(crate) fn send_last(&mut self, verb: impl Into<Label>, reply: Reply, by: By) {
        self.send_by(verb, reply, by);
        self.tasks.push_back(Task::Finish(DisconnectCause::Refused));
    }

    /// Queues the 421 of a client that did too much of something.
    pub(crate) fn send_too_many_errors(&mut self, verb: impl Into<Label>) {
        let verb = verb.into();
        self.violate(Violation::TooManyErrors, &verb);
        let reply = replies::ERRORS_TOO_MANY;
        self.tasks.push_back(Task::Send(Outgoing { verb, reply, by: By::Host }));
    }

    /// Queues the notice of a violation, if anyone cares.
    pub(crate) fn violate(&mut self, kind: Violation, detail: &str) {
        if self.interest.wants_notice(NoticeKind::Violation) {
            let notice = Notice::Violation { kind, detail: detail.to_owned() };
            self.tasks.push_back(Task::Ask(Question::Told(Box::new(notice))));
        }
    }

    /// Sends now, or asks first.
    pub(crate) fn send_or_ask(&mut self, outgoing: Outgoing) {
        // What a SASL mechanism says to its client is for no sink to see or change.
        let is_challenge = outgoing.verb == "AUTH" && outgoing.reply.is_intermediate();
        if !is_challenge && self.interest.wants_reply(&outgoing.verb) {
            self.tasks.push_front(Task::Ask(Question::Reply(Box::new(outgoing))));
        } else {
            self.deliver(outgoing);
        }
    }

    /// on-reply was asked.
    pub(crate) fn reply_decided(&mut self, mut outgoing: Outgoing, decision: Decision) -> Heeded {
        let heeded = match decision.verdict {
            Verdict::Continue => Heeded::Taken,
            Verdict::Replace(reply) if may_replace(&outgoing, &reply) => {
                let is_bare = outgoing.reply.status().is_none();
                outgoing.reply = if is_bare { reply.without_status() } else { reply };
                Heeded::Taken
            }
            Verdict::Replace(_) => Heeded::Ignored("another reply has to be of the same class"),
            _ => NOT_THIS_GATE,
        };
        self.deliver(outgoing);
        heeded
    }

    /// A notice was told.
    pub(crate) fn notice_decided(&mut self, decision: Decision) -> Heeded {
        match decision.verdict {
            Verdict::Continue => Heeded::Taken,
            Verdict::Disconnect(_) if matches!(self.phase, Phase::Over) => Heeded::Taken,
            Verdict::Disconnect(reply) => {
                self.deliver(Outgoing { verb: Label::Borrowed(""), reply: closing(reply), by: decision.by });
                self.tasks.push_front(Task::Finish(DisconnectCause::Refused));
                Heeded::Taken
            }
            _ => NOT_THIS_GATE,
        }
    }

    /// Ends the session: what is open is closed, what is owed is told, nothing more is read.
    pub(crate) fn finish(&mut self, cause: DisconnectCause) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        let is_ending = |task: &Task| matches!(task, Task::EndTransaction(_));
        self.tasks.retain(is_ending);
        if self.is_content_open() {
            self.tasks.push_front(Task::AbortContent);
        }
        if self.transaction.is_some() && self.tasks.iter().all(|task| !is_ending(task)) {
            self.tasks.push_back(Task::EndTransaction(crate::notice::TransactionOutcome::Disconnected));
        }
        self.tasks.push_back(Task::TellDisconnect(cause));
        self.phase = Phase::Over;
        self.input.clear();
    }

    fn deliver(&mut self, outgoing: Outgoing) {
        let before = self.output.len();
        outgoing.reply.write_to(&mut self.output);
        let sent = u64::try_from(self.output.len() - before).unwrap_or(u64::MAX);
        self.totals.sent = self.totals.sent.saturating_add(sent);
        if outgoing.reply.code() == 421 {
            let cause = self.ending.unwrap_or(DisconnectCause::Refused);
            self.tasks.push_front(Task::Finish(cause));
        }
        if outgoing.reply.is_refusal() && self.interest.wants_notice(NoticeKind::Rejected) {
            let Outgoing { verb, by, reply } = outgoing;
            let notice = Notice::Rejected { verb: verb.into_owned(), by, reply };
            self.tasks.push_front(Task::Ask(Question::Told(Box::new(notice))));
        }
    }
}

/// Another text, status, or code of the same class. A 3xx, a 421, and the yes to a connection, STARTTLS and AUTH mean something
/// to both state machines, and so does what EHLO lists.
fn may_replace(outgoing: &Outgoing, reply: &Reply) -> bool {
    let (old, new) = (outgoing.reply.code(), reply.code());
    let is_awaited =
        matches!(&*outgoing.verb, "CONNECT" | "STARTTLS" | "AUTH") && outgoing.reply.is_positive();
    let is_fixed = outgoing.reply.is_intermediate() || old == 421 || new == 421 || is_awaited;
    let is_list = outgoing.verb == "EHLO" && outgoing.reply.is_positive();
    old / 100 == new / 100 && !is_list && (!is_fixed || old == new)
}

impl Gate {
    /// What on-reply is asked.
    pub(crate) fn of_reply(outgoing: &Outgoing) -> Self {
        Self::Reply { verb: outgoing.verb.clone().into_owned(), reply: outgoing.reply.clone() }
    }
}
