//! Which sink's source was saved.
//!
//! An editor's save is several changes of files; they are told as one, after a moment of quiet. What a build writes
//! (`target`), what tools install (`.sluice`, `node_modules`, `.venv`) and what a version control keeps (`.git`) are no sources.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use tokio::sync::mpsc;

/// How long a source is left alone before it counts as saved. Ours: longer than an editor writes, shorter than one waits.
const QUIET: Duration = Duration::from_millis(150);
/// Saves that may wait while a build runs; more of them would say nothing new.
const SAVES_MAX: usize = 64;

/// Folders whose changes are nobody's save.
const NO_SOURCES: [&str; 6] = ["target", ".git", ".sluice", "node_modules", ".venv", "__pycache__"];

/// Tells saves for as long as it lives.
pub(super) struct Watch {
    sources: Vec<PathBuf>,
    saves: mpsc::Receiver<Vec<PathBuf>>,
    _watching: Debouncer<RecommendedWatcher, RecommendedCache>,
}

impl Watch {
    /// Watches folders with all that is below them, and files.
    ///
    /// # Errors
    /// When the system can't watch a path.
    pub(super) fn new(sources: Vec<PathBuf>) -> anyhow::Result<Self> {
        let (told, saves) = mpsc::channel(SAVES_MAX);
        let tell = move |result: DebounceEventResult| {
            let events = result.unwrap_or_default();
            let saved = events.into_iter().filter(|event| !matches!(event.kind, EventKind::Access(_)));
            // Full means that there is something to do anyway.
            let _ = told.try_send(saved.flat_map(|event| event.event.paths).collect());
        };
        let mut watching = new_debouncer(QUIET, None, tell).context("files can't be watched")?;
        for source in &sources {
            // A file that is replaced by a rename is a change of its folder.
            let (folder, mode) = match source.parent() {
                Some(parent) if source.is_file() => (parent, RecursiveMode::NonRecursive),
                _ => (source.as_path(), RecursiveMode::Recursive),
            };
            watching.watch(folder, mode).with_context(|| format!("{} can't be watched", folder.display()))?;
        }
        Ok(Self { sources, saves, _watching: watching })
    }

    /// Waits for the next save and answers with the places of the sources that changed.
    pub(super) async fn next(&mut self) -> BTreeSet<usize> {
        loop {
            let Some(mut paths) = self.saves.recv().await else { return std::future::pending().await };
            while let Ok(more) = self.saves.try_recv() {
                paths.extend(more);
            }
            let saved = self.saved(&paths);
            if !saved.is_empty() {
                return saved;
            }
        }
    }

    fn saved(&self, paths: &[PathBuf]) -> BTreeSet<usize> {
        let sources = self.sources.iter().enumerate();
        let changed = sources.filter(|(_, source)| paths.iter().any(|path| is_source(source, path)));
        changed.map(|(place, _)| place).collect()
    }
}

/// Whether a changed path is of this source; a component's manifest stands beside it.
fn is_source(source: &Path, changed: &Path) -> bool {
    match changed.strip_prefix(source) {
        Ok(below) => !below.iter().any(|part| NO_SOURCES.iter().any(|name| part == *name)),
        Err(_) => source.extension().is_some() && changed == source.with_extension("toml"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Path, Watch, is_source};

    #[tokio::test]
    async fn a_save_names_the_source_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let sources = ["a", "b"].map(|name| folder.path().canonicalize().unwrap().join(name));
        for source in &sources {
            fs::create_dir(source).unwrap();
        }
        let mut watch = Watch::new(sources.to_vec()).unwrap();
        fs::create_dir(sources[0].join("target")).unwrap();
        fs::write(sources[1].join("lib.rs"), "fn a() {}").unwrap();
        assert_eq!(watch.next().await, [1].into());
    }

    #[test]
    fn what_a_build_writes_is_no_source() {
        let check = |source: &str, changed: &str| is_source(Path::new(source), Path::new(changed));
        assert!(check("target/sink", "target/sink/src/lib.rs") && check("a/b.wasm", "a/b.wasm"));
        assert!(check("a/b.wasm", "a/b.toml") && !check("a/b.wasm", "a/c.wasm"));
        assert!(!check("sink", "sink/target/sink/a.wasm") && !check("sink", "sink/.git/index"));
    }
}
