//! The banner, HELO and EHLO (RFC 5321 §3.1, §3.2, §4.1.1.1).

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::{Encryption, Phase, Question, Session, Task};
use crate::extensions::{Extension, Offers};
use crate::facts::{Facts, Greeting};
use crate::gate::{Decision, GateKind, Heeded, Verdict};
use crate::notice::{TransactionOutcome, Violation};
use crate::replies;
use crate::reply::{REPLY_LINE_BYTES_MAX, Reply};
use std::sync::Arc;

const CONNECT: Refusals = Refusals { defer: replies::CONNECT_DEFERRED, reject: replies::CONNECT_REJECTED };
const HELO: Refusals = Refusals { defer: replies::GREETING_DEFERRED, reject: replies::GREETING_REJECTED };

/// A greeting between its gate and its reply.
#[derive(Debug)]
pub(crate) struct GreetingWork {
    pub(crate) greeting: Greeting,
    pub(crate) name: Box<str>,
    /// What was offered before: a greeting that is refused changes nothing.
    before: Offers,
}

impl Session {
    /// Nothing was said yet.
    pub(crate) fn open(&mut self) {
        if self.settings.encryption == Encryption::Implicit && self.facts.tls.is_none() {
            self.phase = Phase::Silent;
            return self.tasks.push_back(Task::Encrypt);
        }
        self.phase = Phase::Commands;
        if self.interest.wants_gate(GateKind::Connect) {
            self.tasks.push_back(Task::Ask(Question::Connect));
        } else {
            self.welcome("ESMTP");
        }
    }

    /// on-connect was asked.
    pub(crate) fn connect_decided(&mut self, decision: Decision) -> Heeded {
        let is_defer = matches!(decision.verdict, Verdict::Defer(_));
        match Ruling::new(decision.verdict, &CONNECT) {
            Ruling::Proceed => self.welcome("ESMTP"),
            Ruling::Special(Verdict::Greet(text)) if self.is_greeting(&text) => self.welcome(&text),
            Ruling::Special(verdict) => {
                self.welcome("ESMTP");
                return match verdict {
                    Verdict::Greet(_) => {
                        Heeded::Ignored("the greeting is too long or holds control characters")
                    }
                    _ => NOT_THIS_GATE,
                };
            }
            // 421 is the only transient code that may stand in for a banner.
            Ruling::Refuse(reply) if is_defer => self.send_by("CONNECT", reply.with_code(421), decision.by),
            Ruling::Refuse(reply) => {
                self.phase = Phase::Refused(None);
                self.send_by("CONNECT", refusing_banner(reply), decision.by);
            }
            Ruling::End(reply) => self.send_last("CONNECT", refusing_banner(reply), decision.by),
        }
        Heeded::Taken
    }

    /// HELO or EHLO, in sequence and past on-inbound-command.
    pub(crate) fn greet(&mut self, greeting: Greeting, name: Box<str>) {
        let offers = match greeting {
            Greeting::Helo => Offers::none(),
            Greeting::Ehlo | Greeting::Lhlo => self.offers_now(),
        };
        let before = self.offers.clone();
        self.offers.renew(offers);
        let work = GreetingWork { greeting, name, before };
        if self.interest.wants_gate(GateKind::Helo) {
            self.tasks.push_back(Task::Ask(Question::Helo(Box::new(work))));
        } else {
            self.accept_greeting(work);
        }
    }

    /// on-helo was asked.
    pub(crate) fn greeting_decided(&mut self, work: GreetingWork, decision: Decision) -> Heeded {
        let verb = verb(work.greeting);
        match Ruling::new(decision.verdict, &HELO) {
            Ruling::Proceed => self.accept_greeting(work),
            Ruling::Special(_) => {
                self.accept_greeting(work);
                return NOT_THIS_GATE;
            }
            Ruling::Refuse(reply) => {
                self.offers = work.before;
                self.send_by(verb, reply, decision.by);
            }
            Ruling::End(reply) => self.send_last(verb, reply, decision.by),
        }
        Heeded::Taken
    }

    fn accept_greeting(&mut self, work: GreetingWork) {
        let GreetingWork { greeting, name, .. } = work;
        // RFC 5321 §4.1.4: a greeting clears all state, as RSET does.
        if self.transaction.is_some() {
            self.tasks.push_back(Task::EndTransaction(TransactionOutcome::Reset));
        }
        let facts: &mut Facts = Arc::make_mut(&mut self.facts);
        facts.greeting = Some(greeting);
        facts.helo_name = Some(name.into());
        let mut text = self.settings.host_name.as_str().to_owned();
        self.offers.write_lines(&mut text);
        self.send(verb(greeting), Reply::with_lines(250, None, text.split('\n')));
    }

    /// Whether the banner stays one line of RFC 5321 §4.5.3.1.5.
    fn is_greeting(&self, text: &str) -> bool {
        let line =
            "220 ".len() + self.settings.host_name.as_str().len() + " ".len() + text.len() + "\r\n".len();
        line <= REPLY_LINE_BYTES_MAX && !text.chars().any(char::is_control)
    }

    /// What EHLO lists at this point of the session.
    fn offers_now(&self) -> Offers {
        let offers = Offers::new(self.settings.limits.message_bytes_max);
        let offers = if self.is_tls_offered() { offers.with(Extension::StartTls) } else { offers };
        match self.mechanisms_offered() {
            Some(mechanisms) => offers.with_mechanisms(mechanisms),
            None => offers,
        }
    }

    pub(crate) fn send_banner(&mut self, text: &str) {
        // RFC 5321 §4.3.1: a client waits for this. Whoever did not is told from others without a delay for all.
        if !self.input.is_empty() {
            self.violate(Violation::EarlyTalker, "");
        }
        let text = format!("{} {text}", self.settings.host_name);
        self.send("CONNECT", Reply::with_lines(220, None, [text.as_str()]));
    }
}

fn verb(greeting: Greeting) -> &'static str {
    match greeting {
        Greeting::Helo => "HELO",
        Greeting::Ehlo => "EHLO",
        Greeting::Lhlo => "LHLO",
    }
}

/// RFC 5321 §4.3.2 and RFC 7504 §3: what may stand in for a banner.
pub(crate) fn refusing_banner(reply: Reply) -> Reply {
    if reply.code() == 521 { reply } else { reply.with_code(554) }
}
