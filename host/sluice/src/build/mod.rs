//! From a sink's source to its component, as `cargo build` makes it.
//!
//! A folder with a `Cargo.toml` is built for `wasm32-wasip2`, with the profile that the project gives its own sinks; a
//! `.wasm` file is taken as it is. The compiler speaks to the terminal itself: what it says is never shortened or reworded.
//! The only thing that is changed outside the build folder is the Rust target, which is added where it is missing.

mod artifact;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Why there is no component; what the compiler had to say is on the terminal already.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is nothing at the path.
    #[error("{0}: no such file or folder")]
    Missing(PathBuf),
    /// Neither a component nor a crate.
    #[error("{0}: neither a .wasm file nor a folder with a Cargo.toml")]
    NotASink(PathBuf),
    /// A tool could not be started.
    #[error("{tool} can't be started ({error}); sinks in Rust need it: https://rustup.rs")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The Rust target is missing and could not be added.
    #[error("the target {TARGET} is missing, and `rustup target add {TARGET}` failed")]
    Target,
    /// The compiler refused the source.
    #[error("{0} does not build")]
    Compiler(PathBuf),
    /// It was built, and made no component.
    #[error("{0} makes no component: its Cargo.toml needs `crate-type = [\"cdylib\"]` under `[lib]`")]
    NoComponent(PathBuf),
}

/// Builds what is at the path, and returns the path of the component.
///
/// Blocks for as long as the compiler takes.
///
/// # Errors
/// One sentence for whoever asked; errors in the source are on standard error as the compiler wrote them.
pub fn build_sink(source: &Path) -> Result<PathBuf, BuildError> {
    if !source.exists() {
        return Err(BuildError::Missing(source.to_owned()));
    }
    if source.is_file() && source.extension().is_some_and(|extension| extension == "wasm") {
        return Ok(source.to_owned());
    }
    let manifest = source.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(BuildError::NotASink(source.to_owned()));
    }
    target::ensure(source)?;
    compile(source, &manifest)
}

fn compile(source: &Path, manifest: &Path) -> Result<PathBuf, BuildError> {
    let done = Command::new("cargo")
        .args(["build", "--quiet", "--target", TARGET, "--profile", "sink"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .current_dir(source)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| BuildError::Tool { tool: "cargo", error })?;
    if !done.status.success() {
        return Err(BuildError::Compiler(source.to_owned()));
    }
    let manifest = manifest.canonicalize().unwrap_or_else(|_| manifest.to_owned());
    artifact::component(&done.stdout, &manifest).ok_or_else(|| BuildError::NoComponent(source.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::build_sink;

    fn check_refused(source: &str, expected: &str) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let error = build_sink(&source).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }

    #[test]
    fn what_is_no_sink_is_named() {
        check_refused("nothing-here", "nothing-here: no such file or folder");
        check_refused("src", "src: neither a .wasm file nor a folder with a Cargo.toml");
        check_refused("Cargo.toml", "Cargo.toml: neither a .wasm file nor a folder with a Cargo.toml");
    }
}
