//! The order, the tenants, and what can't stand together.

use std::sync::Arc;

use smtp::{GateKind, NoticeKind};

use super::{RegistryError, Snapshot};
use crate::binding::{Binding, Installation, Tier, Verbs};
use crate::event::EventKind;
use crate::rule::Rule;
use crate::testing::{binding, installation, sinks};

const EVENTS: [EventKind; 3] = [EventKind::Connect, EventKind::EndOfData, EventKind::InboundCommand];

fn ids(snapshot: &Snapshot, event: EventKind, tenant: Option<&str>) -> Vec<String> {
    snapshot.bindings(event, tenant).iter().map(|binding| binding.installation.id.to_string()).collect()
}

#[test]
fn bindings_are_asked_by_tier_then_priority_then_id_and_by_tenant() {
    let sinks = sinks();
    let bound = |id: &str, tier: Option<Tier>, priority: u16| {
        let installation = installation(&sinks, id, &EVENTS);
        let binding = binding(&installation, EventKind::Connect);
        Binding { tier: tier.unwrap_or(binding.tier), priority, ..binding }
    };
    let snapshot = Snapshot::new([
        bound("operator/last", Some(Tier::OperatorLast), 0),
        bound("acme/b", None, 5),
        bound("acme/a", None, 5),
        bound("acme/first", None, 4),
        bound("other/x", None, 1),
        bound("operator/first", None, 30_000),
    ])
    .unwrap();
    let acme = ["operator/first", "acme/first", "acme/a", "acme/b", "operator/last"];
    assert_eq!(ids(&snapshot, EventKind::Connect, Some("acme")), acme);
    assert_eq!(
        ids(&snapshot, EventKind::Connect, Some("other")),
        ["operator/first", "other/x", "operator/last"]
    );
    assert_eq!(ids(&snapshot, EventKind::Connect, Some("nobody")), ["operator/first", "operator/last"]);
    assert_eq!(ids(&snapshot, EventKind::Connect, None), ["operator/first", "operator/last"]);
    assert_eq!(ids(&snapshot, EventKind::EndOfData, Some("acme")), [""; 0]);
    assert!(snapshot.tenant_wants(EventKind::Connect, "acme"));
    assert!(!snapshot.tenant_wants(EventKind::Connect, "nobody"));
    assert!(!snapshot.tenant_wants(EventKind::EndOfData, "acme"));
}

#[test]
fn what_contradicts_itself_is_refused_by_name() {
    let sinks = sinks();
    let operator = installation(&sinks, "operator/a", &EVENTS);
    let tenant = installation(&sinks, "acme/a", &EVENTS);
    let connect = |installation: &Arc<Installation>| binding(installation, EventKind::Connect);
    let refused = |bindings: Vec<Binding>| Snapshot::new(bindings).unwrap_err();

    let same = refused(vec![connect(&operator), connect(&tenant), connect(&operator)]);
    assert_eq!(same, RegistryError::SameId("operator/a/on-connect".into()));
    let foreign = refused(vec![Binding { tier: Tier::OperatorLast, ..connect(&tenant) }]);
    assert!(matches!(foreign, RegistryError::ForeignTier { .. }), "{foreign}");
    let foreign = refused(vec![Binding { tier: Tier::Tenant, ..connect(&operator) }]);
    assert!(matches!(foreign, RegistryError::ForeignTier { .. }), "{foreign}");
    let not_served = refused(vec![binding(&tenant, EventKind::Track)]);
    assert!(not_served.to_string().contains("does not serve on-track yet"), "{not_served}");
    let not_exported = refused(vec![binding(&tenant, EventKind::Data)]);
    assert!(not_exported.to_string().contains("does not export on-data"), "{not_exported}");
}

#[test]
fn verbs_are_filtered_by_the_sink_and_by_the_rule() {
    let sinks = sinks();
    let mut sink = Arc::try_unwrap(installation(&sinks, "acme/verbs", &EVENTS)).unwrap();
    sink.command_verbs = Verbs::These(["XTAG".into(), "XFOO".into()].into());
    let command = binding(&Arc::new(sink), EventKind::InboundCommand);
    let rule = Rule::parse("verb=XTAG,XBAR").unwrap();
    let snapshot = Snapshot::new([Binding { rule: Some(Arc::new(rule)), ..command }]).unwrap();
    let wants = |tenant, verb| snapshot.wants_verb(EventKind::InboundCommand, tenant, verb);
    assert!(wants(Some("acme"), "XTAG"));
    assert!(!wants(Some("acme"), "XFOO"));
    assert!(!wants(Some("acme"), "XBAR"));
    assert!(!wants(None, "XTAG"));
}

#[test]
fn the_session_asks_about_what_any_tenant_binds_and_nothing_else() {
    let sinks = sinks();
    let mut sink = Arc::try_unwrap(installation(&sinks, "acme/verbs", &EVENTS)).unwrap();
    sink.command_verbs = Verbs::These(["XTAG".into()].into());
    let sink = Arc::new(sink);
    let other = installation(&sinks, "other/end", &[EventKind::TransactionEnd, EventKind::Data]);
    let snapshot = Snapshot::new([
        binding(&sink, EventKind::InboundCommand),
        binding(&sink, EventKind::Connect),
        binding(&other, EventKind::TransactionEnd),
    ])
    .unwrap();
    let interest = snapshot.interest();
    assert!(interest.wants_gate(GateKind::Connect));
    assert!(!interest.wants_gate(GateKind::Data));
    assert!(interest.wants_notice(NoticeKind::TransactionEnd));
    assert!(!interest.wants_notice(NoticeKind::Disconnect));
    assert!(interest.wants_command("XTAG"));
    assert!(!interest.wants_command("NOOP"));
    assert!(!interest.wants_reply("MAIL"));
    assert_eq!(Snapshot::default().interest(), smtp::Interest::nothing());
}

#[test]
fn a_snapshot_without_bindings_answers_every_question() {
    let empty = Snapshot::default();
    for event in EventKind::ALL {
        assert!(empty.bindings(event, None).is_empty());
        assert!(empty.bindings(event, Some("acme")).is_empty());
    }
}
