//! One call of one binding: permits, a fresh store and instance, the typed call under fuel and a deadline, and what went
//! wrong, if anything did. Nothing outlives it but what the sink said and, if it succeeded, its copy of the subject.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::{AsContextMut, Engine, Store};

use crate::access::{Access, Allowed};
use crate::binding::Installation;
use crate::event::{Event, EventKind};
use crate::fault;
use crate::invoke::{Target, guest, invoke};
use crate::lift::Said;
use crate::limits::{Budget, HANDLES_MAX, YIELD_FUEL};
use crate::outside::Outside;
use crate::permits::Permits;
use crate::state::{Frame, State};
use crate::subject::Subject;
use crate::verdict::{Deferral, Fault, FaultKind};

/// What every call needs of the host.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) permits: Permits,
    pub(crate) outside: Arc<Outside>,
}

/// Who is asked, and what with.
pub(crate) struct Order<'a> {
    pub(crate) installation: &'a Arc<Installation>,
    pub(crate) event: &'a Event,
    pub(crate) subject: &'a Subject,
    /// What this binding deferred with, if it is asked again.
    pub(crate) deferral: Option<&'a Deferral>,
    /// When the whole round must be over.
    pub(crate) round_deadline: Option<Instant>,
}

/// What came of a call.
pub(crate) struct Done {
    pub(crate) result: Result<Success, Fault>,
    pub(crate) fuel: u64,
    pub(crate) took: Duration,
}

/// What a sink said, and the data of its store.
pub(crate) struct Success {
    pub(crate) said: Said,
    pub(crate) state: State,
}

impl Runner {
    /// Calls a binding. A fault is a result, never an error of ours.
    pub(crate) async fn call(&self, order: Order<'_>) -> Done {
        let start = Instant::now();
        let installation = order.installation;
        let kind = order.event.kind();
        let budget = Budget::of(kind.class(), &installation.limits);
        let own_deadline = start + budget.wall_clock;
        let deadline = order.round_deadline.map_or(own_deadline, |round| round.min(own_deadline));
        let fail = |fault| Done { result: Err(fault), fuel: 0, took: start.elapsed() };

        let needs = installation.artifact.needs();
        let waiting = self.permits.acquire(&order.subject.tenant, needs);
        let Ok(Some(_permit)) = timeout_at(deadline, waiting).await else {
            let detail = format!("no place was free within {:?}", start.elapsed());
            return fail(Fault { kind: FaultKind::NoPermit, detail });
        };
        let mut subject = order.subject.clone();
        let access = Access::of(kind);
        if access.message_draft == Allowed::Yes
            && let Some(draft) = &mut subject.draft
        {
            draft.begin();
        }
        let deferral = order.deferral.cloned();
        let frame = self.frame(installation, kind, Timing { deadline, budget });
        let mut store = match self.store(State::new(subject, Frame { deferral, ..frame })) {
            Ok(store) => store,
            Err(error) => return fail(fault::of_host(&error)),
        };
        let ran = timeout_at(deadline, run(&mut store, installation, order.event)).await;
        let fuel = burnt(&store);
        let result = match ran {
            Ok(Ok(_)) if fuel > budget.fuel => Err(fault::out_of_fuel(fuel)),
            Ok(Ok(said)) => Ok(said),
            Ok(Err(error)) => Err(fault::of_guest(&error, store.data(), fuel)),
            Err(_elapsed) => {
                let detail = format!("stopped after {:?}", start.elapsed());
                Err(Fault { kind: FaultKind::Deadline, detail })
            }
        };
        let state = store.into_data();
        if let Some(wasi) = &state.wasi {
            wasi.finish();
        }
        Done { result: result.map(|said| Success { said, state }), fuel, took: start.elapsed() }
    }

    /// What does not change during a call of the event.
    pub(crate) fn frame(&self, installation: &Arc<Installation>, event: EventKind, timing: Timing) -> Frame {
        Frame {
            event,
            access: Access::of(event),
            installation: Arc::clone(installation),
            outside: Arc::clone(&self.outside),
            deadline: timing.deadline,
            budget: timing.budget,
            deferral: None,
        }
    }

    /// A fresh store with all of its limits, before anything runs in it.
    pub(crate) fn store(&self, state: State) -> wasmtime::Result<Store<State>> {
        let budget = state.call.budget;
        let mut store = Store::try_new(&self.engine, state)?;
        store.limiter(|state| &mut state.limiter);
        store.set_fuel(budget.fuel)?;
        store.fuel_async_yield_interval(Some(YIELD_FUEL))?;
        store.set_hostcall_fuel(usize::try_from(budget.host_call_bytes).unwrap_or(usize::MAX));
        store.set_max_component_handles(HANDLES_MAX);
        Ok(store)
    }
}

/// How long and how much.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) deadline: Instant,
    pub(crate) budget: Budget,
}

/// Fuel that a store has burnt, the host's work for the guest included.
pub(crate) fn burnt(store: &Store<State>) -> u64 {
    let state = store.data();
    let left = store.get_fuel().unwrap_or(0);
    state.call.budget.fuel.saturating_sub(left).saturating_add(state.debt)
}

async fn run(store: &mut Store<State>, installation: &Installation, event: &Event) -> wasmtime::Result<Said> {
    let artifact = &installation.artifact;
    let instance = artifact.instance.instantiate_async(&mut *store).await?;
    if artifact.exports.on_prepare.is_some() {
        Box::pin(prepare(Target { exports: &artifact.exports, store, instance: &instance }, event.kind()))
            .await?;
    }
    let target = Target { exports: &artifact.exports, store, instance: &instance };
    invoke(event, target).await
}

/// Runs `on-prepare` in an instance that will serve an event. There is no snapshot of its memory yet, so each instance
/// does it anew: under the budget of a sink's life and not of the event, with what `on-prepare` may see and nothing else.
async fn prepare(target: Target<'_>, event: EventKind) -> wasmtime::Result<()> {
    let Target { exports, store, instance } = target;
    let budget = store.data().call.budget;
    enter(
        store,
        EventKind::Prepare,
        Budget::of(EventKind::Prepare.class(), &store.data().call.installation.limits),
    )?;
    let target = Target { exports, store: &mut *store, instance };
    let guest = guest!(target.on_prepare);
    if let Err(message) = guest.call_handle(&mut *store).await? {
        return Err(wasmtime::format_err!("on-prepare: {message}"));
    }
    store.data_mut().debt = 0;
    enter(store, event, budget)
}

/// Changes what a store's calls are of.
pub(crate) fn enter(store: &mut Store<State>, event: EventKind, budget: Budget) -> wasmtime::Result<()> {
    store.as_context_mut().set_fuel(budget.fuel)?;
    let call = &mut store.data_mut().call;
    call.event = event;
    call.access = Access::of(event);
    call.budget = budget;
    Ok(())
}

#[cfg(test)]
mod tests;
