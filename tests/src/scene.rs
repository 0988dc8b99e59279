//! What stands before the first connection: which guests are installed, how, and what the configuration says.

use std::sync::mpsc::Sender;

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use crate::certificate::Certificate;
use crate::peer::{Answer, Listener, Peer, Script};

/// Events that the guest `script` exports and that can be bound: those without a script are switched off, so that a
/// dialogue is about what it says.
const SCRIPTED: &[&str] = &[
    "on-connect",
    "on-tls-established",
    "on-authenticate",
    "on-auth-step",
    "on-helo",
    "on-mail-from",
    "on-rcpt-to",
    "on-data",
    "on-end-of-data",
    "on-inbound-command",
    "on-reply",
    "on-violation",
    "on-rejected",
    "on-transaction-end",
    "on-disconnect",
    "on-transport-submission",
    "on-pre-categorize",
    "on-categorize",
    "on-post-categorize",
    "on-route",
    "on-routed",
    "on-resolve-next-hop",
    "on-remote-tls",
    "on-session-start",
    "on-message-start",
    "on-per-recipient",
    "on-before-data",
    "on-server-response",
    "on-session-end",
    "on-deliver",
];

/// The scene of a test.
#[derive(Debug, Default)]
pub struct Scene {
    /// In the order in which they are installed.
    pub sinks: Vec<Installed>,
    /// Names that the server has a certificate for, each of its own.
    pub certificates: Vec<String>,
    /// Keys of the configuration, with dots between the levels, and their values.
    pub config: Vec<(String, Value)>,
    /// Servers that mail goes to.
    pub peers: Vec<PeerPlan>,
}

/// A server that mail goes to: the host of the route that has its name. In settings `@NAME@` stands for its
/// address, and `@port:NAME@` for its port.
///
/// Written `NAME [tls=HOST] STEP=ANSWER …`, as in `out MAIL="450 4.2.0 Later" RCPT:gone@x.example="550 5.1.1 Gone"`; what a peer
/// says at a step may also be `close`, `hang` and `endless`.
#[derive(Clone, Debug, Default)]
pub struct PeerPlan {
    /// Of the peer, and of the route.
    pub name: String,
    /// It offers TLS, with a certificate for this name.
    pub tls: Option<String>,
    /// What it says.
    pub script: Script,
}

/// A guest of `tests/guests` or a sink of `plugins/`, as an operator installs it.
///
/// Written `GUEST key=value …`; values with spaces in double quotes. The keys `as`, `tenant`, `tier`, `priority`, `on-fault`,
/// `rule`, `grants` (with commas between), `also` (events to bind without a script), `fuel`, `wall-clock-milliseconds`, `memory-bytes` and `host-call-bytes`
/// are the operator's; all others are settings of the guest, `['a', 'b']` a list of them, `{ a = 'b' }` a table.
#[derive(Debug, Default, PartialEq)]
pub struct Installed {
    /// The folder in `tests/guests`.
    pub guest: String,
    /// The installation's name; the guest's if it is not said.
    pub name: String,
    /// In this tenant's folder; in the operator's if it is not said.
    pub tenant: Option<String>,
    /// Keys of the installation file's top level.
    pub top: Table,
    /// Keys of each bound event.
    pub event: Table,
    /// Keys of its `[limits]`.
    pub limits: Table,
    /// Events to bind without a script.
    pub also: Vec<String>,
    /// What the guest reads.
    pub settings: Table,
}

impl Scene {
    /// One guest, installed as [`Installed::parse`] reads it.
    ///
    /// # Errors
    /// As [`Installed::parse`].
    pub fn with_sink(text: &str) -> Result<Self> {
        Ok(Self { sinks: vec![Installed::parse(text)?], ..Self::default() })
    }

