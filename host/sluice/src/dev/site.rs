//! A server's folder for as long as `sluice dev` runs: sinks folder, spool, mailboxes. Gone at the end.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use sinks::manifest::is_name;
use tempfile::TempDir;

use crate::build::build_sink;
use crate::config::{Config, Listener, LowResources, Sinks, Tenant};

/// The tenant that owns the domains of the sample's recipient.
const TENANT: &str = "dev";
/// Domains that nobody owns (RFC 2606 §3): mail to them arrives here, whatever else does.
pub(super) const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// The folder.
#[derive(Debug)]
pub(super) struct Site {
    folder: TempDir,
}

/// Which component and manifest were installed: the same number for the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(pub(super) u64);

/// One sink: where its source is, and what the server calls it.
#[derive(Debug)]
pub(super) struct Source {
    /// The folder of a crate, or a component.
    pub(super) path: PathBuf,
    /// The installation's name.
    pub(super) name: String,
    /// The author's manifest, where there is one.
    manifest: Option<PathBuf>,
}

impl Source {
    /// # Errors
    /// When there is nothing, or no name can be made of it.
    pub(super) fn new(path: &Path) -> anyhow::Result<Self> {
        let path = path.canonicalize().map_err(|error| anyhow!("{}: {error}", path.display()))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        ensure!(is_name(&name), "{}: a sink's name has letters, digits, - and _ alone", path.display());
        let beside = path.with_extension("toml");
        let manifest = if path.is_dir() { path.join("sink.toml") } else { beside };
        Ok(Self { path, name, manifest: manifest.is_file().then_some(manifest) })
    }
}

impl Site {
    /// # Errors
    /// When the disk does not play along.
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("sluice-dev-").tempdir().context("no temporary folder")?;
        let site = Self { folder };
        fs::create_dir_all(site.sinks().join("operator"))?;
        Ok(site)
    }

    fn sinks(&self) -> PathBuf {
        self.folder.path().join("sinks")
    }

    /// A listener on a free port of loopback, and a mailbox for any recipient at this domain.
    pub(super) fn config(&self, domain: &str) -> Config {
        let domains = DOMAINS.into_iter().chain([domain]).map(str::to_owned).collect();
        let listener = Listener { address: ([127, 0, 0, 1], 0).into(), ..Listener::default() };
        Config {
            data_directory: self.folder.path().join("data"),
            listeners: [("dev".to_owned(), listener)].into(),
            tenants: [(TENANT.to_owned(), Tenant { domains, ..Tenant::default() })].into(),
            sinks: Sinks { directory: Some(self.sinks()), ..Sinks::default() },
            // A workstation's full disk is no reason to show nothing.
            low_resources: LowResources {
                disk_free_bytes_min: 0,
                inodes_free_min: 0,
                memory_available_bytes_min: 0,
                ..LowResources::default()
            },
            ..Config::default()
        }
    }

    /// Builds a sink and puts it where the server loads it from. Blocks for as long as the compiler takes.
    ///
    /// # Errors
    /// When it does not build; the last version stays.
    pub(super) fn install(&self, source: &Source) -> anyhow::Result<Version> {
        let component = read(&build_sink(&source.path)?)?;
        let manifest = source.manifest.as_deref().map(read).transpose()?;
        let mut hasher = DefaultHasher::new();
        (&component, &manifest).hash(&mut hasher);
        if let Some(manifest) = manifest {
            self.put(&manifest, &format!("{}.toml", source.name))?;
        }
        self.put(&component, &format!("{}.wasm", source.name))?;
        Ok(Version(hasher.finish()))
    }

    /// Written under another name, then renamed: the server never sees half a file.
    fn put(&self, bytes: &[u8], name: &str) -> anyhow::Result<()> {
        let folder = self.sinks().join("operator");
        let (beside, place) = (folder.join(format!("{name}.part")), folder.join(name));
        let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &place));
        written.with_context(|| format!("{} can't be written", place.display()))
    }
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Site, Source};
    use crate::config::judge;

    #[test]
    fn a_source_is_named_after_its_folder_or_file() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(Source::new(here).unwrap().name, "sluice");
        assert_eq!(Source::new(&here.join("Cargo.toml")).unwrap().name, "Cargo");
        let error = Source::new(&here.join("nothing")).unwrap_err().to_string();
        assert!(error.contains("nothing: No such file"), "{error}");
    }

    #[test]
    fn the_configuration_is_one_that_an_operator_could_write() {
        let faults: Vec<_> = judge::judge(&Site::new().unwrap().config("b.example")).into_iter().collect();
        assert!(faults.is_empty(), "{faults:?}");
    }

    #[test]
    fn the_folder_is_gone_with_the_site() {
        let site = Site::new().unwrap();
        let folder = site.folder.path().to_owned();
        assert!(folder.join("sinks/operator").is_dir());
        drop(site);
        assert!(!folder.exists());
    }
}
