//! The commands that are sent and not answered yet, and what their answers mean.
//!
//! Promises that each reply answers the oldest of them, and that a wait runs from the reply before it.

use super::outcome::{Cause, Fate};
use super::reader::Statuses;
use super::settings::Limits;
use crate::facts::Greeting;
use crate::reply::Reply;
use std::time::Duration;

/// What a reply is awaited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Greet(Greeting),
    StartTls,
    Auth,
    Mail,
    /// Index of the recipient.
    Rcpt(usize),
    Data,
    Dot,
    /// LMTP's, with the index of the recipient.
    DotOf(usize),
    Reset,
    Quit,
    /// A sink's own verb, or its payload.
    Own(Box<str>),
}

/// What a reply means, by its code or by a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Done,
    More,
    Transient,
    Permanent,
}

/// A reply with its meaning.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) verb: Box<str>,
    pub(crate) reply: Reply,
    pub(crate) meaning: Meaning,
}

impl Step {
    pub(crate) fn verb(&self) -> &str {
        match self {
            Self::Connect => "CONNECT",
            Self::Greet(Greeting::Helo) => "HELO",
            Self::Greet(Greeting::Ehlo) => "EHLO",
            Self::Greet(Greeting::Lhlo) => "LHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt(_) => "RCPT",
            Self::Data => "DATA",
            Self::Dot | Self::DotOf(_) => ".",
            Self::Reset => "RSET",
            Self::Quit => "QUIT",
            Self::Own(verb) => verb,
        }
    }

    pub(crate) fn wait_max(&self, limits: &Limits) -> Duration {
        match self {
            Self::Connect => limits.greeting_wait_max,
            Self::Mail => limits.mail_wait_max,
            Self::Rcpt(_) => limits.rcpt_wait_max,
            Self::Data => limits.data_wait_max,
            Self::Dot | Self::DotOf(_) => limits.dot_wait_max,
            Self::Quit => limits.quit_wait_max,
            Self::Greet(_) | Self::StartTls | Self::Auth | Self::Reset | Self::Own(_) => {
                limits.command_wait_max
            }
        }
    }

    /// RFC 2034 §4.
    pub(crate) fn statuses(&self) -> Statuses {
        match self {
            Self::Connect | Self::Greet(_) => Statuses::Ignore,
            _ => Statuses::Read,
        }
    }

    /// The recipient that it is about.
    pub(crate) fn recipient(&self) -> Option<usize> {
        match self {
            Self::Rcpt(index) | Self::DotOf(index) => Some(*index),
            _ => None,
        }
    }

    pub(crate) fn is_dot(&self) -> bool {
        matches!(self, Self::Dot | Self::DotOf(_))
    }
}

impl Meaning {
    /// By the first digit (RFC 5321 §4.3.2). 552 to RCPT is 452 said by an old server (§4.5.3.1.10).
    pub(crate) fn of(step: &Step, reply: &Reply) -> Self {
        if matches!(step, Step::Rcpt(_)) && reply.code() == 552 {
            return Self::Transient;
        }
        match reply.code() / 100 {
            2 => Self::Done,
            3 => Self::More,
            4 => Self::Transient,
            _ => Self::Permanent,
        }
    }
}

impl Answer {
    pub(crate) fn cause(&self) -> Cause {
        Cause::Reply { verb: self.verb.clone(), reply: self.reply.clone() }
    }

    /// Of a recipient that this refuses.
    pub(crate) fn refusal(&self) -> Fate {
        match self.meaning {
            Meaning::Permanent => Fate::Failed(self.cause()),
            _ => Fate::Deferred { cause: self.cause(), wait: None },
        }
    }
}
