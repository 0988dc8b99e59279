//! What a rule may ask about, and which event can know it.
//!
//! A rule is matched before any instance exists, over what the host knows at that moment (`Known`). What isn't known yet
//! doesn't match; what the event can never know is an error when the binding is loaded, so that a sink does not
//! wait for ever for a moment that can't come.

use std::fmt;
use std::net::IpAddr;

use crate::event::EventKind;

/// A reverse-path as a rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKnown<'a> {
    /// `<>`.
    Null,
    /// An address; the local-part without its quotes.
    Mailbox {
        /// Local-part, unquoted.
        local: &'a str,
        /// Domain in lower-case A-labels, or an address literal.
        domain: &'a str,
    },
}

/// A fact that is either so or not so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is so.
    Yes,
    /// It is known not to be so.
    No,
}

/// Where a message goes, seen from this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From outside to us.
    Inbound,
    /// From one of our users (authenticated, or over a submission listener), or made on this server.
    Outbound,
}

/// The command or reply that the event is about.
#[derive(Clone, Copy, Debug)]
pub struct CommandKnown<'a> {
    /// Upper case; `CONNECT` is the greeting and `.` the end of data.
    pub verb: &'a str,
    /// What follows the verb; empty where the event has none.
    pub argument: &'a str,
}

/// Judges an address by local-part and domain.
pub type AcceptsAddress<'a> = dyn FnMut(&str, &str) -> bool + 'a;

/// What the host knows when it decides whether a binding is asked. `None` means not known (yet).
pub trait Known {
    /// The tenant of the call.
    fn tenant(&self) -> Option<&str>;
    /// Name of the listener that took the session.
    fn listener(&self) -> Option<&str>;
    /// Address of the client.
    fn remote(&self) -> Option<IpAddr>;
    /// The name that the client gave with HELO, EHLO or LHLO.
    fn greeting_name(&self) -> Option<&str>;
    /// Whether the session has an identity.
    fn authenticated(&self) -> Option<Answer>;
    /// Whether the session is encrypted.
    fn tls(&self) -> Option<Answer>;
    /// The reverse-path of the transaction or message.
    fn reverse_path(&self) -> Option<PathKnown<'_>>;
    /// Whether one of the recipients so far is accepted by the closure, which is given local-part and domain. In an event
    /// that is about one recipient, only that one is shown.
    fn any_recipient(&self, accepts: &mut AcceptsAddress<'_>) -> bool;
    /// Size of the message, or the one that the client announced while the message isn't there.
    fn size(&self) -> Option<u64>;
    /// Whether one of the fields of that name has a decoded value that the closure accepts.
    fn any_header(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool;
    /// The command or reply under way.
    fn command(&self) -> Option<CommandKnown<'_>>;
    /// By which door the message came: smtp, submission, lmtp, pickup, api, dsn, sink, resubmit.
    fn ingress(&self) -> Option<&str>;
    /// Where the message goes.
    fn direction(&self) -> Option<Direction>;
}

/// What a condition of a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The name in the client's greeting.
    Ehlo,
    /// The reverse-path.
    MailFrom,
    /// Any recipient.
    RcptTo,
    /// The listener's name.
    Listener,
    /// The tenant of the call.
    Tenant,
    /// The client's address.
    Cidr,
    /// Whether the client authenticated.
    Authenticated,
    /// Whether the session is encrypted.
    Tls,
    /// The message's size.
    Size,
    /// A header field.
    Header,
    /// The command's verb.
    Verb,
    /// From outside, or from our own.
    Direction,
    /// By which door the message came.
    Ingress,
}

impl Field {
    /// Every field, in the order in which messages name them.
    pub const ALL: [Self; 13] = [
        Self::Ehlo,
        Self::MailFrom,
        Self::RcptTo,
        Self::Listener,
        Self::Tenant,
        Self::Cidr,
        Self::Authenticated,
        Self::Tls,
        Self::Size,
        Self::Header,
        Self::Verb,
        Self::Direction,
        Self::Ingress,
    ];

