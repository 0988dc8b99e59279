//! The one list of events: name, class, budget class, whether this version fires it, and what its imports may do.
//!
//! A new event is a line here, a case in `call` and a moment in `sluice`. Nothing else lists events.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use smtp::{Domain, QueueName, RecipientId, Route, Secret, TlsPolicy};

use crate::provider::{Attempt, Feedback, RetryQuestion, RouteQuestion};

/// Package and version of the contract that the host binds; also the prefix and suffix of every export.
pub const CONTRACT: &str = "sluice:sink@0.1.0";

/// How the engine treats an event (EVENTS, "Classes, budgets, faults").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Inside the SMTP dialogue; a typed verdict.
    Gate,
    /// The engine asks for an answer; the first sink that does not continue decides.
    Provider,
    /// Durable; may edit, fork and defer with state.
    Stage,
    /// Told at once, at most once; may only slow or end the session.
    Notice,
    /// Batched, at least once, never in the way.
    Observer,
    /// A sink's own life: asked while it is loaded, never about mail.
    Life,
}

/// Whether this version of the host fires an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// It fires.
    Yes,
    /// In the contract, but not yet: the load of a sink that exports it is refused, so nothing waits in vain.
    NotYet,
}

macro_rules! events {
    ($($variant:ident $name:literal $class:ident $served:ident)+) => {
        /// A moment at which sinks are asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
        }

        impl EventKind {
            /// Every event of the contract, in the order of its files.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The name of its interface, and what `event.name` tells a sink.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The export that subscribes to it.
            pub const fn export(self) -> &'static str {
                match self { $(Self::$variant => concat!("sluice:sink/", $name, "@0.1.0"),)+ }
            }

            /// Its class, which decides budget, faults and commit.
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)+ }
            }

            /// Whether this version fires it.
            pub const fn served(self) -> Served {
                match self { $(Self::$variant => Served::$served,)+ }
            }
        }
    };
}

events! {
    Prepare "on-prepare" Life Yes
    SelfTest "on-self-test" Life Yes
    Connect "on-connect" Gate Yes
    TlsEstablished "on-tls-established" Gate Yes
    Helo "on-helo" Gate Yes
    Authenticate "on-authenticate" Provider Yes
    AuthStep "on-auth-step" Provider Yes
    MailFrom "on-mail-from" Gate Yes
    RcptTo "on-rcpt-to" Gate Yes
    Data "on-data" Gate Yes
    Headers "on-headers" Gate NotYet
    SizeExceeded "on-size-exceeded" Provider NotYet
    EndOfData "on-end-of-data" Gate Yes
    InboundCommand "on-inbound-command" Gate Yes
    Reply "on-reply" Gate Yes
    Violation "on-violation" Notice Yes
    Rejected "on-rejected" Notice Yes
    TransactionEnd "on-transaction-end" Notice Yes
    Disconnect "on-disconnect" Notice Yes
    TransportSubmission "on-transport-submission" Stage Yes
    PreCategorize "on-pre-categorize" Stage Yes
    Categorize "on-categorize" Provider Yes
    PostCategorize "on-post-categorize" Stage Yes
    Route "on-route" Provider Yes
    Routed "on-routed" Stage Yes
    ResolveNextHop "on-resolve-next-hop" Provider Yes
    RemoteTls "on-remote-tls" Gate Yes
    SessionStart "on-session-start" Gate Yes
    MessageStart "on-message-start" Gate Yes
    PerRecipient "on-per-recipient" Gate Yes
    BeforeData "on-before-data" Gate Yes
    ServerResponse "on-server-response" Gate Yes
    SessionEnd "on-session-end" Gate Yes
    Deliver "on-deliver" Provider Yes
    DeliveryAttempt "on-delivery-attempt" Observer NotYet
    Retry "on-retry" Provider NotYet
    QueueAge "on-queue-age" Provider NotYet
    Dsn "on-dsn" Stage NotYet
    Feedback "on-feedback" Observer NotYet
    Track "on-track" Observer NotYet
    Timer "on-timer" Observer NotYet
}

impl EventKind {
    /// How many events the contract has.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in [`EventKind::ALL`], for tables by event.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The event of that name (`on-rcpt-to`).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is of the dialogue in which this server is the client.
    pub const fn is_outbound(self) -> bool {
        matches!(
            self,
            Self::RemoteTls
                | Self::SessionStart
                | Self::MessageStart
                | Self::PerRecipient
                | Self::BeforeData
                | Self::ServerResponse
                | Self::SessionEnd
        )
    }

    /// Whether its sinks are shown passwords, and so need the grant `credentials`.
    pub const fn shows_credentials(self) -> bool {
        matches!(self, Self::Authenticate | Self::AuthStep)
    }

    /// Whether its sinks say at load which verbs they want to hear of.
    pub const fn has_verbs(self) -> bool {
        matches!(self, Self::InboundCommand | Self::Reply | Self::ServerResponse)
    }
}

