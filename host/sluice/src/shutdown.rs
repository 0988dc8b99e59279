//! The way to the end: who is told, who is waited for, and until when.
//!
//! The listeners stop first, waiting sessions are told 421 and close, transactions under way may finish until the
//! drain time is over; then the transport stops between two entries and the spool is closed.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What every long-lived task holds: a token that says when to end, and a tracker that is waited for.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled when the server stops: accept nothing new, finish what is under way.
    pub stopping: CancellationToken,
    /// Cancelled when the drain time is over: end now.
    pub ending: CancellationToken,
    /// All sessions.
    pub sessions: TaskTracker,
}

impl Shutdown {
    /// Tells the sessions to end and waits for them; past `drain` those that are left are cut.
    ///
    /// Returns how many were cut.
    pub async fn drain(&self, drain: Duration) -> usize {
        self.stopping.cancel();
        self.sessions.close();
        if tokio::time::timeout(drain, self.sessions.wait()).await.is_ok() {
            return 0;
        }
        let left = self.sessions.len();
        self.ending.cancel();
        self.sessions.wait().await;
        left
    }
}

/// The signals of the operator.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What the operator wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wish {
    /// SIGTERM or SIGINT: end in good order.
    Stop,
    /// SIGHUP: look at the sinks folder again.
    Rescan,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop,
            _ = self.interrupt.recv() => Wish::Stop,
            _ = self.hang_up.recv() => Wish::Rescan,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Shutdown;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_finishes_in_time_is_not_cut() {
        let shutdown = Shutdown::default();
        let stopping = shutdown.stopping.clone();
        shutdown.sessions.spawn(async move { stopping.cancelled().await });
        assert_eq!(shutdown.drain(Duration::from_secs(30)).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_does_not_is_cut_after_the_drain_time() {
        let shutdown = Shutdown::default();
        let ending = shutdown.ending.clone();
        shutdown.sessions.spawn(async move { ending.cancelled().await });
        assert_eq!(shutdown.drain(Duration::from_secs(30)).await, 1);
    }
}
