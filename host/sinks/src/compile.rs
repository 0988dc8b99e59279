//! Compiling beside traffic: on a thread where blocking is allowed, one component at a time, with a bound on the wait.
//!
//! A compile bomb (RUNTIME, "Untrusted input") is given up here, and its file is not tried again until it changes. Its
//! thread can't be stopped and runs to its end: only a process of its own could be killed.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::artifact::Artifact;
use crate::load_error::LoadError;
use crate::sinks::Sinks;

/// Wait for one component. Ours: the slowest of the language runtimes takes 8 s on 2 cores (TOOLCHAINS), and a small machine
/// under load is ten times slower.
pub(crate) const COMPILE_WAIT_MAX: Duration = Duration::from_secs(120);

/// Compiles one component after the other.
pub(crate) struct Compiler {
    sinks: Sinks,
    turn: Semaphore,
    wait_max: Duration,
}

impl Compiler {
    pub(crate) fn new(sinks: Sinks, wait_max: Duration) -> Self {
        Self { sinks, turn: Semaphore::new(1), wait_max }
    }

    /// The artifact of a component that `inspect` has passed.
    pub(crate) async fn compile(&self, bytes: Bytes) -> Result<Artifact, LoadError> {
        let gone = |reason: String| LoadError::Unreadable(format!("the compiler ended: {reason}"));
        // Held by the wait and not by the thread: one bomb does not keep the others from being loaded.
        let _turn = self.turn.acquire().await.map_err(|error| gone(error.to_string()))?;
        let sinks = self.sinks.clone();
        let work = tokio::task::spawn_blocking(move || sinks.compile(&bytes));
        match tokio::time::timeout(self.wait_max, work).await {
            Ok(Ok(Ok(artifact))) => Ok(artifact),
            Ok(Ok(Err(error))) => {
                Err(LoadError::Refused(one_line(&format!("it does not compile: {error:#}"))))
            }
            Ok(Err(join)) => Err(gone(join.to_string())),
            Err(_elapsed) => Err(LoadError::Refused(format!(
                "it was not compiled within {} s",
                self.wait_max.as_secs_f32()
            ))),
        }
    }
}

/// wasmtime's errors have a line for each cause.
pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
