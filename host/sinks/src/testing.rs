//! Components for the tests of loading, written as text.

use std::sync::Arc;

use smtp::{Domain, Timestamp};

use crate::binding::{Binding, Installation, OnFault, Settings, Tier, Verbs};
use crate::event::EventKind;
use crate::limits::{Limits, Overrides};
use crate::outside::{Clock, Domains};
use crate::sinks::Sinks;

/// A world without time or domains.
#[derive(Debug)]
pub(crate) struct Nowhere;

impl Clock for Nowhere {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

impl Domains for Nowhere {
    fn owns(&self, _: &str, _: &Domain) -> bool {
        false
    }
}

/// A small engine.
pub(crate) fn sinks() -> Sinks {
    let limits = Limits { concurrent_events_max: 4, ..Limits::default() };
    Sinks::new(&limits, Arc::new(Nowhere), Arc::new(Nowhere)).unwrap()
}

/// A component that exports these events; `marker` makes another digest of it. Only those of a sink's own life and
/// on-transaction-end have the types of the contract; the others can be bound but not called.
pub(crate) fn sink(events: &[EventKind], marker: &str) -> Vec<u8> {
    component(&events.iter().map(|event| export(*event)).collect::<String>(), marker)
}

/// An export of the event with a function that does nothing, or says yes.
pub(crate) fn export(event: EventKind) -> String {
    let handle = match event {
        EventKind::Prepare | EventKind::SelfTest => "yes",
        EventKind::TransactionEnd => "text",
        _ => "none",
    };
    let verbs = if event.has_verbs() { r#"(export "verbs" (func $none))"# } else { "" };
    format!(
        r#"(instance ${event} (export "handle" (func ${handle})) {verbs})
           (export "{}" (instance ${event}))"#,
        event.export()
    )
}

/// A component around a core module with functions `none`, `yes`, `no` (an error `not today`), `text` and `trap`.
pub(crate) fn component(items: &str, marker: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $module
                (memory (export "memory") 1)
                (data (i32.const 4096) "{marker}")
                (data (i32.const 2048) "\01\00\00\00\00\0c\00\00\09\00\00\00")
                (data (i32.const 3072) "not today")
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
                (func (export "none"))
                (func (export "text") (param i32 i32))
                (func (export "yes") (result i32) (i32.const 1024))
                (func (export "no") (result i32) (i32.const 2048))
                (func (export "trap") (result i32) unreachable)
                (func (export "spin") (result i32) (loop (br 0)) (i32.const 1024)))
            (core instance $guest (instantiate $module))
            (alias core export $guest "memory" (core memory $memory))
            (core func $realloc (alias core export $guest "realloc"))
            (func $none (canon lift (core func $guest "none")))
            (func $text (param "outcome" string)
                (canon lift (core func $guest "text") (memory $memory) (realloc $realloc)))
            (type $answer (func (result (result (error string)))))
            (func $yes (type $answer) (canon lift (core func $guest "yes") (memory $memory)))
            (func $no (type $answer) (canon lift (core func $guest "no") (memory $memory)))
            (func $trap (type $answer) (canon lift (core func $guest "trap") (memory $memory)))
            (func $spin (type $answer) (canon lift (core func $guest "spin") (memory $memory)))
            {items})"#
    );
    wat::parse_str(text).unwrap()
}

/// An installation of a sink that exports these events; `owner/name`, where the operator's owner is `operator`.
pub(crate) fn installation(sinks: &Sinks, id: &str, events: &[EventKind]) -> Arc<Installation> {
    let tenant = id.split_once('/').map(|(tenant, _)| tenant).filter(|tenant| *tenant != "operator");
    Arc::new(Installation {
        id: id.into(),
        tenant: tenant.map(Arc::from),
        artifact: Arc::new(sinks.compile(&sink(events, id)).unwrap()),
        settings: Settings::default(),
        grants: std::collections::BTreeSet::new(),
        limits: Overrides::default(),
        command_verbs: Verbs::Every,
        reply_verbs: Verbs::Every,
        response_verbs: Verbs::Every,
        mechanisms: Box::default(),
        ages: Box::default(),
    })
}

/// A binding of it at the defaults.
pub(crate) fn binding(installation: &Arc<Installation>, event: EventKind) -> Binding {
    Binding {
        id: format!("{}/{event}", installation.id).into(),
        installation: Arc::clone(installation),
        event,
        tier: if installation.tenant.is_some() { Tier::Tenant } else { Tier::OperatorFirst },
        priority: crate::binding::PRIORITY_DEFAULT,
        rule: None,
        on_fault: OnFault::default_of(event),
    }
}
