//! A sink in Rust, as `cargo build` makes it: for `wasm32-wasip2`, with the profile that the project gives its own sinks.
//!
//! The only thing that is changed outside the build folder is the Rust target, which is added where it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{BuildError, artifact, target};

/// What Rust sinks are compiled for: a component comes out of the linker.
pub const TARGET: &str = "wasm32-wasip2";

/// How, whatever the sink's own workspace says: small comes before fast, because every instance starts from these bytes.
const PROFILE: [&str; 7] = [
    "profile.sink.inherits='release'",
    "profile.sink.opt-level='s'",
    "profile.sink.lto=true",
    "profile.sink.codegen-units=1",
    "profile.sink.debug=false",
    "profile.sink.strip=true",
    "profile.sink.panic='abort'",
];

/// How one gets the tools.
pub(super) const INSTALL: &str = "sinks in Rust need it: https://rustup.rs";

/// Builds the crate in the folder.
pub(super) fn build(source: &Path) -> Result<PathBuf, BuildError> {
    target::ensure(source)?;
    let manifest = source.join("Cargo.toml");
    let done = Command::new("cargo")
        .args(["build", "--quiet", "--target", TARGET, "--profile", "sink"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .current_dir(source)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| BuildError::Tool { tool: "cargo", error, install: INSTALL })?;
    if !done.status.success() {
        return Err(BuildError::Compiler(source.to_owned()));
    }
    let manifest = manifest.canonicalize().unwrap_or(manifest);
    artifact::component(&done.stdout, &manifest).ok_or_else(|| BuildError::NoComponent(source.to_owned()))
}
