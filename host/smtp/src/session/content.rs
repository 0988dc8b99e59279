//! DATA: from the command to the reply to its dot (RFC 5321 §4.1.1.4).
//!
//! Promises that a content is answered once and only behind its dot, whatever was wrong with it; and that 250 is what the
//! loop said after it stored the content, or a content that nobody wanted kept.

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::{Action, Phase, Question, Session, Task};
use crate::data::{DataReader, Flaw, Piece};
use crate::envelope::RecipientId;
use crate::facts::{Facts, Protocol};
use crate::gate::{By, Decision, GateKind, Heeded, Verdict};
use crate::notice::{TransactionOutcome, Violation};
use crate::replies;
use crate::reply::Reply;
use std::ops::Range;
use std::sync::Arc;

const DATA: Refusals = Refusals { defer: replies::MESSAGE_DEFERRED, reject: replies::MESSAGE_REJECTED };

/// A content on its way in.
#[derive(Debug)]
pub(crate) struct Content {
    reader: DataReader,
    fate: Fate,
}

/// What becomes of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// It goes to the loop.
    Keep,
    /// Every recipient was discarded: nobody sees it, and it is answered 250.
    Discard,
    /// It is dropped up to its dot, and then answered so.
    Refuse(Reply),
}

impl Session {
    /// DATA, in sequence and past on-inbound-command.
    pub(crate) fn data(&mut self) {
        if self.keeps_recipients() && self.interest.wants_gate(GateKind::Data) {
            self.tasks.push_back(Task::Ask(Question::Data));
        } else {
            self.start_content();
        }
    }

    /// on-data was asked. A refusal leaves the transaction as it is (RFC 5321 §4.1.4).
    pub(crate) fn data_decided(&mut self, decision: Decision) -> Heeded {
        match Ruling::new(decision.verdict, &DATA) {
            Ruling::Proceed => self.start_content(),
            Ruling::Special(_) => {
                self.start_content();
                return NOT_THIS_GATE;
            }
            Ruling::Refuse(reply) => self.send_by("DATA", reply, decision.by),
            Ruling::End(reply) => self.send_last("DATA", reply, decision.by),
        }
        Heeded::Taken
    }

    /// 354 is in the output.
    pub(crate) fn begin_content(&mut self) -> Option<Action> {
        let limits = &self.settings.limits;
        let reader = DataReader::new(
            limits.message_bytes_max,
            limits.text_line_bytes_max,
            self.settings.bare_newlines,
        );
        let fate = if self.keeps_recipients() { Fate::Keep } else { Fate::Discard };
        let begun = (fate == Fate::Keep).then_some(Action::BeginContent);
        self.content_open = begun.is_some();
        self.phase = Phase::Content(Box::new(Content { reader, fate }));
        begun
    }

    /// Reads on.
    pub(crate) fn next_content(&mut self, mut content: Box<Content>) -> Option<Action> {
        match content.reader.read(&mut self.input.bytes) {
            Piece::Content(bytes) => {
                let action = (content.fate == Fate::Keep).then_some(Action::Content(bytes));
                self.phase = Phase::Content(content);
                action
            }
            Piece::Flaw(flaw) => {
                content.fate = Fate::Refuse(self.content_flaw(flaw));
                self.phase = Phase::Content(content);
                None
            }
            Piece::Hungry if self.is_drained(&content) => {
                self.send(".", replies::DRAINED_TOO_MUCH);
                None
            }
            Piece::Hungry => {
                let limits = &self.settings.limits;
                let is_first = content.reader.size() == 0;
                let wait_max =
                    if is_first { limits.content_start_wait_max } else { limits.content_block_wait_max };
                self.phase = Phase::Content(content);
                self.starve(wait_max)
            }
            Piece::End if self.is_drained(&content) => {
                self.send(".", replies::DRAINED_TOO_MUCH);
                None
            }
            Piece::End => {
                self.content_ended(content.fate);
                None
            }
        }
    }

    /// on-end-of-data was asked.
    pub(crate) fn end_of_data_decided(&mut self, decision: Decision) -> Heeded {
        match Ruling::new(decision.verdict, &DATA) {
            Ruling::Proceed => self.complete(TransactionOutcome::Committed),
            Ruling::Special(Verdict::Quarantine(_)) => self.complete(TransactionOutcome::Quarantined),
            Ruling::Special(Verdict::Discard(_)) => {
                self.tasks.push_back(Task::AbortContent);
                self.answer_dot(replies::CONTENT_ACCEPTED, TransactionOutcome::Discarded, By::Host);
            }
            Ruling::Special(_) => {
                self.complete(TransactionOutcome::Committed);
                return NOT_THIS_GATE;
            }
            Ruling::Refuse(reply) => {
                self.tasks.push_back(Task::AbortContent);
                let outcome = refused(&reply);
                self.answer_dot(reply, outcome, decision.by);
            }
            Ruling::End(reply) => {
                self.tasks.push_back(Task::AbortContent);
                self.send_last(".", reply, decision.by);
            }
        }
        Heeded::Taken
    }

