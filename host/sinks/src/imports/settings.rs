//! `settings`: the installation's own.

use crate::binding::Secrets;
use crate::bindings::sluice::sink::settings::Host;
use crate::event::EventKind;
use crate::state::State;

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.toll(&[&key]).await?;
        Ok(self.call.installation.settings.value(&key, self.secrets()))
    }

    async fn json(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.installation.settings.json(self.secrets()).to_owned())
    }
}

impl State {
    /// While on-prepare runs the secret ones are absent: the memory that it leaves may become a file.
    fn secrets(&self) -> Secrets {
        match self.call.event {
            EventKind::Prepare => Secrets::Absent,
            _ => Secrets::Present,
        }
    }
}
