//! `command-draft`: edits of the command that we send next. No event of this host sends one yet.

use super::Answer;
use crate::bindings::sluice::sink::command_draft::Host;
use crate::bindings::sluice::sink::types::{Error, Parameter};
use crate::state::State;

impl Host for State {
    fn verb(&mut self) -> wasmtime::Result<String> {
        Ok(String::new())
    }

    fn parameters(&mut self) -> wasmtime::Result<Vec<Parameter>> {
        Ok(Vec::new())
    }

    async fn set_parameter(&mut self, keyword: String, value: Option<String>) -> Answer<()> {
        self.toll(&[&keyword, &value]).await?;
        Ok(Err(Error::NotPermitted))
    }

    async fn remove_parameter(&mut self, keyword: String) -> Answer<()> {
        self.toll(&[&keyword]).await?;
        Ok(Err(Error::NotPermitted))
    }

    async fn send_first(&mut self, verb: String, argument: String, payload: Option<Vec<u8>>) -> Answer<()> {
        self.toll(&[&verb, &argument, &payload]).await?;
        Ok(Err(Error::NotPermitted))
    }
}
