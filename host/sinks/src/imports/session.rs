//! `session`: the inbound session that the event belongs to, live or as it was stored with the message.

use std::time::Duration;

use smtp::{Facts, TlsFacts};

use super::Answer;
use crate::access::SessionAccess;
use crate::bindings::sluice::sink::session::Host;
use crate::bindings::sluice::sink::types::{AuthResult, Endpoint, Error, Identity};
use crate::convert;
use crate::limits::TARPIT_MAX;
use crate::state::State;

impl State {
    fn facts(&self) -> Option<&Facts> {
        match self.call.access.session {
            SessionAccess::None => None,
            SessionAccess::Stored | SessionAccess::Live => self.subject.facts.as_deref(),
        }
    }

    fn tls(&self) -> Option<&TlsFacts> {
        self.facts()?.tls.as_ref()
    }
}

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.facts().map(|facts| facts.session_id.clone()))
    }

    fn listener(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts().map(|facts| facts.listener.to_string()).unwrap_or_default())
    }

    fn protocol(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts().map_or("", |facts| facts.protocol.word()).to_owned())
    }

    fn host_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.facts().map(|facts| facts.host_name.to_string()).unwrap_or_default())
    }

    fn local(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(self.facts().and_then(|facts| facts.local).map(convert::endpoint))
    }

    fn remote(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(self.facts().and_then(|facts| facts.remote).map(convert::endpoint))
    }

    fn proxy(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(self.facts().and_then(|facts| facts.proxy).map(convert::endpoint))
    }

    /// The host has no resolver yet; a sink must live with that moment anyway, as when DNS is down.
    fn reverse_name(&mut self) -> Answer<Option<String>> {
        Ok(Err(self.facts().map_or(Error::NotPermitted, |_| Error::Unavailable)))
    }

    /// As `reverse_name`.
    fn pointer_name(&mut self) -> Answer<Option<String>> {
        Ok(Err(self.facts().map_or(Error::NotPermitted, |_| Error::Unavailable)))
    }

    fn helo_name(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.facts().and_then(|facts| facts.helo_name.clone()))
    }

    fn tls_version(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.tls().map(|tls| tls.version.clone()))
    }

    fn tls_cipher(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.tls().map(|tls| tls.cipher.clone()))
    }

    fn tls_server_name(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.tls().and_then(|tls| tls.server_name.clone()))
    }

    fn client_certificate(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.tls().and_then(|tls| tls.client_certificate.clone()))
    }

    fn client_verified(&mut self) -> wasmtime::Result<bool> {
        Ok(self.tls().is_some_and(|tls| tls.client_verified))
    }

    fn authenticated(&mut self) -> wasmtime::Result<Option<Identity>> {
        let identity = self.facts().and_then(|facts| facts.authenticated.as_ref());
        Ok(identity.map(|one| Identity { name: one.name.clone(), mechanism: one.mechanism.clone() }))
    }

    /// The host checks no SPF, DKIM or DMARC yet, so nothing was found.
    fn auth_results(&mut self) -> wasmtime::Result<Vec<AuthResult>> {
        Ok(Vec::new())
    }

    fn connections(&mut self) -> wasmtime::Result<u32> {
        Ok(self.facts().map_or(0, |facts| facts.connections))
    }

    fn messages(&mut self) -> wasmtime::Result<u32> {
        Ok(self.facts().map_or(0, |facts| facts.messages))
    }

    fn errors(&mut self) -> wasmtime::Result<u32> {
        Ok(self.facts().map_or(0, |facts| facts.errors))
    }

    async fn get_variable(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.toll(&[&key]).await?;
        if self.call.access.session != SessionAccess::Live {
            return Ok(None);
        }
        Ok(self.subject.session_variables.value(&self.call.installation.id, &key).map(|value| value.to_vec()))
    }

    async fn set_variable(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        self.toll(&[&key, &value]).await?;
        if self.call.access.session != SessionAccess::Live {
            return Ok(Err(Error::NotPermitted));
        }
        let set = self.subject.session_variables.set(&self.call.installation.id, &key, value.into());
        Ok(set.map_err(Error::from))
    }

    fn tarpit(&mut self, pause: u32) -> Answer<()> {
        if self.call.access.session != SessionAccess::Live {
            return Ok(Err(Error::NotPermitted));
        }
        let pause = Duration::from_millis(pause.into());
        self.subject.tarpit = self.subject.tarpit.saturating_add(pause).min(TARPIT_MAX);
        Ok(Ok(()))
    }
}
