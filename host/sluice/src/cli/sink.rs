//! `sluice sink new`, `build`, `inspect`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, ensure};
use sinks::Inspection;
use sinks::manifest::is_name;

use crate::build::{self, Language};

/// Makes a folder with a new sink.
///
/// # Errors
/// When it can't be called so, or the folder exists.
pub(super) fn new(name: &str, language: Language) -> anyhow::Result<()> {
    let is_package = name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    ensure!(
        is_name(name) && is_package,
        "`{}` is no name that every language takes: lower-case letters, digits and -, the first a letter, 63 at most",
        name.escape_debug()
    );
    let files = build::create(Path::new(name), name, language)?;
    let mut text = format!("{name}/ has {}\n", files.join(", "));
    if let Some(install) = language.install() {
        text += &format!("Its tools come with `{install}` in that folder.\n");
    }
    text += "See what it does, again on each save: `sluice dev .`; for a server: `sluice sink build`\n";
    super::print(&text)
}

/// Builds a sink and prints what came out.
///
/// # Errors
/// When it does not build, or is no sink that this host could load.
pub(super) fn build(folder: &Path) -> anyhow::Result<()> {
    let (component, inspection) = build::package(folder)?;
    super::print(&page(&component, &inspection))
}

/// Prints what a component exports and imports; nothing of it runs.
///
/// # Errors
/// When the file can't be read, or is no sink that this host could load; the text names all that is wrong.
pub(super) fn inspect(file: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?;
    let inspection = sinks::inspect(&bytes).with_context(|| file.display().to_string())?;
    super::print(&page(file, &inspection))
}

fn page(file: &Path, inspection: &Inspection) -> String {
    let mut text = format!("{}\n", file.display());
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<13} {}", if value.is_empty() { "none" } else { value });
    };
    row("digest", &inspection.digest);
    row("size", &format!("{} bytes", inspection.size));
    if let Some(manifest) = &inspection.manifest {
        row("manifest", &format!("{} {}", manifest.name, manifest.version));
    }
    row("events", &joined(inspection.events.iter().map(|event| event.0.name().to_owned())));
    row("life", &inspection.life.join(" "));
    row(
        "capabilities",
        &joined(inspection.capabilities.iter().map(|capability| capability.word().to_owned())),
    );
    row("context", &inspection.context.join(" "));
    row("wasi", &inspection.wasi.join(" "));
    row("modules", &inspection.modules.to_string());
    row("functions", &inspection.functions.to_string());
    let needs = inspection.needs;
    let each =
        format!("{} instances, {} memories, {} tables", needs.core_instances, needs.memories, needs.tables);
    row("each call", &each);
    if !inspection.other_exports.is_empty() {
        row("unused exports", &inspection.other_exports.join(" "));
    }
    text
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
