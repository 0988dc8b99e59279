//! What the host offers a sink: one module for each interface of the contract, under the interface's name.
//!
//! Most are the contract as it is: its functions take `&str` and `&[u8]`. Where an author would write the same two lines
//! each time (a log line, settings into a struct) the module adds them.

use crate::bindings::contract::sluice::sink;

pub use sink::{
    blob, clock, command_draft, ehlo, envelope, envelope_draft, event, message, metrics, random, remote,
    session,
};

/// Staged edits of the message. What no edit touches keeps its bytes, and a fault of the call throws all of them away.
///
/// Part numbers are those of [`message::parts`] and speak of the draft as it is now: a part that is added or removed moves those
/// behind it.
///
/// ```no_run
/// use sluice_sdk::message_draft::{self, Position};
/// use sluice_sdk::{Error, message};
///
/// /// Every file goes, a notice says so in the text, plain and HTML, and a list of them is attached.
/// #[sluice_sdk::on_end_of_data]
/// fn strip() -> Result<(), Error> {
///     let mut names = String::new();
///     // From the last to the first, so that the numbers of those that stay to be looked at stay, too.
///     for part in message::parts().into_iter().rev() {
///         if message::part_traits(part.id).iter().any(|one| one == "attachment") {
///             names.push_str(&format!("{}\r\n", part.file_name.unwrap_or(part.content_type)));
///             message_draft::remove_part(part.id)?;
///         }
///     }
///     if !names.is_empty() {
///         message_draft::add_text(Position::Top, "Files were removed.", Some("<p><b>Files were removed.</b></p>"))?;
///         message_draft::attach_bytes("text/plain; charset=utf-8", Some("removed.txt"), names)?;
///     }
///     Ok(())
/// }
/// ```
pub mod message_draft {
    use super::sink::blob;
    use crate::Error;

    pub use super::sink::message_draft::{
        Position, add_header, add_text, attach, insert_header, remove_header, remove_headers, remove_part,
        replace_header, replace_part, revert, rewrite,
    };

    /// [`replace_part`] with bytes that the sink has: another body and type, the other fields of the part stay.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), sluice_sdk::Error> {
    /// use sluice_sdk::message_draft;
    ///
    /// let text = sluice_sdk::message::read_text(1, 0, 100_000)?.replace("colour", "color");
    /// message_draft::replace_part_with(1, "text/plain; charset=utf-8", text)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`replace_part`], and if the bytes are more than a call may hold.
    pub fn replace_part_with(part: u32, content_type: &str, decoded: impl AsRef<[u8]>) -> Result<(), Error> {
        replace_part(part, content_type, blob::create(decoded.as_ref())?)
    }

    /// [`attach`] with bytes that the sink has. Answers the number of the new part.
    ///
    /// # Errors
    /// Those of [`attach`], and if the bytes are more than a call may hold.
    pub fn attach_bytes(
        content_type: &str,
        file_name: Option<&str>,
        decoded: impl AsRef<[u8]>,
    ) -> Result<u32, Error> {
        attach(content_type, file_name, blob::create(decoded.as_ref())?)
    }

    /// [`rewrite`] with bytes that the sink has: the whole message anew, header and body, with CRLF.
    ///
    /// # Errors
    /// Those of [`rewrite`], and if the bytes are more than a call may hold.
    pub fn rewrite_with(content: impl AsRef<[u8]>) -> Result<(), Error> {
        rewrite(blob::create(content.as_ref())?)
    }
}

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
