//! A message that is to be sent, and what a peer has to offer for it.
//!
//! Promises that nothing is sent of a message that the peer cannot take, and that a parameter goes out only where its
//! extension is offered. The parameters that are true of the content alone (SIZE, BODY, SMTPUTF8) are made here, whatever the
//! client that brought the message said; AUTH= (RFC 4954 §5) is left out, since it asks the peer to trust us.

use super::draft::OURS;
use super::facts::{Characters, ContentFacts};
use super::outcome::MessageFlaw;
use super::peer::Peer;
use super::settings::BareNewlines;
use crate::address::Mailbox;
use crate::envelope::{Envelope, Recipient};
use crate::parameters::{Parameter, Smtputf8, find};
use std::sync::Arc;

/// Envelope and content facts; each recipient in the envelope is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Reverse-path, parameters, and the recipients for this next hop.
    pub envelope: Arc<Envelope>,
    /// What [`super::ContentScan`] found.
    pub content: ContentFacts,
}

/// Whether a message may go out as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    Fit,
    /// Its content has to be encoded down (RFC 6152 §3).
    NeedsEncoding,
    Unfit(MessageFlaw),
}

impl Message {
    /// Whether the peer can take it at all; single recipients apart.
    pub(crate) fn fitness(&self, peer: &Peer, content: &ContentFacts, newlines: BareNewlines) -> Fitness {
        if newlines == BareNewlines::Refuse && content.bare_newlines > 0 {
            return Fitness::Unfit(MessageFlaw::BareNewlines);
        }
        if !peer.offers("SMTPUTF8") {
            if self.envelope.reverse_path.mailbox().is_some_and(Mailbox::needs_smtputf8) {
                return Fitness::Unfit(MessageFlaw::AddressNeedsSmtputf8);
            }
            if self.has_utf8_header(content) {
                return Fitness::Unfit(MessageFlaw::HeaderNeedsSmtputf8);
            }
        }
        // RFC 6531 §3.1: who offers SMTPUTF8 takes 8-bit content, whether it says so or not.
        let takes_eight_bit = peer.offers("8BITMIME") || self.smtputf8(peer, content) == Smtputf8::Asked;
        if content.content == Characters::Beyond && !takes_eight_bit {
            return Fitness::NeedsEncoding;
        }
        match peer.message_bytes_max() {
            Some(limit) if content.wire_bytes() > limit => Fitness::Unfit(MessageFlaw::TooLarge { limit }),
            _ => Fitness::Fit,
        }
    }

    /// For MAIL.
    pub(crate) fn mail_parameters(&self, peer: &Peer, content: &ContentFacts) -> Vec<Parameter> {
        let smtputf8 = self.smtputf8(peer, content);
        let mut parameters = passed_on(&self.envelope.parameters, peer, smtputf8);
        if peer.offers("SIZE") {
            parameters.extend(Parameter::parse(&format!("SIZE={}", content.wire_bytes())));
        }
        if content.content == Characters::Beyond && peer.offers("8BITMIME") {
            parameters.extend(Parameter::parse("BODY=8BITMIME"));
        }
        if smtputf8 == Smtputf8::Asked {
            parameters.extend(Parameter::parse("SMTPUTF8"));
        }
        parameters
    }

    /// For the RCPT of one recipient.
    pub(crate) fn rcpt_parameters(
        &self,
        recipient: &Recipient,
        peer: &Peer,
        content: &ContentFacts,
    ) -> Vec<Parameter> {
        let mut parameters = passed_on(&recipient.parameters, peer, self.smtputf8(peer, content));
        // What sinks and expansions made of it counts, not what the client said.
        parameters.retain(|parameter| parameter.keyword() != "NOTIFY");
        if !recipient.notify.is_unset() && peer.offers("DSN") {
            parameters.extend(Parameter::parse(&format!("NOTIFY={}", recipient.notify)));
        }
        parameters
    }

    /// RFC 6531 §3.1: an 8-bit header of whoever never asked for SMTPUTF8 is 8-bit content, as it always was.
    fn has_utf8_header(&self, content: &ContentFacts) -> bool {
        content.header == Characters::Beyond && find(&self.envelope.parameters, "SMTPUTF8").is_some()
    }

    fn smtputf8(&self, peer: &Peer, content: &ContentFacts) -> Smtputf8 {
        let mut recipients = self.envelope.recipients.iter();
        let is_needed = self.has_utf8_header(content)
            || self.envelope.reverse_path.mailbox().is_some_and(Mailbox::needs_smtputf8)
            || recipients.any(|recipient| recipient.address.needs_smtputf8());
        if is_needed && peer.offers("SMTPUTF8") { Smtputf8::Asked } else { Smtputf8::Absent }
    }
}

fn passed_on(parameters: &[Parameter], peer: &Peer, smtputf8: Smtputf8) -> Vec<Parameter> {
    let is_passed = |parameter: &&Parameter| {
        !OURS.contains(&parameter.keyword())
            && peer.takes(parameter)
            && (smtputf8 == Smtputf8::Asked || parameter.value().is_none_or(str::is_ascii))
    };
    parameters.iter().filter(is_passed).cloned().collect()
}

/// A command line without its CRLF.
pub(crate) fn line_with(start: String, parameters: &[Parameter]) -> String {
    parameters.iter().fold(start, |mut line, parameter| {
        line.push(' ');
        line.push_str(parameter.keyword());
        if let Some(value) = parameter.value() {
            line.push('=');
            line.push_str(value);
        }
        line
    })
}
