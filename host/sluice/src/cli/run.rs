//! `sluice run`.

use std::path::Path;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Server;
use crate::config::load;
use crate::shutdown::{Signals, Wish};
use crate::telemetry;

/// Serves until a signal says stop.
///
/// # Errors
/// When the configuration is wrong or the server can't start.
pub(super) fn run(config: &Path) -> anyhow::Result<()> {
    let config = load::file(config)?;
    let _log = telemetry::start(&config.logging)?;
    raise_descriptor_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("sluice")
        .build()
        .context("the runtime can't be started")?;
    runtime.block_on(async {
        let mut signals = Signals::take().context("signals can't be handled")?;
        let running = Server::start(config).await?;
        for (listener, address) in &running.addresses {
            tracing::info!(listener, %address, "listening");
        }
        while signals.next().await == Wish::Rescan {
            running.rescan().await;
        }
        tracing::info!("stopping");
        running.stop().await;
        tracing::info!("stopped");
        Ok(())
    })
}

/// Each session is a descriptor, and the usual soft limit of 1,024 is meant for programs that use `select`. What the system
/// refuses is no reason not to start: the watermark on descriptors defers mail in time.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of descriptors can't be raised");
    }
}