/// A moment, with what it is about; what the imports tell of it is in the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// In the dialogue, to decide.
    Gate(smtp::Gate),
    /// In the dialogue, to be told.
    Notice(smtp::Notice),
    /// on-authenticate.
    Authenticate {
        /// PLAIN or LOGIN.
        mechanism: String,
        /// As the client wrote it.
        user: String,
        /// Its password.
        secret: Secret,
    },
    /// on-auth-step.
    AuthStep {
        /// In upper case.
        mechanism: String,
        /// What the client said.
        response: Secret,
        /// Empty at first, then what came with the last challenge.
        state: Secret,
    },
    /// on-transport-submission.
    TransportSubmission,
    /// on-pre-categorize.
    PreCategorize,
    /// on-categorize: what these recipients of the envelope are.
    Categorize(Vec<RecipientId>),
    /// on-post-categorize.
    PostCategorize,
    /// on-route.
    Route(RouteQuestion),
    /// on-routed, with the route of all recipients; none is to mailboxes here.
    Routed(Option<Route>),
    /// on-resolve-next-hop.
    ResolveNextHop {
        /// For which queue.
        queue: QueueName,
        /// Whose exchangers.
        domain: Domain,
    },
    /// on-remote-tls.
    RemoteTls {
        /// What the peer had to satisfy.
        policy: TlsPolicy,
        /// DER, the peer's own first.
        chain: Vec<Bytes>,
    },
    /// In the dialogue with another server, to decide.
    Outbound(smtp::client::Gate),
    /// on-deliver: the sink is the agent of these recipients.
    Deliver {
        /// The installation that the route means.
        agent: Arc<str>,
        /// Of which queue.
        queue: QueueName,
        /// Who.
        recipients: Vec<RecipientId>,
    },
    /// on-delivery-attempt.
    DeliveryAttempt(Arc<[Attempt]>),
    /// on-retry.
    Retry(RetryQuestion),
    /// on-queue-age.
    QueueAge {
        /// Of which queue.
        queue: QueueName,
        /// Which age was reached.
        age: Duration,
    },
    /// on-dsn.
    Dsn(DsnKind),
    /// on-feedback.
    Feedback(Arc<Feedback>),
}

/// What a DSN tells (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DsnKind {
    /// In its mailbox.
    Delivered,
    /// Still being tried.
    Delayed,
    /// Given up.
    Failed,
    /// Handed to a host that makes no promise about DSN.
    Relayed,
    /// Replaced by the members of a list.
    Expanded,
}

impl DsnKind {
    /// The contract's word, and RFC 3464's.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Delayed => "delayed",
            Self::Failed => "failed",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }
}

impl Event {
    /// Which event it is.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Gate(gate) => match gate {
                smtp::Gate::Connect => EventKind::Connect,
                smtp::Gate::TlsEstablished => EventKind::TlsEstablished,
                smtp::Gate::Helo { .. } => EventKind::Helo,
                smtp::Gate::MailFrom => EventKind::MailFrom,
                smtp::Gate::RcptTo { .. } => EventKind::RcptTo,
                smtp::Gate::Data => EventKind::Data,
                smtp::Gate::EndOfData => EventKind::EndOfData,
                smtp::Gate::InboundCommand { .. } => EventKind::InboundCommand,
                smtp::Gate::Reply { .. } => EventKind::Reply,
            },
            Self::Notice(notice) => match notice {
                smtp::Notice::Violation { .. } => EventKind::Violation,
                smtp::Notice::Rejected { .. } => EventKind::Rejected,
                smtp::Notice::TransactionEnd { .. } => EventKind::TransactionEnd,
                smtp::Notice::Disconnect { .. } => EventKind::Disconnect,
            },
            Self::Authenticate { .. } => EventKind::Authenticate,
            Self::AuthStep { .. } => EventKind::AuthStep,
            Self::TransportSubmission => EventKind::TransportSubmission,
            Self::PreCategorize => EventKind::PreCategorize,
            Self::Categorize(_) => EventKind::Categorize,
            Self::PostCategorize => EventKind::PostCategorize,
            Self::Route(_) => EventKind::Route,
            Self::Routed(_) => EventKind::Routed,
            Self::ResolveNextHop { .. } => EventKind::ResolveNextHop,
            Self::RemoteTls { .. } => EventKind::RemoteTls,
            Self::Outbound(gate) => match gate {
                smtp::client::Gate::SessionStart => EventKind::SessionStart,
                smtp::client::Gate::MessageStart => EventKind::MessageStart,
                smtp::client::Gate::PerRecipient(_) => EventKind::PerRecipient,
                smtp::client::Gate::BeforeData { .. } => EventKind::BeforeData,
                smtp::client::Gate::ServerResponse { .. } => EventKind::ServerResponse,
                smtp::client::Gate::SessionEnd { .. } => EventKind::SessionEnd,
            },
            Self::Deliver { .. } => EventKind::Deliver,
            Self::DeliveryAttempt(_) => EventKind::DeliveryAttempt,
            Self::Retry(_) => EventKind::Retry,
            Self::QueueAge { .. } => EventKind::QueueAge,
            Self::Dsn(_) => EventKind::Dsn,
            Self::Feedback(_) => EventKind::Feedback,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::EventKind;

    #[test]
    fn the_list_is_the_world_of_the_contract() {
        let world = include_str!("../../../wit/60-worlds.wit");
        let everything = world.split("world everything").nth(1).expect("the world that the host binds");
        let mut exports: Vec<&str> = everything
            .split(';')
            .filter_map(|item| item.trim_start_matches([' ', '\n', '{', '}']).strip_prefix("export "))
            .collect();
        let mut listed: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        exports.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, exports);
    }

    #[test]
    fn an_event_is_found_by_its_name_and_by_its_index() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
            assert_eq!(EventKind::ALL.get(kind.index()), Some(&kind));
            assert_eq!(kind.export(), format!("sluice:sink/{}@0.1.0", kind.name()));
        }
        assert_eq!(EventKind::from_name("on-nothing"), None);
    }
}
