//! `remote`: the outbound session. No event of this host has one yet, so there is nothing to tell.

use super::Answer;
use crate::bindings::sluice::sink::remote::Host;
use crate::bindings::sluice::sink::types::{Endpoint, Error, Parameter};
use crate::state::State;

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn queue(&mut self) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn host(&mut self) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn peer(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(None)
    }

    fn source(&mut self) -> wasmtime::Result<Option<Endpoint>> {
        Ok(None)
    }

    fn extensions(&mut self) -> wasmtime::Result<Vec<Parameter>> {
        Ok(Vec::new())
    }

    fn tls_version(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn tls_cipher(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    async fn get_variable(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.toll(&[&key]).await?;
        Ok(None)
    }

    async fn set_variable(&mut self, key: String, value: Vec<u8>) -> Answer<()> {
        self.toll(&[&key, &value]).await?;
        Ok(Err(Error::NotPermitted))
    }
}
