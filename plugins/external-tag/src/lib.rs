//! Mail from outside says so: a tag before its subject, and the field `X-External: yes`.
//!
//! Inside is what an authenticated client sends, and what has our own domains both in its reverse-path and in its From
//! field (whether the client may use them is SPF's and DMARC's to say). The tag is never added twice, so a conversation
//! does not collect it; and the field is ours alone: one that came in is removed, from outside and from inside.

use serde::Deserialize;
use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{Address, Error, ReversePath, envelope, message, session, settings};

const FIELD: &str = "X-External";

/// What the operator chooses; `sink.toml` says what each means.
#[derive(Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Settings {
    own_domains: Vec<String>,
    tag: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { own_domains: Vec::new(), tag: "[EXTERNAL]".to_owned() }
    }
}

#[sluice_sdk::on_end_of_data]
fn tag() -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = settings::load()?;
    message_draft::remove_headers(FIELD)?;
    if session::authenticated().is_none() && !is_own_mail(&settings.own_domains) {
        message_draft::add_header(Position::Bottom, FIELD, "yes")?;
        tag_subject(&settings.tag)?;
    }
    Ok(())
}

fn is_own_mail(own_domains: &[String]) -> bool {
    let from = message::header_mailboxes("From");
    let mut writers = from.iter().map(|mailbox| &mailbox.address).peekable();
    let reverse_path = envelope::mail_from();
    let sender = reverse_path.as_ref().and_then(ReversePath::address);
    writers.peek().is_some() && sender.into_iter().chain(writers).all(|address| is_own(address, own_domains))
}

fn is_own(address: &Address, own_domains: &[String]) -> bool {
    own_domains.iter().any(|domain| address.is_within(domain))
}

fn tag_subject(tag: &str) -> Result<(), Error> {
    let Some(subject) = message::header("Subject") else {
        return message_draft::add_header(Position::Bottom, "Subject", tag);
    };
    match tagged(&subject, tag) {
        Some(subject) => message_draft::replace_header("Subject", 0, &subject),
        None => Ok(()),
    }
}

/// The subject with its tag; none if it has it, wherever an answer's `Re:` put it.
fn tagged(subject: &str, tag: &str) -> Option<String> {
    (!subject.contains(tag)).then(|| format!("{tag} {}", subject.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &str, expected: Option<&str>) {
        assert_eq!(tagged(subject, "[EXTERNAL]").as_deref(), expected);
    }

    #[test]
    fn a_subject_gets_the_tag_once() {
        check("Lunch?", Some("[EXTERNAL] Lunch?"));
        check("[EXTERNAL] Lunch?", None);
        check("Re: [EXTERNAL] Lunch?", None);
    }

    #[test]
    fn a_site_without_a_tag_keeps_its_subjects() {
        assert_eq!(tagged("Lunch?", ""), None);
    }

    #[test]
    fn own_domains_have_no_case_and_include_those_below_them() {
        let own = ["Example.org".to_owned()];
        let from = |domain: &str| Address { local: "ann".to_owned(), domain: domain.to_owned() };
        assert!(is_own(&from("example.org"), &own) && is_own(&from("mail.example.org"), &own));
        assert!(!is_own(&from("notexample.org"), &own) && !is_own(&from("example.org"), &[]));
    }
}
