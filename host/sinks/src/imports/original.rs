//! `original`: the message that a DSN or a report speaks of. No event of this host is about one yet.

use crate::bindings::sluice::sink::envelope::Recipient;
use crate::bindings::sluice::sink::original::Host;
use crate::bindings::sluice::sink::types::Reply;
use crate::state::State;

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }

    fn recipients(&mut self) -> wasmtime::Result<Vec<Recipient>> {
        Ok(Vec::new())
    }

    fn last_reply(&mut self, _id: u32) -> wasmtime::Result<Option<Reply>> {
        Ok(None)
    }

    async fn header_values(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.toll(&[&name]).await?;
        Ok(Vec::new())
    }
}
