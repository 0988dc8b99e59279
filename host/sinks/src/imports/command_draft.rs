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

    fn set_parameter(&mut self, _keyword: String, _value: Option<String>) -> Answer<()> {
        Ok(Err(Error::NotPermitted))
    }

    fn remove_parameter(&mut self, _keyword: String) -> Answer<()> {
        Ok(Err(Error::NotPermitted))
    }

    fn send_first(&mut self, _verb: String, _argument: String, _payload: Option<Vec<u8>>) -> Answer<()> {
        Ok(Err(Error::NotPermitted))
    }
}
