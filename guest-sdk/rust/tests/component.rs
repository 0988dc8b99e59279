//! The template as an author gets it: copied elsewhere, built by plain cargo, and read as the host reads it.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload};

const TARGET: &str = "wasm32-wasip2";

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The template in a workspace of its own that looks like ours: same dependency, same lock file, same profile.
fn copied_template() -> PathBuf {
    let sink = Path::new(env!("CARGO_TARGET_TMPDIR")).join("my-sink");
    let (template, root) = (crate_folder().join("template"), crate_folder().join("../.."));
    fs::create_dir_all(sink.join("src")).unwrap();
    fs::copy(template.join("src/lib.rs"), sink.join("src/lib.rs")).unwrap();
    fs::copy(root.join("Cargo.lock"), sink.join("Cargo.lock")).unwrap();
    let ours = read(&root.join("Cargo.toml"));
    let profile = ours.split_once("[profile.sink]").expect("the root manifest has the profile of sinks").1;
    let manifest = read(&template.join("Cargo.toml"));
    let path = crate_folder().display();
    let manifest = format!(
        "{manifest}\n[workspace]\n[workspace.dependencies]\nsluice-sdk = {{ path = \"{path}\" }}\n[profile.sink]{profile}"
    );
    fs::write(sink.join("Cargo.toml"), manifest).unwrap();
    sink
}

/// The target is a folder beside the others of the toolchain; `rustup` adds it where it is missing.
fn add_target() {
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output().unwrap();
    if !Path::new(String::from_utf8_lossy(&asked.stdout).trim()).is_dir() {
        assert!(Command::new("rustup").args(["target", "add", TARGET]).status().unwrap().success());
    }
}

fn build(sink: &Path) -> Vec<u8> {
    add_target();
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join("target");
    let done = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "sink", "--target", TARGET, "--target-dir"])
        .arg(&output)
        .current_dir(sink)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::read(output.join(TARGET).join("sink/my_sink.wasm")).unwrap()
}

/// Names of the outermost component's imports and exports that are ours.
fn surface(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut imports, mut exports, mut depth) = (BTreeSet::new(), BTreeSet::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| import.unwrap().name.name.to_owned()));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| export.unwrap().name.name.to_owned()));
            }
            _ => {}
        }
    }
    imports.retain(|name| name.starts_with("sluice:"));
    (imports, exports)
}

fn names(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|name| format!("sluice:sink/{name}@0.1.0")).collect()
}

#[test]
fn a_component_exports_the_events_that_it_uses_and_imports_what_it_calls() {
    let component = build(&copied_template());
    let (imports, exports) = surface(&component);
    assert_eq!(exports, names(&["on-rcpt-to", "on-end-of-data"]));
    assert_eq!(imports, names(&["types", "log", "message-draft"]));
    // 61 KB was measured for a sink of this kind; four times that means that something came along unasked.
    assert!(component.len() < 250_000, "{} bytes", component.len());
}

#[test]
fn the_crate_has_the_contract_as_the_project_has_it() {
    let (ours, theirs) = (crate_folder().join("wit"), crate_folder().join("../../wit"));
    let files = |folder: &Path| -> BTreeSet<_> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(files(&ours), files(&theirs));
    for name in files(&ours) {
        assert_eq!(read(&ours.join(&name)), read(&theirs.join(&name)), "{}", name.display());
    }
}

#[test]
fn the_readme_begins_with_the_template() {
    let source = read(&crate_folder().join("template/src/lib.rs"));
    let code = source.split_once("\n\n").unwrap().1.split_once("\n#[cfg(test)]").unwrap().0;
    let readme = read(&crate_folder().join("README.md"));
    assert!(readme.contains(code), "{code}");
}
