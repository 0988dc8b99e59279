//! An entry: one accepted message with its envelope at rest, and what can be said about it durably.
//!
//! [`NewEntry`] is what a caller wants accepted, [`Entry`] what the spool holds. [`Stage`], [`Attempt`] and [`Done`] are
//! the three ways on; each is one record, so it happens whole or not at all, together with the new entries in its outbox.
//! Every record carries the entry's whole state except its content: the newest record of an entry is all of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smtp::{Envelope, Facts, Ingress, RecipientId, RecipientState, Reply, Timestamp};

use crate::content::{ContentPiece, StoredContent};
use crate::encoding;
use crate::stage::{StageName, StagePointer};

/// Names an entry for ever; a ULID, so that ids sort by time of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QueueId(ulid::Ulid);

impl QueueId {
    /// An id of that moment; `random` is the caller's, since nothing here is random.
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(now.0, random))
    }

    /// The id with all its 128 bits given, as derived ids need it (outbox mail takes its id from the event's).
    #[must_use]
    pub fn from_number(number: u128) -> Self {
        Self(ulid::Ulid(number))
    }

    /// All 128 bits.
    #[must_use]
    pub fn number(self) -> u128 {
        self.0.0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for QueueId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ulid::Ulid::from_string(text).map(Self)
    }
}

/// Installation -> key -> bytes: what sinks remember with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, BTreeMap<String, encoding::Binary>>);

/// Name -> score; those of operators' sinks begin with `operator.`. A sink may say NaN, so the text form is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores(#[serde(with = "encoding::scores")] pub BTreeMap<String, f64>);

/// Whether an entry moves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryState {
    /// Leased when it is due.
    #[default]
    Active,
    /// Set aside by a sink, in front of the next stage; never a DSN (EVENTS, rule 11).
    Quarantined {
        /// The sink's word.
        reason: String,
        /// The binding that said so.
        binding: String,
        /// When it is thrown away.
        until: Timestamp,
    },
    /// Kept where it stands by the host or an operator until someone looks, such as after the fifth fault of one binding.
    Held {
        /// Why.
        reason: String,
        /// The binding that it is about, if it is about one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        binding: Option<String>,
        /// When to remind the operators of it; absent where it is not to be remembered by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

impl EntryState {
    /// Held for a reason that is no binding's, and nobody reminded.
    #[must_use]
    pub fn held(reason: impl Into<String>) -> Self {
        Self::Held { reason: reason.into(), binding: None, until: None }
    }
}

/// A message that is to be accepted.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// Its name; must be new to the spool.
    pub id: QueueId,
    /// The entry that this one was made from.
    pub parent: Option<QueueId>,
    /// The installation that made it.
    pub maker: Option<String>,
    /// How it came.
    pub ingress: Ingress,
    /// When it came.
    pub arrived: Timestamp,
    /// What was known of the session, for later events.
    pub facts: Option<Arc<Facts>>,
    /// Whose it is. The shares of one transaction are entries of one accept.
    pub tenant: String,
    /// Where it goes.
    pub envelope: Envelope,
    /// Its bytes, in order.
    pub content: Vec<ContentPiece>,
    /// What sinks remembered.
    pub variables: Variables,
    /// What sinks scored.
    pub scores: Scores,
    /// Where it enters the way of a message.
    pub stage: StagePointer,
    /// When it is to be leased first.
    pub due: Timestamp,
    /// Whether it moves at all.
    pub state: EntryState,
}

/// An accepted message, as the newest record has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub id: QueueId,
    /// The entry that this one was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<QueueId>,
    /// The installation that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maker: Option<String>,
    /// How it came.
    pub ingress: Ingress,
    /// When it came.
    pub arrived: Timestamp,
    /// What was known of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<Facts>>,
    /// Whose it is.
    pub tenant: String,
    /// Where it goes, and what came of it so far.
    pub envelope: Envelope,
    /// Where its bytes are.
    pub content: StoredContent,
    /// Counts the changes of the content, from 1.
    pub version: u32,
    /// What sinks remembered.
    #[serde(default)]
    pub variables: Variables,
    /// What sinks scored.
    #[serde(default)]
    pub scores: Scores,
    /// What comes next.
    pub stage: StagePointer,
    /// When.
    pub due: Timestamp,
    /// Whether it moves at all.
    #[serde(default)]
    pub state: EntryState,
}

