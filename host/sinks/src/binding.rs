//! What is asked: an installation (a tenant's or the operator's sink with its settings, grants and limits) and its
//! bindings, one for each event. EVENTS, "Who is asked".

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smtp::Gate;

use crate::artifact::Artifact;
use crate::capability::Capability;
use crate::event::{Class, Event, EventKind};
use crate::limits::Overrides;
use crate::present::Present;
use crate::rule::Rule;
use crate::settings::SettingValues;
use crate::subject::Subject;

/// Priority of a binding that names none; lower is asked first. The default of Windows 2000's sinks.
pub const PRIORITY_DEFAULT: u16 = 24_575;
/// The largest priority.
pub const PRIORITY_MAX: u16 = 32_767;

/// A sink with its settings, grants and limits. It owns its variables.
#[derive(Debug)]
pub struct Installation {
    /// Unique among all installations (`acme/external-tag`, `operator/scanner`): in the log, in metrics, and the owner
    /// of variables.
    pub id: Arc<str>,
    /// `None`: the operator's.
    pub tenant: Option<Arc<str>>,
    /// The compiled component.
    pub artifact: Arc<Artifact>,
    /// What the sink reads with `settings`.
    pub settings: Settings,
    /// What the manifest asks and the operator grants.
    pub grants: BTreeSet<Capability>,
    /// Its budget where it differs from the class's.
    pub limits: Overrides,
    /// Which verbs on-inbound-command is about, as the sink said at load.
    pub command_verbs: Verbs,
    /// Which verbs on-reply is about, as the sink said at load.
    pub reply_verbs: Verbs,
    /// Which verbs on-server-response is about, as the sink said at load.
    pub response_verbs: Verbs,
    /// SASL mechanisms that on-auth-step speaks, in upper case, as the sink said at load.
    pub mechanisms: Box<[Box<str>]>,
    /// Ages that on-queue-age is about, as the sink said at load, youngest first.
    pub ages: Box<[Duration]>,
}

/// Which verbs a sink wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verbs {
    /// It named none.
    #[default]
    Every,
    /// These, in upper case.
    These(Box<[Box<str>]>),
}

impl Verbs {
    /// Whether the verb, in upper case, is one of them.
    pub fn contains(&self, verb: &str) -> bool {
        match self {
            Self::Every => true,
            Self::These(verbs) => verbs.iter().any(|one| &**one == verb),
        }
    }
}

/// The values of an installation's settings, and the JSON text that a sink gets, written once.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: Arc<SettingValues>,
    json: Arc<str>,
    json_without_secrets: Arc<str>,
}

/// Whether secret settings are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// In every event.
    Present,
    /// While on-prepare runs.
    Absent,
}

impl Settings {
    /// The value as a sink's `settings.get` gives it: a string as it is, anything else as JSON.
    pub fn value(&self, key: &str, secrets: Secrets) -> Option<String> {
        if secrets == Secrets::Absent && self.values.secret.contains(key) {
            return None;
        }
        match self.values.values.get(key)? {
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    /// All of them as one JSON object.
    pub fn json(&self, secrets: Secrets) -> &str {
        let json = match secrets {
            Secrets::Present => &self.json,
            Secrets::Absent => &self.json_without_secrets,
        };
        if json.is_empty() { "{}" } else { json }
    }
}

impl From<SettingValues> for Settings {
    fn from(values: SettingValues) -> Self {
        let mut public = values.values.clone();
        public.retain(|key, _| !values.secret.contains(key));
        let json = serde_json::Value::Object(values.values.clone()).to_string().into();
        let json_without_secrets = serde_json::Value::Object(public).to_string().into();
        Self { values: Arc::new(values), json, json_without_secrets }
    }
}

/// An installation asked for one event.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Unique in a snapshot; the last part of the order.
    pub id: Arc<str>,
    /// Who is asked.
    pub installation: Arc<Installation>,
    /// For what.
    pub event: EventKind,
    /// The first part of the order.
    pub tier: Tier,
    /// The second part of the order.
    pub priority: u16,
    /// When it is asked; none means whenever the event fires.
    pub rule: Option<Arc<Rule>>,
    /// What happens when it faults.
    pub on_fault: OnFault,
}

impl Binding {
    /// Whether it is asked now: its sink wants to hear of the verb, or is the agent that is meant, and its rule matches. Costs
    /// no instance.
    pub fn is_asked(&self, event: &Event, subject: &Subject) -> bool {
        let is_meant = match event {
            Event::Gate(Gate::InboundCommand { verb, .. }) => self.installation.command_verbs.contains(verb),
            Event::Gate(Gate::Reply { verb, .. }) => self.installation.reply_verbs.contains(verb),
            Event::Outbound(smtp::client::Gate::ServerResponse { verb, .. }) => {
                self.installation.response_verbs.contains(verb)
            }
            Event::AuthStep { mechanism, .. } => {
                self.installation.mechanisms.iter().any(|known| **known == **mechanism)
            }
            Event::Deliver { agent, .. } => *agent == self.installation.id,
            _ => true,
        };
        let matches = |rule: &Arc<Rule>| rule.matches(event.kind(), &Present { event, subject });
        is_meant && self.rule.as_ref().is_none_or(matches)
    }

