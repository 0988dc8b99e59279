//! The configuration: one tree, every key documented on its field, unknown keys refused.
//!
//! A key that is left out has the default that `sluice config sample` shows. Limits are named with their unit; the
//! comment says where the default comes from. What is wrong is told with file, line, column and key (`load.rs`); what
//! is wrong between keys is found by `judge.rs`.

pub mod judge;
pub mod load;
mod mailboxes;
pub mod sample;
mod way_in;
mod way_out;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use ::spool::Schedule;
pub use mailboxes::{ALWAYS, Delimiter, Mailboxes};
use sample::{Shape, Shaped, settings};
pub use way_in::{
    BareNewlines, Certificate, ClientCertificates, Listener, ListenerAuthentication, ListenerTls, Protocol,
};
pub use way_out::{Dns, Outbound, Relay, Route, RouteProtocol, RouteTls, SourcePools, Targets};

settings! {
    /// Everything that an operator can set.
    pub struct Config {
        /// The name that this server greets with and writes into Received fields.
        pub host_name: String = "localhost".to_owned(),
        /// Where the spool and compiled sinks live. Paths that are not absolute start at the folder of this file.
        pub data_directory: PathBuf = PathBuf::from("/var/lib/sluice"),
        /// Where clients connect, by a name of your choice.
        pub listeners: BTreeMap<String, Listener> = BTreeMap::from([("smtp".to_owned(), Listener::default())]),
        /// Who the server proves to be in TLS, by a name of your choice. A client gets the certificate of the name that it asks for;
        /// else that of `host_name`, else the first.
        pub certificates: BTreeMap<String, Certificate> = BTreeMap::new(),
        /// Who owns which domains. Mail to any other domain is refused, except from clients that may relay.
        pub tenants: BTreeMap<String, Tenant> = BTreeMap::new(),
        /// Who may send to domains that nobody here owns.
        pub relay: Relay = Relay::default(),
        /// Ways for some domains, by a name of your choice.
        pub routes: BTreeMap<String, Route> = BTreeMap::new(),
        /// Delivery to other servers.
        pub outbound: Outbound = Outbound::default(),
        /// Where names are looked up.
        pub dns: Dns = Dns::default(),
        /// The sandboxed programs that are asked along the way.
        pub sinks: Sinks = Sinks::default(),
        /// What one client or one message may take.
        pub limits: Limits = Limits::default(),
        /// What is on disk between 250 and delivery.
        pub spool: Spool = Spool::default(),
        /// Delivery into mailboxes on this machine.
        pub delivery: Delivery = Delivery::default(),
        /// When a message that could not be delivered is tried again, and when it is given up.
        pub retry: Retry = Retry::default(),
        /// When to answer 452 4.3.1 instead of taking more mail.
        pub low_resources: LowResources = LowResources::default(),
        /// One line for each outcome.
        pub logging: Logging = Logging::default(),
        /// What happens on SIGTERM.
        pub shutdown: Shutdown = Shutdown::default(),
    }
}

settings! {
    /// The owner of domains.
    pub struct Tenant {
        /// The domains whose mail is delivered here.
        pub domains: BTreeSet<String> = BTreeSet::new(),
        /// `"any"`, or the list of local-parts that have a mailbox. `postmaster` and `abuse` always have
        /// one (RFC 5321 §4.5.1, RFC 2142 §4).
        pub mailboxes: Mailboxes = Mailboxes::Any,
        /// Messages of this tenant that may be queued, those that are held or quarantined included; more is answered 452 at RCPT.
        /// Absent: `limits.tenant_queue_entries_max`.
        pub queue_entries_max: Option<u64> = None,
        /// Bytes of them. Absent: `limits.tenant_queue_bytes_max`.
        pub queue_bytes_max: Option<u64> = None,
        /// A file of other names: lines `name: target, target`; the name `@` stands for all that nothing else takes. It is read
        /// again when it changes.
        pub aliases: Option<PathBuf> = None,
        /// A file of those who may log in, with addresses in the domains of this tenant; `sluice user` writes it, and it is read again
        /// when it changes.
        pub users: Option<PathBuf> = None,
        /// What parts a mailbox from a word of its user's, as `+` in `ann+news`: both go to `ann`. One of `+ - = . _ #`; absent:
        /// nothing does.
        pub recipient_delimiter: Option<Delimiter> = None,
    }
}

settings! {
    /// Where sinks are found and what they may take together.
    pub struct Sinks {
        /// Holds `operator/` and `tenants/<tenant>/`. Absent: the folder `sinks` in the data directory.
        pub directory: Option<PathBuf> = None,
        /// Sinks that may run at the same moment; more wait for their turn.
        pub concurrent_max: u32 = 256,
    }
}

