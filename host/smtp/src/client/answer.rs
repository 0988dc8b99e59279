//! From a reply to what it changes: every reply of the peer passes here.
//!
//! Promises the order: on-server-response, what the reply means for its command, what comes next; that a 2xx to the dot
//! stands whatever a sink says; and that behind 421 nothing is sent.

use super::action::Action;
use super::draft::Scope;
use super::gate::{AfterReply, Class, Judgement};
use super::outcome::{Ending, Fate, Next, SessionError};
use super::question::{Question, Response};
use super::step::{Answer, Meaning, Step};
use super::{Client, Phase};
use crate::gate::Heeded;
use crate::reply::Reply;

impl Client {
    /// The oldest command is answered.
    pub(crate) fn replied(&mut self, reply: Reply) -> Option<Action> {
        let step = self.expected.pop_front()?;
        self.waiting_since = None;
        if self.interest.wants_reply(step.verb()) {
            let scope = if takes_verbs_behind(&step, &reply) { Scope::Verbs } else { Scope::Nothing };
            let draft = self.draft_of_verbs("", scope);
            let recipient = step.recipient().and_then(|index| self.recipient_id(index));
            return Some(self.ask(Question::Response(Box::new(Response { step, reply, recipient, draft }))));
        }
        self.apply(&step, reply, Judgement::as_sent());
        None
    }

    pub(crate) fn apply(&mut self, step: &Step, reply: Reply, judgement: Judgement) -> Heeded {
        let Judgement { class, next, tag } = judgement;
        let (meaning, heeded) = judge(step, &reply, class);
        if let (Some(transaction), Some(tag)) = (&mut self.transaction, tag) {
            transaction.tag(step.recipient(), &tag);
        }
        let answer = Answer { verb: step.verb().into(), reply, meaning };
        let next = leaving(next);
        match step {
            Step::Connect | Step::Greet(_) | Step::StartTls | Step::Auth
                if answer.reply.code() != 421
                    && let Behind::Leave(next) = next =>
            {
                self.leave_opening(step, &answer, next);
                return heeded;
            }
            Step::Connect => self.connected(&answer),
            Step::Greet(greeting) => self.greeted(*greeting, &answer),
            Step::StartTls => self.secured(&answer),
            Step::Auth => self.authenticated(&answer),
            Step::Mail => self.mail_answered(&answer),
            Step::Rcpt(index) => self.rcpt_answered(*index, &answer),
            Step::Data => self.data_answered(&answer),
            Step::Dot => self.dot_answered(&answer),
            Step::DotOf(index) => self.dot_of_answered(*index, &answer),
            Step::Reset => self.reset_answered(&answer),
            Step::Quit => self.phase = Phase::Over,
            Step::Own(verb) => self.own_answered(verb, &answer),
        }
        if matches!(self.phase, Phase::Lost | Phase::Over) {
            return heeded;
        }
        if answer.reply.code() == 421 {
            self.told_to_close(&answer.reply, &answer.verb);
        } else {
            self.go_on(step, next, &answer);
        }
        heeded
    }

    /// 421 (RFC 5321 §3.8): the peer closes, and reads nothing any more. LMTP's other replies to the dot may still come.
    pub(crate) fn told_to_close(&mut self, reply: &Reply, verb: &str) {
        let answer = Answer { verb: verb.into(), reply: reply.clone(), meaning: Meaning::Transient };
        self.ending = Some(Ending { cause: Some(answer.cause()), next: Next::Close, wait: None });
        if self.expected.iter().any(Step::is_dot) {
            return;
        }
        self.expected.clear();
        self.own.clear();
        if let Some(transaction) = &mut self.transaction {
            transaction.settle_rest(&answer.refusal());
        }
        if self.phase == Phase::Sending {
            self.finish_message();
        }
        // In the other case on-session-end was asked.
        self.phase = if self.phase == Phase::Quitting { Phase::Over } else { Phase::Lost };
    }

    /// A reply whose code means nothing to its command: neither side knows any more what the other one is doing.
    pub(crate) fn misunderstood(&mut self, answer: &Answer) {
        self.lose(SessionError::Unexpected { verb: answer.verb.clone(), reply: answer.reply.clone() });
    }

    /// The peer does not serve us: ends the session politely.
    pub(crate) fn refused(&mut self, answer: &Answer) {
        self.ending.get_or_insert(Ending { cause: Some(answer.cause()), next: Next::Close, wait: None });
        self.phase = Phase::Leaving;
    }

    /// What a sink wants behind a reply of a message, of RSET, or to a verb of its own.
    fn go_on(&mut self, step: &Step, next: Behind, answer: &Answer) {
        if next == Behind::Usual {
            return;
        }
        if let Behind::Leave(next) = next {
            self.ending = Some(Ending { cause: Some(answer.cause()), next, wait: None });
        }
        match &mut self.transaction {
            // Each recipient has its own reply to the dot, now or soon.
            Some(_) if step.is_dot() => {}
            Some(transaction) => {
                transaction.settle_rest(&Fate::Deferred { cause: answer.cause(), wait: None });
            }
            None if self.phase == Phase::Ready && next != Behind::NextMessage => self.phase = Phase::Leaving,
            None => {}
        }
    }

    /// A sink ends the session before its first message. A peer that waits for a handshake or for SASL reads no QUIT.
    fn leave_opening(&mut self, step: &Step, answer: &Answer, next: Next) {
        self.ending = Some(Ending { cause: Some(answer.cause()), next, wait: None });
        self.phase = if is_committed(step, &answer.reply) { Phase::Lost } else { Phase::Leaving };
    }
}

/// What comes behind a reply, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Usual,
    NextMessage,
    Leave(Next),
}

fn leaving(next: AfterReply) -> Behind {
    match next {
        AfterReply::AsUsual | AfterReply::NextRecipient => Behind::Usual,
        AfterReply::NextMessage => Behind::NextMessage,
        AfterReply::EndSession => Behind::Leave(Next::Close),
        AfterReply::SkipHost => Behind::Leave(Next::SkipHost),
        AfterReply::SuspendQueue => Behind::Leave(Next::SuspendQueue),
    }
}

/// Whether the peer now reads something else than commands.
pub(crate) fn is_committed(step: &Step, reply: &Reply) -> bool {
    match step {
        Step::StartTls => reply.is_positive(),
        Step::Auth => reply.is_intermediate(),
        _ => false,
    }
}

/// Verbs of sinks never go out before EHLO, into a content, or to a peer that is going. Those behind EHLO and AUTH wait until
/// the session is open.
fn takes_verbs_behind(step: &Step, reply: &Reply) -> bool {
    !matches!(step, Step::Connect | Step::StartTls | Step::Data | Step::Quit) && reply.code() != 421
}

fn judge(step: &Step, reply: &Reply, class: Class) -> (Meaning, Heeded) {
    let meaning = Meaning::of(step, reply);
    let is_own = matches!(step, Step::Own(_));
    match class {
        Class::AsSent => (meaning, Heeded::Taken),
        // It fails nothing by itself, and so needs no other meaning.
        _ if is_own => (meaning, Heeded::Taken),
        Class::Success => (meaning, Heeded::Ignored("success is for verbs of a sink's own")),
        _ if step.is_dot() && reply.is_positive() => {
            (meaning, Heeded::Ignored("what the peer took stays taken"))
        }
        Class::Transient => (Meaning::Transient, Heeded::Taken),
        Class::Permanent => (Meaning::Permanent, Heeded::Taken),
    }
}
