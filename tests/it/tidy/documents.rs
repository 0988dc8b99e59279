//! What the README tells a reader to type exists, and so do the files that it names.

use anyhow::{Result, ensure};
use std::path::Path;
use tests::tree;

use super::none;

/// The commands in the code blocks of a document, without prompt and comment.
fn commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        let command = line.trim().trim_start_matches("$ ").split(" #").next().unwrap_or_default().trim();
        if inside && (command.starts_with("cargo ") || command.starts_with("sluice ")) {
            commands.push(command.to_owned());
        }
    }
    commands
}

/// Cargo's own subcommands that the documents may use.
const CARGO: [&str; 8] = ["build", "test", "run", "doc", "clippy", "fmt", "install", "bench"];

#[test]
fn cargo_commands_in_the_readmes_exist() -> Result<()> {
    let config: toml::Table = tree::text(Path::new(".cargo/config.toml"))?.parse()?;
    let aliases = config.get("alias").and_then(toml::Value::as_table).cloned().unwrap_or_default();
    let mut findings = Vec::new();
    for path in tree::files_in("", "README.md")? {
        for command in commands(&tree::text(&path)?) {
            let Some(name) = command.strip_prefix("cargo ").and_then(|rest| rest.split(' ').next()) else {
                continue;
            };
            if !CARGO.contains(&name) && !aliases.contains_key(name) {
                findings.push(format!("{}: {command}", path.display()));
            }
        }
    }
    none(&findings, "unknown cargo commands")
}

#[test]
fn the_readme_says_what_to_type_first() -> Result<()> {
    let said = commands(&tree::text(Path::new("README.md"))?);
    for needed in ["cargo dev plugins/external-tag", "cargo test"] {
        ensure!(said.iter().any(|command| command.starts_with(needed)), "the README does not say `{needed}`");
    }
    Ok(())
}

#[test]
fn files_that_the_readmes_link_to_exist() -> Result<()> {
    let mut findings = Vec::new();
    for path in tree::files_in("", "README.md")? {
        let folder = path.parent().unwrap_or(Path::new(""));
        let text = tree::text(&path)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_file = !link.is_empty() && !link.contains("://") && !link.contains(' ');
            if is_file && !tree::root().join(folder).join(link).exists() {
                findings.push(format!("{}: {link}", path.display()));
            }
        }
    }
    none(&findings, "links to nothing")
}
