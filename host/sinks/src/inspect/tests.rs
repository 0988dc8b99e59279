//! What is told of a component, and what is refused by name.

use super::inspect;
use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};
use crate::event::{EventKind, Served};
use crate::manifest::{EventName, MANIFEST_SECTION};
use crate::testing::{component, export, sink};

fn check_refused(bytes: &[u8], expected: &[&str]) {
    let sentence = inspect(bytes).unwrap_err().to_string();
    for expected in expected {
        assert!(sentence.contains(expected), "{sentence}");
    }
}

fn importing(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(component (import "{name}" (instance)) (instance $i) (export "sluice:sink/on-connect@0.1.0" (instance $i)))"#
    );
    wat::parse_str(text).unwrap()
}

fn exporting(name: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(component (instance $i) (export "{name}" (instance $i)))"#)).unwrap()
}

#[test]
fn exports_imports_size_and_digest_are_told() {
    let bytes = sink(&[EventKind::SelfTest, EventKind::Connect, EventKind::InboundCommand], "inspected");
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.events, [EventName(EventKind::Connect), EventName(EventKind::InboundCommand)]);
    assert_eq!(inspection.life, ["on-self-test"]);
    assert_eq!((inspection.size, inspection.modules, inspection.functions), (bytes.len(), 1, 7));
    assert_eq!(inspection.needs.core_instances, 1);
    assert_eq!(inspection.digest.len(), 64);
    let shown = inspection.to_string();
    assert!(shown.contains("events        on-connect on-inbound-command\n"), "{shown}");
    assert!(shown.contains("each call     1 core instances, 1 memories, 0 tables"), "{shown}");
    assert!(
        serde_json::to_string(&inspection)
            .unwrap()
            .contains(r#""events":["on-connect","on-inbound-command"]"#)
    );
}

#[test]
fn context_and_start_up_interfaces_are_taken() {
    for name in [
        "sluice:sink/types@0.1.0",
        "sluice:sink/envelope-draft@0.1.0",
        "wasi:io/streams@0.2.6",
        "wasi:cli/exit@0.2.0",
    ] {
        let inspection = inspect(&importing(name)).unwrap();
        assert_eq!(inspection.context.len() + inspection.wasi.len(), 1, "{name}");
    }
}

#[test]
fn the_context_is_the_world_of_the_contract() {
    let world = include_str!("../../../../wit/60-worlds.wit");
    let base = world.split("world base {").nth(1).unwrap().split('}').next().unwrap();
    for import in base.split(';').filter_map(|item| item.trim().strip_prefix("import ")) {
        assert!(super::CONTEXT.contains(&import), "{import}");
    }
}

#[test]
fn every_event_and_capability_that_is_not_served_is_refused_by_name() {
    for event in EventKind::ALL.into_iter().filter(|event| event.served() == Served::NotYet) {
        check_refused(&exporting(event.export()), &[event.name(), "does not serve yet"]);
    }
    for capability in ["kv", "tables", "dns", "http", "directory", "submit"] {
        check_refused(
            &importing(&format!("sluice:sink/{capability}@0.1.0")),
            &[&format!("the capability {capability}"), "does not serve yet"],
        );
    }
}

#[test]
fn names_that_nobody_knows_are_refused() {
    check_refused(
        &exporting("sluice:sink/on-nothing@0.1.0"),
        &["sluice:sink/on-nothing@0.1.0, which is no event"],
    );
    check_refused(
        &exporting("sluice:sink/on-connect@0.2.0"),
        &["knows version 0.1.0 of the contract, not 0.2.0"],
    );
    check_refused(&exporting("sluice:sink/on-connect@1.0.0"), &["not 1.0.0"]);
    check_refused(&exporting("sluice:sink/on-connect"), &["without a version; 0.1.0 was expected"]);
    check_refused(&exporting("my:own/thing"), &["it exports no event of sluice:sink/"]);
    check_refused(&importing("sluice:sink/nothing@0.1.0"), &["which is no interface of the contract"]);
    check_refused(&importing("sluice:sink/log@0.3.0"), &["not 0.3.0"]);
    check_refused(&importing("wasi:sockets/tcp@0.2.6"), &["wasi:sockets/tcp@0.2.6", "no sockets"]);
    check_refused(&importing("wasi:http/types@0.2.6"), &["no sockets, HTTP or files"]);
    check_refused(&importing("wasi:io/streams@0.3.0"), &["which this host does not have"]);
    check_refused(&importing("my:own/thing"), &["`my:own/thing`, which this host does not have"]);
    let function = r#"(component (import "do-it" (func)) (instance $i) (export "sluice:sink/on-data@0.1.0" (instance $i)))"#;
    check_refused(&wat::parse_str(function).unwrap(), &["`do-it`, which is not an interface"]);
}

#[test]
fn all_that_is_wrong_is_named_at_once() {
    let text = r#"(component
        (import "sluice:sink/kv@0.1.0" (instance))
        (import "wasi:sockets/udp@0.2.0" (instance))
        (instance $i)
        (export "sluice:sink/on-track@0.1.0" (instance $i)))"#;
    check_refused(&wat::parse_str(text).unwrap(), &["on-track", "capability kv", "wasi:sockets/udp"]);
}

#[test]
fn a_component_that_needs_more_than_the_pool_gives_one_call_is_refused() {
    let with = |module: &str, count: u32| {
        let count = usize::try_from(count).unwrap();
        let items = "(core instance (instantiate $own))".repeat(count);
        let module = format!("(core module $own {module})");
        component(&format!("{module}{items}{}", export(EventKind::Connect)), "many")
    };
    // The component's own module has one instance and one memory.
    for (module, own, max, what) in [
        ("", 1, CORE_INSTANCES_MAX, "core instances"),
        ("(memory 1)", 1, MEMORIES_MAX, "memories"),
        (&"(table 1 funcref)".repeat(16), 0, TABLES_MAX / 16, "tables"),
    ] {
        inspect(&with(module, max - own)).unwrap();
        check_refused(&with(module, max - own + 1), &["a call of it needs", what, "are allowed"]);
    }
}

#[test]
fn a_manifest_inside_is_read_and_a_wrong_one_refused() {
    let with = |manifest: &str| {
        let mut bytes = sink(&[EventKind::Connect], "manifest");
        let name_length = u8::try_from(MANIFEST_SECTION.len()).unwrap();
        let length = u8::try_from(1 + MANIFEST_SECTION.len() + manifest.len()).unwrap();
        bytes.extend([0, length, name_length]);
        bytes.extend(MANIFEST_SECTION.bytes().chain(manifest.bytes()));
        bytes
    };
    let inspection = inspect(&with("name = 'a'\nversion = '3'")).unwrap();
    assert_eq!(inspection.manifest.unwrap().version, "3");
    check_refused(&with("name = 'a'"), &["its embedded manifest: line 1, column 1: missing field `version`"]);
    check_refused(&with("\u{fffd}"), &["its embedded manifest"]);
}
