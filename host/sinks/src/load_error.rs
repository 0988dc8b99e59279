//! Why a sink was not loaded, split by what the caller does: wait for more of the file, or say what is wrong with it.

use crate::convert::for_log;
use crate::limits::REASON_BYTES_MAX;

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
    /// There was no place to try it in; it is tried again.
    #[error("not tried yet: {0}")]
    Busy(String),
}

impl LoadError {
    /// In one bounded line without control characters: names in it may be the component's own.
    pub(crate) fn bounded(self) -> Self {
        let bounded = |text: String| for_log(&text, REASON_BYTES_MAX);
        match self {
            Self::Incomplete(text) => Self::Incomplete(bounded(text)),
            Self::Refused(text) => Self::Refused(bounded(text)),
            Self::Unreadable(text) => Self::Unreadable(bounded(text)),
            Self::Busy(text) => Self::Busy(bounded(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LoadError;
    use crate::limits::REASON_BYTES_MAX;

    #[test]
    fn a_component_writes_no_screens_into_the_log() {
        let name = "\u{1b}[2Jx".repeat(REASON_BYTES_MAX);
        let LoadError::Refused(reason) = LoadError::Refused(name).bounded() else { panic!("refused") };
        assert!(reason.len() == REASON_BYTES_MAX && reason.starts_with(" [2Jx"), "{reason}");
    }
}
