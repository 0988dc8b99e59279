//! What the loop owes an answer to, and how each answer goes on.
//!
//! Promises that every gate has its own set of verdicts, that another one is taken as `Continue` and said so, and that what
//! sinks staged counts only with a verdict that lets the command go out.

use super::action::Action;
use super::draft::{Draft, Scope};
use super::gate::{Connection, Decision, Gate, Judgement, Verdict};
use super::outcome::{Cause, Ending, Fate, Next, SessionError};
use super::step::Step;
use super::{Client, Phase};
use crate::address::Domain;
use crate::envelope::RecipientId;
use crate::gate::{By, Heeded, Refusal};
use crate::reply::Reply;
use std::ops::Range;
use std::time::Duration;

/// A question with what its answer needs.
#[derive(Debug)]
pub(crate) enum Question {
    SessionStart,
    Tls,
    DownEncode,
    Content(Range<u64>),
    MessageStart(Draft),
    PerRecipient { index: usize, id: RecipientId, draft: Draft },
    BeforeData { accepted: u32, refused: u32, draft: Draft },
    Response(Box<Response>),
    SessionEnd { connection: Connection, draft: Draft },
}

/// A reply before a sink has judged it.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) step: Step,
    pub(crate) reply: Reply,
    pub(crate) recipient: Option<RecipientId>,
    pub(crate) draft: Draft,
}

/// A verdict on something that is about to be sent.
pub(crate) enum Ruling {
    Proceed,
    /// The fate of whoever it is about.
    Settle(Fate),
    /// The same, and the session ends.
    Drop(Fate),
}

const NOT_THIS_GATE: Heeded = Heeded::Ignored("the verdict is not one of this gate");

impl Client {
    /// Answers [`Action::Ask`].
    pub fn decide(&mut self, decision: Decision) -> Heeded {
        match self.question.take() {
            Some(Question::SessionStart) => self.session_start_decided(decision),
            Some(Question::MessageStart(draft)) => {
                let (ruling, heeded) = Ruling::of_message(decision);
                self.message_start_decided(ruling, draft);
                heeded
            }
            Some(Question::PerRecipient { index, draft, .. }) => {
                let (ruling, heeded) = Ruling::of_recipient(decision);
                self.recipient_decided(index, ruling, draft);
                heeded
            }
            Some(Question::BeforeData { draft, .. }) => {
                let (ruling, heeded) = Ruling::of_message(decision);
                self.before_data_decided(ruling, draft);
                heeded
            }
            Some(Question::Response(response)) => self.response_decided(*response, decision),
            Some(Question::SessionEnd { connection, draft }) => {
                self.session_end_decided(connection, draft);
                if decision.verdict == Verdict::Continue { Heeded::Taken } else { NOT_THIS_GATE }
            }
            other => {
                self.question = other;
                Heeded::Ignored("no gate was asked")
            }
        }
    }

    /// What comes next, as far as sinks may see it at the gate that is asked; `None` where nothing can be edited.
    #[must_use]
    pub fn draft(&self) -> Option<&Draft> {
        match self.question.as_ref()? {
            Question::MessageStart(draft)
            | Question::PerRecipient { draft, .. }
            | Question::BeforeData { draft, .. }
            | Question::SessionEnd { draft, .. } => Some(draft),
            Question::Response(response) => Some(&response.draft),
            Question::SessionStart | Question::Tls | Question::DownEncode | Question::Content(_) => None,
        }
    }

    /// To edit it; a clone of [`Client::draft`] put back here drops the edits.
    pub fn draft_mut(&mut self) -> Option<&mut Draft> {
        match self.question.as_mut()? {
            Question::MessageStart(draft)
            | Question::PerRecipient { draft, .. }
            | Question::BeforeData { draft, .. }
            | Question::SessionEnd { draft, .. } => Some(draft),
            Question::Response(response) => Some(&mut response.draft),
            Question::SessionStart | Question::Tls | Question::DownEncode | Question::Content(_) => None,
        }
    }

