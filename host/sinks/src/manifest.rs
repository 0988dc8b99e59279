//! What its author says of a sink: `sink.toml` or `NAME.toml` beside the component, or a custom section `sluice:manifest`
//! inside it.
//!
//! ```toml
//! name = "external-tag"
//! version = "1.2.0"
//! description = "Tags mail from outside"
//! capabilities = ["kv", "forward"]     # asked for; the operator grants
//!
//! [settings.own-domains]
//! type = "list"                        # string, integer, number, boolean, list (of strings), table
//! required = true                      # or: default = ["example.com"]
//! secret = false
//! description = "Domains that are not outside"
//!
//! [events.on-end-of-data]              # suggestions: an installation file overrides them
//! priority = 1000
//! tier = "operator-last"               # heeded in the operator's folder
//! ```
//!
//! It grants nothing and binds nothing by itself: that is the operator's (`installation_file`).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::binding::{PRIORITY_MAX, Tier};
use crate::capability::Capability;
use crate::document::{self, DocumentError};
use crate::event::{Class, EventKind};
use crate::settings::SettingSchema;

/// The custom section in which a component carries its manifest.
pub const MANIFEST_SECTION: &str = "sluice:manifest";
/// Characters of a sink's name: it becomes a file name, a label and a part of ids. Ours; a DNS label has 63.
pub const NAME_CHARACTERS_MAX: usize = 63;
/// Characters of a description; it is shown on a terminal. Ours.
pub const DESCRIPTION_CHARACTERS_MAX: usize = 400;
/// Characters of a version. Ours.
pub const VERSION_CHARACTERS_MAX: usize = 63;

/// The author's file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// What people call it; letters, digits, `-` and `_`.
    pub name: String,
    /// The author's numbering; shown, not compared.
    pub version: String,
    /// One line.
    #[serde(default)]
    pub description: String,
    /// What the operator can set.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingSchema>,
    /// What the sink needs beyond deciding.
    #[serde(default)]
    pub capabilities: BTreeSet<Capability>,
    /// Sensible places in the order.
    #[serde(default)]
    pub events: BTreeMap<EventName, Suggestion>,
}

/// Where the author thinks that a binding belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suggestion {
    /// Lower is asked first.
    #[serde(default)]
    pub priority: Option<u16>,
    /// Before or after the tenants' sinks.
    #[serde(default)]
    pub tier: Option<Tier>,
}

impl Manifest {
    /// Reads and judges a manifest.
    ///
    /// # Errors
    /// Says where and what was expected.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let manifest: Self = document::read(text)?;
        manifest.check().map_err(DocumentError::whole)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if !is_name(&self.name) {
            return Err(format!("name `{}` is not {NAME_EXPECTED}", self.name.escape_debug()));
        }
        let version = self.version.chars();
        if self.version.is_empty()
            || version.clone().count() > VERSION_CHARACTERS_MAX
            || version.clone().any(char::is_control)
        {
            return Err(format!("version is not 1 to {VERSION_CHARACTERS_MAX} printable characters"));
        }
        let description = self.description.chars();
        if description.clone().count() > DESCRIPTION_CHARACTERS_MAX
            || description.clone().any(char::is_control)
        {
            return Err(format!(
                "description is not one line of up to {DESCRIPTION_CHARACTERS_MAX} characters"
            ));
        }
        for (key, setting) in &self.settings {
            setting.check().map_err(|problem| format!("setting `{key}`: {problem}"))?;
        }
        for (event, suggestion) in &self.events {
            check_priority(suggestion.priority).map_err(|problem| format!("{}: {problem}", event.0))?;
        }
        Ok(())
    }
}

/// What [`is_name`] wants, for messages.
pub(crate) const NAME_EXPECTED: &str = "1 to 63 letters, digits, `-` and `_`, the first a letter or digit";

/// Whether the text can be a sink's or a tenant's name in paths, labels and ids: nothing that a path could climb with.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= NAME_CHARACTERS_MAX
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(fits)
}

/// Priorities are those of the old service: 0 to 32767.
pub(crate) fn check_priority(priority: Option<u16>) -> Result<(), String> {
    match priority {
        Some(priority) if priority > PRIORITY_MAX => {
            Err(format!("priority {priority} is not between 0 and {PRIORITY_MAX}"))
        }
        _ => Ok(()),
    }
}

/// An event that can be bound, by its name in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventName(pub EventKind);

