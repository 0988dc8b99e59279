//! From a sink's source to its component, with the language's own tools.
//!
//! What a folder holds says its language: `Cargo.toml`, `go.mod`, `package.json`, `requirements.txt`; a `.wasm` file is taken as it is. The
//! compiler speaks to the terminal itself: what it says is never shortened or reworded. What is made lies in `target`.

mod artifact;
mod go;
mod javascript;
mod package;
mod python;
mod rust;
mod sdk;
mod target;
mod world;

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// Why there is no component; what the compiler had to say is on the terminal already.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is nothing at the path.
    #[error("{0}: no such file or folder")]
    Missing(PathBuf),
    /// Neither a component nor a source that is known.
    #[error(
        "{0}: neither a .wasm file nor a folder with a Cargo.toml, go.mod, package.json or requirements.txt"
    )]
    NotASink(PathBuf),
    /// A tool could not be started.
    #[error("{tool} can't be started ({error}); {install}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// Why.
        error: io::Error,
        /// How one gets it.
        install: &'static str,
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
    /// What the compiler made is no sink.
    #[error("{} makes no sink: {error:#}", folder.display())]
    Component {
        /// Of its source.
        folder: PathBuf,
        /// Why.
        error: anyhow::Error,
    },
    /// The author's file is not one.
    #[error("{}: {error}", path.display())]
    Manifest {
        /// Which.
        path: PathBuf,
        /// Why.
        error: sinks::DocumentError,
    },
    /// A manifest without the events that its language needs to know.
    #[error("{}: name the events that the sink answers, each as `[events.on-rcpt-to]`", .0.join("sink.toml").display())]
    NoEvents(PathBuf),
    /// The language's own packages are not installed.
    #[error("{} has no {tool}; `{install}` in that folder puts it there", folder.display())]
    Packages {
        /// The sink's.
        folder: PathBuf,
        /// What is missing.
        tool: &'static str,
        /// What brings it.
        install: &'static str,
    },
    /// A file can't be read or written.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

pub use package::package;
pub use rust::TARGET;
pub use sdk::{Language, create};

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
    let is_in = |language: &&Language| source.join(language.manifest()).is_file();
    let language = Language::value_variants().iter().find(is_in);
    let language = *language.ok_or_else(|| BuildError::NotASink(source.to_owned()))?;
    sdk::refresh(source, language)?;
    match language {
        Language::Rust => rust::build(source),
        Language::Go => go::build(source),
        Language::Js => javascript::build(source),
        Language::Python => python::build(source),
    }
}

/// A file in the folder of what is built, which is made.
fn output(source: &Path, name: &str) -> Result<PathBuf, BuildError> {
    let folder = source.join("target");
    std::fs::create_dir_all(&folder).map_err(|error| BuildError::Disk { path: folder.clone(), error })?;
    // The compilers run in the source's folder.
    let folder = folder.canonicalize().map_err(|error| BuildError::Disk { path: folder.clone(), error })?;
    Ok(folder.join(name))
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
        check_refused(
            "src",
            "src: neither a .wasm file nor a folder with a Cargo.toml, go.mod, package.json or requirements.txt",
        );
        check_refused(
            "Cargo.toml",
            "Cargo.toml: neither a .wasm file nor a folder with a Cargo.toml, go.mod, package.json or requirements.txt",
        );
    }
}
