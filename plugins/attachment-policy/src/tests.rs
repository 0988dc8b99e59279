//! The rules without a server.

use super::{Part, Settings, by_label, extension, format};

fn settings() -> Settings {
    let list = |entries: &[&str]| entries.iter().map(ToString::to_string).collect();
    Settings {
        extensions: list(&["exe", "js"]),
        content_types: list(&["application/x-dosexec"]),
        ..Settings::default()
    }
}

fn check(file_name: Option<&str>, content_type: &str, expected: Option<&str>) {
    let part = Part {
        id: 1,
        parent: Some(0),
        content_type: content_type.to_owned(),
        file_name: file_name.map(str::to_owned),
        size: 1,
    };
    assert_eq!(by_label(&part, &settings()), expected, "{file_name:?}");
}

#[test]
fn the_last_extension_decides() {
    check(Some("invoice.pdf.exe"), "application/pdf", Some("exe"));
    check(Some("exe.pdf"), "application/pdf", None);
    check(Some("exe"), "application/pdf", None);
}

#[test]
fn case_and_what_windows_drops_hide_nothing() {
    for name in ["A.EXE", "a.exe.", "a.exe . .", "a.exe\u{0}", "a. exe", "a.exe\u{a0}"] {
        check(Some(name), "application/pdf", Some("exe"));
    }
}

#[test]
fn the_declared_type_is_enough() {
    check(None, "Application/X-DOSExec", Some("application/x-dosexec"));
    check(Some("a.txt"), "text/plain", None);
}

#[test]
fn a_name_without_a_dot_has_no_extension() {
    assert_eq!((extension("README"), extension(""), extension("...")), (None, None, None));
}

#[test]
fn formats_are_known_by_their_first_bytes() {
    let cases: [(&[u8], &str); 5] = [
        (b"MZ\x90\x00", "windows-executable"),
        (b"\x7fELF\x02", "elf"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x34", "java-class"),
        (b"\xca\xfe\xba\xbe\x00\x00\x00\x02", "mach-o"),
        (b"PK\x03\x04\x14", "zip"),
    ];
    for (bytes, format) in cases {
        assert!(format::starts(bytes, format), "{format}");
    }
    assert!(!format::starts(b"M\0", "windows-executable") && !format::starts(b"MZ\0", "unheard-of"));
}

#[test]
fn a_text_that_starts_like_a_program_is_a_text() {
    assert!(!format::starts(b"MZ is how Windows programs start", "windows-executable"));
}
