//! The server's side of a dialogue, as a state machine: bytes in, an [`Action`] out.
//!
//! Promises EVENTS' order of checks, one reply for each command and one for each dot, and the same replies for the same bytes
//! wherever they were cut. Every question to the loop is a value; an answer that never comes counts as a refusal. What a
//! command does is queued as tasks and performed one by one, so that any of them may stop to ask. Leaves out time, sockets
//! and whose tenant it is.

mod action;
mod answer;
mod authentication;
mod commands;
mod content;
mod dialogue;
mod encryption;
mod greeting;
mod input;
mod question;
mod recipient;
mod settings;
mod transaction;

use crate::envelope::{Envelope, Recipient, RecipientId};
use crate::extensions::Offers;
use crate::facts::Facts;
use crate::gate::{By, Decision, Heeded};
use crate::interest::Interest;
use crate::notice::{DisconnectCause, Notice, NoticeKind, Totals};
use crate::replies;
use crate::reply::Reply;
use crate::sasl::Exchange;
use bytes::{Bytes, BytesMut};
use content::Content;
use dialogue::Turn;
use encryption::Owed;
use input::Input;
use question::{Question, Task};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use transaction::Transaction;

pub use action::{Action, Admission, Pace, RecipientStanding};
pub use authentication::AuthAnswer;
pub use settings::{Authentication, BareNewlines, ClearPasswords, Encryption, Settings};

/// One dialogue, from connect to close.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
    facts: Arc<Facts>,
    envelope: Arc<Envelope>,
    offers: Offers,
    interest: Interest,
    input: Input,
    output: BytesMut,
    phase: Phase,
    /// What is still to be done before more is read.
    tasks: VecDeque<Task>,
    /// What the loop owes an answer to.
    question: Option<Question>,
    /// Set from MAIL's 250 on.
    transaction: Option<Transaction>,
    /// The ids that each accepted RCPT came to, in order; kept for LMTP alone, which answers each of them at the dot.
    accepted: Vec<Range<u32>>,
    /// What the dot is answered for single recipients, beside the reply for all.
    own_replies: Vec<(RecipientId, Reply)>,
    /// Whether the loop holds a content that it was told to begin, and not yet to complete or drop.
    content_open: bool,
    pipelining_noted: bool,
    idle_commands: u32,
    unknown_commands: u32,
    authentication_failures: u32,
    totals: Totals,
    /// Why there will be no more input.
    ending: Option<DisconnectCause>,
}

/// What the next bytes are.
#[derive(Debug)]
enum Phase {
    /// Nothing was said yet.
    Silent,
    Commands,
    /// on-connect or on-tls-established rejected: QUIT is all that is served (RFC 5321 §3.1). What the client was not told
    /// yet answers its next command.
    Refused(Option<Box<Owed>>),
    Dialogue(Box<Turn>),
    Authentication(Box<Exchange>),
    Content(Box<Content>),
    Over,
}

impl Session {
    /// One that has not said anything yet; its first step asks [`crate::Gate::Connect`]. Bytes that were received before that are
    /// an early talker's.
    #[must_use]
    pub fn new(settings: Arc<Settings>, facts: Facts) -> Self {
        Self {
            settings,
            facts: Arc::new(facts),
            envelope: Arc::default(),
            offers: Offers::none(),
            interest: Interest::default(),
            input: Input::default(),
            output: BytesMut::new(),
            phase: Phase::Silent,
            tasks: VecDeque::new(),
            question: None,
            transaction: None,
            accepted: Vec::new(),
            own_replies: Vec::new(),
            content_open: false,
            pipelining_noted: false,
            idle_commands: 0,
            unknown_commands: 0,
            authentication_failures: 0,
            totals: Totals::default(),
            ending: None,
        }
    }

