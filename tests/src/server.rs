//! A server in process, on loopback, with a watcher on what it does.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sluice::telemetry::counters::Counters;
use sluice::{Observation, Operator, Running};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, channel};

use crate::clock::Stopwatch;
use crate::dialogue::parse::{self, Asked};
use crate::scene::Scene;
use crate::site::Site;

/// How long an arrival may take: far above a debug build's slowest stage, far below what a person would wait for.
const OBSERVATION_WAIT_MAX: Duration = Duration::from_secs(60);

/// How long to wait for an observation before the server is asked again.
const OBSERVATION_GLANCE: Duration = Duration::from_millis(20);

/// Observations that may wait for the test; no test makes as many.
const OBSERVATIONS_MAX: usize = 100_000;

/// A running server and the folder that it lives in.
pub struct Server {
    running: Option<Running>,
    address: SocketAddr,
    observations: Receiver<Observation>,
    /// Seen, and not asked for yet.
    seen: Vec<Observation>,
    runtime: Runtime,
    site: Site,
}

impl Server {
    /// Lays the site of the scene and starts a server there.
    ///
    /// # Errors
    /// If a guest does not build or the server does not start.
    pub fn start(scene: &Scene) -> Result<Self> {
        Self::start_at(Site::lay(scene)?)
    }

    /// Starts a server at a site that has been laid, perhaps with what an earlier server left.
    ///
    /// # Errors
    /// If the server does not start.
    pub fn start_at(site: Site) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (watcher, observations) = channel(OBSERVATIONS_MAX);
        let config = sluice::config::load::file(&site.config())?;
        let running = runtime.block_on(sluice::Server::start_observed(config, Some(watcher)))?;
        let address = *running.addresses.get("smtp").context("no listener `smtp`")?;
        Ok(Self { running: Some(running), address, observations, seen: Vec::new(), runtime, site })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The folder that it lives in.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The message that arrives next for this recipient.
    ///
    /// # Errors
    /// If none does.
    pub fn delivered(&mut self, address: &str) -> Result<Vec<u8>> {
        let is_it = |seen: &Observation| matches!(seen, Observation::Delivered { recipient, .. } if recipient == address);
        match self.take(is_it).with_context(|| format!("nothing arrived for {address}"))? {
            Observation::Delivered { path, .. } => {
                std::fs::read(&path).with_context(|| path.display().to_string())
            }
            other => bail!("not an arrival: {other:?}"),
        }
    }

    /// Waits until nothing is under way any more: all that was accepted is delivered, dropped, or set aside. Nothing must
    /// have arrived that was not asked for.
    ///
    /// # Errors
    /// If something did.
    pub fn settled(&mut self) -> Result<()> {
        self.drained()?;
        let surplus = self.seen.iter().find(|seen| matches!(seen, Observation::Delivered { .. }));
        ensure!(surplus.is_none(), "this arrived too: {surplus:?}");
        Ok(())
    }

    /// Waits until nothing is under way any more, whatever arrives meanwhile.
    ///
    /// # Errors
    /// If something stays under way.
    pub fn drained(&mut self) -> Result<()> {
        let watch = Stopwatch::start();
        while self.under_way()? > 0 {
            ensure!(
                watch.elapsed() < OBSERVATION_WAIT_MAX,
                "still under way; seen until now: {:#?}",
                self.seen
            );
            // Whatever changes next is observed, or was before this wait began: then its end is short.
            let next = async { tokio::time::timeout(OBSERVATION_GLANCE, self.observations.recv()).await };
            if let Ok(Some(next)) = self.runtime.block_on(next) {
                self.seen.push(next);
            }
        }
        self.drain();
        Ok(())
    }

    /// Waits until the server's numbers are like this.
    ///
    /// # Errors
    /// If they never are.
    pub fn counted(&self, is_so: impl Fn(&Counters) -> bool) -> Result<()> {
        let running = self.running.as_ref().context("stopped already")?;
        let watch = Stopwatch::start();
        while !is_so(&running.counters) {
            ensure!(watch.elapsed() < OBSERVATION_WAIT_MAX, "counted until now: {:#?}", running.counters);
            self.runtime.block_on(async { tokio::time::sleep(OBSERVATION_GLANCE).await });
        }
        Ok(())
    }