settings! {
    /// What one client or one message may take.
    pub struct Limits {
        /// The largest message; announced with SIZE (RFC 1870). 50 MiB passes what large providers send.
        pub message_bytes_max: u64 = 52_428_800,
        /// Recipients of one transaction. RFC 5321 §4.5.3.1.8 asks for at least 100.
        pub recipients_max: u32 = 1_000,
        /// Sessions at one time on all listeners; the next client gets 421.
        pub connections_max: u32 = 20_000,
        /// Sessions at one time of one client address; the next gets 421.
        pub connections_per_address_max: u32 = 1_000,
        /// Messages in one session; then 421, and the client connects anew.
        pub messages_per_session_max: u32 = 1_000,
        /// Refused commands in one session; then 421.
        pub errors_max: u32 = 20,
        /// Longest wait for a command, in seconds. RFC 5321 §4.5.3.2.7 asks for at least 5 minutes.
        pub command_wait_seconds: u32 = 300,
        /// Longest wait for the next piece of a message, in seconds (RFC 5321 §4.5.3.2.5: 3 minutes).
        pub data_wait_seconds: u32 = 180,
        /// Passwords that are checked at one time; each takes a core for some milliseconds, and 19 MiB.
        pub password_checks_concurrent_max: u32 = 4,
        /// Wrong passwords of one network (an IPv4 address, an IPv6 /64) that are answered; one more each minute. 10: a person who
        /// mistypes, not a machine.
        pub guesses_per_network_max: u32 = 10,
        /// Wrong passwords for one user that are answered, from networks that the user never came from; one more each minute.
        pub guesses_per_user_max: u32 = 30,
        /// Longest wait for a TLS handshake in all, in seconds. Ours takes milliseconds, the client's network the rest.
        pub tls_handshake_seconds: u32 = 30,
        /// Received fields that a message may carry; more means that it goes in circles (RFC 5321 §6.3: at least 100).
        pub received_fields_max: u32 = 100,
        /// Messages that a tenant may have in the queue unless it says otherwise. 200,000: a start reads as many in 2 seconds.
        pub tenant_queue_entries_max: u64 = 200_000,
        /// Bytes of messages that a tenant may have in the queue unless it says otherwise. 10 GiB: 200,000 of 50 KiB.
        pub tenant_queue_bytes_max: u64 = 10_737_418_240,
    }
}

settings! {
    /// What is on disk between 250 and delivery.
    pub struct Spool {
        /// Up to this size a message stands in the log itself; a larger one is streamed to a file of its own.
        pub body_inline_bytes_max: u64 = 1_048_576,
        /// The log is cut into files of about this size; a file goes when nothing in it is needed any more.
        pub segment_bytes_max: u64 = 67_108_864,
    }
}

settings! {
    /// Delivery into mailboxes on this machine.
    pub struct Delivery {
        /// Deliveries that are written at one time. They share the disk with acceptance, which goes first.
        pub workers: u32 = 2,
        /// Messages that one worker takes together; they share the directory syncs.
        pub batch_max: u32 = 64,
        /// Messages whose stages run at one time.
        pub stages_concurrent_max: u32 = 64,
        /// Maildir folders.
        pub maildir: Maildir = Maildir::default(),
    }
}

settings! {
    /// When a message that could not be delivered is tried again, and when it is given up (RFC 5321 §4.5.4.1).
    pub struct Retry {
        /// Minutes after the first failed attempt, after the second, and so on; the last one repeats. Each is stretched or shortened by up to a tenth.
        pub waits_minutes: Vec<u32> = vec![5, 15, 30, 60, 120, 240],
        /// Hours until a message is given up. RFC 5321 §4.5.4.1 asks for at least 4 to 5 days.
        pub expiry_hours: u32 = 120,
        /// Hours until a message that is still here counts as delayed.
        pub delay_hours: u32 = 4,
    }
}

settings! {
    /// Maildir folders.
    pub struct Maildir {
        /// The folder that holds all mailboxes. Absent: the folder `mail` in the data directory.
        pub root: Option<PathBuf> = None,
        /// The mailbox's folder under the root, of `{tenant}`, `{domain}` and `{local}`; bytes that a path can't hold are written %XX.
        pub pattern: String = "{domain}/{local}".to_owned(),
    }
}

