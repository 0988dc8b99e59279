//! What stands before the first connection: which guests are installed, how, and what the configuration says.

use anyhow::{Context, Result, ensure};

/// The scene of a test.
#[derive(Debug, Default)]
pub struct Scene {
    /// In the order in which they are installed.
    pub sinks: Vec<Installed>,
    /// Keys of the configuration, with dots between the levels, and their values.
    pub config: Vec<(String, toml::Value)>,
}

/// A guest of `tests/guests`, as an operator installs it.
///
/// Written `GUEST key=value …`; values with spaces in double quotes. The keys `as`, `tenant`, `tier`, `priority`, `on-fault`
/// and `rule` are the operator's; all others are settings of the guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Installed {
    /// The folder in `tests/guests`.
    pub guest: String,
    /// The installation's name; the guest's if it is not said.
    pub name: String,
    /// In this tenant's folder; in the operator's if it is not said.
    pub tenant: Option<String>,
    /// `tier`, `priority`, `on-fault`, `rule` where they were said.
    pub binding: Vec<(String, String)>,
    /// What the guest reads.
    pub settings: Vec<(String, String)>,
}

impl Installed {
    /// Reads `GUEST key=value …`.
    ///
    /// # Errors
    /// If a quote is not closed, or a word is no pair.
    pub fn parse(text: &str) -> Result<Self> {
        let (guest, mut rest) = text.split_once(' ').unwrap_or((text, ""));
        ensure!(!guest.is_empty(), "no guest");
        let mut installed = Self { guest: guest.to_owned(), name: guest.to_owned(), ..Self::default() };
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=').context("key=value")?;
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').context("a quote that is not closed")?,
                None => after.split_at(after.find(' ').unwrap_or(after.len())),
            };
            installed.set(key, value);
            rest = after.trim_start();
        }
        Ok(installed)
    }

    fn set(&mut self, key: &str, value: &str) {
        let pair = (key.to_owned(), value.to_owned());
        match key {
            "as" => self.name = pair.1,
            "tenant" => self.tenant = Some(pair.1),
            "tier" | "priority" | "on-fault" | "rule" => self.binding.push(pair),
            _ => self.settings.push(pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_read_with_its_settings() {
        let read =
            Installed::parse("script as=first tier=tenant on-rcpt-to=\"reject 550 5.7.1 No\" tag=x").unwrap();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(read.name, "first");
        assert_eq!(read.binding, [pair("tier", "tenant")]);
        assert_eq!(read.settings, [pair("on-rcpt-to", "reject 550 5.7.1 No"), pair("tag", "x")]);
    }
}
