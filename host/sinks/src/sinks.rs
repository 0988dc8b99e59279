//! The engine, the registry's current snapshot, and the one door.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use smtp::By;
use wasmtime::component::{Component, Linker};

use crate::artifact::Artifact;
use crate::binding::Installation;
use crate::call::Runner;
use crate::component::Survey;
use crate::engine::{self, EngineError};
use crate::event::{Event, EventKind};
use crate::exports::Exports;
use crate::limits::Limits;
use crate::load_error::LoadError;
use crate::outside::{Clock, Domains, Outside};
use crate::permits::Permits;
use crate::registry::Snapshot;
use crate::round::{Round, silence};
use crate::state::State;
use crate::subject::Subject;
use crate::trial::{self, Trial, TrialError};
use crate::verdict::Outcome;
use crate::{imports, output};

/// Runs sinks. A clone is the same one.
#[derive(Clone)]
pub struct Sinks(Arc<Shared>);

struct Shared {
    runner: Runner,
    linker: Linker<State>,
    registry: ArcSwap<Snapshot>,
    limits: Limits,
}

/// A component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is no component that this host takes.
    #[error("{0}")]
    Component(LoadError),
    /// It does not compile.
    #[error("{0}")]
    Compile(wasmtime::Error),
    /// It imports what this host does not have.
    #[error("{0}")]
    Link(wasmtime::Error),
    /// An export has not the functions of its event.
    #[error("{0}")]
    Exports(wasmtime::Error),
}

impl Sinks {
    /// Starts the engine.
    ///
    /// # Errors
    /// When this machine can't run WebAssembly.
    pub fn new(
        limits: &Limits,
        clock: Arc<dyn Clock>,
        domains: Arc<dyn Domains>,
    ) -> Result<Self, EngineError> {
        let engine = engine::start(limits)?;
        let mut linker = Linker::new(&engine);
        imports::add_to_linker(&mut linker).map_err(EngineError::Link)?;
        output::add_to_linker(&mut linker).map_err(EngineError::Link)?;
        let permits = Permits::new(limits.concurrent_events_max, engine::capacity(limits));
        let runner = Runner { engine, permits, outside: Arc::new(Outside { clock, domains }) };
        let limits = limits.clone();
        Ok(Self(Arc::new(Shared { runner, linker, registry: ArcSwap::default(), limits })))
    }

    /// The bindings as they are now; a transaction keeps what it began with.
    pub fn registry(&self) -> Arc<Snapshot> {
        self.0.registry.load_full()
    }

    /// Exchanges all bindings at once.
    pub fn swap(&self, snapshot: Arc<Snapshot>) {
        self.0.registry.store(snapshot);
    }

    /// Whether anybody would be asked; costs a look-up. Rules are not matched yet.
    pub fn wants(snapshot: &Snapshot, event: EventKind, tenant: Option<&str>) -> bool {
        !snapshot.bindings(event, tenant).is_empty()
    }

    /// Compiles and links a component. Takes seconds for a large one: call it where blocking is allowed.
    ///
    /// # Errors
    /// When it is no component, or one that this host cannot run.
    pub fn compile(&self, bytes: &[u8]) -> Result<Artifact, CompileError> {
        let needs = Survey::of(bytes).map_err(CompileError::Component)?.needs;
        let component =
            Component::from_binary(&self.0.runner.engine, bytes).map_err(CompileError::Compile)?;
        let instance = self.0.linker.instantiate_pre(&component).map_err(CompileError::Link)?;
        let exports = Exports::find(&instance).map_err(CompileError::Exports)?;
        let digest = format!("{:x}", Sha256::digest(bytes));
        Ok(Artifact::new(digest.into(), instance, exports, needs))
    }

    /// Instantiates an installation once, checks the types of all its exports, and asks it what it wants to hear of.
    ///
    /// # Errors
    /// Names the step that failed.
    pub async fn trial(&self, installation: &Arc<Installation>) -> Result<Trial, TrialError> {
        Box::pin(trial::run(&self.0.runner, installation)).await
    }

    /// Asks every binding that wants the event, in order, and merges what they say. Edits of those that succeeded are in
    /// the subject afterwards, if the merged verdict keeps them.
    pub async fn fire(&self, snapshot: &Snapshot, event: Event, subject: &mut Subject) -> Outcome {
        let kind = event.kind();
        let tenant = (!subject.tiers.is_without_tenant()).then_some(&*subject.tenant);
        let bindings = snapshot.bindings(kind, tenant);
        if bindings.is_empty() {
            return Outcome { verdict: silence(&event), by: By::Host, calls: Vec::new() };
        }
        Box::pin(Round::new(&self.0.runner, &self.0.limits, event, subject).run(bindings)).await
    }
}
