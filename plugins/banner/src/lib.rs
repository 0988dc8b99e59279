//! A warning at the top of mail from outside, in each form of its body.
//!
//! Inside is what an authenticated client sends, and what has our own domains both in its reverse-path and in its From field
//! (whether the client may use them is SPF's and DMARC's to say). The host puts the text into plain and HTML bodies, and beside
//! what is signed or encrypted.

use serde::Deserialize;
use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{ReversePath, envelope, message, session, settings};

/// What the operator chooses; `sink.toml` has the defaults and says what each means.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Settings {
    own_domains: Vec<String>,
    text: String,
    html: String,
}

#[sluice_sdk::on_end_of_data]
fn warn() -> Result<(), Box<dyn std::error::Error>> {
    let settings: Settings = settings::load()?;
    if session::authenticated().is_none() && !is_own_mail(&settings.own_domains) {
        message_draft::add_text(Position::Top, &settings.text, Some(&settings.box_or_html()))?;
    }
    Ok(())
}

fn is_own_mail(own_domains: &[String]) -> bool {
    let from = message::header_mailboxes("From");
    let mut writers = from.iter().map(|mailbox| &mailbox.address).peekable();
    let reverse_path = envelope::mail_from();
    let sender = reverse_path.as_ref().and_then(ReversePath::address);
    writers.peek().is_some()
        && sender
            .into_iter()
            .chain(writers)
            .all(|address| own_domains.iter().any(|domain| address.is_within(domain)))
}

impl Settings {
    /// What HTML bodies get. Styles stand in the element: those of the message could hide it otherwise.
    fn box_or_html(&self) -> String {
        if !self.html.is_empty() {
            return self.html.clone();
        }
        let text = self.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        format!(
            "<div style=\"display:block !important;visibility:visible !important;padding:8px;\
             border:1px solid #c90;background:#fff3cd;color:#222;font:14px sans-serif\">\n{}\n</div>",
            text.trim_end().replace('\n', "<br>\n"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str, html: &str) -> String {
        Settings { text: text.to_owned(), html: html.to_owned(), ..Settings::default() }.box_or_html()
    }

    #[test]
    fn a_text_without_html_becomes_a_box_that_shows_it_as_it_is() {
        let made = html("a < b\n& c", "");
        assert!(
            made.starts_with("<div style=") && made.ends_with(">\na &lt; b<br>\n&amp; c\n</div>"),
            "{made}"
        );
    }

    #[test]
    fn the_operators_own_html_is_used_as_it_is() {
        assert_eq!(html("text", "<p>own</p>"), "<p>own</p>");
    }
}