    /// Entries that are on their way.
    fn under_way(&self) -> Result<usize> {
        let counts = self.running()?.counts();
        Ok(counts.entries.saturating_sub(counts.quarantined + counts.held + counts.damaged))
    }

    /// Looks at the sinks folder now.
    pub fn rescan(&self) {
        if let Some(running) = &self.running {
            self.runtime.block_on(running.rescan());
        }
    }

    /// Does what an operator would to single entries.
    ///
    /// # Errors
    /// If the server was stopped.
    pub fn operate<T>(&self, work: impl AsyncFnOnce(&Operator) -> T) -> Result<T> {
        let operator = self.running()?.operator();
        Ok(self.runtime.block_on(work(operator)))
    }

    /// What runs.
    ///
    /// # Errors
    /// If the server was stopped.
    pub fn running(&self) -> Result<&Running> {
        self.running.as_ref().context("stopped already")
    }

    /// Waits until the sink was asked, with this outcome.
    ///
    /// # Errors
    /// If it was not.
    pub fn asked(&mut self, asked: &Asked) -> Result<()> {
        let is_it = |seen: &Observation| match seen {
            Observation::Fired { event, calls, .. } => {
                *event == asked.event && calls.iter().any(|call| fits(call, asked))
            }
            _ => false,
        };
        self.take(is_it).with_context(|| format!("{asked:?}")).map(drop)
    }

    /// Waits until a recipient or an entry ended so, for a reason like this.
    ///
    /// # Errors
    /// If none did.
    pub fn ended(&mut self, outcome: &str, reason: &str) -> Result<()> {
        let is_it = |seen: &Observation| match seen {
            Observation::Settled { outcome: word, reason: why, .. } => {
                *word == outcome && parse::fits(reason, why)
            }
            _ => false,
        };
        self.take(is_it).with_context(|| format!("nothing was {outcome}: {reason}")).map(drop)
    }

    /// Stops in good order.
    ///
    /// # Errors
    /// If it was stopped before.
    pub fn stop(mut self) -> Result<()> {
        self.stop_running()
    }

    /// Stops in good order; what it left is in the site.
    ///
    /// # Errors
    /// If it was stopped before.
    pub fn stopped(mut self) -> Result<Site> {
        self.stop_running()?;
        Ok(self.site)
    }

    /// Stops in good order and starts again at the same site.
    ///
    /// # Errors
    /// If the server does not start.
    pub fn restarted(mut self) -> Result<Self> {
        self.stop_running()?;
        Self::start_at(self.site)
    }

    fn stop_running(&mut self) -> Result<()> {
        let running = self.running.take().context("stopped already")?;
        self.runtime.block_on(running.stop());
        Ok(())
    }

    /// The first observation that is like this, seen already or still to come.
    fn take(&mut self, is_it: impl Fn(&Observation) -> bool) -> Result<Observation> {
        self.drain();
        if let Some(at) = self.seen.iter().position(&is_it) {
            return Ok(self.seen.remove(at));
        }
        loop {
            let next = async { tokio::time::timeout(OBSERVATION_WAIT_MAX, self.observations.recv()).await };
            let next = self.runtime.block_on(next);
            let Ok(Some(next)) = next else { bail!("seen until now: {:#?}", self.seen) };
            if is_it(&next) {
                return Ok(next);
            }
            self.seen.push(next);
        }
    }

    fn drain(&mut self) {
        while let Ok(next) = self.observations.try_recv() {
            self.seen.push(next);
        }
    }
}

fn fits(call: &sinks::Call, asked: &Asked) -> bool {
    let word = call.fault.as_ref().map_or(call.verdict, |fault| fault.kind.word());
    call.installation.ends_with(&asked.installation) && word == asked.word
}
