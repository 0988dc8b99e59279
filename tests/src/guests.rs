//! The guests of `tests/guests`, and the sinks of `plugins/`, as components, each built once in a run of the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use sluice::build::{BuildError, build_sink};

use crate::tree;

/// The component of a guest, built when it is first asked for.
///
/// # Errors
/// If it does not build.
pub fn component(guest: &str) -> Result<PathBuf> {
    // Tests run as threads of one process: the first to need a guest builds it, the others wait for it.
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(component) = built.get(guest) {
        return Ok(component.clone());
    }
    let component = match build_sink(&folder(guest)) {
        Err(BuildError::Packages { .. }) => {
            install_packages(&folder(guest))?;
            build_sink(&folder(guest))?
        }
        built => built?,
    };
    built.insert(guest.to_owned(), component.clone());
    Ok(component)
}

/// The tool without which a guest can't be built; those of Rust are there, or nothing is.
#[must_use]
pub fn tool(guest: &str) -> Option<&'static str> {
    let tools = [("go.mod", "go"), ("package.json", "npm")];
    tools.into_iter().find(|(manifest, _)| folder(guest).join(manifest).is_file()).map(|(_, tool)| tool)
}

/// What a sink in JavaScript is built with lies beside it from then on.
fn install_packages(sink: &Path) -> Result<()> {
    let words = ["install", "--no-package-lock", "--no-audit", "--no-fund"];
    let installed = Command::new("npm").args(words).current_dir(sink).output()?;
    ensure!(installed.status.success(), "npm install: {}", String::from_utf8_lossy(&installed.stderr));
    Ok(())
}

/// What its author says of a sink, if there is such a file.
#[must_use]
pub fn manifest(guest: &str) -> Option<PathBuf> {
    Some(folder(guest).join("sink.toml")).filter(|manifest| manifest.is_file())
}

fn folder(guest: &str) -> PathBuf {
    let places = ["tests/guests", "plugins"].map(|place| tree::root().join(place).join(guest));
    places.iter().find(|place| place.is_dir()).unwrap_or(&places[0]).clone()
}
