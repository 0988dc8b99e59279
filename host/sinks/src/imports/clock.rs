//! `clock`.

use tokio::time::Instant;

use crate::bindings::sluice::sink::clock::Host;
use crate::convert;
use crate::state::State;

impl Host for State {
    fn now(&mut self) -> wasmtime::Result<f64> {
        Ok(convert::timestamp(self.call.outside.clock.now()))
    }

    fn remaining(&mut self) -> wasmtime::Result<u32> {
        let left = self.call.deadline.saturating_duration_since(Instant::now());
        Ok(u32::try_from(left.as_millis()).unwrap_or(u32::MAX))
    }
}
