//! What a machine lacks: a test that needs it says so in one line and counts as skipped.
//!
//! `.ci/run` sets [`NO_SKIP`], with which a missing tool fails the test instead.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, bail};

/// The environment variable that turns a skip into a failure.
pub const NO_SKIP: &str = "SLUICE_NO_SKIP";

/// Where `tool` is, or `None` after listing the running test as skipped.
///
/// # Errors
/// If the tool is missing and [`NO_SKIP`] is set.
pub fn tool(tool: &str) -> Result<Option<PathBuf>> {
    let found = find(tool);
    if found.is_none() {
        missing(tool)?;
    }
    Ok(found)
}

/// Lists the running test as skipped for want of `what`.
///
/// # Errors
/// If [`NO_SKIP`] is set.
pub fn missing(what: &str) -> Result<()> {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    if std::env::var_os(NO_SKIP).is_some() {
        bail!("{test} needs {what}, and {NO_SKIP} is set");
    }
    // Straight to the descriptor: the test runner swallows what a passing test prints.
    writeln!(std::io::stderr(), "skipped: {test}: this machine has no {what}")?;
    Ok(())
}

/// Looks along PATH, then where Debian puts daemons.
fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    folders.map(|folder| folder.join(OsStr::new(tool))).find(|candidate| candidate.is_file())
}
