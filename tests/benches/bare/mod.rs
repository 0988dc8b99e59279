//! The baseline of every bench that calls a guest: what one would write with wasmtime alone.

use std::hint::black_box;
use std::path::Path;

use anyhow::Result;
use sinks::bindings::exports::sluice::sink::on_rcpt_to::GuestIndices;
use sinks::bindings::sluice::sink::types::Address;
use sinks::engine::{Allocator, config};
use sinks::{Budget, Class, Limits, Overrides};
use tests::measure::{Measured, Rate};
use wasmtime::component::{Component, InstancePre, Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Calls that one round measures.
pub(crate) const CALLS: u64 = 5000;

/// A guest with its WASI, and nothing of ours; with the configuration and the budget of a gate.
pub(crate) struct Bare {
    engine: Engine,
    guest: InstancePre<State>,
    indices: GuestIndices,
    budget: Budget,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    memory_bytes_max: usize,
}

impl Bare {
    /// Compiles a guest that exports on-rcpt-to.
    pub(crate) fn new(limits: &Limits, guest: &Path) -> Result<Self> {
        let engine = Engine::new(&config(limits, Allocator::Pool))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        let guest = linker.instantiate_pre(&Component::from_file(&engine, guest)?)?;
        let indices = GuestIndices::new(&guest)?;
        Ok(Self { engine, guest, indices, budget: Budget::of(Class::Gate, &Overrides::default()) })
    }

    /// Each call has a fresh instance.
    pub(crate) async fn calls(&self) -> Result<Rate> {
        let measured = Measured::start();
        for _ in 0..CALLS {
            self.call().await?;
        }
        Ok(measured.rate(CALLS))
    }

    /// One call in a fresh instance.
    pub(crate) async fn call(&self) -> Result<()> {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            memory_bytes_max: usize::try_from(self.budget.memory_bytes)?,
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| state);
        store.set_fuel(self.budget.fuel)?;
        store.fuel_async_yield_interval(Some(1_000_000))?;
        let instance = self.guest.instantiate_async(&mut store).await?;
        let guest = self.indices.load(&mut store, &instance)?;
        let recipient = Address { local: "bob".to_owned(), domain: "b.example".to_owned() };
        black_box(guest.call_handle(&mut store, &recipient, &[]).await?);
        Ok(())
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.memory_bytes_max)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }
}
