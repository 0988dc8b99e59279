//! The end of a session: on-session-end, verbs of sinks, QUIT; or nothing, when the connection is lost.
//!
//! Promises that on-session-end is asked once, in sessions that got as far as on-session-start, and that nothing is said over
//! a connection that cannot be trusted.

use super::action::Action;
use super::draft::{Draft, Scope};
use super::gate::Connection;
use super::outcome::{Cause, Ending, Next, SessionError};
use super::own::Turn;
use super::question::Question;
use super::step::Step;
use super::{Client, GateKind, Phase};

impl Client {
    /// Ends the session without another word.
    pub(crate) fn lose(&mut self, error: SessionError) {
        self.expected.clear();
        self.input.clear();
        self.own.clear();
        self.payload = None;
        let cause = Cause::Session(error);
        if let Some(transaction) = &mut self.transaction {
            transaction.lose(&cause);
        }
        self.ending.get_or_insert(Ending { cause: Some(cause), next: Next::Close, wait: None });
        if self.transaction.is_some() {
            self.finish_message();
        }
        self.phase = match self.phase {
            // on-session-end was asked.
            Phase::Quitting | Phase::Over => Phase::Over,
            _ => Phase::Lost,
        };
    }

    /// on-session-end, if it is wanted.
    pub(crate) fn end(&mut self) -> Option<Action> {
        let connection = if self.phase == Phase::Leaving { Connection::Standing } else { Connection::Lost };
        let has_greeted = self.peer.greeting().is_some();
        let scope = match connection {
            Connection::Standing if has_greeted => Scope::Verbs,
            Connection::Standing | Connection::Lost => Scope::Nothing,
        };
        let draft = self.draft_of_verbs("QUIT", scope);
        if self.has_started && self.interest.wants_gate(GateKind::SessionEnd) {
            return Some(self.ask(Question::SessionEnd { connection, draft }));
        }
        self.session_end_decided(connection, draft);
        None
    }

    pub(crate) fn session_end_decided(&mut self, connection: Connection, mut draft: Draft) {
        match connection {
            Connection::Standing => {
                self.stage(&mut draft);
                self.phase = Phase::Quitting;
            }
            Connection::Lost => self.phase = Phase::Over,
        }
    }

    pub(crate) fn say_quit(&mut self) -> Option<Action> {
        if !self.expected.is_empty() {
            return Some(self.read());
        }
        if self.turn_for(&Step::Quit) == Turn::Send {
            self.command("QUIT", Step::Quit);
        }
        None
    }
}
