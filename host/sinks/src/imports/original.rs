//! `original`: the message that a DSN or a report speaks of.

use smtp::{Recipient, RecipientId};

use crate::access::Allowed;
use crate::bindings::sluice::sink::envelope::Recipient as Told;
use crate::bindings::sluice::sink::original::Host;
use crate::bindings::sluice::sink::types::Reply;
use crate::convert;
use crate::outbound::Original;
use crate::state::State;

impl State {
    fn original(&self) -> Option<&Original> {
        match self.call.access.original {
            Allowed::Yes => self.subject.outbound()?.original.as_deref(),
            Allowed::No => None,
        }
    }
}

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.original().and_then(|original| original.id.clone()))
    }

    fn recipients(&mut self) -> wasmtime::Result<Vec<Told>> {
        let recipients = self.original().map(|original| &*original.recipients).unwrap_or_default();
        Ok(recipients.iter().map(convert::recipient).collect())
    }

    fn last_reply(&mut self, id: u32) -> wasmtime::Result<Option<Reply>> {
        let recipients = self.original().map(|original| &*original.recipients).unwrap_or_default();
        let recipient = recipients.iter().find(|recipient| recipient.id == RecipientId(id));
        Ok(recipient.and_then(|recipient: &Recipient| recipient.last_reply.as_ref()).map(convert::reply))
    }

    async fn header_values(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.toll(&[&name]).await?;
        let Some(header) = self.original().and_then(|original| original.header.clone()) else {
            return Ok(Vec::new());
        };
        self.charge(header.size()).await?;
        Ok(header.header_values(&name))
    }
}
