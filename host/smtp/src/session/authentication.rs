//! AUTH (RFC 4954): from the command to 235 or 535.
//!
//! Promises that no identity stands before the loop gave it, that an exchange is bounded in its lines and in how often it may
//! fail, and that what the client says in it reaches nobody but the loop. Leaves out who is who.

use super::answer::Label;
use super::input::{LineLimits, Taken};
use super::{Action, Phase, Question, Session, Task};
use crate::client::Mechanism;
use crate::extensions::Extension;
use crate::facts::{Facts, Identity};
use crate::gate::By;
use crate::notice::Violation;
use crate::replies;
use crate::reply::Reply;
use crate::sasl::{AuthQuestion, CHALLENGE_BYTES_MAX, Exchange, Next, ScramKeys, ScramSalt, Secret};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::sync::Arc;

/// Answers [`Action::Authenticate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthAnswer {
    /// It is this one.
    Identity(Identity),
    /// What [`AuthQuestion::Keys`] asked for.
    Keys {
        /// What is kept of the password.
        keys: ScramKeys,
        /// How that was made.
        salt: ScramSalt,
        /// Random bytes, never twice the same.
        nonce: [u8; 18],
    },
    /// What [`AuthQuestion::Step`] goes on with.
    Challenge {
        /// At most [`CHALLENGE_BYTES_MAX`].
        data: Bytes,
        /// Comes back with the response.
        state: Secret,
    },
    /// 535, or another 5xx.
    Refuse {
        /// A sink's words.
        reply: Option<Reply>,
        /// Who says so.
        by: By,
    },
    /// 454, or another 4xx.
    Defer {
        /// A sink's words.
        reply: Option<Reply>,
        /// Who says so.
        by: By,
    },
}

/// An exchange that waits for the loop.
#[derive(Debug)]
pub(crate) struct AuthWork {
    exchange: Exchange,
    pub(crate) question: AuthQuestion,
}

const AUTH: Label = Label::Borrowed("AUTH");

impl Session {
    /// Answers [`Action::Authenticate`]; without that question it does nothing.
    pub fn answer_authentication(&mut self, answer: AuthAnswer) {
        match self.question.take() {
            Some(Question::Authenticate(work)) => self.authentication_answered(*work, answer),
            other => self.question = other,
        }
    }

    /// AUTH, in sequence and past on-inbound-command.
    pub(crate) fn authenticate(&mut self, mechanism: Box<str>, initial: Option<&Secret>) {
        if !self.offers.has(Extension::Auth) {
            let is_in_clear = self.settings.authentication.is_in_clear();
            let needs_tls = self.has_mechanisms() && self.facts.tls.is_none() && !is_in_clear;
            let reply = if needs_tls { replies::ENCRYPTION_NEEDED } else { replies::COMMAND_NOT_SERVED };
            return self.send(AUTH, reply);
        }
        let Some(mut exchange) = self.exchange(mechanism) else {
            return self.send(AUTH, replies::MECHANISM_UNKNOWN);
        };
        let next = match initial {
            None => exchange.begin(),
            // RFC 4954 §4: a response that is there and empty.
            Some(initial) if **initial.reveal() == *b"=" => exchange.respond(Bytes::new()),
            Some(initial) => respond(&mut exchange, initial.reveal()),
        };
        self.follow(exchange, next);
    }

    /// Reads the client's next message.
    pub(crate) fn next_response(&mut self, mut exchange: Box<Exchange>) -> Option<Action> {
        let limits = &self.settings.limits;
        let wait_max = limits.command_wait_max;
        let line_max = limits.authentication_line_bytes_max;
        match self.input.take_line(LineLimits { line_max, drain_max: limits.command_drain_bytes_max }) {
            Taken::Unfinished => {
                self.phase = Phase::Authentication(exchange);
                return self.starve(wait_max);
            }
            Taken::Endless => self.send_endless(),
            Taken::Flawed(flaw) => self.send_flawed(AUTH, flaw),
            Taken::Line(line) if *line == *b"*" => self.send(AUTH, replies::AUTHENTICATION_CANCELLED),
            Taken::Line(line) => {
                let next = respond(&mut exchange, &line);
                self.follow(*exchange, next);
            }
        }
        None
    }

