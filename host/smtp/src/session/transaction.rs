//! MAIL: the beginning of a transaction (RFC 5321 §4.1.1.2), and the end of one.

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::{Admission, Question, Session, Task};
use crate::envelope::Envelope;
use crate::extensions::{Extension, ParameterVerb};
use crate::gate::{Decision, GateKind, Heeded};
use crate::notice::{Notice, NoticeKind, TransactionOutcome, Violation};
use crate::parameters::{BodyType, MailParameters, Parameter, Smtputf8, find};
use crate::path::ReversePath;
use crate::replies;
use crate::reply::Reply;
use std::sync::Arc;

const MAIL_FROM: Refusals =
    Refusals { defer: replies::REVERSE_PATH_DEFERRED, reject: replies::REVERSE_PATH_REJECTED };

/// What the session keeps of a transaction beside its envelope.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Transaction {
    /// Recipients in the envelope, or once there.
    pub(crate) accepted: u32,
    /// RCPT that were answered 250 and not kept.
    pub(crate) discarded: u32,
    /// RCPT that were refused.
    pub(crate) refused: u32,
}

impl Transaction {
    /// RCPT that were answered 250, and what rewrites added.
    pub(crate) fn recipients(&self) -> u32 {
        self.accepted.saturating_add(self.discarded)
    }
}

impl Session {
    /// MAIL, in sequence and past on-inbound-command.
    pub(crate) fn mail(&mut self, reverse_path: ReversePath, parameters: Vec<Parameter>, needs: Smtputf8) {
        let read = match self.mail_parameters(&parameters, needs) {
            Ok(read) => read,
            Err(reply) => return self.send("MAIL", reply),
        };
        if read.size.is_some_and(|size| size > self.settings.limits.message_bytes_max) {
            self.violate(Violation::MessageTooLarge, "MAIL");
            return self.send("MAIL", replies::MESSAGE_TOO_LARGE);
        }
        if read.smtputf8 == Smtputf8::Asked {
            Arc::make_mut(&mut self.facts).smtputf8 = Smtputf8::Asked;
        }
        self.mark_parameters(&read, &parameters);
        let envelope = self.envelope_mut();
        envelope.reverse_path = reverse_path;
        envelope.parameters = parameters;
        self.tasks.push_back(Task::Ask(Question::Admit { announced: read.size }));
    }

    /// Room was asked for.
    pub(crate) fn admission_decided(&mut self, admission: Admission) {
        match admission {
            Admission::Room if self.interest.wants_gate(GateKind::MailFrom) => {
                self.tasks.push_back(Task::Ask(Question::MailFrom));
            }
            Admission::Room => self.begin_transaction(),
            Admission::Full => {
                self.clear_transaction();
                self.send("MAIL", replies::STORAGE_LOW);
            }
            Admission::NotYours => {
                self.clear_transaction();
                self.send("MAIL", replies::REVERSE_PATH_NOT_YOURS);
            }
            Admission::Unavailable => {
                self.clear_transaction();
                self.send("MAIL", replies::STORAGE_UNAVAILABLE);
            }
        }
    }

    /// on-mail-from was asked.
    pub(crate) fn mail_decided(&mut self, decision: Decision) -> Heeded {
        match Ruling::new(decision.verdict, &MAIL_FROM) {
            Ruling::Proceed => self.begin_transaction(),
            Ruling::Special(_) => {
                self.begin_transaction();
                return NOT_THIS_GATE;
            }
            Ruling::Refuse(reply) => {
                self.clear_transaction();
                self.send_by("MAIL", reply, decision.by);
            }
            Ruling::End(reply) => {
                self.clear_transaction();
                self.send_last("MAIL", reply, decision.by);
            }
        }
        Heeded::Taken
    }

    /// Tells how it ended, then forgets it. A transaction that never got past MAIL has no end to tell.
    pub(crate) fn end_transaction(&mut self, outcome: TransactionOutcome) {
        let is_told = self.interest.wants_notice(NoticeKind::TransactionEnd);
        if self.transaction.take().is_some() && is_told {
            let notice = Notice::TransactionEnd { outcome };
            self.tasks.push_front(Task::ClearTransaction);
            self.tasks.push_front(Task::Ask(Question::Told(Box::new(notice))));
        } else {
            self.clear_transaction();
        }
    }

    /// RFC 5321 §4.1.1.5: nothing of it stays.
    pub(crate) fn clear_transaction(&mut self) {
        self.transaction = None;
        self.accepted = Vec::new();
        self.own_replies = Vec::new();
        match Arc::get_mut(&mut self.envelope) {
            Some(envelope) => *envelope = Envelope::default(),
            None => self.envelope = Arc::default(),
        }
        if self.facts.smtputf8 == Smtputf8::Asked {
            Arc::make_mut(&mut self.facts).smtputf8 = Smtputf8::Absent;
        }
    }

    /// RFC 5321 §4.1.1.11: 555 to what was not offered; then what each value means.
    fn mail_parameters(&self, parameters: &[Parameter], needs: Smtputf8) -> Result<MailParameters, Reply> {
        if parameters.iter().any(|parameter| !self.offers.takes(ParameterVerb::Mail, parameter)) {
            return Err(replies::PARAMETER_UNKNOWN);
        }
        let read = MailParameters::read(parameters)?;
        if needs == Smtputf8::Asked && read.smtputf8 == Smtputf8::Absent {
            return Err(replies::SMTPUTF8_NEEDED);
        }
        Ok(read)
    }

    fn mark_parameters(&mut self, read: &MailParameters, parameters: &[Parameter]) {
        if read.size.is_some() {
            self.offers.mark_used(Extension::Size);
        }
        if read.body == BodyType::EightBitMime || find(parameters, "BODY").is_some() {
            self.offers.mark_used(Extension::EightBitMime);
        }
        if find(parameters, "RET").or_else(|| find(parameters, "ENVID")).is_some() {
            self.offers.mark_used(Extension::Dsn);
        }
        if read.smtputf8 == Smtputf8::Asked {
            self.offers.mark_used(Extension::Smtputf8);
        }
    }

    fn begin_transaction(&mut self) {
        self.transaction = Some(Transaction::default());
        self.send("MAIL", replies::REVERSE_PATH_ACCEPTED);
    }
}