    /// What is worth asking and telling from now on.
    pub fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// What the socket gave.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.totals.received =
            self.totals.received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if !matches!(self.phase, Phase::Over) {
            self.input.bytes.extend_from_slice(bytes);
        }
    }

    /// The client closed its side; what it sent before is still served.
    pub fn receive_end(&mut self) {
        self.end_with(DisconnectCause::ClientClosed);
    }

    /// The wait of [`Action::Read`] passed.
    pub fn time_out(&mut self) {
        self.end_with(DisconnectCause::TimedOut);
    }

    /// The server stops: the session ends with 421 when it would wait for a command, not inside a content.
    pub fn shut_down(&mut self) {
        self.ending.get_or_insert(DisconnectCause::ShuttingDown);
    }

    /// The connection broke; no reply will arrive.
    pub fn fail(&mut self) {
        self.question = None;
        self.finish(DisconnectCause::Failed);
    }

    /// Decides what is next; never blocks. A question that was not answered counts as refused.
    pub fn step(&mut self) -> Action {
        self.take_silence_as_no();
        loop {
            let action = match self.tasks.pop_front() {
                Some(task) => self.perform(task),
                None => self.advance(),
            };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// Answers [`Action::Ask`] and [`Action::Tell`].
    pub fn decide(&mut self, decision: Decision) -> Heeded {
        match self.question.take() {
            Some(Question::Connect) => self.connect_decided(decision),
            Some(Question::TlsEstablished(banner)) => self.encryption_decided(banner, decision),
            Some(Question::Helo(work)) => self.greeting_decided(*work, decision),
            Some(Question::Command(work)) => self.command_decided(*work, decision),
            Some(Question::MailFrom) => self.mail_decided(decision),
            Some(Question::RcptTo(work)) => self.recipient_decided(work, decision),
            Some(Question::Data) => self.data_decided(decision),
            Some(Question::EndOfData) => self.end_of_data_decided(decision),
            Some(Question::Reply(outgoing)) => self.reply_decided(*outgoing, decision),
            Some(Question::Told(_)) => self.notice_decided(decision),
            other => {
                self.question = other;
                Heeded::Ignored("no gate was asked")
            }
        }
    }

    /// Answers [`Action::Resolve`]; without that question it does nothing.
    pub fn judge_recipient(&mut self, standing: RecipientStanding) {
        match self.question.take() {
            Some(Question::Resolve(work)) => self.recipient_judged(work, standing),
            other => self.question = other,
        }
    }

    /// Answers [`Action::Admit`]; without that question it does nothing.
    pub fn admit(&mut self, admission: Admission) {
        match self.question.take() {
            Some(Question::Admit { .. }) => self.admission_decided(admission),
            other => self.question = other,
        }
    }

    /// Before [`Session::content_stored`], where LMTP is spoken: these recipients are refused, and are not in what is stored.
    pub fn refuse_apart(&mut self, replies: impl IntoIterator<Item = (RecipientId, Reply)>) {
        self.own_replies = replies.into_iter().filter(|(_, reply)| reply.is_refusal()).collect();
    }

    /// Answers [`Action::Complete`]: 250 once it is durable, else why not. Without that question it does nothing.
    pub fn content_stored(&mut self, reply: Reply) {
        match self.question.take() {
            Some(Question::Complete(outcome)) => self.completed(reply, outcome),
            other => self.question = other,
        }
    }

    /// The replies to write; at each [`Action`] whatever was answered so far.
    pub fn take_output(&mut self) -> Bytes {
        std::mem::take(&mut self.output).freeze()
    }

    /// Whether there are replies to write.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// What is known of the session. Cheap to clone; a clone that is dropped before the next step costs nothing.
    #[must_use]
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// What the loop learns of the client: TLS, identity, connections.
    pub fn facts_mut(&mut self) -> &mut Facts {
        Arc::make_mut(&mut self.facts)
    }

    /// The transaction's, empty outside of one. Cheap to clone as [`Session::facts`].
    #[must_use]
    pub fn envelope(&self) -> &Arc<Envelope> {
        &self.envelope
    }

    /// For what sinks committed to it.
    pub fn envelope_mut(&mut self) -> &mut Envelope {
        Arc::make_mut(&mut self.envelope)
    }

    /// The recipient that [`Action::Resolve`] or [`crate::Gate::RcptTo`] is about, as it would enter the envelope.
    #[must_use]
    pub fn candidate(&self) -> Option<&Recipient> {
        match &self.question {
            Some(Question::Resolve(work) | Question::RcptTo(work)) => Some(&work.candidate),
            _ => None,
        }
    }

    /// What EHLO offers; sinks edit it in [`crate::Gate::Helo`].
    pub fn offers(&mut self) -> &mut Offers {
        &mut self.offers
    }

    /// What was in the session so far; without how long it lasted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { messages: self.facts.messages, ..self.totals }
    }

    fn end_with(&mut self, cause: DisconnectCause) {
        self.ending = Some(cause);
    }

    fn perform(&mut self, task: Task) -> Option<Action> {
        match task {
            Task::Ask(question) => return Some(self.ask(question)),
            Task::Send(outgoing) => self.send_or_ask(outgoing),
            Task::Encrypt => return Some(self.begin_encryption()),
            Task::BeginContent => return self.begin_content(),
            Task::AbortContent => return self.abort_content(),
            Task::EndTransaction(outcome) => self.end_transaction(outcome),
            Task::ClearTransaction => self.clear_transaction(),
            Task::Finish(cause) => self.finish(cause),
            Task::TellDisconnect(cause) => {
                if self.interest.wants_notice(NoticeKind::Disconnect) {
                    let notice = Notice::Disconnect { cause, totals: self.totals() };
                    return Some(self.ask(Question::Told(Box::new(notice))));
                }
            }
        }
        None
    }

    /// Nothing is left to do: reads on.
    fn advance(&mut self) -> Option<Action> {
        match std::mem::replace(&mut self.phase, Phase::Commands) {
            Phase::Silent => self.open(),
            Phase::Commands => return self.next_command(),
            Phase::Refused(owed) => {
                self.phase = Phase::Refused(owed);
                return self.next_command();
            }
            Phase::Dialogue(turn) => return self.next_turn(turn),
            Phase::Authentication(exchange) => return self.next_response(exchange),
            Phase::Content(content) => return self.next_content(content),
            Phase::Over => {
                self.phase = Phase::Over;
                return Some(Action::Close);
            }
        }
        None
    }

    /// There is too little input to go on with.
    fn starve(&mut self, wait_max: Duration) -> Option<Action> {
        let is_in_content = matches!(self.phase, Phase::Content(_));
        match self.ending {
            Some(DisconnectCause::ShuttingDown) if !is_in_content => self.send("", replies::SHUTTING_DOWN),
            None | Some(DisconnectCause::ShuttingDown) => {
                self.input.release();
                // Tasks come and go with each command: an idle session needs no room for them.
                self.tasks = VecDeque::new();
                let pace = if is_in_content {
                    Pace::Rate { bytes_per_second_min: self.settings.limits.content_bytes_per_second_min }
                } else {
                    Pace::Together
                };
                return Some(Action::Read { wait_max, pace });
            }
            Some(DisconnectCause::TimedOut) => {
                self.violate(crate::notice::Violation::TimedOut, "");
                self.send("", replies::TIMED_OUT);
            }
            Some(cause) => self.finish(cause),
        }
        None
    }

    fn ask(&mut self, question: Question) -> Action {
        let action = question.action();
        self.question = Some(question);
        action
    }

    /// Fail closed: what nobody answered is not allowed. Whoever was only told had its chance.
    fn take_silence_as_no(&mut self) {
        match self.question {
            None => {}
            Some(Question::Resolve(_)) => self.judge_recipient(RecipientStanding::Undecided),
            Some(Question::Encrypt { .. }) => self.encryption_failed(""),
            Some(Question::Authenticate(_)) => {
                self.answer_authentication(AuthAnswer::Defer { reply: None, by: By::Host });
            }
            Some(Question::Admit { .. }) => self.admit(Admission::Full),
            Some(Question::Complete(_)) => {
                self.question = None;
                self.storage_lost();
            }
            Some(Question::Reply(_) | Question::Told(_)) => {
                self.decide(Decision::proceed());
            }
            Some(_) => {
                self.decide(Decision::defer());
            }
        }
    }
}

#[cfg(test)]
mod tests;
