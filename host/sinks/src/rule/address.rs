//! Address patterns, and the address in a command that the host has not parsed yet.

use smtp::{ForwardPath, Mailbox};

use crate::event::EventKind;
use crate::glob::Glob;
use crate::known::{Known, PathKnown};

/// `name pattern[@domain pattern]` of the old rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AddressPattern {
    /// `<>`: the null reverse-path alone.
    Null,
    /// `*`: every address and the null reverse-path.
    Any,
    /// One of these must fit.
    Mailbox(Box<[Pair]>),
}

/// What the two halves of an address must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    local: Glob,
    domain: Glob,
}

impl AddressPattern {
    /// The pattern of a rule, trimmed and not empty.
    pub(super) fn new(text: &str) -> Self {
        if text == "<>" {
            return Self::Null;
        }
        if Glob::new(text).is_any() {
            return Self::Any;
        }
        if let Some((local, domain)) = text.rsplit_once('@') {
            return Self::Mailbox([Pair::new(local, domain)].into());
        }
        // Without `@` the old documentation reads a local-part of any domain, and its examples write
        // `mail from=*.microsoft.com`. So the whole address may fit as well, with its `@` under one of the stars.
        let whole = text.match_indices('*').map(|(star, _)| {
            let (before, after) = text.split_at(star);
            Pair::new(&format!("{before}*"), after)
        });
        Self::Mailbox(std::iter::once(Pair::new(text, "*")).chain(whole).collect())
    }

    /// Whether the path fits.
    pub(super) fn matches(&self, path: PathKnown<'_>) -> bool {
        match path {
            PathKnown::Null => matches!(self, Self::Null | Self::Any),
            PathKnown::Mailbox { local, domain } => self.matches_mailbox(local, domain),
        }
    }

    /// Whether the address fits.
    pub(super) fn matches_mailbox(&self, local: &str, domain: &str) -> bool {
        match self {
            Self::Null => false,
            Self::Any => true,
            Self::Mailbox(pairs) => {
                pairs.iter().any(|pair| pair.local.matches(local) && pair.domain.matches(domain))
            }
        }
    }
}

impl Pair {
    fn new(local: &str, domain: &str) -> Self {
        Self { local: Glob::new(local), domain: Glob::new(domain) }
    }
}

/// What the command under way says of its path.
pub(super) enum UnderWay {
    /// The event is about something else: what the transaction knows counts.
    Another,
    /// The command is the one, and its path can't be read: nothing matches.
    Unreadable,
    /// `<>`.
    Null,
    /// `<postmaster>`, of the host that is spoken to.
    Postmaster,
    /// An address.
    Mailbox(Mailbox),
}

impl UnderWay {
    /// Reads the path of the command if the event is about it before the host parsed it.
    pub(super) fn of(event: EventKind, known: &dyn Known, verb: &str) -> Self {
        match command(event, known, verb) {
            Some(argument) => path(argument),
            None => Self::Another,
        }
    }
}

/// The name in the greeting that is being asked about.
pub(super) fn greeting_under_way(event: EventKind, known: &dyn Known) -> Option<&str> {
    let command =
        known.command().filter(|command| event == EventKind::InboundCommand && is_greeting(command.verb))?;
    command.argument.split_ascii_whitespace().next()
}

/// Whether the verb is one with which a client greets.
pub(super) fn is_greeting(verb: &str) -> bool {
    ["EHLO", "HELO", "LHLO"].iter().any(|greeting| verb.eq_ignore_ascii_case(greeting))
}

fn command<'a>(event: EventKind, known: &'a dyn Known, verb: &str) -> Option<&'a str> {
    let command =
        known.command().filter(|command| event == EventKind::InboundCommand && command.verb == verb)?;
    Some(command.argument)
}

/// `FROM:<…>` or `TO:<…>`, and what follows it.
fn path(argument: &str) -> UnderWay {
    let Some((_, path)) = argument.split_once(':') else {
        return UnderWay::Unreadable;
    };
    let path = path.trim_start();
    if path.starts_with("<>") {
        return UnderWay::Null;
    }
    match ForwardPath::parse(path) {
        Ok((ForwardPath::Postmaster, _)) => UnderWay::Postmaster,
        Ok((ForwardPath::Mailbox(mailbox), _)) => UnderWay::Mailbox(mailbox),
        Err(_) => UnderWay::Unreadable,
    }
}
