//! The files of the project, as the tests look at them.
//!
//! Build output and what git ignores is left out; the working tree counts, not the last commit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The folder that holds the workspace's `Cargo.toml`.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Every file of the project, relative to [`root`], sorted.
///
/// # Errors
/// If neither git nor a walk over the folders can list them.
pub fn files() -> Result<Vec<PathBuf>> {
    let listed = match listed_by_git() {
        Some(listed) => listed,
        None => walked(&root(), &root())?,
    };
    Ok(listed.into_iter().filter(|path| root().join(path).is_file()).collect())
}

/// The files below `folder` whose name ends in `ending`.
///
/// # Errors
/// As [`files`].
pub fn files_in(folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let of_folder = |path: &PathBuf| path.starts_with(folder) && path.to_string_lossy().ends_with(ending);
    Ok(files()?.into_iter().filter(of_folder).collect())
}

/// The text of a file of the project.
///
/// # Errors
/// If it cannot be read, or is not UTF-8.
pub fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("reading {}", path.display()))
}

fn listed_by_git() -> Option<BTreeSet<PathBuf>> {
    let asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(asked).current_dir(root()).output().ok()?;
    let listed = String::from_utf8(output.stdout).ok()?;
    let paths: BTreeSet<PathBuf> =
        listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

/// What a source archive without git holds.
fn walked(folder: &Path, root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "target" | ".git" | "artifacts" | "node_modules") {
            found.extend(walked(&path, root)?);
        } else if path.is_file() {
            found.insert(path.strip_prefix(root)?.to_path_buf());
        }
    }
    Ok(found)
}
