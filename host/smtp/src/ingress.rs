//! By which door a message came; what is stored with it, told to sinks, and matched by rules.

use serde::{Deserialize, Serialize};

use crate::facts::{Facts, Protocol};

/// By which door a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ingress {
    /// From another server.
    Smtp,
    /// From a user of ours (RFC 6409).
    Submission,
    /// From another server of ours, with a reply for each recipient (RFC 2033).
    Lmtp,
    /// From a file in the pickup folder.
    Pickup,
    /// From the admin API.
    Api,
    /// The host made it: a report.
    Dsn,
    /// A sink made it.
    Sink,
    /// An operator sent it through the stages again.
    Resubmit,
}

impl Ingress {
    /// The door of a session, by what its listener speaks.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        match facts.protocol {
            Protocol::Smtp => Self::Smtp,
            Protocol::Submission => Self::Submission,
            Protocol::Lmtp => Self::Lmtp,
        }
    }

    /// The contract's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Pickup => "pickup",
            Self::Api => "api",
            Self::Dsn => "dsn",
            Self::Sink => "sink",
            Self::Resubmit => "resubmit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Ingress;
    use crate::facts::{Facts, Protocol};

    #[test]
    fn a_session_comes_by_the_door_that_its_listener_speaks() {
        let mut facts = Facts::new("01S".to_owned(), "mx".into(), "mx.example".into());
        for protocol in [Protocol::Smtp, Protocol::Submission, Protocol::Lmtp] {
            facts.protocol = protocol;
            assert_eq!(Ingress::of(&facts).word(), protocol.word());
        }
    }
}
