//! `sluice check`.

use std::path::Path;

use crate::config::load;

/// Judges a configuration.
///
/// # Errors
/// With all that is wrong, a line each.
pub(super) fn check(config: &Path) -> anyhow::Result<()> {
    load::file(config)?;
    super::print("The configuration is fine.\n")
}
