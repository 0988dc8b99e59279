//! The SDKs that this version of `sluice` carries, laid beside the sinks that want them.
//!
//! A sink that was made by `sluice sink new` finds its SDK in `.sluice/`, which `sluice sink build` writes wherever it is
//! missing or of another version: neither a registry nor a copy in the author's repository is needed.

use std::fs;
use std::io;
use std::path::Path;

use super::{BuildError, javascript, python};

/// Path below `guest-sdk/` and content of every file of the SDKs and their templates.
static FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// The folder in a sink's own.
const FOLDER: &str = ".sluice";

/// The project's manifest: the Rust SDK takes versions and lints from it.
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");

/// The versions that the project was tested with, for a new sink in Rust to begin with.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// A language that sinks are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// `cargo` builds it.
    Rust,
    /// `go` builds it.
    Go,
    /// JavaScript; `componentize-qjs` builds it.
    Js,
    /// `componentize-py` builds it.
    Python,
}

impl Language {
    /// Its folder among the SDKs.
    const fn folder(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Go => "go",
            Self::Js => "js",
            Self::Python => "python",
        }
    }

    /// What brings its tools into a sink's folder, if they belong there.
    #[must_use]
    pub const fn install(self) -> Option<&'static str> {
        match self {
            Self::Rust | Self::Go => None,
            Self::Js => Some(javascript::NPM),
            Self::Python => Some(python::INSTALL),
        }
    }

    /// The file in which a sink says where its SDK is.
    pub(super) const fn manifest(self) -> &'static str {
        match self {
            Self::Rust => "Cargo.toml",
            Self::Go => "go.mod",
            Self::Js => "package.json",
            Self::Python => "requirements.txt",
        }
    }
}

/// The files of a language's template: path in the sink's folder, and text.
fn template(language: Language) -> impl Iterator<Item = (&'static str, &'static str)> {
    let prefix = format!("{}/template/", language.folder());
    FILES.iter().filter_map(move |(path, bytes)| {
        Some((path.strip_prefix(&prefix)?, std::str::from_utf8(bytes).ok()?))
    })
}

/// The name of the sink that the templates are.
const TEMPLATE_NAME: &str = "my-sink";

/// Writes a new sink into a folder, which is made, and lays the SDK beside it.
///
/// # Errors
/// If the folder exists, or can't be written.
pub fn create(folder: &Path, name: &str, language: Language) -> Result<Vec<&'static str>, BuildError> {
    let failed = |error| BuildError::Disk { path: folder.to_owned(), error };
    fs::create_dir(folder).map_err(failed)?;
    let mut files = Vec::new();
    for (path, text) in template(language) {
        let text = by_itself(language, path, &text.replace(TEMPLATE_NAME, name));
        write(&folder.join(path), text.as_bytes()).map_err(failed)?;
        files.push(path);
    }
    if language == Language::Rust {
        write(&folder.join("Cargo.lock"), LOCK.as_bytes()).map_err(failed)?;
    }
    lay(folder, language)?;
    Ok(files)
}

/// A sink in Rust belongs to no workspace, and its SDK has one of its own.
const STANDALONE: &str = "\n[workspace]\nexclude = [\".sluice\"]\n";

/// A file of the template as it is outside of the project.
fn by_itself(language: Language, path: &str, text: &str) -> String {
    match (language, path) {
        (Language::Rust, "Cargo.toml") => {
            text.replace("sluice-sdk.workspace = true", "sluice-sdk = { path = \".sluice/rust\" }")
                + STANDALONE
        }
        (Language::Go, "go.mod") => text.replace("=> ../", "=> ./.sluice/go"),
        (Language::Js, "package.json") => text.replace("file:..", "file:.sluice/js"),
        _ => text.to_owned(),
    }
}

/// Lays the SDK of this version beside a sink that asks for it.
pub(super) fn refresh(folder: &Path, language: Language) -> Result<(), BuildError> {
    let path = folder.join(language.manifest());
    let manifest = fs::read_to_string(&path).map_err(|error| BuildError::Disk { path, error })?;
    if manifest.contains(FOLDER) { lay(folder, language) } else { Ok(()) }
}

