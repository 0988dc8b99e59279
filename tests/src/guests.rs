//! The guests of `tests/guests` as components, each built once in a run of the tests.

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
    let component = sluice::build::build_sink(&tree::root().join("tests/guests").join(guest))?;
    built.insert(guest.to_owned(), component.clone());
    Ok(component)
}
