//! A component by its digest, compiled and linked once, with what it exports and what it takes from the pool.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::InstancePre;

use crate::engine::Needs;
use crate::event::EventKind;
use crate::exports::Exports;
use crate::state::State;

/// Hexadecimal digits of a digest in a log: as many as `git` shows.
const DIGEST_PREFIX: usize = 12;

/// A compiled component. Tenants share it: it holds code and no data of anyone.
pub struct Artifact {
    digest: Arc<str>,
    digest_prefix: Arc<str>,
    pub(crate) instance: InstancePre<State>,
    pub(crate) exports: Exports,
    needs: Needs,
}

impl Artifact {
    pub(crate) fn new(
        digest: Arc<str>,
        instance: InstancePre<State>,
        exports: Exports,
        needs: Needs,
    ) -> Self {
        let digest_prefix = digest.get(..DIGEST_PREFIX).unwrap_or(&digest).into();
        Self { digest, digest_prefix, instance, exports, needs }
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// Enough of it to tell versions apart in a log.
    pub fn digest_prefix(&self) -> &Arc<str> {
        &self.digest_prefix
    }

    /// What a call of it takes from the pool.
    pub fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether it exports the event.
    pub fn exports(&self, event: EventKind) -> bool {
        self.exports.has(event)
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Artifact").field("digest", &self.digest).field("needs", &self.needs).finish()
    }
}
