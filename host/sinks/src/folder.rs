//! The sinks folders: which files lie there, and what of them runs.
//!
//! ```text
//! operator/NAME.wasm            the operator's sinks
//! tenants/TENANT/NAME.wasm      a tenant's
//! ./NAME.toml, ./sink.toml      beside it: the author's manifest (sink.toml where one component lies alone)
//! ./NAME.install.toml           beside it: the operator's word
//! ```
//! A scan loads what appeared or changed, each live as soon as it is ready, and then drops what disappeared. Loading runs
//! beside traffic. What can't be loaded keeps its last good version and says why in one line. A file that is hidden, has a
//! temporary name, still grows or ends too early is not there yet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::binding::Binding;
use crate::compile::{COMPILE_WAIT_MAX, Compiler};
use crate::limits::Limits;
use crate::load::Loader;
use crate::load_error::LoadError;
use crate::load_report::{LoadChange, LoadLine, LoadReport};
use crate::places::{Place, Stamps};
use crate::registry::Snapshot;
use crate::sinks::Sinks;

/// The folders under one root, and what was loaded from them.
pub struct Folder {
    root: PathBuf,
    sinks: Sinks,
    loader: Loader,
    loaded: Mutex<BTreeMap<Arc<str>, Slot>>,
}

/// What is known of one place.
#[derive(Default)]
struct Slot {
    /// The files as they were last judged; none while they are to be judged again.
    stamps: Option<Stamps>,
    /// What was said of it last, so that it is said once.
    complaint: Option<LoadError>,
    good: Option<Good>,
}

/// The version that runs.
pub(crate) struct Good {
    /// Of the component and what lies beside it.
    pub(crate) files: Arc<str>,
    /// Of the component.
    pub(crate) digest: Arc<str>,
    pub(crate) version: Option<String>,
    pub(crate) bindings: Vec<Binding>,
}

impl Folder {
    /// The folders under `root`; nothing is read before the first scan.
    pub fn new(root: PathBuf, sinks: Sinks, limits: Limits) -> Self {
        let compiler = Compiler::new(sinks.clone(), COMPILE_WAIT_MAX);
        let loader = Loader::new(sinks.clone(), compiler, limits);
        Self { root, sinks, loader, loaded: Mutex::default() }
    }

    /// Where the folders lie.
    pub fn root(&self) -> &PathBuf {
        &self.root
    }

    /// Brings what runs to what lies there. Scans run one after the other; traffic goes on, and a transaction keeps the
    /// snapshot that it began with.
    pub async fn scan(&self) -> LoadReport {
        let mut loaded = self.loaded.lock().await;
        let root = self.root.clone();
        let is_known = !loaded.is_empty();
        let found = tokio::task::spawn_blocking(move || {
            // A disk that was unmounted is no wish to remove every sink.
            if is_known && !root.is_dir() {
                return Err(LoadError::Unreadable("the folder of all sinks is gone".to_owned()));
            }
            crate::places::find(&root)
        });
        let found = found.await;
        let mut report = LoadReport::default();
        let found = match found {
            Ok(Ok(found)) => found,
            // Of a folder that can't be read nobody knows that its sinks are gone.
            Ok(Err(error)) => return report.with("sinks", None, LoadChange::Failed, Some(error)),
            Err(error) => {
                let error = LoadError::Unreadable(error.to_string());
                return report.with("sinks", None, LoadChange::Failed, Some(error));
            }
        };
        for (id, place) in &found {
            let slot = loaded.entry(Arc::clone(id)).or_default();
            if let Some(line) = self.visit(id, place, slot).await {
                let runs = matches!(line.change, LoadChange::Loaded | LoadChange::Replaced);
                report.lines.push(line);
                // At once: the next one may take long to compile.
                if runs {
                    self.swap(&loaded, &mut report);
                }
            }
        }
        // Last, so that a sink that only got another name is never missing in between.
        let gone: Vec<_> = loaded.keys().filter(|id| !found.contains_key(*id)).cloned().collect();
        let ran = |id: &Arc<str>| loaded.remove(id).is_some_and(|slot| slot.good.is_some());
        let removed: Vec<_> = gone.into_iter().filter(ran).collect();
        if !removed.is_empty() {
            self.swap(&loaded, &mut report);
        }
        report.lines.extend(removed.iter().map(|id| LoadLine::new(id, None, LoadChange::Removed, None)));
        report.log();
        report
    }

    /// Judges a place whose files are not the ones that were judged last.
    async fn visit(&self, id: &Arc<str>, place: &Place, slot: &mut Slot) -> Option<LoadLine> {
        if slot.stamps.as_ref() == Some(&place.stamps) {
            return None;
        }
        let current = slot.good.as_ref().map(|good| Arc::clone(&good.files));
        match self.loader.load(id, place, current.as_ref()).await {
            Ok(None) => {
                slot.stamps = Some(place.stamps.clone());
                slot.complaint = None;
                None
            }
            Ok(Some(good)) => {
                let change = if slot.good.is_some() { LoadChange::Replaced } else { LoadChange::Loaded };
                let line = LoadLine::new(id, Some(&good), change, None);
                *slot = Slot { stamps: Some(place.stamps.clone()), complaint: None, good: Some(good) };
                Some(line)
            }
            Err(error) => {
                let error = error.bounded();
                // An incomplete file is looked at again, whether or not anybody says that it changed.
                slot.stamps = matches!(error, LoadError::Refused(_)).then(|| place.stamps.clone());
                if slot.complaint.as_ref() == Some(&error) {
                    return None;
                }
                slot.complaint = Some(error.clone());
                let change = if slot.good.is_some() { LoadChange::Kept } else { LoadChange::Failed };
                Some(LoadLine::new(id, slot.good.as_ref(), change, Some(error)))
            }
        }
    }

    fn swap(&self, loaded: &BTreeMap<Arc<str>, Slot>, report: &mut LoadReport) {
        let good = loaded.values().filter_map(|slot| slot.good.as_ref());
        match Snapshot::new(good.flat_map(|good| good.bindings.iter().cloned())) {
            Ok(snapshot) => self.sinks.swap(Arc::new(snapshot)),
            Err(error) => {
                let error = LoadError::Refused(format!("nothing was exchanged: {error}"));
                report.lines.push(LoadLine::new("sinks", None, LoadChange::Failed, Some(error)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
