//! The command line: one file for each subcommand.
//!
//! What a command answers goes to standard output, what went wrong to standard error as sentences. Exit code 0: done;
//! 1: what was asked about is wrong; 2: the arguments are.

mod check;
mod config;
mod dev;
mod run;
mod sink;
pub(crate) mod spool;
mod user;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::build::Language;

/// An SMTP server whose event sinks are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve mail until SIGTERM or SIGINT; SIGHUP looks at the sinks folder again.
    Run {
        /// The configuration file; `sluice config sample` prints one.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Judge a configuration and load all its sinks, without serving.
    ///
    /// Prints each sink with the events that it is asked for. Exit code 1 if anything would keep the server from
    /// starting or a sink from being loaded; each fault is one line with file, line, column and key.
    Check {
        /// The configuration file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Build sinks, serve them on loopback, and show what they do to a message; again on each save.
    Dev(dev::Arguments),
    /// Say who may log in.
    User {
        #[command(subcommand)]
        command: user::UserCommand,
    },
    /// Write sinks, build them, look at them.
    Sink {
        #[command(subcommand)]
        command: SinkCommand,
    },
    /// Look at the mail on disk, save it, take it elsewhere; only while no server runs on it.
    Spool {
        #[command(subcommand)]
        command: spool::SpoolCommand,
    },
    /// About the configuration file.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print a configuration file with every key, its documentation and its default.
    Sample,
}

#[derive(Debug, Subcommand)]
enum SinkCommand {
    /// Make a folder with a sink to begin with, in one of the languages, and its SDK.
    New {
        /// What it is called: the folder, the sink, the package.
        name: String,
        /// What it is written in.
        #[arg(long)]
        lang: Language,
    },
    /// Build a sink with its language's own tools, and print what came out.
    ///
    /// The component is `target/NAME.wasm` in that folder, with `sink.toml` inside: that file is all that a server needs.
    Build {
        /// The sink's folder.
        #[arg(value_name = "DIR", default_value = ".")]
        folder: PathBuf,
    },
    /// Print what a component exports and imports: the events it handles, the capabilities it needs.
    ///
    /// Nothing of it runs. Exit code 1 if this server could not load it; the text names all that is wrong.
    Inspect {
        /// A .wasm file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Reads the arguments, does what they say, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run { config } => run::run(&config),
        Command::Check { config } => check::check(&config),
        Command::Dev(arguments) => dev::run(arguments),
        Command::Sink { command: SinkCommand::New { name, lang } } => sink::new(&name, lang),
        Command::Sink { command: SinkCommand::Build { folder } } => sink::build(&folder),
        Command::Sink { command: SinkCommand::Inspect { file } } => sink::inspect(&file),
        Command::Spool { command } => spool::run(command),
        Command::User { command } => user::run(&command),
        Command::Config { command: ConfigCommand::Sample } => config::sample(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Writes an error and its causes to standard error.
fn complain(error: &anyhow::Error) {
    // Nobody can be told where standard error is closed; the exit code still tells.
    let _ = writeln!(std::io::stderr(), "{error:#}");
}

/// Writes to standard output; a reader that closed its end early (`| head`) is no error.
///
/// # Errors
/// When standard output can't be written for another reason.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
