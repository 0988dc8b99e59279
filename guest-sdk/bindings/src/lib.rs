//! From the contract in `wit/` to the files of the SDKs that follow it word by word.
//!
//! Nothing is decided here that the contract does not say: names, documentation and types come from there, and a change of
//! it is a run of this crate. What makes an SDK pleasant (replies, addresses, settings) is written by hand beside these files.

mod contract;
mod go;
mod javascript;
mod text;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A file that is written, by its path below the project's root.
pub struct Generated {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// Every generated file of the SDKs.
///
/// # Errors
/// If the contract can't be read, or says something that has no form in one of the languages.
pub fn generate(root: &Path) -> Result<Vec<Generated>> {
    let contract = contract::Contract::read(&root.join("wit")).context("reading the contract")?;
    let mut files = go::generate(&contract)?;
    files.extend(javascript::generate(&contract)?);
    Ok(files)
}
