//! Reads a configuration file; what is wrong is told with file, line, column and key.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Config, judge};

/// One thing that is wrong, where it is, and the key that it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The file, where one was read.
    pub file: Option<PathBuf>,
    /// Line and column from 1, where they are known.
    pub place: Option<Place>,
    /// The key with its path, as `listeners.smtp.address`.
    pub key: String,
    /// What is wrong, as a sentence.
    pub sentence: String,
}

/// A place in a text, counted from 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(out, "{}", file.display())?;
            if let Some(place) = self.place {
                write!(out, ":{}:{}", place.line, place.column)?;
            }
            out.write_str(": ")?;
        } else if let Some(place) = self.place {
            write!(out, "line {}, column {}: ", place.line, place.column)?;
        }
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.sentence)
    }
}

/// All that is wrong with a configuration; never empty.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

/// Reads, parses and judges a file. Paths that are not absolute start at the file's folder.
///
/// # Errors
/// All that is wrong with it; the caller prints this and stops.
pub fn file(path: &Path) -> Result<Config, Faults> {
    let in_file = |fault: Fault| Fault { file: Some(path.to_owned()), ..fault };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Faults(vec![in_file(Fault {
            file: None,
            place: None,
            key: String::new(),
            sentence: format!("can't be read: {error}"),
        })])
    })?;
    let mut config = parse(&text).map_err(|faults| Faults(faults.0.into_iter().map(in_file).collect()))?;
    if !names_someone(&text) {
        return Err(Faults(vec![in_file(nobody())]));
    }
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    for relative in [
        Some(&mut config.data_directory),
        config.sinks.directory.as_mut(),
        config.delivery.maildir.root.as_mut(),
    ]
    .into_iter()
    .flatten()
    .chain(
        config
            .tenants
            .values_mut()
            .flat_map(|tenant| [tenant.aliases.as_mut(), tenant.users.as_mut()])
            .flatten(),
    )
    .chain(config.listeners.values_mut().filter_map(|listener| listener.client_ca_file.as_mut()))
    .chain(config.certificates.values_mut().flat_map(|pair| [&mut pair.chain, &mut pair.key]))
    .chain(config.outbound.ca_file.as_mut())
    .chain(config.routes.values_mut().filter_map(|route| route.password_file.as_mut()))
    {
        *relative = folder.join(&*relative);
    }
    Ok(config)
}

/// Parses and judges a text.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str) -> Result<Config, Faults> {
    let deserializer =
        toml::Deserializer::parse(text).map_err(|error| syntax(text, &error, String::new()))?;
    let config: Config = serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let key = error.path().to_string();
        syntax(text, error.inner(), if key == "." { String::new() } else { key })
    })?;
    let wrong = judge::judge(&config);
    if wrong.is_empty() {
        return Ok(config);
    }
    let faults = wrong
        .into_iter()
        .map(|(key, sentence)| Fault {
            file: None,
            place: locate(text, &key).map(|span| place(text, span.start)),
            key,
            sentence,
        })
        .collect();
    Err(Faults(faults))
}

/// Whether it says where to listen, for whom or from whom. Defaults alone are a server that takes port 25 and refuses all mail.
fn names_someone(text: &str) -> bool {
    let document = DeTable::parse(text);
    document.is_ok_and(|document| {
        ["listeners", "tenants", "relay"].iter().any(|key| document.get_ref().contains_key(*key))
    })
}

fn nobody() -> Fault {
    let sentence = "names no listener and no tenant, so there is nothing to serve. The least to write is\n\n\
                    [listeners.smtp]\naddress = \"0.0.0.0:25\"\n\n\
                    [tenants.example]\ndomains = [\"example.org\"]\n\n\
                    and `sluice config sample` prints every key.";
    Fault { file: None, place: None, key: String::new(), sentence: sentence.to_owned() }
}

fn syntax(text: &str, error: &toml::de::Error, key: String) -> Faults {
    Faults(vec![Fault {
        file: None,
        place: error.span().map(|span| place(text, span.start)),
        key,
        sentence: error.message().to_owned(),
    }])
}

