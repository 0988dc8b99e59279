//! What a scan of the sinks folders did: one line for each sink that changed or could not.

use std::fmt;
use std::sync::Arc;

use crate::folder::Good;
use crate::load_error::LoadError;

/// All lines of one scan; empty if nothing changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// In the order of the installations' ids.
    pub lines: Vec<LoadLine>,
}

/// What happened to one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadLine {
    /// `operator/NAME` or `TENANT/NAME`; `sinks` for the folders as a whole.
    pub installation: Arc<str>,
    /// What was done.
    pub change: LoadChange,
    /// SHA-256 of the version that runs now.
    pub digest: Option<Arc<str>>,
    /// What its manifest calls that version.
    pub version: Option<String>,
    /// How many events it is bound to now.
    pub bindings: usize,
    /// Why it could not be loaded.
    pub error: Option<LoadError>,
}

/// What a scan did about one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadChange {
    /// It is new, and runs.
    Loaded,
    /// Another version of it, or of what the operator says about it, runs.
    Replaced,
    /// Its file is gone, and it is not asked any more.
    Removed,
    /// A new version could not be loaded; the last good one runs on.
    Kept,
    /// It could not be loaded, and there is no version to keep.
    Failed,
}

impl LoadChange {
    /// The word of the log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Kept => "kept",
            Self::Failed => "failed",
        }
    }
}

impl LoadReport {
    /// Whether something that lies there does not run.
    pub fn has_errors(&self) -> bool {
        self.lines.iter().any(|line| line.error.is_some())
    }

    pub(crate) fn with(
        mut self,
        installation: &str,
        good: Option<&Good>,
        change: LoadChange,
        error: Option<LoadError>,
    ) -> Self {
        self.lines.push(LoadLine::new(installation, good, change, error));
        self.log();
        self
    }

    /// One log event for each line.
    pub(crate) fn log(&self) {
        for line in &self.lines {
            let digest = line.digest.as_deref().unwrap_or_default();
            let (installation, change) = (&*line.installation, line.change.word());
            match &line.error {
                Some(error) => {
                    tracing::warn!(installation, change, digest, reason = %error, "sink not loaded");
                }
                None => tracing::info!(installation, change, digest, bindings = line.bindings, "sink"),
            }
        }
    }
}

impl LoadLine {
    pub(crate) fn new(
        installation: &str,
        good: Option<&Good>,
        change: LoadChange,
        error: Option<LoadError>,
    ) -> Self {
        Self {
            installation: installation.into(),
            change,
            digest: good.map(|good| Arc::clone(&good.digest)),
            version: good.and_then(|good| good.version.clone()),
            bindings: good.map_or(0, |good| good.bindings.len()),
            error,
        }
    }
}

impl fmt::Display for LoadLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.installation, self.change.word())?;
        if let Some(digest) = &self.digest {
            write!(formatter, " {}", digest.get(..12).unwrap_or(digest))?;
        }
        if let Some(version) = &self.version {
            write!(formatter, " ({version})")?;
        }
        match &self.error {
            Some(error) => write!(formatter, ": {error}"),
            None => Ok(()),
        }
    }
}
