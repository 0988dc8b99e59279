//! A disclaimer under what the users of a domain send, in each form of its body.
//!
//! The domain of the first mailbox in the From field decides; one above it counts where it has no footer of its own. A domain
//! in a From field proves nothing, so only what a known user sends gets one unless the operator says otherwise.

use std::collections::BTreeMap;

use serde::Deserialize;
use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{message, session, settings};

/// What the operator chooses; `sink.toml` has the defaults and says what each means.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Settings {
    text: BTreeMap<String, String>,
    html: BTreeMap<String, String>,
    authenticated_only: bool,
}

#[sluice_sdk::on_transport_submission]
fn sign() -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = settings::load()?;
    let is_unknown = settings.authenticated_only && session::authenticated().is_none();
    if is_unknown || message::ingress() == "dsn" {
        return Ok(());
    }
    let from = message::header_mailboxes("From");
    let Some(domain) = from.first().map(|mailbox| mailbox.address.domain.as_str()) else { return Ok(()) };
    if let Some(text) = of_domain(&settings.text, domain) {
        message_draft::add_text(Position::Bottom, text, of_domain(&settings.html, domain))?;
    }
    Ok(())
}

/// The value of the domain, or of the nearest one above it.
fn of_domain<'a>(values: &'a BTreeMap<String, String>, domain: &str) -> Option<&'a str> {
    let mut name = domain;
    loop {
        let found = values.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        if let Some((_, value)) = found {
            return Some(value.as_str()).filter(|value| !value.trim().is_empty());
        }
        name = name.split_once('.')?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(domain: &str, expected: Option<&str>) {
        let of = |(domain, text): (&str, &str)| (domain.to_owned(), text.to_owned());
        let values = [("Acme.example", "acme"), ("lab.acme.example", "lab"), ("quiet.acme.example", " ")]
            .map(of)
            .into();
        assert_eq!(of_domain(&values, domain), expected);
    }

    #[test]
    fn the_nearest_domain_decides() {
        check("acme.example", Some("acme"));
        check("mail.ACME.example", Some("acme"));
        check("eu.lab.acme.example", Some("lab"));
        check("notacme.example", None);
        check("example", None);
    }

    #[test]
    fn an_empty_footer_keeps_a_domain_without_one() {
        check("quiet.acme.example", None);
    }
}
