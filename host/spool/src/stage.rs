//! How far an entry has come on the way of a message, down to the binding at which a stage was left.

use serde::{Deserialize, Serialize};
use smtp::{Route, Timestamp};

use crate::encoding;

/// How far an entry has come on the way of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePointer {
    /// The stage that is to run next.
    pub stage: StageName,
    /// Where inside it, if not at its first binding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// The next hop of all its recipients, once that is decided. None at delivery: the mailboxes of this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

impl StagePointer {
    /// The beginning of a stage.
    #[must_use]
    pub fn at(stage: StageName) -> Self {
        Self { stage, resume: None, route: None }
    }

    /// The same, and this is the next hop.
    #[must_use]
    pub fn along(self, route: Option<Route>) -> Self {
        Self { route, ..self }
    }
}

/// The stages, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// on-transport-submission.
    Submission,
    /// on-pre-categorize.
    PreCategorize,
    /// on-categorize.
    Categorize,
    /// on-post-categorize.
    PostCategorize,
    /// on-route.
    Route,
    /// on-routed; afterwards the bytes are frozen.
    Routed,
    /// One next hop, to be attempted.
    Deliver,
}

/// A stage that was left in its middle: by a deferring sink, or by a fork whose sibling goes on at the next sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The binding to go on with, in the registry that is then live.
    pub position: Position,
    /// What its sink returned with `defer`; empty at first.
    #[serde(default, skip_serializing_if = "encoding::Binary::is_empty")]
    pub state: encoding::Binary,
    /// Calls of this binding for this entry so far.
    pub attempt: u32,
    /// When the pause ends.
    pub due: Timestamp,
}

/// A binding's place in the total order of an event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Whose turn it is.
    pub tier: Tier,
    /// 0..32767, lower first.
    pub priority: u16,
    /// The binding's id.
    pub id: String,
}

/// The tiers of bindings, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The operator's, before any tenant's.
    OperatorFirst,
    /// The tenant's own.
    Tenant,
    /// The operator's, after the tenant's.
    OperatorLast,
}
