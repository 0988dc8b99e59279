//! What the compiler does not hold: the floors, purity, lengths, words, fixtures, and documents that match the code.

mod documents;
mod fixtures;
mod floors;
mod words;

use std::path::Path;

use anyhow::{Result, ensure};
use tests::tree;

/// Lines that a file may have without its tests.
const FILE_LINES_MAX: usize = 400;

/// The top level, as the README's map names it.
const TOP_LEVEL: [&str; 15] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "fuzz",
    "guest-sdk",
    "host",
    "plugins",
    "tests",
    "wit",
];

/// Fails with all findings at once.
fn none(findings: &[String], rule: &str) -> Result<()> {
    ensure!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
    Ok(())
}

/// The lines of a source file before its test module.
fn without_tests(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let tests =
        lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests"));
    lines[..tests.unwrap_or(lines.len())].to_vec()
}

/// A file that holds nothing but tests.
fn is_test(path: &Path) -> bool {
    path.starts_with("tests/it")
        || path.ends_with("tests.rs")
        || path.components().any(|part| part.as_os_str() == "tests" && !path.starts_with("tests"))
}

#[test]
fn the_top_level_holds_only_what_the_map_names() -> Result<()> {
    let named = |path: &Path| {
        path.components()
            .next()
            .is_some_and(|first| TOP_LEVEL.contains(&&*first.as_os_str().to_string_lossy()))
    };
    let strangers: Vec<_> =
        tree::files()?.iter().filter(|path| !named(path)).map(|path| path.display().to_string()).collect();
    none(&strangers, "not in the map")
}

#[test]
fn a_source_file_opens_with_what_it_is() -> Result<()> {
    let mut findings = Vec::new();
    for path in tree::files_in("", ".rs")? {
        let text = tree::text(&path)?;
        if !text.starts_with("//!") {
            findings.push(path.display().to_string());
        }
    }
    none(&findings, "these files do not open with `//!`")
}

#[test]
fn a_source_file_stays_short() -> Result<()> {
    let mut findings = Vec::new();
    for path in tree::files_in("", ".rs")?.iter().filter(|path| !is_test(path)) {
        let lines = without_tests(&tree::text(path)?).len();
        if lines > FILE_LINES_MAX {
            findings.push(format!("{}: {lines}", path.display()));
        }
    }
    none(&findings, &format!("longer than {FILE_LINES_MAX} lines without its tests"))
}

#[test]
fn a_lint_is_expected_with_its_reason_and_never_allowed() -> Result<()> {
    let attributes = [["#[", "allow"].concat(), ["#![", "allow"].concat()];
    let mut findings = Vec::new();
    for path in tree::files_in("", ".rs")? {
        for (number, line) in tree::text(&path)?.lines().enumerate() {
            if attributes.iter().any(|attribute| line.trim_start().starts_with(attribute)) {
                findings.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    none(&findings, "allowed lints")
}

#[test]
fn no_file_knows_a_path_of_somebodys_machine() -> Result<()> {
    let roots = ["work", "root", "home"].map(|folder| format!("/{folder}/"));
    let mut findings = Vec::new();
    for path in tree::files()? {
        let Ok(text) = tree::text(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let starts = |root: &String| {
                line.match_indices(root.as_str()).any(|(at, _)| {
                    !line[..at].ends_with(|before: char| before.is_alphanumeric() || ".-_}/".contains(before))
                })
            };
            if roots.iter().any(starts) {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    none(&findings, "paths of a machine")
}

#[test]
fn nothing_is_put_off_without_an_issue() -> Result<()> {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let mut findings = Vec::new();
    for path in tree::files_in("", ".rs")? {
        for (number, line) in tree::text(&path)?.lines().enumerate() {
            let mut tokens = line.split(|letter: char| !letter.is_ascii_alphanumeric());
            if tokens.any(|token| words.iter().any(|word| word == token)) && !line.contains('#') {
                findings.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    none(&findings, "put off without an issue number")
}
