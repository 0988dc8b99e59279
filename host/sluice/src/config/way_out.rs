//! The keys of the way out: who may send through this server, by which routes, and how often it is tried.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::sample::{Shape, Shaped, settings};

settings! {
    /// Who may send to domains that nobody here owns.
    pub struct Relay {
        /// Networks whose clients may, such as `192.0.2.0/24`. Nobody by default: an open relay is found within the hour.
        pub networks: Vec<String> = Vec::new(),
    }
}

settings! {
    /// A way for some domains: to named servers instead of those that DNS names, or to MX with settings of its own.
    pub struct Route {
        /// The recipients' domains: `example.org`, `*.example.org` for all below it, `*` for all others. The most exact one wins.
        /// A domain of a tenant goes by its route too, and not into mailboxes here.
        pub domains: BTreeSet<String> = BTreeSet::new(),
        /// The servers, in the order in which they are tried: `mail.example.org`, `192.0.2.1:24`, `[2001:db8::1]:25`. Empty: the mail
        /// exchangers of each domain.
        pub hosts: Vec<String> = Vec::new(),
        /// `smtp`, or `lmtp` (RFC 2033), which answers for each recipient by itself.
        pub protocol: RouteProtocol = RouteProtocol::Smtp,
        /// `opportunistic`: TLS where it is offered. `required`: a certificate that verifies, or the mail waits. `none`: in clear.
        pub tls: RouteTls = RouteTls::Opportunistic,
        /// The name to log in with, where the servers want that; goes with `password_file`.
        pub user: Option<String> = None,
        /// A file whose first line is the password.
        pub password_file: Option<PathBuf> = None,
        /// Connections at one time. 20: the default of Postfix's `default_destination_concurrency_limit`.
        pub connections_max: u32 = 20,
        /// Messages that go through one connection before it is made anew. 100: many servers stop there.
        pub messages_per_connection_max: u32 = 100,
        /// Messages in a minute; 0 is no limit.
        pub messages_per_minute_max: u32 = 0,
        /// The name of the source addresses in `outbound.source_pools`.
        pub source_pool: Option<String> = None,
    }
}

settings! {
    /// Delivery to other servers.
    pub struct Outbound {
        /// Connections to all servers together. 1,000: half of what a process may open by default, with room for clients.
        pub connections_max: u32 = 1_000,
        /// Connections to the exchangers of one domain that has no route, at one time. 20: as for a route.
        pub connections_per_queue_max: u32 = 20,
        /// Messages that go through one connection to such an exchanger.
        pub messages_per_connection_max: u32 = 100,
        /// Seconds that a connection is kept after its last message, for the next one.
        pub idle_seconds: u32 = 5,
        /// Seconds to wait for a connection (RFC 5321 §4.5.3.2 has no number; Postfix's `smtp_connect_timeout`).
        pub connect_seconds: u32 = 30,
        /// The port of mail exchangers; for tests.
        pub port: u16 = 25,
        /// `public`: never to loopback, private or link-local addresses, which DNS of strangers may name. `any`: wherever DNS says.
        pub targets: Targets = Targets::Public,
        /// Minutes to wait after the first failed attempt, the second, and so on; the last one repeats (RFC 5321 §4.5.4.1).
        pub retry_minutes: Vec<u32> = vec![5, 15, 30, 60, 120, 240],
        /// Hours until a message that can't be delivered goes back. RFC 5321 §4.5.4.1: at least 4 to 5 days.
        pub expiry_hours: u32 = 120,
        /// Hours until the sender is told that a message is late; 0 is never. 4: what Sendmail and Postfix's manual suggest.
        pub delay_notice_hours: u32 = 4,
        /// Lists of our own addresses to connect from, by a name that routes use.
        pub source_pools: SourcePools = SourcePools::default(),
    }
}

settings! {
    /// Where names are looked up.
    pub struct Dns {
        /// Servers as `address:port`, asked in order. Empty: those of the system.
        pub servers: Vec<String> = Vec::new(),
        /// Seconds to wait for an answer of one server. 5: the resolver's own default.
        pub answer_seconds: u32 = 5,
    }
}

/// Lists of our own addresses by name.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SourcePools(pub BTreeMap<String, Vec<String>>);

/// What is spoken on a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteProtocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033.
    Lmtp,
}

/// How much TLS a route asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteTls {
    /// Where it is offered.
    Opportunistic,
    /// Verified, or nothing is sent.
    Required,
    /// In clear.
    None,
}

/// Which addresses DNS may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
    /// Addresses of the Internet.
    Public,
    /// All.
    Any,
}

macro_rules! values {
    ($($name:ident)*) => {$(
        impl Shaped for $name {
            fn shape() -> Shape {
                Shape::Value
            }
        }
    )*};
}

values! { RouteProtocol RouteTls Targets SourcePools }
