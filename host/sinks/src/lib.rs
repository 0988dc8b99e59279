//! Runs a guest for an event, within its grants, and returns a verdict.
//!
//! [`Sinks::fire`] is the only door: every event of every class goes through it. It asks the bindings of a [`Snapshot`] in
//! their order, each in a fresh instance with a budget, and merges what they say. A sink changes the world only through
//! its verdict and the edits that it staged in the [`Subject`]; a fault changes nothing.

mod access;
mod answers;
pub mod artifact;
pub mod binding;
pub mod bindings;
mod call;
pub mod capability;
mod compile;
pub mod component;
mod convert;
mod dialogue;
pub mod document;
pub mod engine;
pub mod event;
mod exports;
mod fault;
pub mod folder;
pub mod glob;
#[cfg(test)]
mod guests;
mod imports;
pub mod inspect;
pub mod installation_file;
mod interest;
mod invoke;
mod invoke_outbound;
mod keep;
pub mod known;
mod lift;
mod lift_login;
mod lift_outbound;
mod limiter;
pub mod limits;
mod load;
pub mod load_error;
pub mod load_report;
pub mod manifest;
pub mod network;
mod outbound;
mod output;
mod outside;
mod permits;
mod places;
mod present;
pub mod provider;
pub mod registry;
pub mod resolver;
mod round;
pub mod rule;
pub mod settings;
mod sinks;
mod state;
pub mod subject;
#[cfg(test)]
mod testing;
mod toll;
mod trial;
pub mod verdict;
pub mod watch;

pub use artifact::Artifact;
pub use binding::{Binding, Installation, OnFault, Position, Secrets, Settings, Tier, Verbs};
pub use capability::Capability;
pub use document::DocumentError;
pub use engine::EngineError;
pub use event::{Class, DsnKind, Event, EventKind, Served};
pub use folder::Folder;
pub use inspect::{Inspection, inspect};
pub use installation_file::{InstallationFile, Owner};
pub use known::Known;
pub use limits::{Budget, Limits, Overrides};
pub use load_error::LoadError;
pub use load_report::{LoadChange, LoadLine, LoadReport};
pub use manifest::Manifest;
pub use outbound::{Original, RemoteFacts, RemoteTls};
pub use outside::{Clock, Domains};
pub use registry::{RegistryError, Snapshot};
pub use resolver::{Asked, RecipientAsked, Resolver, Split};
pub use rule::{Rule, RuleError};
pub use sinks::{CompileError, Sinks};
pub use smtp::Ingress;
pub use subject::{
    Disposition, Fate, MessageFacts, Outbound, Scores, Sibling, Staged, Subject, Tiers, Variables,
};
pub use trial::{Trial, TrialError};
pub use verdict::{Call, Deferral, DsnVerdict, Edits, Fault, FaultKind, Outcome, StageVerdict, Verdict};
pub use watch::{Watch, WatchSettings};
