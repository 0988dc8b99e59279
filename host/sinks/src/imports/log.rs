//! `log`: the sink's words in the server's log, bounded for each call.

use std::fmt::Write;

use crate::bindings::sluice::sink::log::{Field, Host, Level};
use crate::convert::for_log;
use crate::limits::LOG_BYTES_MAX;
use crate::state::State;

impl Host for State {
    fn write(&mut self, level: Level, text: String, fields: Vec<Field>) -> wasmtime::Result<()> {
        let bytes =
            fields.iter().map(|field| field.key.len() + field.value.len()).sum::<usize>() + text.len();
        self.charge(u64::try_from(bytes).unwrap_or(u64::MAX))?;
        if self.log_bytes_left == 0 {
            return Ok(());
        }
        let mut line = for_log(&text, self.log_bytes_left);
        for Field { key, value } in &fields {
            let left = self.log_bytes_left.saturating_sub(line.len());
            // Writing to a String cannot fail.
            let _ = write!(line, " {}={:?}", for_log(key, left), for_log(value, left));
        }
        self.log_bytes_left = self.log_bytes_left.saturating_sub(line.len().max(bytes));
        let (sink, event) = (self.owner(), self.call.event.name());
        match level {
            Level::Trace => tracing::trace!(target: "sinks::log", %sink, event, "{line}"),
            Level::Debug => tracing::debug!(target: "sinks::log", %sink, event, "{line}"),
            Level::Info => tracing::info!(target: "sinks::log", %sink, event, "{line}"),
            Level::Warn => tracing::warn!(target: "sinks::log", %sink, event, "{line}"),
            Level::Error => tracing::error!(target: "sinks::log", %sink, event, "{line}"),
        }
        if self.log_bytes_left == 0 {
            tracing::warn!(sink = %self.owner(), event, limit = LOG_BYTES_MAX, "log of the sink cut");
        }
        Ok(())
    }
}
