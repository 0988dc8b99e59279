//! Which crate may use which, and what the pure crates may not touch.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tests::tree;

use super::{is_test, none, without_tests};

/// Each crate of the host, and the crates of ours that it may use.
const FLOORS: [(&str, &[&str]); 5] = [
    ("smtp", &[]),
    ("message", &[]),
    ("spool", &["smtp", "message"]),
    ("sinks", &["smtp", "message"]),
    ("sluice", &["smtp", "message", "spool", "sinks"]),
];

/// Crates with a runtime, a socket, a clock or chance in them: never on the lowest floor.
const IMPURE_CRATES: [&str; 10] = [
    "tokio",
    "tokio-util",
    "futures-util",
    "notify",
    "rustix",
    "libc",
    "rand",
    "getrandom",
    "ulid",
    "tracing",
];

/// Paths of the standard library that do I/O, read a clock, or start something.
const IMPURE_PATHS: [&str; 15] = [
    "std::fs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "SystemTime",
    "Instant",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "async fn",
];

fn manifest(path: &Path) -> Result<toml::Table> {
    tree::text(path)?.parse().with_context(|| format!("parsing {}", path.display()))
}

/// The names of one table of dependencies.
fn names(manifest: &toml::Table, table: &str) -> Vec<String> {
    let found = manifest.get(table).and_then(toml::Value::as_table);
    found.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn a_crate_uses_only_what_is_below_it() -> Result<()> {
    let ours: Vec<&str> = FLOORS.iter().map(|(name, _)| *name).collect();
    let mut findings = Vec::new();
    for (name, below) in FLOORS {
        let found = manifest(&PathBuf::from(format!("host/{name}/Cargo.toml")))?;
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for used in names(&found, table) {
                if ours.contains(&used.as_str()) && !below.contains(&used.as_str()) && used != name {
                    findings.push(format!("{name} uses {used}"));
                }
            }
        }
        ensure!(
            !names(&found, "dependencies").is_empty(),
            "{name} uses nothing: is the table named otherwise now?"
        );
    }
    none(&findings, "against the floors")
}

#[test]
fn every_crate_of_the_host_has_a_floor() -> Result<()> {
    for path in tree::files_in("host", "Cargo.toml")? {
        let found = manifest(&path)?;
        let name = found.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
        let known = name.is_some_and(|name| FLOORS.iter().any(|(floor, _)| *floor == name));
        ensure!(known, "{} is on no floor", path.display());
    }
    Ok(())
}

#[test]
fn the_lowest_floor_has_no_runtime_socket_clock_or_chance() -> Result<()> {
    let mut findings = Vec::new();
    for (name, _) in FLOORS.iter().filter(|(_, below)| below.is_empty()) {
        let found = manifest(&PathBuf::from(format!("host/{name}/Cargo.toml")))?;
        let used = names(&found, "dependencies");
        findings.extend(
            used.iter()
                .filter(|used| IMPURE_CRATES.contains(&used.as_str()))
                .map(|used| format!("{name} uses {used}")),
        );
    }
    for path in pure_sources()? {
        for (number, line) in without_tests(&tree::text(&path)?).iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if let Some(found) = IMPURE_PATHS.iter().find(|path| has_path(code, path)) {
                findings.push(format!("{}:{}: {found}", path.display(), number + 1));
            }
        }
    }
    none(&findings, "against purity")
}

/// `smtp`, `message`, and the retry schedule of `spool`.
fn pure_sources() -> Result<Vec<PathBuf>> {
    let mut sources = tree::files_in("host/smtp/src", ".rs")?;
    sources.extend(tree::files_in("host/message/src", ".rs")?);
    sources.extend(tree::files_in("host/spool/src", "schedule.rs")?);
    ensure!(sources.len() > 2, "the pure crates have moved");
    sources.retain(|path| !is_test(path));
    Ok(sources)
}

/// Whether `code` names `path` as a whole word.
fn has_path(code: &str, path: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(path)
        .any(|(at, found)| !code[..at].ends_with(is_word) && !code[at + found.len()..].starts_with(is_word))
}
