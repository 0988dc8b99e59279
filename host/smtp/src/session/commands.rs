//! From a line to what is done about it, in EVENTS' order of checks: line and syntax, sequence and limits,
//! on-inbound-command, and then the command's own.

use super::answer::Label;
use super::dialogue::CommandWork;
use super::encryption::Owed;
use super::input::{LineFlaw, LineLimits, Taken};
use super::{Action, Phase, Question, Session, Task};
use crate::command::Command;
use crate::extensions::Extension;
use crate::facts::{Greeting, Protocol};
use crate::notice::{DisconnectCause, TransactionOutcome, Violation};
use crate::replies;
use crate::reply::Reply;

impl Session {
    /// Takes the next line, or asks for more input.
    pub(crate) fn next_command(&mut self) -> Option<Action> {
        let limits = &self.settings.limits;
        let line_max = limits.command_line_bytes_max;
        let wait_max = limits.command_wait_max;
        match self.input.take_line(LineLimits { line_max, drain_max: limits.command_drain_bytes_max }) {
            Taken::Unfinished => return self.starve(wait_max),
            Taken::Endless => self.send_endless(),
            Taken::Flawed(flaw) => self.send_flawed("", flaw),
            Taken::Line(line) => match std::str::from_utf8(&line) {
                Ok(line) => self.command_line(line),
                Err(_) => self.send("", replies::LINE_MALFORMED),
            },
        }
        None
    }

    /// A line that is never read as a command, nor as two.
    pub(crate) fn send_flawed(&mut self, verb: impl Into<Label>, flaw: LineFlaw) {
        let (violation, reply) = match flaw {
            LineFlaw::BareLineFeed => (Violation::BareLineFeed, replies::LINE_BARE_LINE_FEED),
            LineFlaw::BareCarriageReturn => {
                (Violation::BareCarriageReturn, replies::LINE_BARE_CARRIAGE_RETURN)
            }
            LineFlaw::TooLong => (Violation::LineTooLong, replies::LINE_TOO_LONG),
        };
        self.violate(violation, "command");
        self.send(verb, reply);
    }

    /// A line that never ends.
    pub(crate) fn send_endless(&mut self) {
        self.violate(Violation::LineTooLong, "command");
        self.send("", replies::DRAINED_TOO_MUCH);
    }

    /// What the host does, once nothing stands against it.
    pub(crate) fn execute(&mut self, command: Command) {
        match command {
            Command::Greet { greeting, name } if self.speaks(greeting) => self.greet(greeting, name),
            Command::Greet { .. } => self.send(label(&command), replies::COMMAND_NOT_SERVED),
            Command::Mail { reverse_path, parameters, needs } => self.mail(reverse_path, parameters, needs),
            Command::Rcpt { forward_path, parameters, needs } => self.rcpt(forward_path, parameters, needs),
            Command::Data => self.data(),
            Command::Reset => {
                if self.transaction.is_some() {
                    self.tasks.push_back(Task::EndTransaction(TransactionOutcome::Reset));
                }
                self.send("RSET", replies::OK);
            }
            Command::Noop => self.send("NOOP", replies::OK),
            Command::Help => self.send("HELP", replies::HELP),
            Command::Verify => self.send("VRFY", replies::VERIFY_BY_SENDING),
            Command::Expand => self.send("EXPN", replies::COMMAND_NOT_SERVED),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.authenticate(mechanism, initial.as_ref()),
            Command::Quit => {
                self.send("QUIT", replies::GOODBYE);
                self.tasks.push_back(Task::Finish(DisconnectCause::ClientQuit));
            }
            Command::NotServed(verb) => self.send(verb, replies::COMMAND_NOT_SERVED),
            Command::Unknown(verb) => {
                self.unknown_commands = self.unknown_commands.saturating_add(1);
                self.violate(Violation::UnknownCommand, &verb);
                if self.unknown_commands >= self.settings.limits.unknown_commands_max {
                    return self.send_too_many_errors(verb.into_string());
                }
                self.send(verb.into_string(), replies::COMMAND_UNKNOWN);
            }
        }
    }

