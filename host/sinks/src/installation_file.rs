//! The operator's word on a sink: `NAME.install.toml` beside the component.
//!
//! ```toml
//! enabled = true                       # false: loaded and judged, never asked
//! tier = "operator-first"              # or operator-last; a tenant's sink is always in tier tenant
//! priority = 24575                     # 0 to 32767, lower is asked first
//! rule = "mail from=*@example.com"     # must be possible for every event that the sink exports
//! on-fault = "defer"                   # for the events that allow it: skip, defer, reject, quarantine
//! grants = ["kv"]
//!
//! [settings]
//! own-domains = ["example.com"]
//!
//! [limits]                             # instead of the defaults of the event's class
//! fuel = 500000000
//! wall-clock-milliseconds = 5000
//! memory-bytes = 67108864
//! host-call-bytes = 4194304
//!
//! [events.on-end-of-data]              # the same keys for one event alone
//! priority = 1000
//! rule = "size<=10M"
//! on-fault = "quarantine"
//! enabled = true
//! ```
//!
//! Without the file the sink runs at the defaults and at what its manifest suggests. What contradicts itself is an error,
//! never a default.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use crate::binding::{OnFault, PRIORITY_DEFAULT, Tier};
use crate::capability::Capability;
use crate::document::{self, DocumentError};
use crate::event::EventKind;
use crate::limits::{Limits, Overrides};
use crate::manifest::{EventName, Manifest, check_priority};
use crate::rule::Rule;
use crate::settings::{SettingSchema, SettingValues};

/// Longest wall clock that an installation may be given for one call. Ours: a client waits 10 minutes for the reply to its
/// dot (RFC 5321 §4.5.3.2.6), and other sinks want their share.
pub const WALL_CLOCK_MAX: Duration = Duration::from_secs(300);

/// What the operator says, judged apart from the component.
#[derive(Clone, Debug)]
pub struct InstallationFile {
    text: String,
    parsed: Parsed,
}

/// Whose sink it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It may stand before or after the tenants' sinks.
    Operator,
    /// It stands in the tenant's tier.
    Tenant,
}