    /// What stands behind AUTH in the answer to EHLO; none where it may not be used now.
    pub(crate) fn mechanisms_offered(&self) -> Option<Arc<str>> {
        let may = self.facts.tls.is_some() || self.settings.authentication.is_in_clear();
        (may && self.has_mechanisms()).then(|| self.mechanisms().collect::<Vec<_>>().join(" ").into())
    }

    /// Whether anybody could log in here.
    pub(crate) fn has_mechanisms(&self) -> bool {
        self.settings.authentication.is_possible() && self.mechanisms().next().is_some()
    }

    /// The listener's own, and those that sinks have beside them.
    fn mechanisms(&self) -> impl Iterator<Item = &str> {
        let ours = self.settings.authentication.mechanisms();
        let is_new = |word: &&str| ours.iter().all(|mechanism| mechanism.word() != *word);
        let of_sinks = self.interest.mechanisms().iter().map(|word| &**word).filter(is_new);
        ours.iter().map(|mechanism| mechanism.word()).chain(of_sinks)
    }

    fn exchange(&self, mechanism: Box<str>) -> Option<Exchange> {
        if !self.mechanisms().any(|word| word == &*mechanism) {
            return None;
        }
        let own = Mechanism::ALL.into_iter().find(|known| known.word() == &*mechanism);
        Some(own.map_or_else(|| Exchange::of_sink(mechanism), Exchange::new))
    }

    fn follow(&mut self, exchange: Exchange, next: Next) {
        match next {
            Next::Ask(question) => {
                let work = AuthWork { exchange, question };
                self.tasks.push_back(Task::Ask(Question::Authenticate(Box::new(work))));
            }
            Next::Challenge(challenge) => self.challenge(exchange, &challenge),
            Next::Malformed => self.send(AUTH, replies::AUTHENTICATION_MALFORMED),
        }
    }

    fn challenge(&mut self, exchange: Exchange, challenge: &[u8]) {
        self.phase = Phase::Authentication(Box::new(exchange));
        let text = STANDARD.encode(challenge);
        self.send(AUTH, Reply::with_lines(334, None, [text.as_str()]));
    }

    fn authentication_answered(&mut self, work: AuthWork, answer: AuthAnswer) {
        let AuthWork { mut exchange, question } = work;
        match (answer, question) {
            (AuthAnswer::Keys { keys, salt, nonce }, AuthQuestion::Keys { .. })
                if let Some(challenge) = exchange.keys(&keys, &salt, nonce) =>
            {
                self.challenge(exchange, &challenge);
            }
            (AuthAnswer::Challenge { data, state }, AuthQuestion::Step { mechanism, .. })
                if data.len() <= CHALLENGE_BYTES_MAX =>
            {
                exchange.go_on(mechanism, state);
                self.challenge(exchange, &data);
            }
            (
                AuthAnswer::Identity(identity),
                AuthQuestion::Password { .. } | AuthQuestion::Proved { .. } | AuthQuestion::Step { .. },
            ) => {
                let facts: &mut Facts = Arc::make_mut(&mut self.facts);
                facts.authenticated = Some(identity);
                self.send(AUTH, replies::AUTHENTICATED);
            }
            (AuthAnswer::Refuse { reply, by }, question) => {
                let reply = reply.filter(Reply::is_permanent).unwrap_or(replies::AUTHENTICATION_REFUSED);
                self.authentication_failed(question.mechanism(), reply, by);
            }
            (AuthAnswer::Defer { reply, by }, _) => {
                let reply = reply.filter(Reply::is_transient).unwrap_or(replies::AUTHENTICATION_DEFERRED);
                self.send_by(AUTH, reply, by);
            }
            // What does not answer the question is no yes.
            _ => self.send(AUTH, replies::AUTHENTICATION_DEFERRED),
        }
    }

    fn authentication_failed(&mut self, mechanism: &str, reply: Reply, by: By) {
        self.authentication_failures = self.authentication_failures.saturating_add(1);
        self.violate(Violation::AuthenticationFailed, mechanism);
        if self.authentication_failures >= self.settings.limits.authentication_failures_max {
            return self.send_too_many_errors(AUTH);
        }
        self.send_by(AUTH, reply, by);
    }
}

fn respond(exchange: &mut Exchange, line: &[u8]) -> Next {
    STANDARD.decode(line).map_or(Next::Malformed, |response| exchange.respond(response.into()))
}