fn lay(folder: &Path, language: Language) -> Result<(), BuildError> {
    let place = folder.join(FOLDER);
    let failed = |error| BuildError::Disk { path: place.clone(), error };
    let (sdk, template) = (format!("{}/", language.folder()), format!("{}/template/", language.folder()));
    for (path, bytes) in
        FILES.iter().filter(|(path, _)| path.starts_with(&sdk) && !path.starts_with(&template))
    {
        write(&place.join(path), bytes).map_err(failed)?;
    }
    if language == Language::Rust {
        let workspace = workspace().map_err(|error| failed(io::Error::other(error)))?;
        write(&place.join("Cargo.toml"), workspace.as_bytes()).map_err(failed)?;
    }
    Ok(())
}

/// What the Rust SDK inherits, without what it does not need.
fn workspace() -> Result<String, toml::de::Error> {
    let mut manifest: toml::Table = WORKSPACE.parse()?;
    manifest.retain(|key, _| key == "workspace");
    if let Some(toml::Value::Table(workspace)) = manifest.get_mut("workspace") {
        workspace.retain(|key, _| key != "exclude");
        workspace.insert("members".to_owned(), vec!["rust", "rust/macros"].into());
        if let Some(toml::Value::Table(dependencies)) = workspace.get_mut("dependencies") {
            dependencies.retain(|name, value| value.get("path").is_none() || name.starts_with("sluice-sdk"));
            for (_, value) in dependencies.iter_mut() {
                let below = value.get("path").and_then(toml::Value::as_str);
                if let Some(below) = below.and_then(|path| path.strip_prefix("guest-sdk/")).map(str::to_owned)
                    && let Some(table) = value.as_table_mut()
                {
                    table.insert("path".to_owned(), below.into());
                }
            }
        }
    }
    Ok(manifest.to_string())
}

/// Only what differs is written, so that no compiler sees a change where there is none.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::ValueEnum;

    use super::{Language, create, refresh, workspace};

    #[test]
    fn every_language_has_a_template_with_a_manifest_that_reads() {
        let folder = tempfile::tempdir().unwrap();
        for language in Language::value_variants() {
            let sink = folder.path().join(format!("a-{}", language.folder()));
            let files = create(&sink, "greeter", *language).unwrap();
            assert!(files.contains(&language.manifest()) && files.contains(&".gitignore"), "{files:?}");
            let manifest = fs::read_to_string(sink.join("sink.toml")).unwrap();
            assert_eq!(sinks::Manifest::parse(&manifest).unwrap().name, "greeter");
            let names_sdk = fs::read_to_string(sink.join(language.manifest())).unwrap();
            assert!(names_sdk.contains(&format!(".sluice/{}", language.folder())), "{names_sdk}");
        }
    }

    #[test]
    fn nothing_is_written_over_a_folder_that_exists() {
        let folder = tempfile::tempdir().unwrap();
        assert!(create(folder.path(), "greeter", Language::Go).is_err());
    }

    #[test]
    fn an_sdk_that_is_missing_or_changed_is_laid_again() {
        let folder = tempfile::tempdir().unwrap();
        let sink = folder.path().join("greeter");
        create(&sink, "greeter", Language::Go).unwrap();
        let file = sink.join(".sluice/go/go.mod");
        let said = fs::read(&file).unwrap();
        fs::write(&file, "module other").unwrap();
        refresh(&sink, Language::Go).unwrap();
        assert_eq!(fs::read(&file).unwrap(), said);
    }

    #[test]
    fn the_rust_sdk_inherits_from_a_workspace_of_its_own() {
        let workspace = workspace().unwrap();
        assert!(workspace.contains("path = \"rust/macros\""), "{workspace}");
        assert!(!workspace.contains("host/") && !workspace.contains("[profile"), "{workspace}");
    }
}
