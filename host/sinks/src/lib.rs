//! Runs a guest for an event, within its grants, and returns a verdict.
//!
//! [`Sinks::fire`] is the only door: every event of every class goes through it. It asks the bindings of a [`Snapshot`] in
//! their order, each in a fresh instance with a budget, and merges what they say. A sink changes the world only through
//! its verdict and the edits that it staged in the [`Subject`]; a fault changes nothing.

pub mod artifact;
pub mod binding;
pub mod bindings;
pub mod capability;
pub mod component;
pub mod document;
pub mod engine;
pub mod event;
mod exports;
pub mod glob;
pub mod inspect;
pub mod installation_file;
mod interest;
pub mod known;
pub mod limits;
pub mod load_error;
pub mod manifest;
pub mod network;
mod outside;
mod present;
pub mod registry;
pub mod resolver;
pub mod rule;
pub mod settings;
mod sinks;
mod state;
pub mod subject;
#[cfg(test)]
mod testing;
pub mod verdict;

pub use artifact::Artifact;
pub use binding::{Binding, Installation, OnFault, Position, Settings, Tier, Verbs};
pub use capability::Capability;
pub use document::DocumentError;
pub use engine::EngineError;
pub use event::{Class, Event, EventKind, Served};
pub use inspect::{Inspection, inspect};
pub use installation_file::{InstallationFile, Owner};
pub use known::Known;
pub use limits::{Budget, Limits, Overrides};
pub use load_error::LoadError;
pub use manifest::Manifest;
pub use outside::{Clock, Domains};
pub use registry::{RegistryError, Snapshot};
pub use resolver::{Asked, RecipientAsked, Resolver, Split};
pub use rule::{Rule, RuleError};
pub use sinks::{CompileError, Sinks, Trial, TrialError};
pub use subject::{
    Disposition, Fate, Ingress, MessageFacts, Scores, Sibling, Staged, Subject, Tiers, Variables,
};
pub use verdict::{Call, Deferral, Edits, Fault, FaultKind, Outcome, StageVerdict, Verdict};
