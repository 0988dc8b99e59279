//! What operators see: log lines batched off the way of the mail, and counters.
//!
//! One log event for each outcome, its fields from the glossary; never message text, never credentials.

pub mod counters;
pub mod writer;

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LogLevel, Logging};
pub use writer::{LogGuard, LogWriter};

/// Makes the process's log; the guard writes what is left when it is dropped.
///
/// # Errors
/// When a log was made before in this process.
pub fn start(logging: &Logging) -> anyhow::Result<LogGuard> {
    let (writer, guard) = LogWriter::start(std::io::stderr())?;
    install(logging, writer)?;
    Ok(guard)
}

fn install<W>(logging: &Logging, writer: W) -> anyhow::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let base =
        tracing_subscriber::fmt().with_max_level(level(logging.level)).with_ansi(false).with_writer(writer);
    let done = match logging.format {
        LogFormat::Human => base.with_target(false).try_init(),
        LogFormat::Json => {
            base.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
        }
    };
    done.map_err(|error| anyhow::anyhow!("the log can't be started: {error}"))
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}