/// What a stage commits: all of it in one record, or nothing.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The envelope as it is now.
    pub envelope: Envelope,
    /// The content if it changed. Pieces of the present one ([`ContentPiece::Original`]) cost nothing.
    pub content: Option<Vec<ContentPiece>>,
    /// What sinks remember now.
    pub variables: Variables,
    /// What sinks scored.
    pub scores: Scores,
    /// What comes next.
    pub stage: StagePointer,
    /// When.
    pub due: Timestamp,
    /// Whether the entry moves on.
    pub state: EntryState,
    /// Siblings, mail of sinks, DSNs. Their pieces may refer to the leased entry's present content.
    pub outbox: Vec<NewEntry>,
}

impl Stage {
    /// What the entry already is, to be changed where the stage changed it.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        Self {
            envelope: entry.envelope.clone(),
            content: None,
            variables: entry.variables.clone(),
            scores: entry.scores.clone(),
            stage: entry.stage.clone(),
            due: entry.due,
            state: entry.state.clone(),
            outbox: Vec::new(),
        }
    }
}

/// What a delivery attempt left behind, when not everything is finished.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// The recipients that were tried; others stay as they are.
    pub outcomes: Vec<Outcome>,
    /// When to try again.
    pub due: Timestamp,
    /// DSNs for those that are finished.
    pub outbox: Vec<NewEntry>,
}

/// What became of one recipient in one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub recipient: RecipientId,
    /// What it is now.
    pub state: RecipientState,
    /// What the next hop said.
    pub reply: Option<Reply>,
}

/// The end of an entry: every recipient is finished, or somebody removed it.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// DSNs and what else is to go on; committed in the same record as the end.
    pub outbox: Vec<NewEntry>,
}

impl Entry {
    /// When something is to be done about it: the next attempt, or the end of its quarantine or hold.
    pub(crate) fn turn_comes(&self) -> Timestamp {
        match &self.state {
            EntryState::Active => self.due,
            EntryState::Quarantined { until, .. } => *until,
            EntryState::Held { until, .. } => until.unwrap_or(Timestamp(u64::MAX)),
        }
    }

    /// The next state after a stage, except for content and outbox.
    pub(crate) fn staged(&self, stage: &Stage) -> Self {
        Self {
            envelope: stage.envelope.clone(),
            variables: stage.variables.clone(),
            scores: stage.scores.clone(),
            stage: stage.stage.clone(),
            due: stage.due,
            state: stage.state.clone(),
            ..self.clone()
        }
    }

    /// The next state after an attempt. An attempt comes behind all stages, so none of them runs again before the next one,
    /// also where nothing was recorded of them because they changed nothing.
    pub(crate) fn attempted(&self, attempt: &Attempt) -> Self {
        let mut next = self.clone();
        next.stage = StagePointer::at(StageName::Deliver).along(next.stage.route.take());
        next.due = attempt.due;
        for outcome in &attempt.outcomes {
            let tried =
                next.envelope.recipients.iter_mut().find(|recipient| recipient.id == outcome.recipient);
            if let Some(recipient) = tried {
                recipient.attempts = recipient.attempts.saturating_add(1);
                recipient.state = outcome.state;
                recipient.last_reply.clone_from(&outcome.reply);
            }
        }
        next
    }
}

impl NewEntry {
    /// Takes the content out, leaving what is stored beside it.
    pub(crate) fn into_entry(self, content: StoredContent) -> Entry {
        Entry {
            id: self.id,
            parent: self.parent,
            maker: self.maker,
            ingress: self.ingress,
            arrived: self.arrived,
            facts: self.facts,
            tenant: self.tenant,
            envelope: self.envelope,
            content,
            version: 1,
            variables: self.variables,
            scores: self.scores,
            stage: self.stage,
            due: self.due,
            state: self.state,
        }
    }
}

impl Variables {
    /// What an installation remembers under a key.
    #[must_use]
    pub fn value(&self, installation: &str, key: &str) -> Option<&Bytes> {
        self.0.get(installation)?.get(key).map(|binary| &binary.0)
    }

    /// Remembers bytes under a key of an installation.
    pub fn insert(&mut self, installation: &str, key: &str, value: Bytes) {
        self.0.entry(installation.to_owned()).or_default().insert(key.to_owned(), encoding::Binary(value));
    }
}
