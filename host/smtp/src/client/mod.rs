//! The client's side of a dialogue, as a state machine: bytes and `now` in, an [`Action`] out.
//!
//! | state | sent | what comes | then |
//! | --- | --- | --- | --- |
//! | connecting | nothing | greeting | 2xx: starting, else leaving |
//! | starting | EHLO, LHLO | on-session-start first, once | greeting |
//! | greeting | | reply | 2xx: securing, authenticating or ready; EHLO 5xx: HELO; else leaving |
//! | securing | STARTTLS | reply | 220: handshake; else in clear, or leaving where TLS is required |
//! | handshake | | the loop's word | starting, with all that the peer said before forgotten (RFC 3207 §4.2) |
//! | authenticating | AUTH and its lines | 334, 235 | ready; else leaving |
//! | ready | | a message, or the wish to quit | sending, leaving |
//! | sending | MAIL, RCPT, DATA or BDAT | replies | an outcome; then ready, resetting, leaving or lost |
//! | resetting | RSET | reply | ready; else leaving |
//! | leaving | | on-session-end | quitting |
//! | quitting | verbs of sinks, QUIT | replies | over |
//! | lost | nothing any more | on-session-end | over |
//!
//! Promises one [`Fate`] for each recipient, and that no reply is taken for another's: each answers the oldest command, and a
//! byte that nobody asked for ends the session. 421 ends it wherever it comes. Commands go out in groups (RFC 2920) up to the
//! first whose reply a sink wants to judge. Every question to the loop is a value; one that is never answered counts as
//! "not now". Leaves out DNS, sockets, clocks, and which host is tried next.

mod action;
mod answer;
mod closing;
mod content;
mod draft;
mod facts;
mod gate;
mod message;
mod opening;
mod outcome;
mod own;
mod peer;
mod question;
mod reader;
mod sasl;
mod scram;
mod sending;
mod settings;
mod step;
mod transaction;
mod writer;

use crate::facts::TlsFacts;
use crate::time::Timestamp;
use bytes::{Bytes, BytesMut};
use draft::OwnCommand;
use question::Question;
use reader::{ReplyReader, Statuses};
use sasl::Exchange;
use std::collections::VecDeque;
use std::sync::Arc;
use step::Step;
use transaction::Transaction;

pub use action::Action;
pub use draft::{ARGUMENT_BYTES_MAX, Draft, DraftError, PARAMETER_BYTES_MAX, PARAMETERS_MAX};
pub use facts::{Characters, ContentEnd, ContentFacts, ContentScan};
pub use gate::{AfterReply, Class, Connection, Decision, Gate, GateKind, Interest, Judgement, Verdict};
pub use message::Message;
pub use outcome::{Cause, Ending, Fate, MessageFlaw, Next, Outcome, RecipientOutcome, SessionError, Totals};
pub use peer::{Keyword, Peer};
pub use reader::ReplyFlaw;
pub use sasl::{Credentials, Mechanism, Nonce, SaslError};
pub(crate) use scram::sign as scram_sign;
pub use scram::{ITERATIONS_MAX, ITERATIONS_MIN, ScramError};
pub use settings::{BareNewlines, ClearPasswords, Limits, Protocol, Settings, TlsPolicy};

/// One dialogue with a next hop, from connect to close.
#[derive(Debug)]
pub struct Client {
    settings: Arc<Settings>,
    login: Option<Login>,
    interest: Interest,
    input: ReplyReader,
    output: BytesMut,
    phase: Phase,
    /// The moment of the current step.
    now: Timestamp,
    /// When the wait for the oldest command began.
    waiting_since: Option<Timestamp>,
    /// Commands that are not answered yet, the oldest first.
    expected: VecDeque<Step>,
    /// What the loop owes an answer to.
    question: Option<Question>,
    /// The outcome of the message that is over, still to be told.
    outcome: Option<Outcome>,
    peer: Peer,
    tls: Option<TlsFacts>,
    tls_policy: TlsPolicy,
    greet_as: Box<str>,
    exchange: Option<Box<Exchange>>,
    transaction: Option<Box<Transaction>>,
    /// Verbs of sinks that go out before the next command.
    own: VecDeque<OwnCommand>,
    /// What goes out once the verb of a sink is answered 3xx.
    payload: Option<Bytes>,
    own_left: u32,
    totals: Totals,
    has_started: bool,
    is_quitting: bool,
    /// The connection broke, which is heeded once all replies that came are read.
    loss: Option<SessionError>,
    /// Set as soon as it is clear that no other message will be sent.
    ending: Option<Ending>,
}

/// Who we are at a smart host.
#[derive(Debug)]
struct Login {
    credentials: Arc<Credentials>,
    nonce: Nonce,
    standing: LoginStanding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginStanding {
    Wanted,
    Proved,
}

/// The states of the table above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connecting,
    Starting,
    Greeting,
    Securing,
    Handshake,
    Authenticating,
    Ready,
    Sending,
    Resetting,
    Leaving,
    Quitting,
    Lost,
    Over,
}

impl Client {
    /// One that was just connected and waits for the greeting.
    #[must_use]
    pub fn new(settings: Arc<Settings>) -> Self {
        Self {
            login: None,
            interest: Interest::default(),
            input: ReplyReader::default(),
            output: BytesMut::new(),
            phase: Phase::Connecting,
            now: Timestamp::default(),
            waiting_since: None,
            expected: VecDeque::from([Step::Connect]),
            question: None,
            outcome: None,
            peer: Peer::default(),
            tls: None,
            tls_policy: settings.tls,
            greet_as: settings.greet_as.as_str().into(),
            exchange: None,
            transaction: None,
            own: VecDeque::new(),
            payload: None,
            own_left: settings.limits.own_commands_max,
            totals: Totals::default(),
            has_started: false,
            is_quitting: false,
            loss: None,
            ending: None,
            settings,
        }
    }