impl Serialize for EventName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for EventName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match EventKind::from_name(&name) {
            Some(event) if event.class() == Class::Life => {
                Err(serde::de::Error::custom(format!("`{name}` is asked at load and is never bound")))
            }
            Some(event) => Ok(Self(event)),
            None => Err(serde::de::Error::custom(format!("`{name}` is no event"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DESCRIPTION_CHARACTERS_MAX, Manifest, NAME_CHARACTERS_MAX, VERSION_CHARACTERS_MAX, is_name};
    use crate::binding::Tier;
    use crate::capability::Capability;
    use crate::event::EventKind;

    fn check_refused(text: &str, expected: &str) {
        let error = Manifest::parse(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn the_example_of_the_documentation_reads() {
        let source = include_str!("manifest.rs");
        let text: String = source
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(1)
            .take_while(|line| *line != "//! ```")
            .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n")
            .collect();
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(manifest.name, "external-tag");
        assert!(manifest.settings["own-domains"].required);
        assert!(manifest.capabilities.contains(&Capability::Kv));
        let (event, suggestion) = manifest.events.first_key_value().unwrap();
        assert_eq!(event.0, EventKind::EndOfData);
        assert_eq!((suggestion.priority, suggestion.tier), (Some(1000), Some(Tier::OperatorLast)));
    }

    #[test]
    fn the_manifests_of_our_own_sinks_read() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/");
        let mut read = 0;
        for sink in std::fs::read_dir(folder).unwrap() {
            let sink = sink.unwrap();
            let manifest = std::fs::read_to_string(sink.path().join("sink.toml")).unwrap();
            assert_eq!(Manifest::parse(&manifest).unwrap().name, sink.file_name().to_str().unwrap());
            read += 1;
        }
        assert!(read > 0);
    }

    #[test]
    fn an_error_says_where_and_what_was_expected() {
        check_refused("name = 'a'", "missing field `version`");
        check_refused(
            "name = 'a'\nversion = '1'\nauthor = 'x'",
            "line 3, column 1: unknown field `author`, expected one of",
        );
        check_refused("name = 'a/b'\nversion = '1'", "name `a/b` is not 1 to 63 letters");
        check_refused("name = 'a'\nversion = ''", "version is not 1 to 63 printable");
        let longest = "1".repeat(VERSION_CHARACTERS_MAX);
        assert!(Manifest::parse(&format!("name = 'a'\nversion = '{longest}'")).is_ok());
        check_refused(&format!("name = 'a'\nversion = '{longest}1'"), "version is not 1 to 63 printable");
        let control = "name = 'a'\nversion = '1'\ndescription = \"a\\u001b[2J\"";
        check_refused(control, "description is not one line of up to 400");
        let long = "d".repeat(DESCRIPTION_CHARACTERS_MAX + 1);
        check_refused(
            &format!("name = 'a'\nversion = '1'\ndescription = '{long}'"),
            "description is not one line",
        );
        check_refused("name = 'a'\nversion = '1'\ncapabilities = ['ftp']", "line 3");
        check_refused(
            "name = 'a'\nversion = '1'\ncapabilities = ['ftp']",
            "`ftp` is no capability; they are: kv,",
        );
        check_refused("name = 'a'\nversion = '1'\n[events.on-nothing]\n", "`on-nothing` is no event");
        check_refused("name = 'a'\nversion = '1'\n[events.on-prepare]\n", "asked at load and is never bound");
        check_refused(
            "name = 'a'\nversion = '1'\n[events.on-data]\npriority = 40000",
            "on-data: priority 40000 is not between",
        );
        check_refused(
            "name = 'a'\nversion = '1'\n[settings.x]\ntype = 'text'",
            "line 4, column 8: unknown variant `text`",
        );
        check_refused(
            "name = 'a'\nversion = '1'\n[settings.x]\ntype = 'string'\ndefault = 1",
            "setting `x`: the default: expected a string",
        );
    }

    #[test]
    fn a_name_can_be_a_file_name_everywhere() {
        for name in ["a", "external-tag", "inbound_verbs", "A9", &"a".repeat(NAME_CHARACTERS_MAX)] {
            assert!(is_name(name), "{name}");
        }
        for name in
            ["", ".", "..", "a/b", "a.b", "-a", "_a", "a b", "ä", &"a".repeat(NAME_CHARACTERS_MAX + 1)]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