    /// Starts the peers, and tells the configuration and the sinks where they are. Whoever holds the other end hears what
    /// they get.
    ///
    /// # Errors
    /// If one does not start.
    pub fn start_peers(&mut self, lines: &Sender<String>) -> Result<Vec<(String, Peer)>> {
        let mut peers = Vec::new();
        for plan in &self.peers {
            let certificate = plan.tls.as_deref().map(Certificate::of).transpose()?;
            let by = Listener { name: plan.name.clone(), lines: lines.clone() };
            let peer = Peer::start_heard(plan.script.clone(), certificate.as_ref(), by)?;
            let address = peer.address().to_string();
            let hosts = vec![Value::from(address.as_str())];
            self.config.push((format!("routes.{}.hosts", plan.name), Value::from(hosts)));
            let (called, port) = (format!("@{}@", plan.name), format!("@port:{}@", plan.name));
            for (_, value) in self.sinks.iter_mut().flat_map(|sink| &mut sink.settings) {
                if let Value::String(text) = value {
                    *text =
                        text.replace(&called, &address).replace(&port, &peer.address().port().to_string());
                }
            }
            peers.push((plan.name.clone(), peer));
        }
        Ok(peers)
    }

    /// The configuration of a server with its data in `folder`: a listener on a free port; the domain `b.example` of the
    /// tenant `b`, who takes mail for any mailbox; and `d.example` of the tenant `d`, who has `dora` alone.
    ///
    /// # Errors
    /// If a key of the scene goes through something that is no table.
    pub fn config_text(&self, folder: &str) -> Result<String> {
        let mut config: Table = format!(
            "host_name = 'mx.b.example'\n\
             data_directory = '{folder}/data'\n\
             listeners.smtp.address = '127.0.0.1:0'\n\
             tenants.b.domains = ['b.example']\n\
             tenants.d = {{ domains = ['d.example'], mailboxes = ['dora'] }}\n\
             sinks.concurrent_max = 16\n\
             sinks.directory = '{folder}/sinks'\n\
             delivery.maildir.root = '{folder}/mail'\n\
             logging.format = 'json'\n"
        )
        .parse()?;
        let certificates = self.certificates.iter().map(|name| {
            let file = |ending| format!("{folder}/tls/{name}.{ending}").into();
            let pair = Table::from_iter([("chain".to_owned(), file("pem")), ("key".to_owned(), file("key"))]);
            (name.clone(), pair.into())
        });
        config.insert("certificates".to_owned(), Table::from_iter(certificates).into());
        for (key, value) in &self.config {
            let mut table = &mut config;
            let (path, name) =
                key.rsplit_once('.').map_or((None, key.as_str()), |(path, name)| (Some(path), name));
            for level in path.into_iter().flat_map(|path| path.split('.')) {
                let entry = table.entry(level).or_insert_with(|| Table::new().into());
                table = entry.as_table_mut().with_context(|| format!("{key}: {level} is no table"))?;
            }
            table.insert(name.to_owned(), value.clone());
        }
        Ok(config.to_string())
    }
}

impl Installed {
    /// Reads `GUEST key=value …`.
    ///
    /// # Errors
    /// If a quote is not closed, or a word is no pair.
    pub fn parse(text: &str) -> Result<Self> {
        let (guest, rest) = text.split_once(' ').unwrap_or((text, ""));
        ensure!(!guest.is_empty(), "no guest");
        let mut installed = Self { guest: guest.to_owned(), name: guest.to_owned(), ..Self::default() };
        for (key, value) in pairs(rest)? {
            installed.set(key, value);
        }
        Ok(installed)
    }

    fn set(&mut self, key: &str, value: &str) {
        let typed = value.parse::<i64>().map_or_else(|_| Value::from(value), Value::from);
        match key {
            "as" => value.clone_into(&mut self.name),
            "tenant" => self.tenant = Some(value.to_owned()),
            "grants" => {
                let grants: Vec<Value> = value.split(',').map(Value::from).collect();
                drop(self.top.insert(key.to_owned(), grants.into()));
            }
            "also" => self.also.extend(value.split(',').map(str::to_owned)),
            "tier" | "priority" => drop(self.top.insert(key.to_owned(), typed)),
            "on-fault" | "rule" => drop(self.event.insert(key.to_owned(), Value::from(value))),
            "fuel" | "wall-clock-milliseconds" | "memory-bytes" | "host-call-bytes" => {
                drop(self.limits.insert(key.to_owned(), typed));
            }
            _ => drop(self.settings.insert(key.to_owned(), setting(value))),
        }
    }

    /// Where its files lie under the sinks folder, without their endings.
    #[must_use]
    pub fn path(&self) -> String {
        match &self.tenant {
            Some(tenant) => format!("tenants/{tenant}/{}", self.name),
            None => format!("operator/{}", self.name),
        }
    }

