//! A trial before an installation may take traffic: one instance, the types of every export, what the sink prepares, what
//! it wants to hear of, and its own test.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use wasmtime::{AsContextMut, Store};

use crate::binding::{Installation, Verbs};
use crate::call::{Runner, Timing, burnt, enter};
use crate::convert::for_log;
use crate::event::EventKind;
use crate::fault;
use crate::limits::{Budget, DETAIL_BYTES_MAX, VERBS_MAX, WORD_BYTES_MAX};
use crate::state::State;
use crate::subject::Subject;
use crate::verdict::{Fault, FaultKind};

/// An installation did not pass its trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The guest faulted in the step.
    #[error("{step}: {fault}")]
    Fault {
        /// An export.
        step: &'static str,
        /// What happened.
        fault: Fault,
    },
    /// The guest said no in the step.
    #[error("{step}: {message}")]
    Refused {
        /// An export.
        step: &'static str,
        /// Its words, bounded.
        message: String,
    },
    /// An export has other types than its event.
    #[error("{0}")]
    Types(wasmtime::Error),
}

/// What a trial learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Verbs that on-inbound-command wants to hear of.
    pub command_verbs: Verbs,
    /// Verbs that on-reply wants to hear of.
    pub reply_verbs: Verbs,
}

/// The first step, which has no export of its own.
const INSTANTIATE: &str = "instantiation";

/// Everything under the budget of a sink's life, the wall clock of all steps together.
pub(crate) async fn run(runner: &Runner, installation: &Arc<Installation>) -> Result<Trial, TrialError> {
    let budget = Budget::of(EventKind::Prepare.class(), &installation.limits);
    let deadline = Instant::now() + budget.wall_clock;
    let owner = installation.tenant.clone().unwrap_or_else(|| Arc::from("operator"));
    let waiting = runner.permits.acquire(&owner, installation.artifact.needs());
    let Ok(Some(_permit)) = timeout_at(deadline, waiting).await else {
        let fault = Fault { kind: FaultKind::NoPermit, detail: "no place was free for the trial".to_owned() };
        return Err(TrialError::Fault { step: INSTANTIATE, fault });
    };
    let frame = runner.frame(installation, EventKind::Prepare, Timing { deadline, budget });
    let state = State::new(Subject::new(owner, Arc::from("trial")), frame);
    let mut store = runner
        .store(state)
        .map_err(|error| TrialError::Fault { step: INSTANTIATE, fault: fault::of_host(&error) })?;
    let mut step = INSTANTIATE;
    let tried = timeout_at(deadline, steps(&mut store, installation, &mut step)).await;
    let result = match tried {
        Ok(Ok(trial)) => Ok(trial),
        Ok(Err(Stumble::Refused(message))) => {
            Err(TrialError::Refused { step, message: for_log(&message, DETAIL_BYTES_MAX) })
        }
        Ok(Err(Stumble::Types(error))) => Err(TrialError::Types(error)),
        Ok(Err(Stumble::Guest(error))) => {
            let fault = fault::of_guest(&error, store.data(), burnt(&store));
            Err(TrialError::Fault { step, fault })
        }
        Err(_elapsed) => {
            let detail = format!("stopped after {:?}", budget.wall_clock);
            Err(TrialError::Fault { step, fault: Fault { kind: FaultKind::Deadline, detail } })
        }
    };
    if let Some(wasi) = &store.data().wasi {
        wasi.finish();
    }
    result
}

/// Why a step did not end well.
enum Stumble {
    Guest(wasmtime::Error),
    Refused(String),
    Types(wasmtime::Error),
}

impl From<wasmtime::Error> for Stumble {
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(error)
    }
}

async fn steps(
    store: &mut Store<State>,
    installation: &Installation,
    step: &mut &'static str,
) -> Result<Trial, Stumble> {
    let artifact = &installation.artifact;
    let exports = &artifact.exports;
    let budget = store.data().call.budget;
    let instance = &artifact.instance.instantiate_async(&mut *store).await?;
    exports.check(store.as_context_mut(), instance).map_err(Stumble::Types)?;
    if let Some(indices) = &exports.on_prepare {
        *step = EventKind::Prepare.name();
        let guest = indices.load(&mut *store, instance)?;
        guest.call_handle(&mut *store).await?.map_err(Stumble::Refused)?;
    }
    let mut trial = Trial::default();
    enter(store, EventKind::SelfTest, budget)?;
    if let Some(indices) = &exports.on_inbound_command {
        *step = EventKind::InboundCommand.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.command_verbs = verbs(guest.call_verbs(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_reply {
        *step = EventKind::Reply.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.reply_verbs = verbs(guest.call_verbs(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_self_test {
        *step = EventKind::SelfTest.name();
        let guest = indices.load(&mut *store, instance)?;
        guest.call_handle(&mut *store).await?.map_err(Stumble::Refused)?;
    }
    Ok(trial)
}

/// Upper case and bounded; what is no verb would never be asked about.
fn verbs(named: Vec<String>) -> Result<Verbs, Stumble> {
    if named.is_empty() {
        return Ok(Verbs::Every);
    }
    let is_verb = |verb: &str| {
        !verb.is_empty() && verb.len() <= WORD_BYTES_MAX && verb.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if named.len() > VERBS_MAX || !named.iter().all(|verb| is_verb(verb)) {
        return Err(Stumble::Refused(format!(
            "verbs: up to {VERBS_MAX} words of up to {WORD_BYTES_MAX} bytes"
        )));
    }
    Ok(Verbs::These(named.into_iter().map(|verb| verb.to_ascii_uppercase().into()).collect()))
}
