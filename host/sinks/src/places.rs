//! Where sinks lie: a walk over the folders that reads names and stamps, never contents.
//!
//! Links are followed inside of the root: operators point to one file from many tenants' folders, or exchange a version by
//! a link. One that leads out of the root is refused, so that a tenant who may write into its folder reads no file of others.

use std::collections::BTreeMap;
use std::fs::{DirEntry, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::installation_file::Owner;
use crate::load_error::LoadError;
use crate::manifest::{NAME_EXPECTED, is_name};

/// Sinks of all folders together. Ours: each costs memory for its code; a host of 10,000 domains has fewer.
pub(crate) const SINKS_MAX: usize = 10_000;

/// Files of one folder. Ours: a sink has three, and there may be leftovers.
pub(crate) const ENTRIES_MAX: usize = 4 * SINKS_MAX;

/// One component and what lies beside it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) owner: Owner,
    pub(crate) tenant: Option<Arc<str>>,
    pub(crate) component: PathBuf,
    pub(crate) manifest: Option<PathBuf>,
    pub(crate) installation: Option<PathBuf>,
    pub(crate) stamps: Stamps,
    /// What is wrong with the place itself.
    pub(crate) problem: Option<String>,
}

impl Place {
    /// A folder that is no tenant's.
    fn odd(path: PathBuf, problem: String) -> Self {
        Self {
            owner: Owner::Tenant,
            tenant: None,
            component: path,
            manifest: None,
            installation: None,
            stamps: Vec::new(),
            problem: Some(problem),
        }
    }
}

/// Which files these are, as far as can be said without reading them.
pub(crate) type Stamps = Vec<Option<Stamp>>;

/// A file is taken for the same while these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() }
    }
}

/// All places under the root, by the installation's id.
pub(crate) fn find(root: &Path) -> Result<BTreeMap<Arc<str>, Place>, LoadError> {
    let mut places = BTreeMap::new();
    // The root itself may be a link.
    let inside = match root.canonicalize() {
        Ok(real) => Inside(real),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(places),
        Err(error) => return Err(LoadError::Unreadable(format!("{}: {error}", root.display()))),
    };
    folder((&root.join("operator"), &inside), None, &mut places)?;
    for entry in entries(&root.join("tenants"))? {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        // `operator/` is the prefix of the operator's own ids.
        let problem = if !is_name(&name) || name == "operator" {
            Some(format!("the folder's name is no tenant's: `operator`, or not {NAME_EXPECTED}"))
        } else {
            inside.problem(&entry.path())
        };
        match problem {
            None => folder((&entry.path(), &inside), Some(&name.into()), &mut places)?,
            Some(problem) => {
                let id = format!("tenants/{}", name.escape_debug());
                places.insert(id.into(), Place::odd(entry.path(), problem));
            }
        }
    }
    if places.len() > SINKS_MAX {
        return Err(LoadError::Refused(format!("more than {SINKS_MAX} sinks lie in the folders")));
    }
    Ok(places)
}

/// The root, without links on the way to it.
struct Inside(PathBuf);

impl Inside {
    /// Why a file or folder can't be used, if it is a link that leads out of the root.
    fn problem(&self, path: &Path) -> Option<String> {
        if !path.is_symlink() {
            return None;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.canonicalize() {
            Ok(real) if real.starts_with(&self.0) => None,
            Ok(_) => Some(format!(
                "`{}` is a link out of the sinks folder: put a copy there, or link to a file inside of it",
                name.escape_debug()
            )),
            Err(error) => Some(format!("`{}` is a link that leads nowhere: {error}", name.escape_debug())),
        }
    }
}

fn folder(
    (path, inside): (&Path, &Inside),
    tenant: Option<&Arc<str>>,
    places: &mut BTreeMap<Arc<str>, Place>,
) -> Result<(), LoadError> {
    let components: Vec<_> = entries(path)?.into_iter().filter_map(|entry| component_name(&entry)).collect();
    let shared = path.join("sink.toml");
    for name in &components {
        let own = path.join(format!("{name}.toml"));
        let mut problem = None;
        if !is_name(name) {
            problem = Some(format!("the file's name `{}` is not {NAME_EXPECTED}", name.escape_debug()));
        }
        let manifest = if own.is_file() {
            Some(own)
        } else if shared.is_file() {
            if components.len() > 1 {
                problem = Some(format!("sink.toml lies beside several components: name it {name}.toml"));
            }
            Some(shared.clone())
        } else {
            None
        };
        let component = path.join(format!("{name}.wasm"));
        let installation = Some(path.join(format!("{name}.install.toml"))).filter(|file| file.is_file());
        let files = [Some(&component), manifest.as_ref(), installation.as_ref()];
        problem = problem.or_else(|| files.iter().flatten().find_map(|file| inside.problem(file)));
        let stamps = files.map(|file| file.and_then(|file| file.metadata().ok()).as_ref().map(Stamp::of));
        let owner = if tenant.is_some() { Owner::Tenant } else { Owner::Operator };
        let id = format!("{}/{name}", tenant.map_or("operator", |tenant| tenant));
        let stamps = stamps.to_vec();
        let tenant = tenant.cloned();
        places.insert(id.into(), Place { owner, tenant, component, manifest, installation, stamps, problem });
    }
    Ok(())
}

/// Files and links to files; a folder that isn't there is empty.
fn entries(path: &Path) -> Result<Vec<DirEntry>, LoadError> {
    let unreadable = |error: std::io::Error| LoadError::Unreadable(format!("{}: {error}", path.display()));
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let entries: Vec<_> =
                entries.take(ENTRIES_MAX + 1).collect::<Result<_, _>>().map_err(unreadable)?;
            match entries.len() > ENTRIES_MAX {
                true => Err(LoadError::Refused(format!("more than {ENTRIES_MAX} files lie in one folder"))),
                false => Ok(entries),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(unreadable(error)),
    }
}

/// What writers call a file until it is whole begins with a dot or ends in something else than `.wasm`.
fn component_name(entry: &DirEntry) -> Option<String> {
    let name = entry.file_name().to_string_lossy().into_owned();
    let stem = name.strip_suffix(".wasm").filter(|stem| !stem.starts_with('.') && !stem.is_empty())?;
    entry.path().is_file().then(|| stem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES_MAX, SINKS_MAX, find};

    #[test]
    fn files_and_sinks_are_bounded() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = root.path().join("operator");
        std::fs::create_dir(&folder).unwrap();
        for number in 0..SINKS_MAX {
            std::fs::write(folder.join(format!("s{number}.wasm")), "").unwrap();
        }
        assert_eq!(find(root.path()).unwrap().len(), SINKS_MAX);
        std::fs::write(folder.join("more.wasm"), "").unwrap();
        assert!(find(root.path()).unwrap_err().to_string().contains("more than 10000 sinks"));
        for number in SINKS_MAX + 1..=ENTRIES_MAX {
            std::fs::write(folder.join(number.to_string()), "").unwrap();
        }
        assert!(find(root.path()).unwrap_err().to_string().contains("more than 40000 files"));
    }
}