    /// Its `NAME.install.toml`.
    #[must_use]
    pub fn file_text(&self) -> String {
        let mut file = self.top.clone();
        let mut events = Table::new();
        for event in SCRIPTED.iter().copied() {
            let is_scripted = self.settings.keys().any(|key| key.split(':').next() == Some(event));
            if is_scripted || self.also.iter().any(|also| also == event) {
                events.insert(event.to_owned(), self.event.clone().into());
            } else if self.guest == "script" {
                events.insert(
                    event.to_owned(),
                    Table::from_iter([("enabled".to_owned(), Value::from(false))]).into(),
                );
            }
        }
        for (key, table) in [("events", &events), ("limits", &self.limits), ("settings", &self.settings)] {
            if !table.is_empty() {
                file.insert(key.to_owned(), table.clone().into());
            }
        }
        file.to_string()
    }
}

impl PeerPlan {
    /// Reads `NAME [tls=HOST] STEP=ANSWER …`.
    ///
    /// # Errors
    /// As [`Installed::parse`].
    pub fn parse(text: &str) -> Result<Self> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        ensure!(!name.is_empty(), "no name");
        let mut plan = Self { name: name.to_owned(), ..Self::default() };
        for (key, value) in pairs(rest)? {
            let step = key.replace(':', " ");
            match (key, value) {
                ("tls", host) => plan.tls = Some(host.to_owned()),
                (_, "close") => plan.script = plan.script.at(&step, Answer::Close),
                (_, "hang") => plan.script = plan.script.at(&step, Answer::Hang),
                (_, "endless") => plan.script = plan.script.at(&step, Answer::Endless),
                (_, reply) => plan.script = plan.script.saying(&step, &reply.replace("/n", "\r\n")),
            }
        }
        Ok(plan)
    }
}

/// `key=value …`, values with spaces in double quotes.
fn pairs(mut rest: &str) -> Result<Vec<(&str, &str)>> {
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').context("key=value")?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').context("a quote that is not closed")?,
            None => after.split_at(after.find(' ').unwrap_or(after.len())),
        };
        pairs.push((key, value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// `['a', 'b']` is a list, `{ a = 'b' }` a table, `true` and `false` are what they say, everything else is a text.
fn setting(value: &str) -> Value {
    let is_typed = value.starts_with(['[', '{']) || matches!(value, "true" | "false");
    let typed = is_typed.then(|| format!("value = {value}").parse::<Table>().ok()).flatten();
    typed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| Value::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_read_with_its_settings() {
        let read = Installed::parse(
            "script as=first tier=operator-last on-fault=skip on-rcpt-to=\"reject 550 No\" fuel=9",
        )
        .unwrap();
        assert_eq!(read.path(), "operator/first");
        let file: Table = read.file_text().parse().unwrap();
        assert_eq!(file["tier"].as_str(), Some("operator-last"));
        assert_eq!(file["limits"]["fuel"].as_integer(), Some(9));
        assert_eq!(file["settings"]["on-rcpt-to"].as_str(), Some("reject 550 No"));
        assert_eq!(file["events"]["on-rcpt-to"]["on-fault"].as_str(), Some("skip"));
        assert_eq!(file["events"]["on-data"]["enabled"].as_bool(), Some(false));
    }

    #[test]
    fn a_setting_can_be_a_list_or_a_table() {
        let read =
            Installed::parse("external-tag own-domains=\"['a.example', 'b.example']\" tag=[x").unwrap();
        assert_eq!(read.settings["own-domains"].as_array().map(Vec::len), Some(2));
        assert_eq!(read.settings["tag"].as_str(), Some("[x"));
        let read =
            Installed::parse("footer text=\"{ 'b.example' = 'x' }\" authenticated-only=false").unwrap();
        assert_eq!(read.settings["text"]["b.example"].as_str(), Some("x"));
        assert_eq!(read.settings["authenticated-only"].as_bool(), Some(false));
    }

    #[test]
    fn a_scene_changes_the_configuration_by_key() {
        let scene =
            Scene { config: vec![("limits.recipients_max".into(), Value::from(2))], ..Scene::default() };
        let config: Table = scene.config_text("x").unwrap().parse().unwrap();
        assert_eq!(config["limits"]["recipients_max"].as_integer(), Some(2));
        assert_eq!(config["data_directory"].as_str(), Some("x/data"));
    }
}
