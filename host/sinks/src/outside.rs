//! What this crate asks of the world: it reads no clock and no configuration itself.

use std::fmt;
use std::sync::Arc;

use smtp::{Domain, Timestamp};

/// The wall clock.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Who owns which domain.
pub trait Domains: Send + Sync + fmt::Debug {
    /// Whether the domain is one of the tenant's own.
    fn owns(&self, tenant: &str, domain: &Domain) -> bool;
}

/// Both, as every call holds them.
#[derive(Clone, Debug)]
pub(crate) struct Outside {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) domains: Arc<dyn Domains>,
}
