//! Constructors of what is answered in the dialogue with another server.

use crate::answer::Neutral;
use crate::events::{
    on_before_data, on_deliver, on_message_start, on_per_recipient, on_remote_tls, on_resolve_next_hop,
    on_server_response, on_session_start,
};
use crate::{Refusal, Reply};

/// The verdicts with a case for no opinion.
macro_rules! neutral {
    ($($verdict:ty)*) => {$(
        impl Neutral for $verdict {
            fn neutral() -> Self {
                Self::Continue
            }
        }
    )*};
}

neutral! {
    on_resolve_next_hop::Answer on_remote_tls::Verdict on_session_start::Verdict on_message_start::Verdict
    on_per_recipient::Verdict on_before_data::Verdict
}

/// The events at which a message or a recipient can be given up.
macro_rules! failing {
    ($($verdict:ty)*) => {$(
        impl $verdict {
            /// Gives up: a DSN with this text, which may start with the status.
            #[must_use]
            pub fn fail(text: &str) -> Self {
                Self::Fail(Refusal::permanent(text))
            }
        }
    )*};
}

failing! { on_message_start::Verdict on_per_recipient::Verdict on_before_data::Verdict }

impl on_session_start::Verdict {
    /// The name in our EHLO.
    #[must_use]
    pub fn greet_as(name: &str) -> Self {
        Self::GreetAs(name.to_owned())
    }
}

impl on_resolve_next_hop::Answer {
    /// These hosts, at least one.
    #[must_use]
    pub fn hosts(hosts: impl IntoIterator<Item = on_resolve_next_hop::Candidate>) -> Self {
        Self::Hosts(hosts.into_iter().collect())
    }

    /// Nobody takes mail for it: a DSN with this text, which may start with the status.
    #[must_use]
    pub fn unreachable(text: &str) -> Self {
        Self::Unreachable(Refusal::permanent(text))
    }
}

impl on_resolve_next_hop::Candidate {
    /// A host whose addresses DNS knows, as preferred as any other.
    #[must_use]
    pub fn new(name: &str, port: u16) -> Self {
        Self { name: name.to_owned(), port, preference: 0, addresses: Vec::new() }
    }
}

impl on_server_response::Judgement {
    /// What the reply means, and what comes next.
    #[must_use]
    pub fn new(class: on_server_response::Class, next: on_server_response::Next) -> Self {
        Self { class, next, tag: None }
    }

    /// The reply means what its code says.
    #[must_use]
    pub fn as_sent() -> Self {
        Self::new(on_server_response::Class::AsSent, on_server_response::Next::AsUsual)
    }

    /// With a word for log and trace.
    #[must_use]
    pub fn tagged(self, tag: &str) -> Self {
        Self { tag: Some(tag.to_owned()), ..self }
    }
}

impl Neutral for on_server_response::Judgement {
    fn neutral() -> Self {
        Self::as_sent()
    }
}

impl on_deliver::Outcome {
    /// It has the message: 250 with this text.
    #[must_use]
    pub fn delivered(text: &str) -> Self {
        Self::Delivered(Reply::new(250, text))
    }

    /// It never will: 550 with this text, for the DSN.
    #[must_use]
    pub fn failed(text: &str) -> Self {
        Self::Failed(Reply::new(550, text))
    }

    /// Not now: 451 with this text.
    #[must_use]
    pub fn deferred(text: &str) -> Self {
        Self::Deferred(on_deliver::Postponed { reply: Reply::new(451, text), wait: None })
    }
}
