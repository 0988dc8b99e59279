//! `command-draft`: edits of the command that this server sends next, and verbs of a sink's own in front of it.

use smtp::client::{Draft, DraftError};

use super::Answer;
use crate::access::Allowed;
use crate::bindings::sluice::sink::command_draft::Host;
use crate::bindings::sluice::sink::types::{Error, Parameter};
use crate::capability::Capability;
use crate::convert;
use crate::state::State;

impl State {
    fn command(&self) -> Option<&Draft> {
        match self.call.access.remote {
            Allowed::Yes => self.subject.outbound()?.command.as_ref(),
            Allowed::No => None,
        }
    }

    fn command_edited(&mut self) -> Result<&mut Draft, Error> {
        self.outbound_edited()?.command.as_mut().ok_or(Error::NotPermitted)
    }
}

impl From<DraftError> for Error {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::NotPermitted => Self::NotPermitted,
            DraftError::Invalid => Self::InvalidArgument(error.to_string()),
            DraftError::NotFound => Self::NotFound,
            DraftError::Full => Self::QuotaExceeded,
        }
    }
}

impl Host for State {
    fn verb(&mut self) -> wasmtime::Result<String> {
        Ok(self.command().map(|draft| draft.verb().to_owned()).unwrap_or_default())
    }

    fn parameters(&mut self) -> wasmtime::Result<Vec<Parameter>> {
        Ok(self.command().map(|draft| convert::parameters(draft.parameters())).unwrap_or_default())
    }

    async fn set_parameter(&mut self, keyword: String, value: Option<String>) -> Answer<()> {
        self.toll(&[&keyword, &value]).await?;
        Ok(self.command_edited().and_then(|draft| Ok(draft.set_parameter(&keyword, value.as_deref())?)))
    }

    async fn remove_parameter(&mut self, keyword: String) -> Answer<()> {
        self.toll(&[&keyword]).await?;
        Ok(self.command_edited().and_then(|draft| Ok(draft.remove_parameter(&keyword)?)))
    }

    async fn send_first(&mut self, verb: String, argument: String, payload: Option<Vec<u8>>) -> Answer<()> {
        self.toll(&[&verb, &argument, &payload]).await?;
        if !self.call.installation.grants.contains(&Capability::OutboundVerbs) {
            return Ok(Err(Error::NotPermitted));
        }
        let payload = payload.map(Into::into);
        Ok(self.command_edited().and_then(|draft| Ok(draft.send_first(&verb, &argument, payload)?)))
    }
}