    /// The loop stored the content, or could not.
    pub(crate) fn completed(&mut self, reply: Reply, outcome: TransactionOutcome) {
        self.content_open = false;
        let reply = if reply.is_intermediate() { replies::STORAGE_UNAVAILABLE } else { reply };
        let outcome = if reply.is_positive() { outcome } else { refused(&reply) };
        self.answer_dot(reply, outcome, By::Host);
    }

    /// The loop never said what became of the content: it is dropped, and the client keeps it.
    pub(crate) fn storage_lost(&mut self) {
        self.tasks.push_back(Task::AbortContent);
        self.answer_dot(replies::STORAGE_UNAVAILABLE, TransactionOutcome::Deferred, By::Host);
    }

    /// Whether the loop holds an unfinished content.
    pub(crate) fn is_content_open(&self) -> bool {
        self.content_open
    }

    /// The loop drops it.
    pub(crate) fn abort_content(&mut self) -> Option<Action> {
        std::mem::take(&mut self.content_open).then_some(Action::AbortContent)
    }

    fn keeps_recipients(&self) -> bool {
        self.transaction.is_some_and(|transaction| transaction.accepted > 0)
    }

    fn start_content(&mut self) {
        self.send("DATA", replies::START_CONTENT);
        self.tasks.push_back(Task::BeginContent);
    }

    fn content_flaw(&mut self, flaw: Flaw) -> Reply {
        let (violation, reply) = match flaw {
            Flaw::TooLarge => (Violation::MessageTooLarge, replies::MESSAGE_TOO_LARGE),
            Flaw::LineTooLong => (Violation::LineTooLong, replies::CONTENT_LINE_TOO_LONG),
            Flaw::BareLineFeed => (Violation::BareLineFeed, replies::CONTENT_BARE_LINE_FEED),
            Flaw::BareCarriageReturn => {
                (Violation::BareCarriageReturn, replies::CONTENT_BARE_CARRIAGE_RETURN)
            }
        };
        self.tasks.push_back(Task::AbortContent);
        self.violate(violation, "content");
        reply
    }

    fn is_drained(&self, content: &Content) -> bool {
        content.reader.drained() > self.settings.limits.content_drain_bytes_max
    }

    fn content_ended(&mut self, fate: Fate) {
        match fate {
            Fate::Keep if self.interest.wants_gate(GateKind::EndOfData) => {
                self.tasks.push_back(Task::Ask(Question::EndOfData));
            }
            Fate::Keep => self.complete(TransactionOutcome::Committed),
            Fate::Discard => {
                self.answer_dot(replies::CONTENT_ACCEPTED, TransactionOutcome::Discarded, By::Host);
            }
            Fate::Refuse(reply) => {
                let outcome = refused(&reply);
                self.answer_dot(reply, outcome, By::Host);
            }
        }
    }

    fn complete(&mut self, outcome: TransactionOutcome) {
        self.tasks.push_back(Task::Ask(Question::Complete(outcome)));
    }

    fn answer_dot(&mut self, reply: Reply, outcome: TransactionOutcome, by: By) {
        if reply.is_positive() {
            let facts: &mut Facts = Arc::make_mut(&mut self.facts);
            facts.messages = facts.messages.saturating_add(1);
            self.idle_commands = 0;
        }
        match self.settings.protocol {
            Protocol::Lmtp => self.answer_each(&reply, &by),
            Protocol::Smtp | Protocol::Submission => self.send_by(".", reply, by),
        }
        self.tasks.push_back(Task::EndTransaction(outcome));
    }
}

impl Session {
    /// RFC 2033 §4.2: a reply for each RCPT that was answered 250, in their order. One that was rewritten to several is refused
    /// where all of them are.
    fn answer_each(&mut self, reply: &Reply, by: &By) {
        let own = |id: u32| {
            let is_it = |(refused, _): &&(RecipientId, Reply)| refused.0 == id;
            self.own_replies.iter().find(is_it).map(|(_, reply)| reply.clone())
        };
        let of_command = |ids: &Range<u32>| {
            let mut refusals = ids.clone().map(own);
            let first = if reply.is_positive() { refusals.next().flatten() } else { None };
            first.filter(|_| refusals.all(|refusal| refusal.is_some())).unwrap_or_else(|| reply.clone())
        };
        let replies: Vec<Reply> = self.accepted.iter().map(of_command).collect();
        for reply in replies {
            self.send_by(".", reply, by.clone());
        }
    }
}

fn refused(reply: &Reply) -> TransactionOutcome {
    if reply.is_permanent() { TransactionOutcome::Rejected } else { TransactionOutcome::Deferred }
}
