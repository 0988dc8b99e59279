//! Why a sink was not loaded, split by what the caller does: wait for more of the file, or say what is wrong with it.

/// A sink was not loaded; what ran before goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file ends too early: it may still be on its way, so it is tried again when it changes.
    #[error("not complete: {0}")]
    Incomplete(String),
    /// The file is wrong; only another one can be loaded.
    #[error("{0}")]
    Refused(String),
    /// The file can't be read now.
    #[error("can't be read: {0}")]
    Unreadable(String),
}
