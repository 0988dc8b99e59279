//! A sink in JavaScript: `componentize-qjs`, which `npm install` puts beside it, takes an engine and the sink's modules into
//! one component.
//!
//! The events are those that the manifest names, since the tools want a world before they have read a line. Between the
//! contract and the author's functions stands an entry module, which is written here: a function for an event, in camel
//! case, that may return nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::world::World;
use super::{BuildError, output};

/// Where `npm install` puts the tool.
const TOOL: &str = "node_modules/.bin/componentize-qjs";

/// What puts it there.
pub(super) const NPM: &str = "npm install";

/// Makes the component.
pub(super) fn build(source: &Path) -> Result<PathBuf, BuildError> {
    let world = World::of_manifest(source)?;
    let missing = |_| BuildError::Packages { folder: source.to_owned(), tool: TOOL, install: NPM };
    let tool = source.join(TOOL).canonicalize().map_err(missing)?;
    let (wit, entry, component) =
        (output(source, "wit")?, output(source, "entry.js")?, output(source, "sink.wasm")?);
    world
        .lay(&wit)
        .and_then(|()| fs::write(&entry, entry_module(&world)))
        .map_err(|error| BuildError::Disk { path: entry.clone(), error })?;
    let done = Command::new(tool)
        .args(["--sync", "--stub-wasi", "--world", "sink", "--module-root", ".", "--wit"])
        .arg(&wit)
        .arg("--js")
        .arg(&entry)
        .arg("--output")
        .arg(&component)
        .current_dir(source)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| BuildError::Tool { tool: "componentize-qjs", error, install: INSTALL })?;
    if done.success() { Ok(component) } else { Err(BuildError::Compiler(source.to_owned())) }
}

/// How one gets the tool's own needs.
const INSTALL: &str =
    "sinks in JavaScript need Node.js 20 or newer: `apt install nodejs npm`, or https://nodejs.org";

/// Hands each event to the author's function of its name.
fn entry_module(world: &World) -> String {
    let mut text = String::from(
        "import * as sink from \"../main.js\";\nimport { answer } from \"sluice-sdk/entry\";\n\n",
    );
    for event in &world.events {
        let name = camel(event);
        text.push_str(&format!("export const {name} = answer(sink, \"{name}\");\n"));
    }
    text
}

/// `on-rcpt-to` as `onRcptTo`.
fn camel(word: &str) -> String {
    let mut parts = word.split('-');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let mut letters = part.chars();
        name + &letters
            .next()
            .map(|letter| letter.to_ascii_uppercase())
            .into_iter()
            .chain(letters)
            .collect::<String>()
    })
}

#[cfg(test)]
mod tests {
    use super::{World, camel, entry_module};

    #[test]
    fn the_entry_hands_each_event_to_the_function_of_its_name() {
        assert_eq!(camel("on-end-of-data"), "onEndOfData");
        let world = World { events: ["on-data".to_owned()].into(), ..World::default() };
        assert!(entry_module(&world).ends_with("export const onData = answer(sink, \"onData\");\n"));
    }
}
