//! `metrics`: the sink's own numbers. They are log events at debug level, which a metrics layer counts by installation.

use crate::bindings::sluice::sink::metrics::Host;
use crate::convert::for_log;
use crate::limits::WORD_BYTES_MAX;
use crate::state::State;

impl Host for State {
    async fn count(&mut self, name: String, delta: u32) -> wasmtime::Result<()> {
        self.toll(&[&name]).await?;
        if let Some(name) = self.metric_name(&name) {
            tracing::debug!(target: "sinks::metrics", sink = %self.owner(), metric = name, delta);
        }
        Ok(())
    }

    async fn observe(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.toll(&[&name]).await?;
        if let Some(name) = self.metric_name(&name) {
            tracing::debug!(target: "sinks::metrics", sink = %self.owner(), metric = name, value);
        }
        Ok(())
    }
}

impl State {
    /// The name as a label, while this call may still say one.
    fn metric_name(&mut self, name: &str) -> Option<String> {
        self.metric_samples_left = self.metric_samples_left.checked_sub(1)?;
        Some(for_log(name, WORD_BYTES_MAX))
    }
}

#[cfg(test)]
mod tests {
    use crate::event::EventKind;
    use crate::guests::{Stand, subject};
    use crate::limits::{METRIC_SAMPLES_MAX, WORD_BYTES_MAX};

    #[tokio::test]
    async fn samples_of_metrics_end_at_their_number() {
        let mut state = Stand::new().state(EventKind::Connect, subject());
        let long = "m".repeat(WORD_BYTES_MAX + 1);
        assert_eq!(state.metric_name(&long).map(|name| name.len()), Some(WORD_BYTES_MAX));
        for _ in 1..METRIC_SAMPLES_MAX {
            assert!(state.metric_name("seen").is_some());
        }
        assert_eq!(state.metric_name("seen"), None);
    }
}
