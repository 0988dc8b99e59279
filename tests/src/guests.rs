//! The guests of `tests/guests`, and the sinks of `plugins/`, as components, each built once in a run of the tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;

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
    let component = sluice::build::build_sink(&folder(guest))?;
    built.insert(guest.to_owned(), component.clone());
    Ok(component)
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
