//! What the host's work for a guest costs: fuel by the byte, and the thread to others in between.
//!
//! A guest that works gives its thread away by itself, after [`YIELD_FUEL`]. A guest that lets the host work burns next to
//! nothing of its own: a loop of some ten instructions can hand over 4 MiB at each turn. So every import that takes, reads
//! or makes more than a few bytes pays here before it works, and a call whose host has worked as long as a guest may, waits
//! its turn like one.

use crate::bindings::sluice::sink::log::Field;
use crate::bindings::sluice::sink::types::{Address, Reply, ReversePath};
use crate::limits::YIELD_FUEL;
use crate::state::State;

/// Bytes that an item of a list costs beside its own.
const ITEM_BYTES: usize = 16;

/// Why the host will not go on with a call; it traps.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// Work by the byte used up the fuel.
    #[error("all fuel consumed by what the host did for the guest")]
    OutOfFuel,
}

impl State {
    /// Fuel for work that grows with bytes. The guest's own fuel is counted by the engine, so both are added when the call
    /// ends; here only what the host alone did is stopped, which bounds the work by twice the budget.
    pub(crate) async fn charge(&mut self, bytes: u64) -> wasmtime::Result<()> {
        self.debt = self.debt.saturating_add(bytes);
        if self.debt > self.call.budget.fuel {
            return Err(wasmtime::Error::new(Stop::OutOfFuel));
        }
        self.debt_since_yield = self.debt_since_yield.saturating_add(bytes);
        if self.debt_since_yield >= YIELD_FUEL {
            self.debt_since_yield = 0;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// The same for what lies in memory.
    pub(crate) async fn charge_length(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.charge(u64::try_from(bytes).unwrap_or(u64::MAX)).await
    }

    /// The same for what a guest hands over, which was copied and checked before the import ran.
    pub(crate) async fn toll(&mut self, values: &[&(dyn Weigh + Sync)]) -> wasmtime::Result<()> {
        self.charge_length(values.iter().map(|value| value.weight()).sum()).await
    }
}

/// Bytes of a value that a guest hands over.
pub(crate) trait Weigh {
    /// At least as many as were copied.
    fn weight(&self) -> usize;
}

impl Weigh for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for Vec<u8> {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for Vec<u32> {
    fn weight(&self) -> usize {
        self.len().saturating_mul(size_of::<u32>())
    }
}

macro_rules! lists {
    ($($item:ty)*) => {$(
        impl Weigh for Vec<$item> {
            fn weight(&self) -> usize {
                self.iter().map(|item| ITEM_BYTES + item.weight()).sum()
            }
        }
    )*};
}

lists! { String Vec<u8> Address Field }

impl<T: Weigh> Weigh for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
}

impl Weigh for Address {
    fn weight(&self) -> usize {
        self.local.len() + self.domain.len()
    }
}

impl Weigh for ReversePath {
    fn weight(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Mailbox(address) => address.weight(),
        }
    }
}

impl Weigh for Reply {
    fn weight(&self) -> usize {
        self.text.weight()
    }
}

impl Weigh for Field {
    fn weight(&self) -> usize {
        self.key.len() + self.value.len()
    }
}
