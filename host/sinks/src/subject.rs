//! All that an event is about. Imports read it; what a sink edits is merged into it when the sink succeeds.
//!
//! A clone is cheap and is a savepoint: a sink works on a clone, and a fault drops it. What only the caller knows comes in
//! here; what it must write down afterwards is read from here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use message::Draft;
use serde::{Deserialize, Serialize};
use smtp::{Envelope, Facts, Ingress, Offers, RecipientId, Reply, Timestamp};

use crate::binding::{Position, Tier};
use crate::limits::{SCORES_MAX, VARIABLE_BYTES_MAX, VARIABLE_KEY_BYTES_MAX, VARIABLES_MAX, WORD_BYTES_MAX};
use crate::outbound::{Original, RemoteFacts};
use crate::verdict::Deferral;

/// What an event is about, and what sinks made of it so far. One tenant's share: a call never sees another's recipients.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The one tenant of every call of this event.
    pub tenant: Arc<str>,
    /// Whose bindings are asked.
    pub tiers: Tiers,
    /// The same when the host asks again after a crash or a fault.
    pub event_id: Arc<str>,
    /// The inbound session, live or as it was stored with the entry.
    pub facts: Option<Arc<Facts>>,
    /// Session variables by installation; live until the session ends.
    pub session_variables: Variables,
    /// How much later the client is to be answered.
    pub tarpit: Duration,
    /// on-helo: what is offered. The caller puts it back into the session.
    pub offers: Option<Offers>,
    /// The envelope as it is now.
    pub envelope: Option<Arc<Envelope>>,
    /// The recipient that the event is about.
    pub current: Option<RecipientId>,
    /// The content as it is now; its edits are what sinks staged.
    pub draft: Option<Draft>,
    /// What is known of the message beside its content.
    pub message: Option<Arc<MessageFacts>>,
    /// Message variables by installation; durable.
    pub variables: Variables,
    /// Scores of the message; durable.
    pub scores: Scores,
    /// Stages that were deferred: what was stored then.
    pub staged: Option<Arc<Staged>>,
    /// The last binding that had its say; one that was forked off goes on behind it.
    pub after: Option<Position>,
    /// What sinks decided for single recipients.
    pub dispositions: Vec<Disposition>,
    /// Messages that were forked off.
    pub siblings: Vec<Sibling>,
    /// What only events on the way out are about.
    pub outbound: Option<Box<Outbound>>,
}

/// What only events on the way out are about; apart, so that all others don't carry it around.
#[derive(Clone, Debug, Default)]
pub struct Outbound {
    /// The session to another server.
    pub remote: Option<Arc<RemoteFacts>>,
    /// That session's variables by installation; live until it ends.
    pub remote_variables: Variables,
    /// The command that comes next. The caller puts it back into the session.
    pub command: Option<smtp::client::Draft>,
    /// What a DSN or a report speaks of.
    pub original: Option<Arc<Original>>,
}

/// Whose bindings are asked (EVENTS, "Which tenant").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiers {
    /// Operator-first, the tenant's, operator-last.
    #[default]
    All,
    /// There is no tenant yet.
    OperatorOnly,
    /// The operator's were asked when there was no tenant yet.
    TenantOnly,
    /// The whole of a transaction with several shares, without a sender's tenant.
    OperatorFirst,
    /// The same where there is one.
    UpToTenant,
    /// A share of it: behind what was asked on the whole.
    FromTenant,
    /// The share of the sender's tenant, whose own were asked on the whole.
    OperatorLast,
}

impl Tiers {
    /// Whether bindings of that tier are asked.
    pub const fn asks(self, tier: Tier) -> bool {
        match tier {
            Tier::OperatorFirst => {
                matches!(self, Self::All | Self::OperatorOnly | Self::OperatorFirst | Self::UpToTenant)
            }
            Tier::Tenant => {
                matches!(self, Self::All | Self::TenantOnly | Self::UpToTenant | Self::FromTenant)
            }
            Tier::OperatorLast => {
                matches!(self, Self::All | Self::OperatorOnly | Self::FromTenant | Self::OperatorLast)
            }
        }
    }

    /// Whether the event is about nobody's mail yet, or about that of several.
    pub const fn is_without_tenant(self) -> bool {
        matches!(self, Self::OperatorOnly | Self::OperatorFirst)
    }
}

