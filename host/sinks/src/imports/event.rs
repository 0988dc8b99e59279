//! `event`: the call itself.

use crate::bindings::sluice::sink::event::Host;
use crate::convert;
use crate::state::State;

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.subject.event_id.to_string())
    }

    fn name(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.event.name().to_owned())
    }

    fn tenant(&mut self) -> wasmtime::Result<String> {
        Ok(self.subject.tenant.to_string())
    }

    fn attempt(&mut self) -> wasmtime::Result<u32> {
        Ok(self.call.deferral.as_ref().map_or(1, |deferral| deferral.attempts.saturating_add(1)))
    }

    fn state(&mut self) -> wasmtime::Result<Vec<u8>> {
        let deferral = self.call.deferral.as_ref();
        Ok(deferral.map_or_else(Vec::new, |deferral| deferral.state.to_vec()))
    }

    fn due(&mut self) -> wasmtime::Result<Option<f64>> {
        Ok(self.subject.staged.as_ref().map(|staged| convert::timestamp(staged.due)))
    }
}