/// A binding before there is an installation to bind.
#[derive(Clone, Debug, PartialEq)]
pub struct BindingPlan {
    /// For what.
    pub event: EventKind,
    /// First part of the order.
    pub tier: Tier,
    /// Second part of the order.
    pub priority: u16,
    /// When it is asked.
    pub rule: Option<Rule>,
    /// What a fault does.
    pub on_fault: OnFault,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Parsed {
    #[serde(default = "enabled")]
    enabled: bool,
    tier: Option<Spanned<Tier>>,
    priority: Option<Spanned<u16>>,
    rule: Option<Spanned<String>>,
    on_fault: Option<Spanned<OnFault>>,
    #[serde(default)]
    grants: BTreeSet<Capability>,
    #[serde(default)]
    settings: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    limits: LimitTable,
    #[serde(default)]
    events: BTreeMap<EventName, EventTable>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LimitTable {
    fuel: Option<Spanned<u64>>,
    wall_clock_milliseconds: Option<Spanned<u64>>,
    memory_bytes: Option<Spanned<u64>>,
    host_call_bytes: Option<Spanned<u64>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EventTable {
    enabled: Option<bool>,
    tier: Option<Spanned<Tier>>,
    priority: Option<Spanned<u16>>,
    rule: Option<Spanned<String>>,
    on_fault: Option<Spanned<OnFault>>,
}

const fn enabled() -> bool {
    true
}

impl Default for InstallationFile {
    /// What holds for a component without the file.
    fn default() -> Self {
        let parsed = Parsed {
            enabled: true,
            tier: None,
            priority: None,
            rule: None,
            on_fault: None,
            grants: BTreeSet::new(),
            settings: BTreeMap::new(),
            limits: LimitTable::default(),
            events: BTreeMap::new(),
        };
        Self { text: String::new(), parsed }
    }
}

impl InstallationFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Says where and what was expected.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        Ok(Self { text: text.to_owned(), parsed: document::read(text)? })
    }

    /// Whether the sink is asked at all.
    pub const fn is_enabled(&self) -> bool {
        self.parsed.enabled
    }

    /// What the operator allows.
    pub const fn grants(&self) -> &BTreeSet<Capability> {
        &self.parsed.grants
    }

    /// The settings, judged by the manifest's schema.
    ///
    /// # Errors
    /// Names the key and what was expected.
    pub fn settings(&self, manifest: Option<&Manifest>) -> Result<SettingValues, DocumentError> {
        let schema: Option<&BTreeMap<String, SettingSchema>> = manifest.map(|manifest| &manifest.settings);
        let given = self.parsed.settings.iter().map(|(key, value)| (key.as_str(), value.get_ref()));
        SettingValues::new(schema, given).map_err(|error| match self.parsed.settings.get(&error.key) {
            Some(value) => DocumentError::at(&self.text, value.span(), error.to_string()),
            None => DocumentError::whole(error.to_string()),
        })
    }

    /// The limits of its own.
    ///
    /// # Errors
    /// Where one is zero or above what the engine or a client's patience allows.
    pub fn limits(&self, limits: &Limits) -> Result<Overrides, DocumentError> {
        let table = &self.parsed.limits;
        let wall_clock_max = u64::try_from(WALL_CLOCK_MAX.as_millis()).unwrap_or(u64::MAX);
        Ok(Overrides {
            fuel: self.limit("fuel", table.fuel.as_ref(), u64::MAX)?,
            wall_clock: self
                .limit("wall-clock-milliseconds", table.wall_clock_milliseconds.as_ref(), wall_clock_max)?
                .map(Duration::from_millis),
            memory_bytes: self.limit("memory-bytes", table.memory_bytes.as_ref(), limits.memory_bytes_max)?,
            host_call_bytes: self.limit(
                "host-call-bytes",
                table.host_call_bytes.as_ref(),
                limits.memory_bytes_max,
            )?,
        })
    }

    /// One binding for each of the events, where the operator did not switch it off.
    ///
    /// # Errors
    /// Says where the file contradicts itself, the event's class, or what the component exports.
    pub fn bindings(
        &self,
        events: &[EventKind],
        owner: Owner,
        manifest: Option<&Manifest>,
    ) -> Result<Vec<BindingPlan>, DocumentError> {
        for EventName(event) in self.parsed.events.keys() {
            if !events.contains(event) {
                return Err(DocumentError::whole(format!(
                    "[events.{event}]: the component does not export {event}"
                )));
            }
        }
        if let Some(on_fault) = &self.parsed.on_fault
            && !events.iter().any(|event| on_fault.get_ref().is_allowed(*event))
        {
            let problem = "on-fault: none of the sink's events allows it".to_owned();
            return Err(DocumentError::at(&self.text, on_fault.span(), problem));
        }
        let default = EventTable::default();
        let mut plans = Vec::new();
        for event in events {
            let table = self.parsed.events.get(&EventName(*event)).unwrap_or(&default);
            let plan = self.binding(*event, table, owner, manifest)?;
            if self.parsed.enabled && table.enabled.unwrap_or(true) {
                plans.push(plan);
            }
        }
        Ok(plans)
    }

    fn binding(
        &self,
        event: EventKind,
        table: &EventTable,
        owner: Owner,
        manifest: Option<&Manifest>,
    ) -> Result<BindingPlan, DocumentError> {
        let suggestion = manifest.and_then(|manifest| manifest.events.get(&EventName(event))).copied();
        let suggestion = suggestion.unwrap_or_default();
        let priority = table.priority.as_ref().or(self.parsed.priority.as_ref());
        if let Some(priority) = priority {
            check_priority(Some(*priority.get_ref()))
                .map_err(|problem| DocumentError::at(&self.text, priority.span(), problem))?;
        }
        let priority = priority.map(|priority| *priority.get_ref()).or(suggestion.priority);
        Ok(BindingPlan {
            event,
            tier: self.tier(table.tier.as_ref().or(self.parsed.tier.as_ref()), owner, suggestion.tier)?,
            priority: priority.unwrap_or(PRIORITY_DEFAULT),
            rule: self.rule(event, table.rule.as_ref().or(self.parsed.rule.as_ref()))?,
            on_fault: self.on_fault(event, table.on_fault.as_ref())?,
        })
    }

    fn tier(
        &self,
        given: Option<&Spanned<Tier>>,
        owner: Owner,
        suggested: Option<Tier>,
    ) -> Result<Tier, DocumentError> {
        let problem = match (owner, given.map(|tier| *tier.get_ref())) {
            (Owner::Tenant, None | Some(Tier::Tenant)) => return Ok(Tier::Tenant),
            (Owner::Operator, Some(tier @ (Tier::OperatorFirst | Tier::OperatorLast))) => return Ok(tier),
            (Owner::Operator, None) => {
                return Ok(suggested.filter(|tier| *tier != Tier::Tenant).unwrap_or(Tier::OperatorFirst));
            }
            (Owner::Tenant, Some(_)) => "tier: a tenant's sink is always in tier `tenant`",
            (Owner::Operator, Some(Tier::Tenant)) => {
                "tier: an operator's sink is in `operator-first` or `operator-last`; a tenant's lies in tenants/NAME/"
            }
        };
        Err(match given {
            Some(given) => DocumentError::at(&self.text, given.span(), problem),
            None => DocumentError::whole(problem),
        })
    }

    fn rule(&self, event: EventKind, given: Option<&Spanned<String>>) -> Result<Option<Rule>, DocumentError> {
        let Some(given) = given else {
            return Ok(None);
        };
        let rule = Rule::parse(given.get_ref()).and_then(|rule| rule.check(event).map(|()| rule));
        rule.map(Some).map_err(|error| DocumentError::at(&self.text, given.span(), format!("rule: {error}")))
    }

    fn on_fault(&self, event: EventKind, own: Option<&Spanned<OnFault>>) -> Result<OnFault, DocumentError> {
        if let Some(own) = own {
            return match *own.get_ref() {
                on_fault if on_fault.is_allowed(event) => Ok(on_fault),
                _ => Err(DocumentError::at(
                    &self.text,
                    own.span(),
                    format!("on-fault: {event} does not allow it"),
                )),
            };
        }
        let general = self.parsed.on_fault.as_ref().map(|on_fault| *on_fault.get_ref());
        Ok(general.filter(|on_fault| on_fault.is_allowed(event)).unwrap_or(OnFault::default_of(event)))
    }

    fn limit(
        &self,
        name: &str,
        given: Option<&Spanned<u64>>,
        max: u64,
    ) -> Result<Option<u64>, DocumentError> {
        match given {
            Some(given) if *given.get_ref() == 0 || *given.get_ref() > max => {
                let problem = format!("limits: {name} is not between 1 and {max}");
                Err(DocumentError::at(&self.text, given.span(), problem))
            }
            given => Ok(given.map(|given| *given.get_ref())),
        }
    }
}

#[cfg(test)]
mod tests;