settings! {
    /// When to answer 452 4.3.1 instead of taking more mail.
    pub struct LowResources {
        /// Bytes that stay free on the disk of the spool; a message must also fit above them with the size that it announces
        /// (RFC 1870). 256 MiB: records of delivery for 200,000 entries. 0 switches this off.
        pub disk_free_bytes_min: u64 = 268_435_456,
        /// Files that can still be made on the disk of the spool, where it has a bound. 16,384: more than delivery makes between
        /// two looks. 0 switches this off.
        pub inodes_free_min: u64 = 16_384,
        /// Bytes of memory that the system can still give. 128 MiB: what four clients with 50 MiB each may take. 0 switches this
        /// off.
        pub memory_available_bytes_min: u64 = 134_217_728,
        /// File descriptors that stay free for the spool and for deliveries. 256: what one batch of deliveries opens.
        pub descriptors_free_min: u64 = 256,
        /// What was low suffices again at this part of its watermark, in percent; at least 100. A tenth above, so that one
        /// delivered message does not open the door for one message.
        pub recovery_percent: u32 = 110,
    }
}

settings! {
    /// The log, on standard error.
    pub struct Logging {
        /// `human` or `json`.
        pub format: LogFormat = LogFormat::Human,
        /// `error`, `warn`, `info`, `debug` or `trace`.
        pub level: LogLevel = LogLevel::Info,
    }
}

settings! {
    /// What happens on SIGTERM.
    pub struct Shutdown {
        /// Seconds that transactions under way have to finish in; waiting clients get 421 at once.
        pub drain_seconds: u32 = 30,
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// What is worth a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what needs a human.
    Error,
    /// And what may need one.
    Warn,
    /// And each outcome.
    Info,
    /// And each sink that was asked.
    Debug,
    /// And each command.
    Trace,
}

impl Shaped for LogFormat {
    fn shape() -> Shape {
        Shape::Value
    }
}

impl Shaped for LogLevel {
    fn shape() -> Shape {
        Shape::Value
    }
}

impl Config {
    /// The folder that holds `operator/` and `tenants/`.
    #[must_use]
    pub fn sinks_directory(&self) -> PathBuf {
        self.sinks.directory.clone().unwrap_or_else(|| self.data_directory.join("sinks"))
    }

    /// The retry schedule of mail that nothing else is said about.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let hours = |hours| Duration::from_secs(u64::from(hours) * 3600);
        let minutes = |minutes: &u32| Duration::from_secs(u64::from(*minutes) * 60);
        Schedule {
            waits: self.retry.waits_minutes.iter().map(minutes).collect(),
            expiry: hours(self.retry.expiry_hours),
            delay_age: hours(self.retry.delay_hours),
            ..Schedule::default()
        }
    }

    /// The folder that holds all Maildir mailboxes.
    #[must_use]
    pub fn maildir_root(&self) -> PathBuf {
        self.delivery.maildir.root.clone().unwrap_or_else(|| self.data_directory.join("mail"))
    }
}

#[cfg(test)]
mod tests {
    use super::sample::{Key, Section, Shape, sample};
    use super::{Config, load};

    fn names(keys: &[Key], into: &mut Vec<&'static str>) {
        for key in keys {
            into.push(key.name);
            match (key.shape)() {
                Shape::Value | Shape::Optional(_) => {}
                Shape::Section(inner) => names(inner, into),
                Shape::Named { keys: inner, .. } => names(inner, into),
            }
        }
    }

    #[test]
    fn the_default_schedule_is_that_of_the_spool() {
        assert_eq!(Config::default().schedule(), spool::Schedule::default());
    }

    #[test]
    fn the_sample_parses_to_the_defaults() {
        let config = load::parse(&sample::<Config>()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn the_sample_with_its_examples_uncommented_still_parses() {
        let text: String = sample::<Config>()
            .lines()
            .map(|line| {
                let example = line.strip_prefix("# ").filter(|rest| {
                    rest.starts_with('[')
                        || rest.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '))
                });
                // The example of a route names this one.
                let pool = line.starts_with("source_pools = ").then_some("source_pools.example = []");
                format!("{}\n", pool.or(example).unwrap_or(line))
            })
            .collect();
        let config = load::parse(&text).unwrap();
        assert!(config.tenants.contains_key("example") && config.routes.contains_key("example"));
    }

    #[test]
    fn the_sample_names_and_documents_every_key() {
        let text = sample::<Config>();
        let mut keys = Vec::new();
        names(Config::KEYS, &mut keys);
        assert!(keys.len() > 30);
        for name in keys {
            assert!(text.contains(&format!("{name} = ")) || text.contains(name), "{name} is missing");
        }
        fn documented(keys: &[Key]) {
            for key in keys {
                assert!(!key.docs.is_empty(), "{} has no documentation", key.name);
                match (key.shape)() {
                    Shape::Value | Shape::Optional(_) => {}
                    Shape::Section(inner) => documented(inner),
                    Shape::Named { keys: inner, .. } => documented(inner),
                }
            }
        }
        documented(Config::KEYS);
    }
}
