//! `sluice dev`: builds sinks, serves them on loopback, sends a message through, and shows what they did to it.
//!
//! It is the real server with a temporary folder, and the message goes over real SMTP: what is shown is what will happen.
//! After that each save of a source is built and shown again; what does not build leaves the last good version in place.

mod bench;
mod client;
mod sample;
mod show;
mod site;
mod watch;
mod way;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use smtp::{Mailbox, ReversePath};
use tokio::sync::mpsc::channel;

use crate::shutdown::{Signals, Wish};
use crate::{Running, Server, telemetry};
use bench::{Arrival, Bench};
use client::Mail;
use site::{Site, Source};
use watch::Watch;

/// Observations that may wait for us. Ours: a message with a hundred sinks makes less than a tenth of it.
const OBSERVATIONS_MAX: usize = 16_384;

/// What was asked for.
#[derive(Debug)]
pub struct Options {
    /// Folders of crates, or components.
    pub sinks: Vec<PathBuf>,
    /// How often.
    pub rounds: Rounds,
    /// A message to send instead of the sample.
    pub message: Option<PathBuf>,
    /// The reverse-path that it is sent with.
    pub reverse_path: ReversePath,
    /// Its recipient.
    pub recipient: Mailbox,
}

/// How often a message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// Once; it is an error if a sink does not build or the message does not arrive.
    Once,
    /// On each save, until a signal says stop.
    OnEachSave,
}

/// Does all of it.
///
/// # Errors
/// When a source is none, the server can't start, or, with [`Rounds::Once`], the message did not arrive.
pub fn run(options: Options) -> anyhow::Result<()> {
    let content = sample::content(options.message.as_deref())?;
    let mail = Mail { reverse_path: options.reverse_path, recipient: options.recipient, content };
    let sources = options.sinks.iter().map(|path| Source::new(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut names = BTreeSet::new();
    if let Some(twice) = sources.iter().find(|source| !names.insert(source.name.as_str())) {
        bail!("two sinks are called {}", twice.name);
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime can't be started")?;
    runtime.block_on(serve(sources, mail, options.rounds))
}

async fn serve(sources: Vec<Source>, mail: Mail, rounds: Rounds) -> anyhow::Result<()> {
    let mut signals = Signals::take().context("signals can't be handled")?;
    let site = Site::new()?;
    let config = site.config(&mail.recipient.domain().to_string());
    let _log = telemetry::start(&config.logging)?;
    let watch = Watch::new(sources.iter().map(|source| source.path.clone()).collect())?;
    let mut workshop = Workshop::new(site, sources);
    let all = workshop.unbuilt.clone();
    let built = tokio::select! {
        built = workshop.build(&all) => built,
        _ = signals.next() => return Ok(()),
    };
    if rounds == Rounds::Once {
        built?;
    } else if let Err(error) = built {
        complain(&error);
    }
    let (told, observations) = channel(OBSERVATIONS_MAX);
    let running = Server::start_observed(config, Some(told)).await?;
    let address = *running.addresses.values().next().context("the server has no listener")?;
    let mut bench = Bench::new(mail, address, observations);
    let done = match rounds {
        Rounds::Once => bench.round().await.and_then(Arrival::expected),
        Rounds::OnEachSave => on_each_save(&mut bench, &mut workshop, watch, &running, &mut signals).await,
    };
    running.stop().await;
    done
}

async fn on_each_save(
    bench: &mut Bench,
    workshop: &mut Workshop,
    mut watch: Watch,
    running: &Running,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut is_due = true;
    loop {
        if is_due && workshop.unbuilt.is_empty() {
            bench.round().await?;
        }
        bench.invite();
        let saved = tokio::select! {
            saved = watch.next() => saved,
            wish = signals.next() => match wish {
                Wish::Stop => return Ok(()),
                Wish::Rescan => BTreeSet::new(),
            },
            () = bench.show_others() => return Ok(()),
        };
        let built = workshop.build(&saved).await;
        is_due = built.is_ok();
        match built {
            Ok(()) => {
                // What could not be loaded is in the log.
                running.rescan().await;
            }
            Err(error) => complain(&error),
        }
    }
}

/// The sources, and which of them have no component yet.
struct Workshop {
    site: Arc<Site>,
    sources: Vec<Arc<Source>>,
    unbuilt: BTreeSet<usize>,
}

impl Workshop {
    fn new(site: Site, sources: Vec<Source>) -> Self {
        let unbuilt = (0..sources.len()).collect();
        Self { site: Arc::new(site), sources: sources.into_iter().map(Arc::new).collect(), unbuilt }
    }

    /// Builds and installs these; one that does not build keeps its last good version.
    async fn build(&mut self, places: &BTreeSet<usize>) -> anyhow::Result<()> {
        for (place, source) in self.sources.iter().enumerate().filter(|(place, _)| places.contains(place)) {
            say(&mut io::stderr(), &format!("building {}\n", source.name));
            let (site, source) = (Arc::clone(&self.site), Arc::clone(source));
            tokio::task::spawn_blocking(move || site.install(&source)).await??;
            self.unbuilt.remove(&place);
        }
        Ok(())
    }
}

fn complain(error: &anyhow::Error) {
    say(&mut io::stderr(), &format!("{error:#}\n"));
}

/// Nobody can be told that nobody listens.
fn say(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
