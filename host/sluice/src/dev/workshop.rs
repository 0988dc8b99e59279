//! The sinks under development: builds them, puts them where the server loads them, and knows which of them do not run.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use sinks::LoadReport;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use super::say;
use super::site::{Site, Source, Version};
use crate::Running;

/// Sinks in their order, and the server that runs them.
pub(super) struct Workshop<'a> {
    site: Arc<Site>,
    sinks: Vec<Sink>,
    running: &'a Running,
    reports: Receiver<Arc<LoadReport>>,
}

/// One sink, from its source to what the server runs of it.
struct Sink {
    source: Arc<Source>,
    installed: Option<Version>,
    runs: Option<Version>,
    /// Why there is no component of the source as it is now.
    unbuilt: Option<String>,
    /// Why the server did not load one. It says so once for the same reason, so it is kept until another version runs.
    unloaded: Option<String>,
}

impl<'a> Workshop<'a> {
    pub(super) fn new(site: Site, sources: Vec<Source>, running: &'a Running) -> Self {
        let sinks = sources.into_iter().map(Sink::new).collect();
        Self { site: Arc::new(site), sinks, running, reports: running.sink_reports() }
    }

    /// Whether the server runs what the sources say.
    pub(super) fn is_ready(&self) -> bool {
        self.sinks.iter().all(|sink| sink.fault().is_none())
    }

    pub(super) async fn build_all(&mut self) {
        self.build(&(0..self.sinks.len()).collect()).await;
    }

    /// Builds and loads these, and says what is wrong; a sink that has a good version keeps it.
    pub(super) async fn build(&mut self, places: &BTreeSet<usize>) {
        for (_, sink) in self.sinks.iter_mut().enumerate().filter(|(place, _)| places.contains(place)) {
            let work = if sink.source.path.is_dir() { "building" } else { "reading" };
            say(&mut io::stderr(), &format!("{work} {}\n", sink.source.name));
            let (site, source) = (Arc::clone(&self.site), Arc::clone(&sink.source));
            let built = tokio::task::spawn_blocking(move || site.install(&source)).await;
            sink.build(built.map_err(anyhow::Error::from).and_then(|installed| installed));
        }
        // After this the installed files were judged, by this scan or by one before it.
        self.running.rescan().await;
        self.hear();
        for fault in self.sinks.iter().filter_map(Sink::fault) {
            say(&mut io::stderr(), &format!("{fault}\n"));
        }
    }

    /// What the server said about loading since the last time.
    fn hear(&mut self) {
        loop {
            let report = match self.reports.try_recv() {
                Ok(report) => report,
                Err(TryRecvError::Lagged(_)) => continue,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            for line in &report.lines {
                let named =
                    |sink: &&mut Sink| line.installation.strip_prefix("operator/") == Some(&sink.source.name);
                if let Some(sink) = self.sinks.iter_mut().find(named) {
                    sink.load(line.error.as_ref().map(|_| line.to_string()));
                }
            }
        }
    }
}

impl Sink {
    fn new(source: Source) -> Self {
        Self { source: Arc::new(source), installed: None, runs: None, unbuilt: None, unloaded: None }
    }

    fn build(&mut self, built: anyhow::Result<Version>) {
        match built {
            Ok(version) => {
                self.installed = Some(version);
                self.unbuilt = None;
            }
            Err(error) => self.unbuilt = Some(format!("{error:#}")),
        }
    }

    fn load(&mut self, fault: Option<String>) {
        if fault.is_none() {
            self.runs = self.installed;
        }
        self.unloaded = fault;
    }

    /// What is wrong with the source as it is now. Going back to the version that runs mends what the server refused.
    fn fault(&self) -> Option<&str> {
        let refused = self.unloaded.as_deref().filter(|_| self.installed != self.runs);
        self.unbuilt.as_deref().or(refused)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Sink, Source, Version};

    enum Step {
        Builds(u64),
        DoesNotBuild,
        Loads,
        IsRefused,
    }

    #[track_caller]
    fn check(steps: impl IntoIterator<Item = Step>, expected: Option<&str>) {
        let mut sink = Sink::new(Source::new(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap());
        for step in steps {
            match step {
                Step::Builds(version) => sink.build(Ok(Version(version))),
                Step::DoesNotBuild => sink.build(Err(anyhow::anyhow!("source"))),
                Step::Loads => sink.load(None),
                Step::IsRefused => sink.load(Some("import".to_owned())),
            }
        }
        assert_eq!(sink.fault(), expected);
    }

    #[test]
    fn a_sink_that_is_built_and_loaded_has_no_fault() {
        check([Step::Builds(1), Step::Loads], None);
        check([Step::DoesNotBuild, Step::Builds(1), Step::Loads], None);
    }

    #[test]
    fn a_source_that_does_not_build_is_a_fault_even_while_a_good_version_runs() {
        check([Step::Builds(1), Step::Loads, Step::DoesNotBuild], Some("source"));
    }

    #[test]
    fn what_the_server_refused_stays_refused_until_it_loads_or_the_running_version_is_back() {
        check(
            [Step::Builds(1), Step::Loads, Step::Builds(2), Step::IsRefused, Step::Builds(3)],
            Some("import"),
        );
        check([Step::Builds(1), Step::Loads, Step::Builds(2), Step::IsRefused, Step::Builds(1)], None);
        check([Step::Builds(1), Step::IsRefused, Step::Builds(2), Step::Loads], None);
    }
}
