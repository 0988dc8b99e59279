//! `remote`: the session to another server that the event belongs to.

use smtp::client::Keyword;

use super::Answer;
use crate::access::Allowed;
use crate::bindings::sluice::sink::remote::Host;
use crate::bindings::sluice::sink::types::{Endpoint, Error, Parameter};
use crate::convert;
use crate::outbound::{RemoteFacts, RemoteTls};
use crate::state::State;
use crate::subject::Outbound;

impl State {
    fn outbound(&self) -> Option<&Outbound> {
        match self.call.access.remote {
            Allowed::Yes => self.subject.outbound(),
            Allowed::No => None,
        }
    }

    /// The sink's own copy, to be changed.
    pub(super) fn outbound_edited(&mut self) -> Result<&mut Outbound, Error> {
        match self.call.access.remote {
            Allowed::Yes => self.subject.outbound.as_deref_mut().ok_or(Error::NotPermitted),
            Allowed::No => Err(Error::NotPermitted),
        }
    }

    fn peer_facts(&self) -> Option<&RemoteFacts> {
        self.outbound()?.remote.as_deref()
    }

    fn peer_tls(&self) -> Option<&RemoteTls> {
        self.peer_facts()?.tls.as_ref()
    }
}

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.peer_facts().map(|facts| facts.session_id.clone()))
    }

    fn queue(&mut self) -> wasmtime::Result<String> {
        Ok(self.peer_facts().map(|facts| facts.queue.to_string()).unwrap_or_default())
    }

    fn host(&mut self) -> wasmtime::Result<String> {
        Ok(self.peer_facts().map(|facts| facts.host.clone()).unwrap_or_default())
    }

    fn peer(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(self.peer_facts().and_then(|facts| facts.peer).map(convert::endpoint))
    }

    fn source(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(self.peer_facts().and_then(|facts| facts.source).map(convert::endpoint))
    }

    fn extensions(&mut self) -> wasmtime::Result<Vec<Parameter>> {
        let extensions = self.peer_facts().map(|facts| facts.extensions.as_slice()).unwrap_or_default();
        let parameter = |keyword: &Keyword| Parameter {
            keyword: keyword.keyword().to_owned(),
            value: Some(keyword.arguments().to_owned()).filter(|arguments| !arguments.is_empty()),
        };
        Ok(extensions.iter().map(parameter).collect())
    }

    fn tls_version(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.peer_tls().map(|tls| tls.version.clone()))
    }

    fn tls_cipher(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.peer_tls().map(|tls| tls.cipher.clone()))
    }

    async fn get_variable(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.toll(&[&key]).await?;
        let value = self.outbound().and_then(|outbound| outbound.remote_variables.value(self.owner(), &key));
        Ok(value.map(|value| value.to_vec()))
    }

    async fn set_variable(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        self.toll(&[&key, &value]).await?;
        let owner = std::sync::Arc::clone(&self.call.installation.id);
        Ok(self.outbound_edited().and_then(|outbound| {
            outbound.remote_variables.set(&owner, &key, value.into()).map_err(Error::from)
        }))
    }
}
