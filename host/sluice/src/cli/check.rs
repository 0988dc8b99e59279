//! `sluice check`: what would `run` say to this configuration and these sinks?

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use sinks::{EventKind, Folder, LoadReport, Sinks, Snapshot};

use crate::clock::SystemClock;
use crate::config::{Config, load};
use crate::inbound::certificates::Certificates;
use crate::tenants::Tenants;

/// Judges a configuration and loads its sinks, as a start would.
///
/// # Errors
/// With all that is wrong, a line each.
pub(super) fn check(file: &Path) -> anyhow::Result<()> {
    let config = load::file(file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime can't be started")?;
    let (report, snapshot) = runtime.block_on(load_sinks(&config))?;
    let text = page(&report, &snapshot, &config);
    let wrong: Vec<String> =
        report.lines.iter().filter(|line| line.error.is_some()).map(ToString::to_string).collect();
    super::print(&text)?;
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    super::print("The configuration and its sinks are fine.\n")
}

async fn load_sinks(config: &Config) -> anyhow::Result<(LoadReport, Arc<Snapshot>)> {
    let tenants = Arc::new(Tenants::new(config)?);
    Certificates::open(config)?;
    let limits = crate::sink_limits(config);
    let sinks = Sinks::new(&limits, Arc::new(SystemClock), tenants)?;
    let root = config.sinks_directory();
    if !root.is_dir() {
        return Ok((LoadReport::default(), sinks.registry()));
    }
    let report = Folder::new(root, sinks.clone(), limits).scan().await;
    Ok((report, sinks.registry()))
}

/// Each sink that was loaded, with the events that it is asked for.
fn page(report: &LoadReport, snapshot: &Snapshot, config: &Config) -> String {
    let mut events: BTreeMap<Arc<str>, BTreeSet<EventKind>> = BTreeMap::new();
    for tenant in std::iter::once(None).chain(config.tenants.keys().map(|name| Some(name.as_str()))) {
        for event in EventKind::ALL {
            for binding in snapshot.bindings(event, tenant) {
                events.entry(Arc::clone(&binding.installation.id)).or_default().insert(event);
            }
        }
    }
    let mut text = String::new();
    for line in report.lines.iter().filter(|line| line.error.is_none()) {
        let names = events.get(&line.installation).into_iter().flatten().map(|event| event.name());
        let names = names.collect::<Vec<_>>().join(" ");
        let asked =
            if names.is_empty() { "never asked: no such tenant in the configuration" } else { &names };
        let _ = writeln!(text, "{line}: {asked}");
    }
    text
}
