//! A sink in Go: the stock compiler makes a core module, and the component is put around it here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{BuildError, world};

/// Compiles the package in the folder.
pub(super) fn build(source: &Path) -> Result<PathBuf, BuildError> {
    let (module, component) = (super::output(source, "core.wasm")?, super::output(source, "sink.wasm")?);
    let done = Command::new("go")
        .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o"])
        .arg(&module)
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")])
        .current_dir(source)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| BuildError::Tool { tool: "go", error, install: INSTALL })?;
    if !done.success() {
        return Err(BuildError::Compiler(source.to_owned()));
    }
    let made = fs::read(&module).map_err(|error| BuildError::Disk { path: module, error })?;
    let encoded = world::component(&made)
        .map_err(|error| BuildError::Component { folder: source.to_owned(), error })?;
    fs::write(&component, encoded).map_err(|error| BuildError::Disk { path: component.clone(), error })?;
    Ok(component)
}

/// How one gets the compiler.
const INSTALL: &str = "sinks in Go need Go 1.24 or newer: `apt install golang`, or https://go.dev/dl";