    /// Whether it can be about the verb; for the events that name verbs. The verb is in upper case.
    pub fn names_verb(&self, verb: &str) -> bool {
        let verbs = match self.event {
            EventKind::Reply => &self.installation.reply_verbs,
            EventKind::ServerResponse => &self.installation.response_verbs,
            _ => &self.installation.command_verbs,
        };
        verbs.contains(verb) && self.rule.as_ref().is_none_or(|rule| rule.names_verb(verb))
    }

    /// The total order of those who are asked.
    pub(crate) fn order(&self) -> (Tier, u16, &str) {
        (self.tier, self.priority, &self.id)
    }

    /// Where it stands in the total order.
    pub fn position(&self) -> Position {
        Position { tier: self.tier, priority: self.priority, id: Arc::clone(&self.id) }
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// The operator's sinks before the tenant's.
    OperatorFirst,
    /// The tenant's own.
    Tenant,
    /// The operator's sinks after the tenant's.
    OperatorLast,
}

/// A place in the total order of bindings; where a deferred stage resumes, whether or not that binding still is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Compared first.
    pub tier: Tier,
    /// Then this.
    pub priority: u16,
    /// Then this, so that the order is total.
    pub id: Arc<str>,
}

/// What happens with the mail when a sink faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFault {
    /// As if it had not been bound.
    Skip,
    /// Fail closed, but not for ever.
    Defer,
    /// Fail closed for good.
    Reject,
    /// Take it and keep it aside.
    Quarantine,
}

impl OnFault {
    /// The default of a class (EVENTS, "Classes, budgets, faults"); on-reply skips like a notice.
    pub const fn default_of(event: EventKind) -> Self {
        match (event, event.class()) {
            (EventKind::Reply, _) | (_, Class::Notice | Class::Observer | Class::Life) => Self::Skip,
            (_, Class::Gate | Class::Provider | Class::Stage) => Self::Defer,
        }
    }

    /// Whether an operator may choose it for the event.
    pub const fn is_allowed(self, event: EventKind) -> bool {
        match (event, event.class()) {
            (EventKind::Reply, _) | (_, Class::Notice | Class::Observer | Class::Life) => {
                matches!(self, Self::Skip)
            }
            (EventKind::EndOfData, _) => true,
            // A peer can't be refused, only left alone.
            (event, Class::Gate) if event.is_outbound() => matches!(self, Self::Skip | Self::Defer),
            // Before the dot there is nothing to keep aside.
            (_, Class::Gate) => !matches!(self, Self::Quarantine),
            (_, Class::Provider) => matches!(self, Self::Skip | Self::Defer),
            (_, Class::Stage) => matches!(self, Self::Defer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Secrets, Settings};
    use crate::settings::SettingValues;

    #[test]
    fn secrets_are_absent_while_a_sink_prepares() {
        let serde_json::Value::Object(values) =
            serde_json::json!({"token": "s3cret", "tag": "[out]", "limit": 3})
        else {
            panic!("an object");
        };
        let settings = Settings::from(SettingValues { values, secret: ["token".to_owned()].into() });
        assert_eq!(settings.value("token", Secrets::Present).as_deref(), Some("s3cret"));
        assert_eq!(settings.value("limit", Secrets::Absent).as_deref(), Some("3"));
        assert_eq!(settings.value("token", Secrets::Absent), None);
        assert_eq!(settings.json(Secrets::Absent), r#"{"limit":3,"tag":"[out]"}"#);
        assert_eq!(Settings::default().json(Secrets::Present), "{}");
    }
}
