//! Why a function of this crate cannot do as asked, split by what the caller says to the sink.

use crate::content::LoadError;

/// What went wrong; a sink never learns more than this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// There is no such part, or no such occurrence of the field.
    #[error("not found")]
    NotFound,
    /// The argument can never work; the text says why and is fit for the sink's author.
    #[error("{0}")]
    InvalidArgument(String),
    /// A trace field or the host's own Authentication-Results: nobody but the host writes, changes or removes it.
    #[error("{0} is written by the host alone")]
    Protected(String),
    /// A bound of [`crate::limits`], by its name.
    #[error("more than {0}")]
    TooLarge(&'static str),
    /// The stored bytes could not be read: temporary, nothing about the message.
    #[error("the stored content is not readable: {0}")]
    Unavailable(#[from] LoadError),
}

impl MessageError {
    pub(crate) fn invalid(reason: &str) -> Self {
        Self::InvalidArgument(reason.to_owned())
    }
}
