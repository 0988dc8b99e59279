//! `sluice spool`: what operators do to mail on disk while no server runs on it.
//!
//! [`verify`] reads all of it, [`export`] writes entries as files, [`import`] accepts such files, here or on another machine;
//! [`envelope`] says what is in them. Leaves out: entries of a running server.

mod envelope;
mod export;
mod import;
mod outcome;
mod verify;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use spool::{OpenError, QueueId, Settings, Spool, Survey};

use crate::config::load;
use export::{Filter, State};
use verify::Form;

/// What can be said after `sluice spool`.
#[derive(Debug, Subcommand)]
pub(super) enum SpoolCommand {
    /// Read every record and every body, and check their sums.
    ///
    /// Prints what is there, and each damaged place with file and offset. Nothing is changed. Exit code 1 if anything that
    /// was acknowledged is damaged, or a server would not start.
    Verify {
        #[command(flatten)]
        place: Place,
        /// Print one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// Write entries into a folder: ID.eml is the message, ID.json its envelope and state.
    ///
    /// A file that is there is never overwritten, and the spool is left as it is. Exit code 1 if an entry could not be
    /// written; the others are.
    Export {
        #[command(flatten)]
        place: Place,
        /// Only this entry; may be said several times.
        #[arg(long, value_name = "ID")]
        queue_id: Vec<QueueId>,
        /// Only entries of this tenant.
        #[arg(long, value_name = "NAME")]
        tenant: Option<String>,
        /// Only entries in this state.
        #[arg(long)]
        state: Option<State>,
        /// Take what is readable of a damaged spool. What a damaged record said is lost: its entry is found as the record
        /// before had it. So an entry may come back whose "done" record is damaged, and be delivered once more.
        #[arg(long)]
        salvage: bool,
        /// Where to; made if it is not there.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Accept the entries that an export wrote, here or on another machine.
    ///
    /// Ids, states and times stay as they were. An entry that is in the spool already is left as it is; if it is not the
    /// same, that is an error, as is a file that can't be read; the others are imported all the same, and the exit code is 1.
    /// What the spool no longer has, because it was delivered, is accepted once more.
    Import {
        #[command(flatten)]
        place: Place,
        /// The folder that was exported to.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Which spool.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Place {
    /// That of this configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The one in this folder, which holds `segments` and `bodies`.
    #[arg(long, value_name = "FOLDER")]
    directory: Option<PathBuf>,
}

/// Does one of them.
///
/// # Errors
/// When it could not be done, or not for all entries.
pub(super) fn run(command: SpoolCommand) -> anyhow::Result<()> {
    match command {
        SpoolCommand::Verify { place, json } => {
            verify::verify(place.settings()?, if json { Form::Json } else { Form::Text })
        }
        SpoolCommand::Export { place, queue_id, tenant, state, salvage, folder } => {
            let settings = place.settings()?;
            let survey = if salvage { Survey::salvage(settings) } else { Survey::open(settings) };
            let survey = survey.map_err(explained)?;
            survey.damage().iter().for_each(|damage| note(&damage.to_string()));
            let filter = Filter { ids: queue_id, tenant, state };
            export::export(&survey, &folder, &filter)?.finish("exported")
        }
        SpoolCommand::Import { place, folder } => {
            let settings = place.settings()?;
            crate::make(&settings.directory)?;
            let runtime = tokio::runtime::Runtime::new().context("the runtime can't be started")?;
            let outcome = runtime.block_on(async {
                let (spool, _) = Spool::open(settings).await.map_err(explained)?;
                let outcome = import::import(&spool, &folder).await;
                spool.close().await;
                outcome
            })?;
            outcome.finish("imported")
        }
    }
}

/// Why a spool can't be opened, and what an operator can do about it.
pub(crate) fn explained(error: OpenError) -> anyhow::Error {
    match error {
        OpenError::Damaged { .. } | OpenError::Missing { .. } | OpenError::Misplaced { .. } => {
            anyhow::anyhow!("{error}. {RESCUE}")
        }
        other => other.into(),
    }
}

/// What to do about a damaged spool.
const RESCUE: &str = "`sluice spool verify --config FILE` lists all that is damaged. \
                      `sluice spool export --config FILE --salvage FOLDER` saves what is readable; \
                      once the spool's own folder is set aside, `sluice spool import --config FILE FOLDER` takes that into a new one";

/// How far it is, and what is to be known beside the answer.
fn note(line: &str) {
    // Nobody can be told where standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Place {
    /// What the configuration says of its spool; the defaults in a folder.
    fn settings(&self) -> anyhow::Result<Settings> {
        match (&self.config, &self.directory) {
            (Some(file), _) => crate::spool_settings(&load::file(file)?),
            (None, Some(directory)) => Ok(Settings::new(directory)),
            (None, None) => anyhow::bail!("neither a configuration nor a folder is named"),
        }
    }
}
