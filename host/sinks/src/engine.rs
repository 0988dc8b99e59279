//! The one wasmtime engine of the process: its configuration and its pool (RUNTIME, "Config").
//!
//! Everything that a sink does not need is switched off, also what another crate could switch on by feature unification.

use std::num::NonZeroUsize;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, ProfilingStrategy,
    WasmFeatures,
};

use crate::limits::Limits;

/// Bytes of stack that WebAssembly may use. RUNTIME.
const WASM_STACK_BYTES: usize = 512 * 1024;
/// Bytes of a fiber's stack: WebAssembly's and as much again for host functions. RUNTIME.
const FIBER_STACK_BYTES: usize = 1024 * 1024;
/// Core instances, memories and tables of one component. TOOLCHAINS: the largest language runtimes, twice.
pub(crate) const CORE_INSTANCES_MAX: u32 = 64;
/// See [`CORE_INSTANCES_MAX`].
pub(crate) const MEMORIES_MAX: u32 = 8;
/// See [`CORE_INSTANCES_MAX`].
pub(crate) const TABLES_MAX: u32 = 64;
/// Elements of one table. TOOLCHAINS.
pub(crate) const TABLE_ELEMENTS_MAX: usize = 30_000;
/// Bytes of the host's bookkeeping for one instance. TOOLCHAINS.
const INSTANCE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The host cannot run sinks at all.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the configuration on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Start(wasmtime::Error),
    /// The host's own interfaces do not fit together.
    #[error("the host's interfaces cannot be linked: {0}")]
    Link(wasmtime::Error),
}

/// The configuration that every sink runs under, with the pool where `limits` ask for one. Public, so that a benchmark
/// can measure a bare call under the very same.
pub fn config(limits: &Limits, allocator: Allocator) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .guard_before_linear_memory(true)
        .memory_may_move(false)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(128 << 20)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .async_stack_zeroing(true)
        .signals_based_traps(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(20))
        .profiler(ProfilingStrategy::None)
        .concurrency_support(false)
        .shared_memory(false)
        .gc_support(false);
    // Several memories stay on for the engine's own code between the components of a QuickJS sink, which copies from one
    // to the other; `component` refuses guests' modules that use them.
    let off = WasmFeatures::GC
        | WasmFeatures::GC_TYPES
        | WasmFeatures::EXCEPTIONS
        | WasmFeatures::FUNCTION_REFERENCES
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::THREADS
        | WasmFeatures::SHARED_EVERYTHING_THREADS
        | WasmFeatures::MEMORY64
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::CUSTOM_PAGE_SIZES
        | WasmFeatures::WIDE_ARITHMETIC
        | WasmFeatures::STACK_SWITCHING
        | WasmFeatures::CM_ASYNC;
    config.wasm_features(off, false);
    match allocator {
        Allocator::Pool => config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits))),
        Allocator::OnDemand => config.allocation_strategy(InstanceAllocationStrategy::OnDemand),
    };
    config
}

/// Where instances get their memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// Reserved once and reset after each call.
    Pool,
    /// Mapped for each call: four times slower, but needs no 42 bits of address space.
    OnDemand,
}

/// What a component takes from the pool while a call runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Needs {
    /// Core instances.
    pub core_instances: u32,
    /// Linear memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
}

/// What the pool holds for all calls together; RUNTIME's multiples of the calls at the same time. Every component that
/// is allowed fits at least once, however small the pool.
pub(crate) fn capacity(limits: &Limits) -> Needs {
    let events = limits.concurrent_events_max;
    Needs {
        core_instances: events.saturating_mul(4).max(CORE_INSTANCES_MAX),
        memories: events.saturating_add(events / 4).max(MEMORIES_MAX),
        tables: events.saturating_mul(3).max(TABLES_MAX),
    }
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let capacity = capacity(limits);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(limits.concurrent_events_max)
        .total_core_instances(capacity.core_instances)
        .total_memories(capacity.memories)
        .total_tables(capacity.tables)
        .total_stacks(limits.concurrent_events_max)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(usize::try_from(limits.memory_bytes_max).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(32 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the engine with its pool; where the machine has not the address space for it, without one and with one
/// warning.
pub(crate) fn start(limits: &Limits) -> Result<Engine, EngineError> {
    match Engine::new(&config(limits, Allocator::Pool)) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                reason = %format!("{error:#}"),
                "no address space for the pool of instances: each call maps its own memory and costs several times as much"
            );
            Engine::new(&config(limits, Allocator::OnDemand)).map_err(EngineError::Start)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Allocator, EngineError, INSTANCE_BYTES_MAX, config, start};
    use crate::limits::Limits;

    #[test]
    fn a_pool_that_no_address_space_holds_falls_back_to_memory_on_demand() {
        let limits = Limits { concurrent_events_max: 100_000, ..Limits::default() };
        assert!(wasmtime::Engine::new(&config(&limits, Allocator::Pool)).is_err(), "412 TiB were reserved");
        start(&limits).expect("an engine without a pool");
    }

    #[test]
    fn what_no_sink_needs_is_not_even_parsed() -> Result<(), EngineError> {
        let engine = start(&Limits { concurrent_events_max: 8, ..Limits::default() })?;
        for module in [
            "(module (memory i64 1))",
            "(module (memory 1 1 shared))",
            "(module (func $f (return_call $f)))",
            "(module (tag))",
            "(module (type (struct)))",
        ] {
            let binary = wat::parse_str(module).expect("the test's own text");
            assert!(wasmtime::Module::new(&engine, binary).is_err(), "{module} was taken");
        }
        Ok(())
    }

    #[test]
    fn the_bookkeeping_of_an_instance_ends_at_its_bytes() {
        let engine = start(&Limits { concurrent_events_max: 4, ..Limits::default() }).unwrap();
        // A global takes 16 bytes of it.
        let globals = |number| {
            let text = format!("(module {})", "(global i32 (i32.const 0))".repeat(number));
            wasmtime::Module::new(&engine, wat::parse_str(text).unwrap())
        };
        globals(INSTANCE_BYTES_MAX / 16 / 2).unwrap();
        let error = format!("{:#}", globals(INSTANCE_BYTES_MAX / 16).unwrap_err());
        assert!(error.contains(&INSTANCE_BYTES_MAX.to_string()), "{error}");
    }
}
