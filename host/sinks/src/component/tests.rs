//! What is no component, what is too much of one, and what a call of it needs.

use super::{COMPONENT_BYTES_MAX, FUNCTIONS_MAX, LEB128_BYTES_MAX, NAMES_MAX, NESTING_MAX, Survey};
use crate::engine::Needs;
use crate::event::EventKind;
use crate::load_error::LoadError;
use crate::testing::sink;

fn refused(bytes: &[u8]) -> String {
    match Survey::of(bytes).unwrap_err() {
        LoadError::Refused(sentence) => sentence,
        other => panic!("{other:?}"),
    }
}

fn check_refused(bytes: &[u8], expected: &str) {
    let sentence = refused(bytes);
    assert!(sentence.contains(expected), "{sentence}");
}

fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap()
}

#[test]
fn what_people_upload_instead_is_told_by_name() {
    check_refused(
        &text("(module)"),
        "it is a core module; a component was expected: build for wasm32-wasip2",
    );
    check_refused(b"\x7fELF\x02\x01\x01\0\0\0", "precompiled code (.cwasm)");
    check_refused(b"\n (component)", "WebAssembly as text");
    check_refused(b"#!/bin/sh\n", "it is not WebAssembly");
    check_refused(b"MZ", "it is not WebAssembly");
    check_refused(b"\0asm\x0c\0\x01\0", "of a version that this host does not know");
}

#[test]
fn a_file_cut_inside_a_section_is_incomplete_wherever_it_is_cut() {
    let whole = sink(&[EventKind::Connect], "cut");
    let (mut incomplete, mut between) = (0, 0);
    for end in 0..whole.len() {
        match Survey::of(&whole[..end]) {
            Err(LoadError::Incomplete(_)) => incomplete += 1,
            Err(LoadError::Refused(sentence)) => panic!("cut at {end}: {sentence}"),
            Err(LoadError::Unreadable(_) | LoadError::Busy(_)) => panic!("nothing was read or run"),
            // Between two sections the file can't be told from one that ends there.
            Ok(_) => between += 1,
        }
    }
    assert!(incomplete > whole.len() - 32 && between < 32, "{incomplete} and {between} of {}", whole.len());
}

#[test]
fn the_length_of_a_section_is_a_number_of_at_most_five_bytes() {
    // Two bytes of a custom section of the name "a"; a number may have more bytes than it needs.
    let with = |length_bytes: usize| {
        let mut length = vec![0x80; length_bytes];
        length[0] |= 2;
        length[length_bytes - 1] &= 0x7f;
        [b"\0asm\x0d\0\x01\0".as_slice(), &[0], &length, b"\x01a"].concat()
    };
    assert!(Survey::of(&with(LEB128_BYTES_MAX)).is_ok());
    check_refused(&with(LEB128_BYTES_MAX + 1), "it is not a valid component");
    let unended = |bytes| [b"\0asm\x0d\0\x01\0".as_slice(), &[0], &vec![0x80; bytes]].concat();
    let cut = unended(LEB128_BYTES_MAX - 1);
    assert!(matches!(Survey::of(&cut), Err(LoadError::Incomplete(_))));
    check_refused(&unended(LEB128_BYTES_MAX), "it is not a valid component");
}

#[test]
fn noise_behind_a_good_start_is_refused() {
    let mut bytes = sink(&[EventKind::Connect], "noise");
    bytes.extend_from_slice(b"\xff\x02ab");
    check_refused(&bytes, "it is not a valid component");
    let wrong_type = "(component (core module $m (func (result i32))) )";
    assert!(Survey::of(&wat::parse_str(wrong_type).unwrap()).is_err());
}

#[test]
fn features_that_the_engine_has_not_are_refused() {
    for module in [
        "(memory i64 1)",
        "(memory 1) (memory 1)",
        "(memory 1 1 shared)",
        "(func $f (return_call $f))",
        "(tag)",
        "(type (struct))",
    ] {
        let bytes = text(&format!("(component (core module {module}))"));
        assert!(matches!(Survey::of(&bytes), Err(LoadError::Refused(_))), "{module}");
    }
}

#[test]
fn bytes_names_functions_and_nesting_are_bounded() {
    check_refused(&vec![0; COMPONENT_BYTES_MAX + 1], "67108864 are allowed");
    let imports = |count: usize| {
        let imports: String =
            (0..count).map(|number| format!(r#"(import "a:b/c{number}" (instance))"#)).collect();
        text(&format!("(component {imports})"))
    };
    assert!(Survey::of(&imports(NAMES_MAX)).is_ok());
    check_refused(&imports(NAMES_MAX + 1), "more than 256 imports");
    let exports: String =
        (0..=NAMES_MAX).map(|number| format!(r#"(export "a:b/c{number}" (instance $i))"#)).collect();
    check_refused(&text(&format!("(component (instance $i) {exports})")), "more than 256 exports");
    let nested = |depth: usize| text(&format!("{}{}", "(component ".repeat(depth), ")".repeat(depth)));
    assert!(Survey::of(&nested(NESTING_MAX)).is_ok());
    check_refused(&nested(NESTING_MAX + 1), "nested deeper than 8");
    let functions = |count: u32| {
        let functions = "(func)".repeat(usize::try_from(count).unwrap() / 10);
        let module = format!("(core module {functions})").repeat(10);
        text(&format!("(component {module})"))
    };
    assert_eq!(Survey::of(&functions(FUNCTIONS_MAX)).unwrap().functions, FUNCTIONS_MAX);
    check_refused(&functions(FUNCTIONS_MAX + 10), "more than 250000 functions");
}

#[test]
fn needs_are_counted_through_nested_and_repeated_instances() {
    let needs = |component: &str| Survey::of(&text(component)).unwrap().needs;
    let one =
        "(core module $m (memory 1) (table 1 funcref) (table 1 funcref)) (core instance (instantiate $m))";
    let twice = format!("{one} (core instance (instantiate $m))");
    assert_eq!(needs(&format!("(component {twice})")), Needs { core_instances: 2, memories: 2, tables: 4 });
    let nested = format!(
        "(component (component $c {one}) (instance (instantiate $c)) (instance (instantiate $c)) (component $unused {twice}))"
    );
    assert_eq!(needs(&nested), Needs { core_instances: 4, memories: 2, tables: 4 });
    let outer = "(component (core module $m (memory 1)) (component $c (core instance (instantiate $m))) (instance (instantiate $c)))";
    assert_eq!(needs(outer), Needs { core_instances: 2, memories: 1, tables: 0 });
    // Five levels of eight are more than anybody can have.
    let mut bomb = format!("(component $c {one})");
    for _ in 0..4 {
        bomb = format!("(component $c {bomb} {})", "(instance (instantiate $c))".repeat(8));
    }
    assert!(needs(&bomb).core_instances > 4096);
}

#[test]
fn any_byte_may_be_wrong_without_a_panic() {
    let whole = sink(&[EventKind::Connect, EventKind::InboundCommand], "flipped");
    let mut refused = 0;
    for index in 0..whole.len() {
        for flip in [0x01, 0x40, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[index] ^= flip;
            refused += usize::from(Survey::of(&bytes).is_err());
        }
    }
    assert!(refused > whole.len(), "{refused} of {}", 4 * whole.len());
}