/// Where the value of a key stands; the nearest table that exists if the key itself was left out.
fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let mut span = None;
    let mut table = document.get_ref();
    for name in key.split('.') {
        let Some((found, value)) = table.get_key_value(name) else { break };
        span = Some(found.span());
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    span
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::config::judge::TENANT_NAME_BYTES_MAX;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let fault = parse("host_name = \"a.example\"\n[limits]\nmessage_size = 1\n").unwrap_err();
        let told = fault.to_string();
        assert!(told.starts_with("line 3, column 1: limits"), "{told}");
        assert!(told.contains("unknown field `message_size`"), "{told}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_key() {
        let fault = parse("[limits]\nrecipients_max = \"many\"\n").unwrap_err();
        let told = fault.to_string();
        assert!(told.starts_with("line 2, column 18: limits.recipients_max: invalid type"), "{told}");
    }

    #[test]
    fn a_listener_of_an_unknown_tenant_is_named() {
        check(
            "[listeners.mx]\naddress = \"127.0.0.1:0\"\ntenant = \"nobody\"\n",
            "line 3, column 1: listeners.mx.tenant: there is no tenant \"nobody\".",
        );
    }

    #[test]
    fn what_no_listener_speaks_is_refused_and_lmtp_on_the_port_of_smtp() {
        let fault = parse("[listeners.mx]\naddress = \"127.0.0.1:0\"\nprotocol = \"pop3\"\n").unwrap_err();
        let told = fault.to_string();
        assert!(
            told.starts_with("line 3, column 12: listeners.mx.protocol: unknown variant `pop3`"),
            "{told}"
        );
        check(
            "[listeners.mx]\naddress = \"127.0.0.1:25\"\nprotocol = \"lmtp\"\n",
            "line 2, column 1: listeners.mx.address: is SMTP's port, where LMTP must not be spoken (RFC 2033 §5): take 24.",
        );
    }

    #[test]
    fn the_servers_own_name_is_no_tenants() {
        check(
            "[tenants.operator]\ndomains = [\"x.example\"]\n",
            "line 1, column 10: tenants.operator: this name is the server's own.",
        );
    }

    #[test]
    fn a_tenants_name_is_a_short_and_plain_folder() {
        let named = |name: &str| parse(&format!("[tenants.{name}]\ndomains = [\"x.example\"]\n"));
        named(&"a".repeat(TENANT_NAME_BYTES_MAX)).unwrap();
        for name in ["a".repeat(TENANT_NAME_BYTES_MAX + 1), "\"a.b\"".to_owned(), "\"a/b\"".to_owned()] {
            let told = named(&name).unwrap_err().to_string();
            assert!(told.contains("a tenant's name is 1 to 64 of a-z, 0-9, - and _."), "{told}");
        }
    }

    #[test]
    fn a_message_that_fits_into_no_record_is_refused_at_the_start() {
        check(
            "[spool]\nbody_inline_bytes_max = 25165825\n",
            "line 2, column 1: spool.body_inline_bytes_max: must be at most 25165824: half of what one record of the \
             log takes.",
        );
        check(
            "[limits]\nmessage_bytes_max = 0\n",
            "line 2, column 1: limits.message_bytes_max: must be at least 1.",
        );
    }

    #[test]
    fn a_route_that_leads_nowhere_is_named() {
        check(
            "[routes.r]\ndomains = [\"*.\"]\n",
            "line 2, column 1: routes.r.domains: \"*.\" is neither a domain nor `*.` before one, nor `*`.",
        );
        check(
            "[routes.a]\ndomains = [\"x.example\"]\n[routes.b]\ndomains = [\"X.example\"]\n",
            "line 4, column 1: routes.b.domains: \"X.example\" goes by route \"a\" already.",
        );
        check(
            "[routes.r]\ndomains = [\"*\"]\nuser = \"u\"\n",
            "line 3, column 1: routes.r.user: goes with `password_file`: both, or neither.",
        );
        check(
            "[routes.r]\ndomains = [\"*\"]\nsource_pool = \"p\"\n",
            "line 3, column 1: routes.r.source_pool: there is no \"p\" in outbound.source_pools.",
        );
        check(
            "[routes.r]\ndomains = [\"*\"]\nprotocol = \"lmtp\"\n",
            "line 1, column 9: routes.r.hosts: DNS names no LMTP servers (RFC 2033 §5): name them here.",
        );
        check(
            "[routes.\"a.b\"]\ndomains = [\"*\"]\n",
            "line 1, column 2: routes.a.b: a route's name is 1 to 64 of a-z, 0-9, - and _.",
        );
    }

    #[test]
    fn a_route_has_a_most_of_servers() {
        let with = |count: usize| {
            let hosts = vec!["\"a.example\""; count].join(", ");
            parse(&format!("[routes.r]\ndomains = [\"*\"]\nhosts = [{hosts}]\n"))
        };
        with(smtp::route::ROUTE_HOSTS_MAX).unwrap();
        let told = with(smtp::route::ROUTE_HOSTS_MAX + 1).unwrap_err().to_string();
        assert!(told.contains("at most 32 servers."), "{told}");
    }

    #[test]
    fn a_relay_network_with_bits_behind_its_prefix_is_refused() {
        let told = parse("[relay]\nnetworks = [\"10.1.2.3/8\"]\n").unwrap_err().to_string();
        assert!(told.contains("relay.networks") && told.contains("write 10.0.0.0/8"), "{told}");
    }

    #[test]
    fn two_owners_of_one_domain_are_named() {
        check(
            "[tenants.a]\ndomains = [\"x.example\"]\n[tenants.b]\ndomains = [\"X.example\"]\n",
            "line 4, column 1: tenants.b.domains: \"x.example\" is already a domain of tenant \"a\".",
        );
    }
}