/// A stage that was deferred and is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// When it was due.
    pub due: Timestamp,
    /// As [`crate::StageVerdict::Defer`] gave it.
    pub deferral: Deferral,
}

/// What is known of a message beside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFacts {
    /// ULID.
    pub id: String,
    /// The message that this one was made from.
    pub parent: Option<String>,
    /// The installation that made it.
    pub maker: Option<String>,
    /// By which door it came.
    pub ingress: Ingress,
    /// When it was accepted; none while it isn't.
    pub arrived: Option<Timestamp>,
}

/// What a sink decided for one recipient; that recipient is no longer in the envelope's pending ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// Who.
    pub recipient: RecipientId,
    /// What.
    pub fate: Fate,
    /// The installation that decided.
    pub by: Arc<str>,
}

/// What becomes of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// 4xx where the protocol can say it for one recipient; else the host waits and tries again.
    Defer(Option<Reply>),
    /// 5xx where the protocol can say it for one recipient; else a DSN.
    Reject(Option<Reply>),
    /// Kept aside; with a word.
    Quarantine(String),
    /// Dropped; with a word.
    Discard(String),
    /// Replaced by these, which are in the envelope.
    Redirect(Vec<RecipientId>),
}

/// A message that was forked off in a stage. It goes on behind the binding that forked it.
#[derive(Clone, Debug)]
pub struct Sibling {
    /// The last binding that had its say about it: the one that forked it.
    pub after: Position,
    /// The recipients that it took with it.
    pub envelope: Arc<Envelope>,
    /// Its content.
    pub draft: Draft,
    /// Copied when it was forked.
    pub variables: Variables,
    /// Copied when it was forked.
    pub scores: Scores,
    /// What was decided for its recipients.
    pub dispositions: Vec<Disposition>,
}

/// Why a variable or a score was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// One value or key is too long.
    #[error("too large")]
    TooLarge,
    /// There are too many, or they are too long together.
    #[error("quota exceeded")]
    Exceeded,
}

/// Keys and values of installations; each sees its own alone. A clone shares until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(Arc<VariablesByInstallation>);

/// Installation, then key, then value.
pub type VariablesByInstallation = BTreeMap<String, BTreeMap<String, Bytes>>;

impl Variables {
    /// As they were stored.
    pub fn new(values: VariablesByInstallation) -> Self {
        Self(Arc::new(values))
    }

    /// To store them.
    pub fn all(&self) -> &VariablesByInstallation {
        &self.0
    }

    /// The installation's value.
    pub fn value(&self, installation: &str, key: &str) -> Option<&Bytes> {
        self.0.get(installation)?.get(key)
    }

    /// Sets one; an empty value removes the key.
    ///
    /// # Errors
    /// When the installation has used up what it may keep.
    pub fn set(&mut self, installation: &str, key: &str, value: Bytes) -> Result<(), QuotaError> {
        if key.len() > VARIABLE_KEY_BYTES_MAX || value.len() > VARIABLE_BYTES_MAX {
            return Err(QuotaError::TooLarge);
        }
        let own = self.0.get(installation);
        let others: usize = own
            .into_iter()
            .flatten()
            .filter(|(name, _)| *name != key)
            .map(|(name, value)| name.len() + value.len())
            .sum();
        let is_new = own.is_none_or(|own| !own.contains_key(key));
        if others + key.len() + value.len() > VARIABLE_BYTES_MAX
            || (is_new && own.is_some_and(|own| own.len() >= VARIABLES_MAX))
        {
            return Err(QuotaError::Exceeded);
        }
        let all = Arc::make_mut(&mut self.0);
        if value.is_empty() {
            if let Some(own) = all.get_mut(installation) {
                own.remove(key);
            }
        } else {
            all.entry(installation.to_owned()).or_default().insert(key.to_owned(), value);
        }
        Ok(())
    }
}

/// What the names of scores begin with that operators' sinks set.
pub(crate) const OPERATOR_SCORE: &str = "operator.";

/// Scores of one message, shared between the sinks of a tenant. A clone shares until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scores(Arc<BTreeMap<String, f64>>);

impl Scores {
    /// As they were stored.
    pub fn new(values: BTreeMap<String, f64>) -> Self {
        Self(Arc::new(values))
    }

    /// To store them.
    pub fn all(&self) -> &BTreeMap<String, f64> {
        &self.0
    }

