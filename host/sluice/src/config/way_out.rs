//! The keys of the way out: who may send through this server, by which routes, and how often it is tried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use smtp::{Domain, Host};

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
        /// The recipients' domains; none for a route that only sinks choose: `example.org`, `*.example.org` for all below it, `*` for all that no tenant owns. The most
        /// exact one wins. A tenant's domain that is named, or is below a named one, goes by the route and not into mailboxes.
        pub domains: BTreeSet<String> = BTreeSet::new(),
        /// The servers, in the order in which they are tried: `mail.example.org`, `192.0.2.1:24`, `[2001:db8::1]:25`. Without a port:
        /// 25, for LMTP 24. Empty: the mail exchangers of each domain.
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
        /// The CAs whose certificates are taken where a route requires TLS, in PEM. Absent: those of the system, in
        /// `/etc/ssl/certs/ca-certificates.crt`.
        pub ca_file: Option<PathBuf> = None,
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

impl Route {
    /// Its servers, in order.
    ///
    /// # Errors
    /// A sentence about the first text that names none.
    pub fn servers(&self) -> Result<Vec<Host>, String> {
        let port = match self.protocol {
            RouteProtocol::Smtp => 25,
            RouteProtocol::Lmtp => 24,
        };
        self.hosts.iter().map(|text| server(text, port)).collect()
    }
}

/// `NAME`, `NAME:PORT`, an IPv4 address likewise, or an IPv6 address in brackets.
fn server(text: &str, port_default: u16) -> Result<Host, String> {
    let malformed =
        || format!("{text:?} is no server: write mail.example.org, 192.0.2.1:24 or [2001:db8::1]:25.");
    // The colons of an IPv6 address stand inside of brackets.
    let behind_name = text.rfind(']').unwrap_or(0);
    let (name, port) = match text.get(behind_name..).and_then(|rest| rest.rfind(':')) {
        None => (text, port_default),
        Some(at) => {
            let (name, port) = text.split_at_checked(behind_name + at).ok_or_else(malformed)?;
            let port = port.get(1..).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
            (name, port.ok_or_else(malformed)?)
        }
    };
    let written = match name.strip_prefix('[') {
        Some(inner) if inner.contains(':') => format!("[IPv6:{inner}"),
        _ if name.parse::<Ipv4Addr>().is_ok() => format!("[{name}]"),
        _ => name.to_owned(),
    };
    Ok(Host { name: Domain::parse(&written).map_err(|_| malformed())?, port })
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

#[cfg(test)]
mod tests {
    use super::{Route, RouteProtocol};

    #[track_caller]
    fn check(text: &str, protocol: RouteProtocol, expected: Option<(&str, u16)>) {
        let route = Route { hosts: vec![text.to_owned()], protocol, ..Route::default() };
        let servers = route.servers().ok();
        let first = servers.as_ref().and_then(|servers| servers.first());
        assert_eq!(first.map(|host| (host.name.as_str(), host.port)), expected, "{text}");
    }

    #[test]
    fn a_server_is_a_name_or_an_address_with_its_port() {
        check("mail.example.org", RouteProtocol::Smtp, Some(("mail.example.org", 25)));
        check("mail.example.org", RouteProtocol::Lmtp, Some(("mail.example.org", 24)));
        check("mail.example.org:2525", RouteProtocol::Smtp, Some(("mail.example.org", 2525)));
        check("192.0.2.1:24", RouteProtocol::Smtp, Some(("[192.0.2.1]", 24)));
        check("[2001:db8::1]:25", RouteProtocol::Lmtp, Some(("[IPv6:2001:db8::1]", 25)));
        check("[2001:db8::1]", RouteProtocol::Smtp, Some(("[IPv6:2001:db8::1]", 25)));
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "a:0",
            "a:70000",
            "a:",
            ":25",
            "2001:db8::1",
            "[2001:db8::1",
            "a b",
            "mail.example.org:25:25",
        ] {
            check(text, RouteProtocol::Smtp, None);
        }
    }
}