    /// The word that a rule writes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ehlo => "ehlo",
            Self::MailFrom => "mail from",
            Self::RcptTo => "rcpt to",
            Self::Listener => "listener",
            Self::Tenant => "tenant",
            Self::Cidr => "cidr",
            Self::Authenticated => "authenticated",
            Self::Tls => "tls",
            Self::Size => "size",
            Self::Header => "header",
            Self::Verb => "verb",
            Self::Direction => "direction",
            Self::Ingress => "ingress",
        }
    }

    /// Whether there can be a moment at which the event knows this (EVENTS, "Which import works where"; for `ehlo` rule 10:
    /// without a dialogue never).
    pub fn known_in(self, event: EventKind) -> bool {
        let moment = Moment::of(event);
        match self {
            Self::Tenant => moment != Moment::Load,
            Self::Listener | Self::Cidr | Self::Tls | Self::Direction => moment.has_session(),
            Self::Ingress => moment.has_session() || moment.has_message(),
            Self::Authenticated => {
                moment.has_session() && !matches!(moment, Moment::Connect | Moment::Authenticate)
            }
            Self::Ehlo => moment.is_dialogue() && moment != Moment::Connect,
            Self::MailFrom | Self::Size => moment.has_transaction(),
            Self::RcptTo => moment.has_transaction() && moment != Moment::MailFrom,
            Self::Header => moment.has_content(),
            Self::Verb => is_about_a_verb(event),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// Events that know the same things.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The sink is being loaded.
    Load,
    /// A session without a greeting.
    Connect,
    /// The greeting is under way.
    Greeting,
    /// An identity is asked for.
    Authenticate,
    /// A transaction without recipients.
    MailFrom,
    /// A transaction with recipients.
    Transaction,
    /// A transaction with content.
    Content,
    /// Anywhere in the dialogue: as much as the state has.
    Anywhere,
    /// A message at rest, with what was stored of its session.
    Message,
    /// A message that never had a session.
    Report,
    /// Neither session nor message.
    Background,
}

impl Moment {
    const fn of(event: EventKind) -> Self {
        match event {
            EventKind::Prepare | EventKind::SelfTest => Self::Load,
            EventKind::Connect | EventKind::TlsEstablished => Self::Connect,
            EventKind::Helo => Self::Greeting,
            EventKind::Authenticate | EventKind::AuthStep => Self::Authenticate,
            EventKind::MailFrom => Self::MailFrom,
            EventKind::RcptTo | EventKind::Data | EventKind::SizeExceeded => Self::Transaction,
            EventKind::Headers | EventKind::EndOfData => Self::Content,
            EventKind::InboundCommand
            | EventKind::Reply
            | EventKind::Violation
            | EventKind::Rejected
            | EventKind::TransactionEnd
            | EventKind::Disconnect => Self::Anywhere,
            EventKind::TransportSubmission
            | EventKind::PreCategorize
            | EventKind::Categorize
            | EventKind::PostCategorize
            | EventKind::Route
            | EventKind::Routed
            | EventKind::ResolveNextHop
            | EventKind::RemoteTls
            | EventKind::SessionStart
            | EventKind::MessageStart
            | EventKind::PerRecipient
            | EventKind::BeforeData
            | EventKind::ServerResponse
            | EventKind::SessionEnd
            | EventKind::Deliver
            | EventKind::Retry
            | EventKind::QueueAge => Self::Message,
            EventKind::Dsn | EventKind::Feedback => Self::Report,
            EventKind::DeliveryAttempt | EventKind::Track | EventKind::Timer => Self::Background,
        }
    }

    const fn has_session(self) -> bool {
        !matches!(self, Self::Load | Self::Report | Self::Background)
    }

    const fn is_dialogue(self) -> bool {
        self.has_session() && !matches!(self, Self::Message)
    }

    const fn has_message(self) -> bool {
        matches!(self, Self::Message | Self::Report)
    }

    const fn has_transaction(self) -> bool {
        self.has_message()
            || matches!(self, Self::MailFrom | Self::Transaction | Self::Content | Self::Anywhere)
    }

    const fn has_content(self) -> bool {
        self.has_message() || matches!(self, Self::Content)
    }
}

const fn is_about_a_verb(event: EventKind) -> bool {
    matches!(
        event,
        EventKind::InboundCommand | EventKind::Reply | EventKind::Rejected | EventKind::ServerResponse
    )
}
