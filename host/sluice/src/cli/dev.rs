//! `sluice dev`.

use std::path::PathBuf;

use clap::Args;
use smtp::{Mailbox, ReversePath};

use crate::dev::{self, Options, Rounds};

/// What can be said after `sluice dev`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Folders of Rust crates, or .wasm files.
    #[arg(value_name = "SINK")]
    sinks: Vec<PathBuf>,
    /// Send one message and exit; the exit code is 0 only if it arrived.
    #[arg(long)]
    once: bool,
    /// A message to send instead of the sample.
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// The reverse-path to send it with; `<>` is the null one.
    #[arg(long, value_name = "ADDRESS", default_value = "ann@example.net", value_parser = reverse_path)]
    from: ReversePath,
    /// Its recipient; whoever it is has a mailbox here.
    #[arg(long, value_name = "ADDRESS", default_value = "bob@example.org", value_parser = Mailbox::parse)]
    to: Mailbox,
}

fn reverse_path(text: &str) -> Result<ReversePath, smtp::AddressError> {
    match text {
        "" | "<>" => Ok(ReversePath::Null),
        mailbox => Mailbox::parse(mailbox).map(ReversePath::Mailbox),
    }
}

/// Serves sinks under development.
///
/// # Errors
/// As [`dev::run`].
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let rounds = if arguments.once { Rounds::Once } else { Rounds::OnEachSave };
    let Arguments { sinks, message, from, to, .. } = arguments;
    dev::run(Options { sinks, rounds, message, reverse_path: from, recipient: to })
}
