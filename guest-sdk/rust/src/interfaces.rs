//! What the host offers a sink: one module for each interface of the contract, under the interface's name.
//!
//! Most are the contract as it is: its functions take `&str` and `&[u8]`. Where an author would write the same two lines
//! each time (a log line, settings into a struct) the module adds them.

use crate::bindings::contract::sluice::sink;

pub use sink::{
    blob, clock, ehlo, envelope, envelope_draft, event, message, message_draft, metrics, random, session,
};

/// Lines in the server's log and in the message's trace, bounded in bytes for each call.
///
/// ```no_run
/// use sluice_sdk::log;
///
/// log::info("looked at it");
/// log::write(log::Level::Debug, "scored", &[log::Field::new("spam", 3.5)]);
/// ```
pub mod log {
    use std::fmt::Display;

    pub use super::sink::log::{Field, Level, write};

    /// What went as it should and is worth a line.
    pub fn info(text: impl AsRef<str>) {
        write(Level::Info, text.as_ref(), &[]);
    }

    /// What the operator should look at one day.
    pub fn warn(text: impl AsRef<str>) {
        write(Level::Warn, text.as_ref(), &[]);
    }

    /// What the operator should look at now.
    pub fn error(text: impl AsRef<str>) {
        write(Level::Error, text.as_ref(), &[]);
    }

    /// What only the sink's author wants to see.
    pub fn debug(text: impl AsRef<str>) {
        write(Level::Debug, text.as_ref(), &[]);
    }

    impl Field {
        /// A value beside the text, so that a log can be searched for it.
        #[must_use]
        pub fn new(key: &str, value: impl Display) -> Self {
            Self { key: key.to_owned(), value: value.to_string() }
        }
    }
}

/// The installation's settings: what the operator chose, checked by the host against the schema of the sink's manifest.
///
/// ```no_run
/// use serde::Deserialize;
/// use sluice_sdk::{on_end_of_data::Verdict, settings};
///
/// #[derive(Deserialize)]
/// #[serde(default, rename_all = "kebab-case")]
/// struct Settings {
///     size_max: u32,
/// }
///
/// impl Default for Settings {
///     fn default() -> Self {
///         Self { size_max: 1_000_000 }
///     }
/// }
///
/// #[sluice_sdk::on_end_of_data]
/// fn check() -> Result<Verdict, settings::Error> {
///     let settings: Settings = settings::load()?;
///     if sluice_sdk::message::size() > settings.size_max {
///         return Ok(Verdict::reject("5.3.4 Too large for this site"));
///     }
///     Ok(Verdict::Continue)
/// }
/// ```
pub mod settings {
    use std::fmt;

    use serde::de::DeserializeOwned;

    pub use super::sink::settings::{get, json};

    /// The settings do not fit the type; its text says which one and why.
    #[derive(Debug)]
    pub struct Error(serde_json::Error);

    /// All settings as a value of the sink's own type.
    ///
    /// # Errors
    /// If a setting is missing that has no default in the type, or has another type.
    pub fn load<T: DeserializeOwned>() -> Result<T, Error> {
        serde_json::from_str(&json()).map_err(Error)
    }

    impl fmt::Display for Error {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "the settings do not fit: {}", self.0)
        }
    }

    impl std::error::Error for Error {}
}
