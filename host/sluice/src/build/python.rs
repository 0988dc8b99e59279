//! A sink in Python: `componentize-py` takes the interpreter and the sink's modules into one component.
//!
//! As with JavaScript, the manifest names the events, and an entry module, which is written here, stands between the
//! contract and the author's functions. The modules of the contract are written into `target/bindings` as well, for editors
//! and for tests.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::world::{World, verdict};
use super::{BuildError, output};

/// Where the author's own environment has the tool; else it is looked for along `PATH`.
const TOOL: &str = ".venv/bin/componentize-py";
/// How one gets it there.
pub(super) const INSTALL: &str = "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt";

/// Makes the component.
pub(super) fn build(source: &Path) -> Result<PathBuf, BuildError> {
    let world = World::of_manifest(source)?;
    let (wit, modules, bindings) =
        (output(source, "wit")?, output(source, "python")?, output(source, "bindings")?);
    let component = output(source, "sink.wasm")?;
    let entry = modules.join("sink_entry.py");
    let written = world
        .lay(&wit)
        .and_then(|()| fs::create_dir_all(&modules))
        .and_then(|()| fs::write(&entry, entry_module(&world)))
        .and_then(|()| if bindings.exists() { fs::remove_dir_all(&bindings) } else { Ok(()) });
    written.map_err(|error| BuildError::Disk { path: entry, error })?;
    run(source, &wit, Command::new(tool(source)).arg("bindings").arg(&bindings))?;
    let mut componentize = Command::new(tool(source));
    componentize.args(["componentize", "--stub-wasi", "-p", ".", "-p", ".sluice/python", "-p"]).arg(&modules);
    run(source, &wit, componentize.arg("--output").arg(&component).arg("sink_entry"))?;
    Ok(component)
}

/// The sink's own tool, by its whole path: it runs in the sink's folder.
fn tool(source: &Path) -> PathBuf {
    source.join(TOOL).canonicalize().unwrap_or_else(|_| PathBuf::from("componentize-py"))
}

fn run(source: &Path, wit: &Path, command: &mut Command) -> Result<(), BuildError> {
    // Options of the whole tool stand before its command.
    let mut whole = Command::new(command.get_program());
    whole.arg("--quiet").arg("--wit-path").arg(wit).args(["--world", "sink"]).args(command.get_args());
    let done = whole.current_dir(source).stdin(Stdio::null()).stdout(Stdio::null()).status();
    match done {
        Ok(done) if done.success() => Ok(()),
        Ok(_) => Err(BuildError::Compiler(source.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(BuildError::Packages { folder: source.to_owned(), tool: "componentize-py", install: INSTALL })
        }
        Err(error) => Err(BuildError::Tool { tool: "componentize-py", error, install: INSTALL }),
    }
}

/// Hands each event to the author's function of its name.
fn entry_module(world: &World) -> String {
    let mut text = String::from("import main\nfrom sluice_sdk.entry import answer\n\n");
    for event in &world.events {
        let (class, function) = (pascal(event), event.replace('-', "_"));
        let verdict = verdict(event).map(|(interface, name)| {
            let home = if interface == *event { "exports" } else { "imports" };
            format!(", \"wit_world.{home}.{}\", \"{}\"", interface.replace('-', "_"), pascal(&name))
        });
        text.push_str(&format!("{class} = answer(main, \"{function}\"{})\n", verdict.unwrap_or_default()));
    }
    text
}

/// `on-rcpt-to` as `OnRcptTo`.
fn pascal(word: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    word.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::{World, entry_module};

    #[test]
    fn the_entry_knows_where_each_verdict_lies() {
        let events = ["on-data", "on-rcpt-to", "on-rejected", "on-reply", "on-self-test"].map(str::to_owned);
        let text = entry_module(&World { events: events.into(), ..World::default() });
        let rows: Vec<&str> = text.lines().skip(3).collect();
        assert_eq!(
            rows,
            [
                "OnData = answer(main, \"on_data\", \"wit_world.imports.gate\", \"Verdict\")",
                "OnRcptTo = answer(main, \"on_rcpt_to\", \"wit_world.exports.on_rcpt_to\", \"Verdict\")",
                "OnRejected = answer(main, \"on_rejected\", \"wit_world.imports.notice\", \"Action\")",
                "OnReply = answer(main, \"on_reply\")",
                "OnSelfTest = answer(main, \"on_self_test\")",
            ]
        );
    }
}