    fn command_line(&mut self, line: &str) {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(error) if matches!(self.phase, Phase::Refused(_)) => {
                return self.send(error.verb, replies::ONLY_QUIT);
            }
            Err(error) => return self.send(error.verb, error.reply),
        };
        self.note_pipelining(&command);
        if let Phase::Refused(owed) = &mut self.phase
            && command != Command::Quit
            && let Some(Owed { reply, by }) = owed.take().map(|owed| *owed)
        {
            return self.send_by(label(&command), reply, by);
        }
        if let Some(reply) = self.out_of_sequence(&command) {
            return self.refuse_sequence(&command, reply);
        }
        if command.is_idle() {
            self.idle_commands = self.idle_commands.saturating_add(1);
            if self.idle_commands > self.settings.limits.idle_commands_max {
                return self.send_too_many_errors(label(&command));
            }
        }
        if self.interest.wants_command(command.verb()) {
            let work = CommandWork::new(command, line);
            self.tasks.push_back(Task::Ask(Question::Command(Box::new(work))));
        } else {
            self.execute(command);
        }
    }

    /// RFC 5321 §4.1.4, and the limits that a command would pass.
    fn out_of_sequence(&self, command: &Command) -> Option<Reply> {
        if matches!(self.phase, Phase::Refused(_)) && *command != Command::Quit {
            return Some(replies::ONLY_QUIT);
        }
        if self.serves_nothing_in_clear(command) {
            return Some(replies::ENCRYPTION_FIRST);
        }
        let limits = &self.settings.limits;
        match (command, &self.transaction) {
            (Command::StartTls, _) if self.facts.tls.is_some() => Some(replies::ENCRYPTED_ALREADY),
            (Command::StartTls, _) if !self.is_tls_offered() => None,
            (Command::Auth { .. }, _) if !self.has_mechanisms() => None,
            (Command::Auth { .. }, _) if self.facts.authenticated.is_some() => {
                Some(replies::AUTHENTICATED_ALREADY)
            }
            (Command::Auth { .. }, Some(_)) => Some(replies::AUTHENTICATION_NOT_NOW),
            (
                Command::Mail { .. }
                | Command::Rcpt { .. }
                | Command::Data
                | Command::StartTls
                | Command::Auth { .. },
                _,
            ) if self.facts.greeting.is_none() => Some(replies::GREETING_FIRST),
            (Command::Mail { .. }, _) if self.needs_identity() => Some(replies::AUTHENTICATION_FIRST),
            (Command::Mail { .. }, Some(_)) => Some(replies::REVERSE_PATH_TWICE),
            (Command::Mail { .. }, None) if self.facts.messages >= limits.messages_max => {
                Some(replies::MESSAGES_TOO_MANY)
            }
            (Command::Rcpt { .. } | Command::Data, None) => Some(replies::REVERSE_PATH_FIRST),
            (Command::Rcpt { .. }, Some(transaction))
                if transaction.recipients() >= limits.recipients_max =>
            {
                Some(replies::RECIPIENTS_TOO_MANY)
            }
            (Command::Data, Some(transaction)) if transaction.recipients() == 0 => {
                // RFC 2033 §4.2: LMTP has 503 for both.
                let is_lmtp = self.settings.protocol == Protocol::Lmtp;
                Some(if transaction.refused == 0 || is_lmtp {
                    replies::RECIPIENT_FIRST
                } else {
                    replies::RECIPIENTS_NONE
                })
            }
            _ => None,
        }
    }

    /// RFC 2033 §4.1: LMTP has a greeting of its own, and neither takes the other's.
    fn speaks(&self, greeting: Greeting) -> bool {
        (greeting == Greeting::Lhlo) == (self.settings.protocol == Protocol::Lmtp)
    }

    /// RFC 6409 §4.3.
    fn needs_identity(&self) -> bool {
        self.settings.protocol == Protocol::Submission && self.facts.authenticated.is_none()
    }

    fn refuse_sequence(&mut self, command: &Command, reply: Reply) {
        match reply.code() {
            503 => self.violate(Violation::BadSequence, command.verb()),
            452 => self.violate(Violation::TooManyRecipients, command.verb()),
            _ => {}
        }
        self.send(label(command), reply);
    }

    /// RFC 2920 §3.1: without the extension a client waits for every reply, and with it for those to a greeting, to DATA, AUTH and
    /// STARTTLS.
    /// It is told once; the bytes are read as they stand, since a reader that guesses is what smuggling needs.
    fn note_pipelining(&mut self, command: &Command) {
        if self.input.is_empty() {
            return;
        }
        let is_last_of_group = matches!(
            command,
            Command::Greet { .. } | Command::Data | Command::StartTls | Command::Auth { .. }
        );
        if self.offers.has(Extension::Pipelining) && !is_last_of_group {
            self.offers.mark_used(Extension::Pipelining);
        } else if !self.pipelining_noted {
            self.pipelining_noted = true;
            self.violate(Violation::UnannouncedPipelining, command.verb());
        }
    }
}

/// The verb for the reply.
pub(crate) fn label(command: &Command) -> Label {
    match command {
        Command::Unknown(verb) => Label::Owned(verb.to_string()),
        known => Label::Borrowed(known.known_verb()),
    }
}
