//! The folder of one server: configuration, sinks, mail. Gone when the test ends.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::guests;
use crate::scene::{Installed, Scene};

/// A folder with everything that a server needs.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
}

impl Site {
    /// Writes the configuration and installs the guests of the scene.
    ///
    /// # Errors
    /// If a guest does not build or the disk does not play along.
    pub fn lay(scene: &Scene) -> Result<Self> {
        Self::lay_in(&std::env::temp_dir(), scene)
    }

    /// As [`Site::lay`], in a folder below `parent`: on another disk, perhaps.
    ///
    /// # Errors
    /// As [`Site::lay`].
    pub fn lay_in(parent: &Path, scene: &Scene) -> Result<Self> {
        let site = Self { folder: tempfile::Builder::new().prefix("sluice-test-").tempdir_in(parent)? };
        for folder in ["sinks/operator", "sinks/tenants/b", "sinks/tenants/d", "data", "mail", "tls"] {
            fs::create_dir_all(site.path(folder))?;
        }
        for name in &scene.certificates {
            site.certify(name)?;
        }
        fs::write(site.path("users"), include_str!("../users"))?;
        fs::write(site.config(), scene.config_text(&site.folder.path().display().to_string())?)?;
        for installed in &scene.sinks {
            site.install(installed)?;
        }
        Ok(site)
    }

    /// A path inside.
    #[must_use]
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("sluice.toml")
    }

    /// Gives the server another certificate for this name: its key first, so that the two belong together only at the end.
    ///
    /// # Errors
    /// If the name is none, or the disk does not play along.
    pub fn certify(&self, name: &str) -> Result<Certificate> {
        let certificate = Certificate::of(name)?;
        self.put(&format!("tls/{name}.key"), certificate.key_pem.as_bytes())?;
        self.put(&format!("tls/{name}.pem"), certificate.pem.as_bytes())?;
        Ok(certificate)
    }

    /// Installs a guest: first the operator's file, then the component, so that it is never asked without it.
    ///
    /// # Errors
    /// As [`Site::lay`].
    pub fn install(&self, installed: &Installed) -> Result<()> {
        let place = format!("sinks/{}", installed.path());
        self.put(&format!("{place}.install.toml"), installed.file_text().as_bytes())?;
        if let Some(manifest) = guests::manifest(&installed.guest) {
            self.put(&format!("{place}.toml"), &fs::read(manifest)?)?;
        }
        self.put(&format!("{place}.wasm"), &fs::read(guests::component(&installed.guest)?)?)
    }

    /// Writes a file beside its place and renames it there, as everybody should who changes a running server.
    ///
    /// # Errors
    /// If the disk does not play along.
    pub fn put(&self, relative: &str, bytes: &[u8]) -> Result<()> {
        let place = self.path(relative);
        let beside = self.path(&format!("{relative}.part"));
        fs::write(&beside, bytes).with_context(|| beside.display().to_string())?;
        fs::rename(&beside, &place).with_context(|| place.display().to_string())
    }

    /// Leaves the folder where it is, for somebody to look at, and tells where that is.
    #[must_use]
    pub fn kept(self) -> PathBuf {
        self.folder.keep()
    }

    /// The messages in a mailbox, in the order of their names.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn mailbox(&self, address: &str) -> Result<Vec<Vec<u8>>> {
        let (local, domain) = address.rsplit_once('@').context("an address has an @")?;
        messages_in(&self.path(&format!("mail/{domain}/{local}/new")))
    }
}

/// The files of a folder of messages; a folder that does not exist yet is empty.
fn messages_in(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| fs::read(path).with_context(|| path.display().to_string())).collect()
}
