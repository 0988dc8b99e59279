//! `envelope`: who sent it to whom. A call sees its own tenant's recipients alone, because its subject has no others.

use smtp::{DsnReturn, Envelope, Recipient, RecipientId};

use crate::access::EnvelopeAccess;
use crate::bindings::sluice::sink::envelope::{Host, Recipient as Told};
use crate::bindings::sluice::sink::types::{Parameter, Reply, ReversePath};
use crate::convert;
use crate::state::State;

impl State {
    /// The envelope where the event knows at least MAIL.
    fn begun(&self) -> Option<&Envelope> {
        match self.call.access.envelope {
            EnvelopeAccess::None => None,
            EnvelopeAccess::ReversePath | EnvelopeAccess::All => self.subject.envelope.as_deref(),
        }
    }

    /// The envelope where the event knows recipients.
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        match self.call.access.envelope {
            EnvelopeAccess::None | EnvelopeAccess::ReversePath => None,
            EnvelopeAccess::All => self.subject.envelope.as_deref(),
        }
    }

    fn recipient(&self, id: u32) -> Option<&Recipient> {
        self.envelope()?.recipient(RecipientId(id))
    }
}

impl Host for State {
    fn mail_from(&mut self) -> wasmtime::Result<Option<ReversePath>> {
        Ok(self.begun().map(|envelope| convert::reverse_path(&envelope.reverse_path)))
    }

    fn parameters(&mut self) -> wasmtime::Result<Vec<Parameter>> {
        Ok(self.begun().map(|envelope| convert::parameters(&envelope.parameters)).unwrap_or_default())
    }

    fn recipients(&mut self) -> wasmtime::Result<Vec<Told>> {
        let recipients = self.envelope().map(|envelope| envelope.recipients.as_slice()).unwrap_or_default();
        Ok(recipients.iter().map(convert::recipient).collect())
    }

    fn current(&mut self) -> wasmtime::Result<Option<u32>> {
        Ok(self.envelope().and(self.subject.current).map(|id| id.0))
    }

    fn recipient_parameters(&mut self, id: u32) -> wasmtime::Result<Vec<Parameter>> {
        Ok(self.recipient(id).map(|recipient| convert::parameters(&recipient.parameters)).unwrap_or_default())
    }

    fn attempts(&mut self, id: u32) -> wasmtime::Result<u32> {
        Ok(self.recipient(id).map_or(0, |recipient| recipient.attempts))
    }

    fn last_reply(&mut self, id: u32) -> wasmtime::Result<Option<Reply>> {
        Ok(self.recipient(id).and_then(|recipient| recipient.last_reply.as_ref()).map(convert::reply))
    }

    fn dsn_return(&mut self) -> wasmtime::Result<Option<String>> {
        let word = |dsn_return| match dsn_return {
            DsnReturn::Headers => "headers".to_owned(),
            DsnReturn::Full => "full".to_owned(),
        };
        Ok(self.begun().and_then(Envelope::dsn_return).map(word))
    }

    fn envelope_id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.begun().and_then(Envelope::envelope_id).map(ToOwned::to_owned))
    }

    fn priority(&mut self) -> wasmtime::Result<i8> {
        Ok(self.begun().map_or(0, |envelope| envelope.priority))
    }

    fn expires(&mut self) -> wasmtime::Result<Option<f64>> {
        Ok(self.begun().and_then(|envelope| envelope.expires).map(convert::timestamp))
    }
}
