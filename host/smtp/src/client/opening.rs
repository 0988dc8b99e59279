//! From the greeting to the first MAIL: EHLO or HELO, STARTTLS, AUTH.
//!
//! Promises that nothing which the peer said in clear counts inside TLS (RFC 3207 §4.2), that a required TLS is had or
//! nothing is sent, and that a password goes out only where the settings let it.

use super::action::Action;
use super::answer::is_committed;
use super::outcome::{Cause, Ending, Next, SessionError};
use super::peer::Peer;
use super::question::Question;
use super::sasl::{Exchange, Mechanism};
use super::settings::{ClearPasswords, Protocol, TlsPolicy};
use super::step::{Answer, Meaning, Step};
use super::{Client, GateKind, LoginStanding, Phase};
use crate::facts::{Greeting, TlsFacts};

impl Client {
    /// Answers [`Action::StartTls`]: the handshake is done.
    pub fn tls_established(&mut self, tls: TlsFacts) {
        if !matches!(self.question, Some(Question::Tls)) {
            return;
        }
        self.question = None;
        // What was read in clear must not be taken for something that came inside (RFC 3207 §4.2, CVE-2011-0411).
        if !self.input.is_empty() {
            return self.lose(SessionError::Unsolicited);
        }
        self.tls = Some(tls);
        self.phase = Phase::Starting;
    }

    /// Answers [`Action::StartTls`]: there will be no TLS on this connection, and nothing else either.
    pub fn tls_failed(&mut self) {
        if matches!(self.question, Some(Question::Tls)) {
            self.question = None;
            self.lose(SessionError::TlsFailed);
        }
    }

    pub(crate) fn connected(&mut self, answer: &Answer) {
        match answer.meaning {
            Meaning::Done => self.phase = Phase::Starting,
            Meaning::More => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent => self.refused(answer),
        }
    }

    /// on-session-start, then EHLO.
    pub(crate) fn start(&mut self) -> Option<Action> {
        if !self.has_started {
            self.has_started = true;
            if self.interest.wants_gate(GateKind::SessionStart) {
                return Some(self.ask(Question::SessionStart));
            }
        }
        self.greet(match self.settings.protocol {
            Protocol::Smtp => Greeting::Ehlo,
            Protocol::Lmtp => Greeting::Lhlo,
        });
        None
    }

    pub(crate) fn greeted(&mut self, greeting: Greeting, answer: &Answer) {
        match answer.meaning {
            Meaning::Done => {
                self.peer = match greeting {
                    Greeting::Helo => Peer::of_helo(),
                    Greeting::Ehlo | Greeting::Lhlo => Peer::of_ehlo(greeting, &answer.reply),
                };
                self.open();
            }
            Meaning::More => self.misunderstood(answer),
            Meaning::Permanent if greeting == Greeting::Ehlo && is_unknown(answer) => {
                self.greet(Greeting::Helo);
            }
            Meaning::Transient | Meaning::Permanent => self.refused(answer),
        }
    }

    pub(crate) fn secured(&mut self, answer: &Answer) {
        match answer.meaning {
            Meaning::Transient | Meaning::Permanent if is_committed(&Step::StartTls, &answer.reply) => {
                self.lose(SessionError::Ended);
            }
            Meaning::Done if answer.reply.code() == 220 => {
                self.peer = Peer::default();
                self.phase = Phase::Handshake;
            }
            Meaning::Done | Meaning::More => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent if self.tls_policy == TlsPolicy::Required => {
                self.refused(answer);
            }
            Meaning::Transient | Meaning::Permanent => {
                self.tls_policy = TlsPolicy::Never;
                self.open();
            }
        }
    }

    pub(crate) fn hand_over_to_tls(&mut self) -> Action {
        self.ask(Question::Tls)
    }

    pub(crate) fn authenticated(&mut self, answer: &Answer) {
        let Some(exchange) = &mut self.exchange else { return self.misunderstood(answer) };
        let line = match answer.meaning {
            Meaning::Transient | Meaning::Permanent if is_committed(&Step::Auth, &answer.reply) => {
                return self.lose(SessionError::Ended);
            }
            Meaning::Transient | Meaning::Permanent => return self.refused(answer),
            Meaning::More => exchange.challenge(answer.reply.lines().next().unwrap_or_default()).map(Some),
            Meaning::Done => exchange.succeed().map(|()| None),
        };
        match line {
            Ok(Some(line)) => self.command(&line, Step::Auth),
            Ok(None) => {
                self.exchange = None;
                if let Some(login) = &mut self.login {
                    login.standing = LoginStanding::Proved;
                }
                self.open();
            }
            Err(error) => self.lose(SessionError::Auth(error)),
        }
    }

    fn greet(&mut self, greeting: Greeting) {
        let step = Step::Greet(greeting);
        let line = format!("{} {}", step.verb(), self.greet_as);
        self.phase = Phase::Greeting;
        self.command(&line, step);
    }

    /// The peer has told what it offers: what is still wanted before the first message?
    fn open(&mut self) {
        let is_offered = self.peer.offers("STARTTLS");
        if self.tls.is_none() && is_offered && self.tls_policy != TlsPolicy::Never {
            self.phase = Phase::Securing;
            return self.command("STARTTLS", Step::StartTls);
        }
        if self.tls.is_none() && self.tls_policy == TlsPolicy::Required {
            return self.give_up(SessionError::TlsNotOffered);
        }
        match &self.login {
            Some(login) if login.standing == LoginStanding::Wanted => self.log_in(),
            _ => self.phase = Phase::Ready,
        }
    }

    fn log_in(&mut self) {
        let may_show = self.tls.is_some() || self.settings.clear_passwords == ClearPasswords::Allowed;
        let is_fit = |mechanism: &Mechanism| {
            self.peer.takes_mechanism(mechanism.word()) && (may_show || !mechanism.shows_password())
        };
        let mechanism = Mechanism::ALL.into_iter().find(is_fit);
        let (Some(mechanism), Some(login)) = (mechanism, &self.login) else {
            return self.give_up(SessionError::AuthNotOffered);
        };
        let (exchange, line) = Exchange::begin(mechanism, &login.credentials, login.nonce);
        self.exchange = Some(Box::new(exchange));
        self.phase = Phase::Authenticating;
        self.command(&line, Step::Auth);
    }

    /// The peer cannot do what the settings want: ends the session politely.
    fn give_up(&mut self, error: SessionError) {
        self.ending = Some(Ending { cause: Some(Cause::Session(error)), next: Next::Close, wait: None });
        self.phase = Phase::Leaving;
    }
}

/// EHLO is what the peer does not know (RFC 5321 §3.2), rather than us whom it does not like: 521 and 554 are about the host
/// (RFC 7504), and what a sink has made a 5xx of is not about EHLO.
fn is_unknown(answer: &Answer) -> bool {
    answer.reply.is_permanent() && !matches!(answer.reply.code(), 521 | 554)
}
