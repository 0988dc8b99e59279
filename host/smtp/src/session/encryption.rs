//! STARTTLS (RFC 3207), and TLS from the first byte (RFC 8314 §3.3).
//!
//! Promises that nothing which came in clear is known or read behind a handshake (RFC 3207 §4.2): neither the greeting, the
//! transaction and the identity, nor bytes that stood behind STARTTLS (CVE-2011-0411). What the client did wrong still counts
//! against its limits. Leaves out the handshake itself: the loop makes it.

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::greeting::refusing_banner;
use super::{Action, Encryption, Phase, Question, Session, Task};
use crate::command::Command;
use crate::extensions::Offers;
use crate::facts::{Facts, TlsFacts};
use crate::gate::{By, Decision, GateKind, Heeded, Verdict};
use crate::notice::{DisconnectCause, TransactionOutcome, Violation};
use crate::parameters::Smtputf8;
use crate::replies;
use crate::reply::Reply;
use std::sync::Arc;

const TLS: Refusals = Refusals { defer: replies::ENCRYPTION_DEFERRED, reject: replies::ENCRYPTION_REJECTED };

/// A refusal that answers the client's next command.
#[derive(Debug)]
pub(crate) struct Owed {
    pub(crate) reply: Reply,
    pub(crate) by: By,
}

impl Session {
    /// Answers [`Action::Encrypt`]: the handshake is done. Without that question it does nothing.
    pub fn encrypted(&mut self, tls: TlsFacts) {
        match self.question.take() {
            Some(Question::Encrypt { .. }) => self.forget_clear(tls),
            other => self.question = other,
        }
    }

    /// Answers [`Action::Encrypt`]: there will be no more bytes that anybody could trust. Without that question it does nothing.
    pub fn encryption_failed(&mut self, detail: &str) {
        match self.question.take() {
            Some(Question::Encrypt { .. }) => {
                self.violate(Violation::TlsFailed, detail);
                self.tasks.push_back(Task::Finish(DisconnectCause::Failed));
            }
            other => self.question = other,
        }
    }

    /// STARTTLS, in sequence and past on-inbound-command.
    pub(crate) fn start_tls(&mut self) {
        if !self.is_tls_offered() {
            return self.send("STARTTLS", replies::COMMAND_NOT_SERVED);
        }
        if self.transaction.is_some() {
            self.tasks.push_back(Task::EndTransaction(TransactionOutcome::Reset));
        }
        self.send("STARTTLS", replies::READY_FOR_TLS);
        self.tasks.push_back(Task::Encrypt);
    }

    /// 220 is in the output, or nothing was said yet.
    pub(crate) fn begin_encryption(&mut self) -> Action {
        self.input.clear();
        self.ask(Question::Encrypt { wait_max: self.settings.limits.handshake_wait_max })
    }

    /// The banner, once the sinks that want to know of the encryption let it pass.
    pub(crate) fn welcome(&mut self, text: &str) {
        if self.facts.tls.is_some() && self.interest.wants_gate(GateKind::TlsEstablished) {
            self.tasks.push_back(Task::Ask(Question::TlsEstablished(Some(text.into()))));
        } else {
            self.send_banner(text);
        }
    }

    /// on-tls-established was asked. Behind STARTTLS the client speaks next, so a rejection waits for its command; 421 may
    /// come at any time (RFC 5321 §3.8).
    pub(crate) fn encryption_decided(&mut self, banner: Option<Box<str>>, decision: Decision) -> Heeded {
        let is_defer = matches!(decision.verdict, Verdict::Defer(_));
        let verb = if banner.is_some() { "CONNECT" } else { "STARTTLS" };
        match (Ruling::new(decision.verdict, &TLS), banner) {
            (Ruling::Proceed, banner) => self.resume(banner),
            (Ruling::Special(_), banner) => {
                self.resume(banner);
                return NOT_THIS_GATE;
            }
            (Ruling::Refuse(reply), _) if is_defer => self.send_by(verb, reply.with_code(421), decision.by),
            (Ruling::Refuse(reply), Some(_)) => {
                self.phase = Phase::Refused(None);
                self.send_by(verb, refusing_banner(reply), decision.by);
            }
            (Ruling::Refuse(reply), None) => {
                self.phase = Phase::Refused(Some(Box::new(Owed { reply, by: decision.by })));
            }
            (Ruling::End(reply), Some(_)) => self.send_last(verb, refusing_banner(reply), decision.by),
            (Ruling::End(reply), None) => self.send_last(verb, reply, decision.by),
        }
        Heeded::Taken
    }

    /// Whether STARTTLS is served now.
    pub(crate) fn is_tls_offered(&self) -> bool {
        let is_served = matches!(self.settings.encryption, Encryption::Offered | Encryption::Required);
        is_served && self.facts.tls.is_none()
    }

    /// RFC 3207 §4: what a server that requires TLS still answers in clear.
    pub(crate) fn serves_nothing_in_clear(&self, command: &Command) -> bool {
        let is_served = matches!(
            command,
            Command::Greet { .. } | Command::Noop | Command::Reset | Command::StartTls | Command::Quit
        );
        self.settings.encryption == Encryption::Required && self.facts.tls.is_none() && !is_served
    }

    fn resume(&mut self, banner: Option<Box<str>>) {
        if let Some(text) = banner {
            self.send_banner(&text);
        }
    }

    fn forget_clear(&mut self, tls: TlsFacts) {
        self.clear_transaction();
        self.offers = Offers::none();
        self.input.clear();
        let facts: &mut Facts = Arc::make_mut(&mut self.facts);
        facts.greeting = None;
        facts.helo_name = None;
        facts.authenticated = None;
        facts.smtputf8 = Smtputf8::Absent;
        facts.tls = Some(tls);
        let is_behind_starttls = self.settings.encryption != Encryption::Implicit;
        if is_behind_starttls && self.interest.wants_gate(GateKind::TlsEstablished) {
            self.tasks.push_back(Task::Ask(Question::TlsEstablished(None)));
        }
    }
}
