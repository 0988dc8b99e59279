//! One condition of a rule: what it is about and whether it holds.

use super::address::{AddressPattern, UnderWay, greeting_under_way, is_greeting};
use crate::event::EventKind;
use crate::glob::Glob;
use crate::known::{Answer, Direction, Field, Known, PathKnown};
use crate::network::Network;

/// One condition and where it stands in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) column: usize,
    pub(super) test: Test,
}

/// What must be so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Ehlo(Glob),
    MailFrom(AddressPattern),
    RcptTo(AddressPattern),
    Listener(Box<[Glob]>),
    Tenant(Box<[Glob]>),
    Cidr(Box<[Network]>),
    Authenticated(Answer),
    Tls(Answer),
    Size(Comparison, u64),
    Header { name: Box<str>, pattern: Glob },
    Verb(Box<[Glob]>),
    Direction(Direction),
    Ingress(Box<[Glob]>),
}

/// How a size is compared with its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    AtLeast,
    More,
}

impl Test {
    /// What isn't known doesn't hold.
    pub(super) fn holds(&self, event: EventKind, known: &dyn Known) -> bool {
        match self {
            Self::Ehlo(pattern) => greeting_under_way(event, known)
                .or_else(|| known.greeting_name())
                .is_some_and(|name| pattern.matches(name)),
            Self::MailFrom(pattern) => match UnderWay::of(event, known, "MAIL") {
                UnderWay::Another => known.reverse_path().is_some_and(|path| pattern.matches(path)),
                command => command_matches(&command, pattern),
            },
            Self::RcptTo(pattern) => match UnderWay::of(event, known, "RCPT") {
                UnderWay::Another => {
                    known.any_recipient(&mut |local, domain| pattern.matches_mailbox(local, domain))
                }
                command => command_matches(&command, pattern),
            },
            Self::Listener(patterns) => any(patterns, known.listener()),
            Self::Tenant(patterns) => any(patterns, known.tenant()),
            Self::Cidr(networks) => {
                known.remote().is_some_and(|ip| networks.iter().any(|network| network.contains(ip)))
            }
            Self::Authenticated(answer) => known.authenticated() == Some(*answer),
            Self::Tls(answer) => known.tls() == Some(*answer),
            Self::Size(comparison, bound) => known.size().is_some_and(|size| comparison.holds(size, *bound)),
            Self::Header { name, pattern } => known.any_header(name, &mut |value| pattern.matches(value)),
            Self::Verb(patterns) => any(patterns, known.command().map(|command| command.verb)),
            Self::Direction(direction) => known.direction() == Some(*direction),
            Self::Ingress(patterns) => any(patterns, known.ingress()),
        }
    }

    /// Whether the condition names this verb.
    pub(super) fn is_about(&self, verb: &str) -> bool {
        match self {
            Self::Ehlo(_) => is_greeting(verb),
            Self::MailFrom(_) => verb.eq_ignore_ascii_case("MAIL"),
            Self::RcptTo(_) => verb.eq_ignore_ascii_case("RCPT"),
            Self::Verb(patterns) => any(patterns, Some(verb)),
            _ => false,
        }
    }

    /// Whether the old service had it.
    pub(super) const fn is_old(&self) -> bool {
        matches!(self, Self::Ehlo(_) | Self::MailFrom(_) | Self::RcptTo(_))
    }

    /// What it is about.
    pub(super) const fn field(&self) -> Field {
        match self {
            Self::Ehlo(_) => Field::Ehlo,
            Self::MailFrom(_) => Field::MailFrom,
            Self::RcptTo(_) => Field::RcptTo,
            Self::Listener(_) => Field::Listener,
            Self::Tenant(_) => Field::Tenant,
            Self::Cidr(_) => Field::Cidr,
            Self::Authenticated(_) => Field::Authenticated,
            Self::Tls(_) => Field::Tls,
            Self::Size(..) => Field::Size,
            Self::Header { .. } => Field::Header,
            Self::Verb(_) => Field::Verb,
            Self::Direction(_) => Field::Direction,
            Self::Ingress(_) => Field::Ingress,
        }
    }
}

impl Comparison {
    const fn holds(self, size: u64, bound: u64) -> bool {
        match self {
            Self::Less => size < bound,
            Self::AtMost => size <= bound,
            Self::AtLeast => size >= bound,
            Self::More => size > bound,
        }
    }
}

fn command_matches(command: &UnderWay, pattern: &AddressPattern) -> bool {
    match command {
        UnderWay::Another | UnderWay::Unreadable => false,
        UnderWay::Null => pattern.matches(PathKnown::Null),
        UnderWay::Postmaster => pattern.matches_mailbox("postmaster", ""),
        UnderWay::Mailbox(mailbox) => pattern.matches_mailbox(mailbox.local(), mailbox.domain().as_str()),
    }
}

fn any(patterns: &[Glob], value: Option<&str>) -> bool {
    value.is_some_and(|value| patterns.iter().any(|pattern| pattern.matches(value)))
}