    pub(crate) fn ask(&mut self, question: Question) -> Action {
        let action = match &question {
            Question::SessionStart => Action::Ask(Gate::SessionStart),
            Question::Tls => Action::StartTls { deadline: self.now + self.settings.limits.command_wait_max },
            Question::DownEncode => Action::DownEncode,
            Question::Content(range) => Action::SendContent {
                range: range.clone(),
                deadline: self.now + self.settings.limits.block_wait_max,
            },
            Question::MessageStart(_) => Action::Ask(Gate::MessageStart),
            Question::PerRecipient { id, .. } => Action::Ask(Gate::PerRecipient(*id)),
            Question::BeforeData { accepted, refused, .. } => {
                Action::Ask(Gate::BeforeData { accepted: *accepted, refused: *refused })
            }
            Question::Response(response) => Action::Ask(Gate::ServerResponse {
                verb: response.step.verb().into(),
                reply: response.reply.clone(),
                recipient: response.recipient,
            }),
            Question::SessionEnd { connection, .. } => {
                Action::Ask(Gate::SessionEnd { totals: self.totals, connection: *connection })
            }
        };
        self.question = Some(question);
        action
    }

    /// A draft for verbs alone, within what the session has left of them.
    pub(crate) fn draft_of_verbs(&self, verb: &'static str, scope: Scope) -> Draft {
        Draft::new(verb, scope, Vec::new())
            .with_verbs(self.own_left, self.settings.limits.own_payload_bytes_max)
    }

    /// Fail closed: what nobody answered does not happen now. A reply that nobody judged means what it says.
    pub(crate) fn take_silence_as_no(&mut self) {
        match &self.question {
            None => {}
            Some(Question::Response(_) | Question::SessionEnd { .. }) => {
                self.decide(Decision::proceed());
            }
            // Whatever became of the connection: the handshake is what it did not get through.
            Some(Question::Tls) => self.tls_failed(),
            // The connection broke while the loop was busy with it.
            Some(_) if self.loss.is_some() => self.question = None,
            Some(Question::DownEncode | Question::Content(_)) => self.content_unavailable(),
            Some(_) => {
                self.decide(Decision::postpone());
            }
        }
    }

    fn session_start_decided(&mut self, decision: Decision) -> Heeded {
        let Decision { verdict, by } = decision;
        let (next, wait) = match verdict {
            Verdict::Continue => return Heeded::Taken,
            Verdict::GreetAs(name) => {
                let Ok(name) = Domain::parse(&name) else {
                    return Heeded::Ignored("the name is no domain");
                };
                self.greet_as = name.as_str().into();
                return Heeded::Taken;
            }
            Verdict::SkipHost => (Next::SkipHost, None),
            Verdict::Postpone(wait) => (Next::Close, wait),
            Verdict::Fail(_) | Verdict::DropSession | Verdict::Judge(_) => return NOT_THIS_GATE,
        };
        let cause = Cause::Sink { by, refusal: Refusal::default() };
        self.ending = Some(Ending { cause: Some(cause), next, wait });
        self.phase = Phase::Leaving;
        Heeded::Taken
    }

    fn response_decided(&mut self, response: Response, decision: Decision) -> Heeded {
        let Response { step, reply, draft, .. } = response;
        let (judgement, heeded) = match decision.verdict {
            Verdict::Continue => (Judgement::as_sent(), Heeded::Taken),
            Verdict::Judge(judgement) => (judgement, Heeded::Taken),
            _ => (Judgement::as_sent(), NOT_THIS_GATE),
        };
        self.stage_dialogue(draft);
        match self.apply(&step, reply, judgement) {
            Heeded::Taken => heeded,
            ignored @ Heeded::Ignored(_) => ignored,
        }
    }
}

impl Ruling {
    fn of_message(decision: Decision) -> (Self, Heeded) {
        match decision {
            Decision { verdict: Verdict::DropSession, by } => (Self::Drop(deferred(by, None)), Heeded::Taken),
            other => Self::of_recipient(other),
        }
    }

    fn of_recipient(Decision { verdict, by }: Decision) -> (Self, Heeded) {
        match verdict {
            Verdict::Continue => (Self::Proceed, Heeded::Taken),
            Verdict::Postpone(wait) => (Self::Settle(deferred(by, wait)), Heeded::Taken),
            Verdict::Fail(refusal) => {
                let reply = refusal.reply.filter(Reply::is_permanent);
                let refusal = Refusal { reply, ..refusal };
                (Self::Settle(Fate::Failed(Cause::Sink { by, refusal })), Heeded::Taken)
            }
            _ => (Self::Proceed, NOT_THIS_GATE),
        }
    }
}

fn deferred(by: By, wait: Option<Duration>) -> Fate {
    Fate::Deferred { cause: Cause::Sink { by, refusal: Refusal::default() }, wait }
}

/// Why what is not sent any more waits.
pub(crate) fn ended() -> Cause {
    Cause::Session(SessionError::Ended)
}
