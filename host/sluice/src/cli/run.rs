//! `sluice run`.

use std::path::Path;

use anyhow::Context;

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