    /// The same, and it proves who it is before the first message.
    #[must_use]
    pub fn with_login(mut self, credentials: Arc<Credentials>, nonce: Nonce) -> Self {
        self.login = Some(Login { credentials, nonce, standing: LoginStanding::Wanted });
        self
    }

    /// The same, inside TLS from the first byte on (RFC 8314 §3).
    #[must_use]
    pub fn with_tls(mut self, tls: TlsFacts) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What is worth asking from now on.
    pub fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// What the socket gave.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.phase != Phase::Over {
            self.input.receive(bytes);
        }
    }

    /// The peer closed its side; replies that came before still count.
    pub fn receive_end(&mut self) {
        self.loss.get_or_insert(SessionError::Closed);
    }

    /// The deadline of an action passed.
    pub fn time_out(&mut self) {
        let verb = self.expected.front().map_or("content", Step::verb).into();
        self.loss.get_or_insert(SessionError::TimedOut { verb });
    }

    /// The connection broke.
    pub fn fail(&mut self) {
        self.loss.get_or_insert(SessionError::Failed);
    }

    /// Hands over a message; its outcome comes as [`Action::Outcome`].
    ///
    /// # Errors
    /// Gives it back unless the last action was [`Action::Ready`].
    pub fn send(&mut self, message: Message) -> Result<(), Message> {
        if self.phase != Phase::Ready || self.transaction.is_some() || self.ending.is_some() {
            return Err(message);
        }
        self.transaction = Some(Box::new(Transaction::new(message)));
        self.phase = Phase::Sending;
        Ok(())
    }

    /// No more messages: the session ends as soon as the one under way is over.
    pub fn quit(&mut self) {
        self.is_quitting = true;
    }

    /// Decides what is next; never blocks. A question that was not answered counts as "not now".
    pub fn step(&mut self, now: Timestamp) -> Action {
        self.now = now;
        self.take_silence_as_no();
        loop {
            if let Some(outcome) = self.outcome.take() {
                return Action::Outcome(outcome);
            }
            if let Some(action) = self.advance() {
                return action;
            }
        }
    }

    /// What is to be written; at each [`Action`] all that was said so far.
    pub fn take_output(&mut self) -> Bytes {
        std::mem::take(&mut self.output).freeze()
    }

    /// What the peer offers: nothing before EHLO, nor between STARTTLS and the next EHLO.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// None in clear.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// What became of all recipients so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Why no other message will be sent; set at [`Action::Close`] at the latest.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Reads what came, then says what is next. None: something has changed, look again.
    fn advance(&mut self) -> Option<Action> {
        if self.phase == Phase::Over {
            return Some(Action::Close);
        }
        let statuses = self.expected.front().map(Step::statuses);
        if let Some(statuses) = statuses {
            match self.input.next(&self.settings.limits, statuses) {
                Ok(Some(reply)) => return self.replied(reply),
                Ok(None) => {}
                Err(flaw) => {
                    self.lose(SessionError::Reply { verb: self.awaited(), flaw });
                    return None;
                }
            }
        } else if !self.input.is_empty() && self.unsolicited() {
            return None;
        }
        if let Some(error) = self.loss.take() {
            self.lose(error);
            return None;
        }
        match self.phase {
            Phase::Starting => self.start(),
            Phase::Handshake => Some(self.hand_over_to_tls()),
            Phase::Ready => self.rest(),
            Phase::Sending => self.proceed_message(),
            Phase::Leaving | Phase::Lost => self.end(),
            Phase::Quitting => self.say_quit(),
            Phase::Connecting
            | Phase::Greeting
            | Phase::Securing
            | Phase::Authenticating
            | Phase::Resetting
            | Phase::Over => Some(self.read()),
        }
    }

    /// Bytes that answer nothing. False when they may still become an early answer to the dot.
    fn unsolicited(&mut self) -> bool {
        let is_in_content = self.transaction.as_ref().is_some_and(|transaction| transaction.is_in_content());
        let early = self.input.next(&self.settings.limits, Statuses::Read);
        match early {
            Ok(None) if is_in_content => return false,
            Ok(Some(reply)) if is_in_content => self.answered_early(reply),
            // RFC 5321 §3.8: the one thing that a server may say unasked.
            Ok(Some(reply)) if reply.code() == 421 => self.told_to_close(&reply, ""),
            _ => self.lose(SessionError::Unsolicited),
        }
        true
    }

    /// Nothing is under way.
    fn rest(&mut self) -> Option<Action> {
        if self.is_quitting {
            self.ending = Some(Ending { cause: None, next: Next::Close, wait: None });
            self.phase = Phase::Leaving;
            return None;
        }
        self.input.release();
        Some(Action::Ready)
    }

    /// Waits for the reply to the oldest command.
    fn read(&mut self) -> Action {
        let since = *self.waiting_since.get_or_insert(self.now);
        let limits = &self.settings.limits;
        let wait = self.expected.front().map_or(limits.command_wait_max, |step| step.wait_max(limits));
        Action::Read { deadline: since + wait }
    }

    /// Puts a command into the output.
    fn command(&mut self, line: &str, step: Step) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        self.expect(step);
    }

    fn expect(&mut self, step: Step) {
        if self.expected.is_empty() {
            self.waiting_since = None;
        }
        self.expected.push_back(step);
    }

    /// What the oldest command is called.
    fn awaited(&self) -> Box<str> {
        self.expected.front().map_or("", Step::verb).into()
    }
}

#[cfg(test)]
mod tests;
