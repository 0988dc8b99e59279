//! `random`.

use wasmtime_wasi::Rng;

use crate::bindings::sluice::sink::random::Host;
use crate::limits::RANDOM_BYTES_MAX;
use crate::state::State;

impl Host for State {
    async fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        let length = length.min(RANDOM_BYTES_MAX);
        self.charge(u64::from(length)).await?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        wasmtime_wasi::thread_rng().fill_bytes(&mut bytes);
        Ok(bytes)
    }
}
