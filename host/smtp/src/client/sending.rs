//! What is sent of a message, and when: MAIL, RCPT, DATA or BDAT, each at its turn.
//!
//! Promises that nothing goes out before its gate was decided, that DATA goes out only while some recipient may still be
//! taken, and that a BDAT, which cannot be taken back, waits for every reply to RCPT.

use super::Client;
use super::action::Action;
use super::draft::{Draft, Scope};
use super::gate::GateKind;
use super::message::{Fitness, line_with};
use super::outcome::{Cause, Fate, MessageFlaw};
use super::own::Turn;
use super::question::{Question, Ruling};
use super::step::Step;
use super::transaction::{PeersView, Stage};

impl Client {
    /// Sends on.
    pub(crate) fn proceed_message(&mut self) -> Option<Action> {
        let transaction = self.transaction.as_mut()?;
        if transaction.is_settled() && self.expected.is_empty() {
            self.finish_message();
            return None;
        }
        match transaction.stage {
            Stage::Start | Stage::Encoded => self.start_message(),
            Stage::Mail => self.send_mail(),
            Stage::Recipient(index) => self.send_rcpt(index),
            Stage::Recipients | Stage::Cleared => self.send_data(),
            Stage::Content(_) => self.send_content(),
            Stage::Again | Stage::Data | Stage::Dot => Some(self.read()),
        }
    }

    /// Compares what the message needs with what the peer offers, then on-message-start.
    fn start_message(&mut self) -> Option<Action> {
        let transaction = self.transaction.as_mut()?;
        let (message, content) = (&transaction.message, &transaction.content);
        match message.fitness(&self.peer, content, self.settings.bare_newlines) {
            Fitness::Unfit(flaw) => {
                transaction.settle_rest(&Fate::Failed(Cause::Message(flaw)));
                return None;
            }
            Fitness::NeedsEncoding if matches!(transaction.stage, Stage::Encoded) => {
                let flaw = MessageFlaw::NeedsEightBitMime;
                transaction.settle_rest(&Fate::Failed(Cause::Message(flaw)));
                return None;
            }
            Fitness::NeedsEncoding => return Some(self.ask(Question::DownEncode)),
            Fitness::Fit => {}
        }
        if !self.peer.offers("SMTPUTF8") {
            let flaw = Cause::Message(MessageFlaw::AddressNeedsSmtputf8);
            let all = message.envelope.recipients.iter().zip(&mut transaction.recipients);
            all.filter(|(recipient, _)| recipient.address.needs_smtputf8())
                .for_each(|(_, one)| one.settle(|| Fate::Failed(flaw.clone())));
            if transaction.is_settled() {
                return None;
            }
        }
        let parameters = message.mail_parameters(&self.peer, content);
        let limits = &self.settings.limits;
        let draft = Draft::new("MAIL", Scope::Both, parameters)
            .with_verbs(self.own_left, limits.own_payload_bytes_max);
        if self.interest.wants_gate(GateKind::MessageStart) {
            return Some(self.ask(Question::MessageStart(draft)));
        }
        self.message_start_decided(Ruling::Proceed, draft);
        None
    }

    fn send_mail(&mut self) -> Option<Action> {
        if self.turn_for(&Step::Mail) == Turn::Wait {
            return Some(self.read());
        }
        let transaction = self.transaction.as_mut()?;
        let start = format!("MAIL FROM:{}", transaction.message.envelope.reverse_path);
        let line = line_with(start, transaction.mail_parameters.as_deref().unwrap_or_default());
        transaction.stage = Stage::Recipient(0);
        self.command(&line, Step::Mail);
        None
    }

    fn send_rcpt(&mut self, index: usize) -> Option<Action> {
        let transaction = self.transaction.as_mut()?;
        match transaction.recipients.get(index) {
            None => {
                transaction.stage = Stage::Recipients;
                return None;
            }
            Some(one) if one.is_settled() => {
                transaction.stage = Stage::Recipient(index + 1);
                return None;
            }
            Some(_) => {}
        }
        if self.turn_for(&Step::Rcpt(index)) == Turn::Wait {
            return Some(self.read());
        }
        let transaction = self.transaction.as_ref()?;
        let (message, content) = (&transaction.message, &transaction.content);
        let one = transaction.recipients.get(index)?;
        let recipient = message.envelope.recipients.get(index)?;
        let Some(parameters) = &one.parameters else {
            let (id, parameters) = (one.id, message.rcpt_parameters(recipient, &self.peer, content));
            let draft = Draft::new("RCPT", Scope::Parameters, parameters);
            if self.interest.wants_gate(GateKind::PerRecipient) {
                return Some(self.ask(Question::PerRecipient { index, id, draft }));
            }
            self.recipient_decided(index, Ruling::Proceed, draft);
            return None;
        };
        let line = line_with(format!("RCPT TO:<{}>", recipient.address), parameters);
        self.command(&line, Step::Rcpt(index));
        if let Some(transaction) = &mut self.transaction {
            transaction.stage = Stage::Recipient(index + 1);
        }
        None
    }

    /// DATA or BDAT, or another round; in a group with RCPT only where nobody has a say in between.
    fn send_data(&mut self) -> Option<Action> {
        let transaction = self.transaction.as_mut()?;
        let is_chunked = self.peer.offers("CHUNKING");
        let wants_gate = self.interest.wants_gate(GateKind::BeforeData);
        if self.expected.is_empty() {
            if transaction.peers_view == PeersView::Other {
                transaction.stage = Stage::Again;
                self.command("RSET", Step::Reset);
                return None;
            }
            if wants_gate && matches!(transaction.stage, Stage::Recipients) {
                let accepted = u32::try_from(transaction.accepted().count()).unwrap_or(u32::MAX);
                let all = u32::try_from(transaction.recipients.len()).unwrap_or(u32::MAX);
                let draft = self.draft_of_verbs("DATA", Scope::Verbs);
                let refused = all.saturating_sub(accepted);
                return Some(self.ask(Question::BeforeData { accepted, refused, draft }));
            }
        } else if is_chunked || wants_gate || transaction.is_settled() {
            return Some(self.read());
        }
        if self.turn_for(&Step::Data) == Turn::Wait {
            return Some(self.read());
        }
        if is_chunked {
            self.begin_chunk();
        } else {
            self.command("DATA", Step::Data);
            self.transaction.as_mut()?.stage = Stage::Data;
        }
        None
    }
}
