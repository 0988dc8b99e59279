//! Which of the glossary's faults an error of the engine is, told in a bounded line.

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};

use crate::convert::{Illegal, for_log};
use crate::limits::DETAIL_BYTES_MAX;
use crate::state::State;
use crate::toll::Stop;
use crate::verdict::{Fault, FaultKind};

/// What the engine says when one host call copies more than its limit; it has no type for it.
const HOST_CALL_BYTES: &str = "fuel allocated for hostcalls has been exhausted";

/// More fuel than the budget, whichever way it was found out.
pub(crate) fn out_of_fuel(fuel: u64) -> Fault {
    Fault { kind: FaultKind::OutOfFuel, detail: format!("{fuel} burnt") }
}

/// The host could not even begin.
pub(crate) fn of_host(error: &wasmtime::Error) -> Fault {
    Fault { kind: FaultKind::NoPermit, detail: for_log(&format!("{error:#}"), DETAIL_BYTES_MAX) }
}

/// Classifies what stopped a guest.
pub(crate) fn of_guest(error: &wasmtime::Error, state: &State, fuel: u64) -> Fault {
    let trap = error.downcast_ref::<Trap>();
    let is_out_of_fuel = trap == Some(&Trap::OutOfFuel)
        || matches!(error.downcast_ref::<Stop>(), Some(Stop::OutOfFuel))
        || fuel > state.call.budget.fuel;
    if state.limiter.is_over() {
        return fault(FaultKind::OverMemory, error);
    }
    if is_out_of_fuel {
        return out_of_fuel(fuel);
    }
    if let Some(illegal) = error.downcast_ref::<Illegal>() {
        return Fault { kind: FaultKind::IllegalVerdict, detail: for_log(&illegal.0, DETAIL_BYTES_MAX) };
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        return fault(FaultKind::NoPermit, error);
    }
    if trap.is_none() && error.root_cause().to_string().contains(HOST_CALL_BYTES) {
        return fault(FaultKind::HostCallBytes, error);
    }
    fault(FaultKind::Trap, error)
}

/// The cause and, where there is one, the function that it happened in.
fn fault(kind: FaultKind, error: &wasmtime::Error) -> Fault {
    let mut detail = error.root_cause().to_string();
    let frame = error.downcast_ref::<WasmBacktrace>().and_then(|backtrace| backtrace.frames().first());
    if let Some(name) = frame.and_then(wasmtime::FrameInfo::func_name) {
        detail.push_str(" in ");
        detail.push_str(name);
    }
    Fault { kind, detail: for_log(&detail, DETAIL_BYTES_MAX) }
}
