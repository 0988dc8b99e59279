//! What the operator may say, and what is refused.

use super::{BindingPlan, InstallationFile, Owner, WALL_CLOCK_MAX};
use crate::binding::{OnFault, PRIORITY_DEFAULT, PRIORITY_MAX, Tier};
use crate::event::EventKind;
use crate::limits::Limits;
use crate::manifest::Manifest;

const EVENTS: [EventKind; 3] = [EventKind::Connect, EventKind::EndOfData, EventKind::Disconnect];

fn bindings(text: &str, owner: Owner) -> Result<Vec<BindingPlan>, String> {
    let file = InstallationFile::parse(text).map_err(|error| error.to_string())?;
    file.bindings(&EVENTS, owner, None).map_err(|error| error.to_string())
}

fn check_refused(text: &str, expected: &str) {
    let error = bindings(text, Owner::Operator).unwrap_err();
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn without_the_file_each_exported_event_is_bound_at_the_defaults() {
    let plans = InstallationFile::default().bindings(&EVENTS, Owner::Tenant, None).unwrap();
    let plan = |event, on_fault| BindingPlan {
        event,
        tier: Tier::Tenant,
        priority: PRIORITY_DEFAULT,
        rule: None,
        on_fault,
    };
    assert_eq!(
        plans,
        [
            plan(EventKind::Connect, OnFault::Defer),
            plan(EventKind::EndOfData, OnFault::Defer),
            plan(EventKind::Disconnect, OnFault::Skip)
        ]
    );
}

#[test]
fn the_example_of_the_documentation_reads() {
    let source = include_str!("../installation_file.rs");
    let text: String = source
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").trim_start().to_owned() + "\n")
        .collect();
    let file = InstallationFile::parse(&text).unwrap();
    let plans = file.bindings(&[EventKind::MailFrom, EventKind::EndOfData], Owner::Operator, None).unwrap();
    assert_eq!(plans[0].tier, Tier::OperatorFirst);
    assert_eq!(plans[0].rule.as_ref().unwrap().as_str(), "mail from=*@example.com");
    assert_eq!((plans[1].priority, plans[1].on_fault), (1000, OnFault::Quarantine));
    assert_eq!(plans[1].rule.as_ref().unwrap().as_str(), "size<=10M");
    assert_eq!(file.settings(None).unwrap().values["own-domains"][0], "example.com");
    assert_eq!(file.limits(&Limits::default()).unwrap().fuel, Some(500_000_000));
}

#[test]
fn an_event_can_be_switched_off_alone_and_the_sink_as_a_whole() {
    let plans = bindings("[events.on-connect]\nenabled = false", Owner::Operator).unwrap();
    assert_eq!(
        plans.iter().map(|plan| plan.event).collect::<Vec<_>>(),
        [EventKind::EndOfData, EventKind::Disconnect]
    );
    assert_eq!(bindings("enabled = false", Owner::Operator).unwrap(), []);
}

#[test]
fn a_manifest_suggests_and_the_operator_decides() {
    let manifest = "name='a'\nversion='1'\n[events.on-connect]\npriority=5\ntier='operator-last'";
    let manifest = Manifest::parse(manifest).unwrap();
    let first = |text: &str, owner| {
        let file = InstallationFile::parse(text).unwrap();
        let plan = file.bindings(&EVENTS, owner, Some(&manifest)).unwrap().swap_remove(0);
        (plan.priority, plan.tier)
    };
    assert_eq!(first("", Owner::Operator), (5, Tier::OperatorLast));
    assert_eq!(first("", Owner::Tenant), (5, Tier::Tenant));
    assert_eq!(first("priority = 7\ntier = 'operator-first'", Owner::Operator), (7, Tier::OperatorFirst));
}

#[test]
fn a_general_on_fault_holds_where_the_event_allows_it() {
    let plans = bindings("on-fault = 'reject'", Owner::Operator).unwrap();
    assert_eq!(
        plans.iter().map(|plan| plan.on_fault).collect::<Vec<_>>(),
        [OnFault::Reject, OnFault::Reject, OnFault::Skip]
    );
}

#[test]
fn what_contradicts_itself_is_refused_with_its_place() {
    check_refused("tier = 'tenant'", "line 1, column 8: tier: an operator's sink is in `operator-first`");
    bindings(&format!("priority = {PRIORITY_MAX}"), Owner::Operator).unwrap();
    check_refused(
        &format!("priority = {}", PRIORITY_MAX + 1),
        "line 1, column 12: priority 32768 is not between 0 and 32767",
    );
    check_refused("priority = -1", "line 1, column 12");
    check_refused("\nrule = 'ehlo=*'", "line 2, column 8: rule: column 1: on-connect can never know `ehlo`");
    check_refused("rule = 'tls=maybe'", "line 1, column 8: rule: column 5: `maybe` is neither yes nor no");
    check_refused(
        "[events.on-disconnect]\non-fault = 'reject'",
        "line 2, column 12: on-fault: on-disconnect does not allow it",
    );
    check_refused("[events.on-data]\n", "[events.on-data]: the component does not export on-data");
    check_refused("priorty = 1", "line 1, column 1: unknown field `priorty`, expected one of `enabled`");
    check_refused("on-fault = 'explode'", "line 1, column 12: unknown variant `explode`");
    let error = bindings("tier = 'operator-first'", Owner::Tenant).unwrap_err();
    assert!(error.contains("a tenant's sink is always in tier `tenant`"), "{error}");
    let on_fault = InstallationFile::parse("on-fault = 'defer'").unwrap();
    assert!(on_fault.bindings(&[EventKind::Disconnect], Owner::Operator, None).is_err());
}

#[test]
fn a_setting_that_the_schema_does_not_allow_is_refused_with_its_place() {
    let manifest =
        Manifest::parse("name='a'\nversion='1'\n[settings.count]\ntype='integer'\nrequired=true").unwrap();
    let settings = |text: &str| InstallationFile::parse(text).unwrap().settings(Some(&manifest));
    assert_eq!(settings("settings.count = 3").unwrap().values["count"], 3);
    let error = settings("[settings]\ncount = 'x'").unwrap_err().to_string();
    assert!(
        error.contains("line 2, column 9: setting `count`: expected an integer, found a string"),
        "{error}"
    );
    let error = settings("").unwrap_err().to_string();
    assert!(error.contains("setting `count`: missing"), "{error}");
}

#[test]
fn a_limit_is_bounded_itself() {
    let limits = |text: &str| InstallationFile::parse(text).unwrap().limits(&Limits::default());
    let longest = WALL_CLOCK_MAX.as_millis();
    let allowed = limits(&format!("limits.wall-clock-milliseconds = {longest}")).unwrap();
    assert_eq!(allowed.wall_clock, Some(WALL_CLOCK_MAX));
    for text in [
        format!("limits.wall-clock-milliseconds = {}", longest + 1),
        "limits.fuel = 0".to_owned(),
        format!("limits.memory-bytes = {}", Limits::default().memory_bytes_max + 1),
    ] {
        let error = limits(&text).unwrap_err().to_string();
        assert!(error.contains("is not between 1 and"), "{error}");
    }
}
