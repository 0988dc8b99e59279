//! `sluice config sample`.

use crate::config::{Config, sample};

/// Prints every key with its documentation and its default.
///
/// # Errors
/// When standard output can't be written.
pub(super) fn sample() -> anyhow::Result<()> {
    super::print(&sample::sample::<Config>())
}
