//! The Rust target that components are compiled for, added where the toolchain lacks it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::BuildError;
use super::rust::{INSTALL, TARGET};

/// Sees to it that the toolchain which builds in this folder has the target.
pub(super) fn ensure(folder: &Path) -> Result<(), BuildError> {
    if is_installed(folder)? {
        return Ok(());
    }
    // Nobody can be told where standard error is closed; the target is added all the same.
    let _ =
        writeln!(io::stderr(), "The Rust target {TARGET} is missing: running `rustup target add {TARGET}`");
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(folder)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| BuildError::Tool { tool: "rustup", error, install: INSTALL })?;
    if added.success() { Ok(()) } else { Err(BuildError::Target) }
}

/// The standard library of the target is a folder beside those of the other targets.
fn is_installed(folder: &Path) -> Result<bool, BuildError> {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stderr(Stdio::null())
        .output()
        .map_err(|error| BuildError::Tool { tool: "rustc", error, install: INSTALL })?;
    let libraries = String::from_utf8_lossy(&asked.stdout);
    Ok(asked.status.success() && PathBuf::from(libraries.trim()).is_dir())
}
