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
mod workshop;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use smtp::{Mailbox, ReversePath};
use tokio::sync::mpsc::channel;
use tracing_subscriber::EnvFilter;

use crate::Server;
use crate::shutdown::{Signals, Wish};
use bench::{Arrival, Bench};
use client::Mail;
use site::{Site, Source};
use watch::Watch;
use workshop::Workshop;

/// Observations that may wait for us. Ours: a message with a hundred sinks makes less than a tenth of it.
const OBSERVATIONS_MAX: usize = 16_384;

/// What of the server's log is shown: what a sink writes, and what is wrong. What is wrong with loading the workshop tells,
/// and faults stand in the table.
const LOG_FILTER: &str = "warn,sinks::load_report=off,sinks::round=error,sinks::log=debug,sinks::output=info";

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
    start_log();
    let site = Site::new()?;
    let watch = Watch::new(sources.iter().map(|source| source.path.clone()).collect())?;
    let (told, observations) = channel(OBSERVATIONS_MAX);
    let config = site.config(&mail.recipient.domain().to_string());
    let running = Server::start_observed(config, Some(told)).await?;
    let address = *running.addresses.values().next().context("the server has no listener")?;
    let mut bench = Bench::new(mail, address, observations);
    let mut workshop = Workshop::new(site, sources, &running);
    let work = async {
        match rounds {
            Rounds::Once => once(&mut bench, &mut workshop).await,
            Rounds::OnEachSave => on_each_save(&mut bench, &mut workshop, watch).await,
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = stopped(&mut signals) => match rounds {
            Rounds::Once => Err(anyhow::anyhow!("stopped")),
            Rounds::OnEachSave => Ok(()),
        },
    };
    running.stop().await;
    done
}

async fn once(bench: &mut Bench, workshop: &mut Workshop<'_>) -> anyhow::Result<()> {
    workshop.build_all().await;
    ensure!(workshop.is_ready(), "not every sink runs");
    bench.round().await.and_then(Arrival::expected)
}

async fn on_each_save(
    bench: &mut Bench,
    workshop: &mut Workshop<'_>,
    mut watch: Watch,
) -> anyhow::Result<()> {
    workshop.build_all().await;
    loop {
        if workshop.is_ready() {
            bench.round().await?;
        }
        bench.invite();
        let saved = tokio::select! {
            saved = watch.next() => saved,
            () = bench.show_others() => bail!("the server is gone"),
        };
        workshop.build(&saved).await;
    }
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await == Wish::Rescan {}
}

fn start_log() {
    let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(LOG_FILTER));
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // In a process that has a log already this one is not needed.
    let _ = log.without_time().with_target(false).with_ansi(colours).with_writer(io::stderr).try_init();
}

/// Nobody can be told that nobody listens.
fn say(stream: &mut impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