    /// One of them.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Sets one.
    ///
    /// # Errors
    /// When the name is too long, or there are too many.
    pub fn set(&mut self, name: &str, value: f64) -> Result<(), QuotaError> {
        if name.len() > WORD_BYTES_MAX {
            return Err(QuotaError::TooLarge);
        }
        // A tenant must not leave the operator no room.
        let is_operators = |name: &str| name.starts_with(OPERATOR_SCORE);
        let same = self.0.keys().filter(|known| is_operators(known) == is_operators(name)).count();
        if same >= SCORES_MAX && !self.0.contains_key(name) {
            return Err(QuotaError::Exceeded);
        }
        Arc::make_mut(&mut self.0).insert(name.to_owned(), value);
        Ok(())
    }
}

impl Subject {
    /// An event about nothing yet: the caller fills in what the moment knows.
    pub fn new(tenant: Arc<str>, event_id: Arc<str>) -> Self {
        Self {
            tenant,
            tiers: Tiers::All,
            event_id,
            facts: None,
            session_variables: Variables::default(),
            tarpit: Duration::ZERO,
            offers: None,
            envelope: None,
            current: None,
            draft: None,
            message: None,
            variables: Variables::default(),
            scores: Scores::default(),
            staged: None,
            after: None,
            dispositions: Vec::new(),
            siblings: Vec::new(),
            outbound: None,
        }
    }

    /// What an event on the way out is about.
    pub fn outbound(&self) -> Option<&Outbound> {
        self.outbound.as_deref()
    }
}

impl Sibling {
    /// What the rest of the stage is asked about the sibling: the same session and tenant, and its own message, which the
    /// caller has given an id of its own.
    pub fn subject(self, of: &Subject, message: Arc<MessageFacts>, event_id: Arc<str>) -> Subject {
        Subject {
            event_id,
            envelope: Some(self.envelope),
            draft: Some(self.draft),
            message: Some(message),
            variables: self.variables,
            scores: self.scores,
            dispositions: self.dispositions,
            staged: None,
            after: Some(self.after),
            siblings: Vec::new(),
            ..of.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{QuotaError, Scores, Variables};
    use crate::limits::{SCORES_MAX, VARIABLE_BYTES_MAX, VARIABLES_MAX};

    #[test]
    fn an_installation_sees_its_own_variables_alone() {
        let mut variables = Variables::default();
        variables.set("acme/one", "k", Bytes::from_static(b"1")).unwrap();
        assert_eq!(variables.value("acme/two", "k"), None);
        let savepoint = variables.clone();
        variables.set("acme/one", "k", Bytes::new()).unwrap();
        assert_eq!(variables.value("acme/one", "k"), None);
        assert_eq!(savepoint.value("acme/one", "k"), Some(&Bytes::from_static(b"1")));
    }

    #[test]
    fn variables_end_at_their_number_and_at_their_bytes() {
        let mut variables = Variables::default();
        for number in 0..VARIABLES_MAX {
            variables.set("one", &number.to_string(), Bytes::from_static(b"v")).unwrap();
        }
        assert_eq!(variables.set("one", "more", Bytes::from_static(b"v")), Err(QuotaError::Exceeded));
        variables.set("one", "0", Bytes::from_static(b"w")).unwrap();
        variables.set("two", "k", Bytes::from_static(b"v")).unwrap();
        let large = Bytes::from(vec![0; VARIABLE_BYTES_MAX]);
        assert_eq!(variables.set("three", "k", large), Err(QuotaError::Exceeded));
        let larger = Bytes::from(vec![0; VARIABLE_BYTES_MAX + 1]);
        assert_eq!(variables.set("three", "", larger), Err(QuotaError::TooLarge));
    }

    #[test]
    fn scores_end_at_their_number() {
        let mut scores = Scores::default();
        for number in 0..SCORES_MAX {
            scores.set(&number.to_string(), 1.0).unwrap();
        }
        assert_eq!(scores.set("more", 1.0), Err(QuotaError::Exceeded));
        for number in 0..SCORES_MAX {
            scores.set(&format!("operator.{number}"), 1.0).expect("the operator's room is its own");
        }
        assert_eq!(scores.set("operator.more", 1.0), Err(QuotaError::Exceeded));
        scores.set("0", 2.0).unwrap();
        assert_eq!(scores.value("0"), Some(2.0));
    }
}
