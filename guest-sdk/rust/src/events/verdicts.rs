//! Constructors of the verdicts, the same words for each event that has the case.
//!
//! Texts are as [`Reply::new`] takes them; the code follows from the status.

use crate::answer::Neutral;
use crate::bindings::contract::sluice::sink::{gate, notice, stage};
use crate::events::{
    on_authenticate, on_categorize, on_connect, on_end_of_data, on_inbound_command, on_rcpt_to, on_route,
};
use crate::{Address, Refusal, Reply};

/// The cases that every event of a dialogue has.
macro_rules! dialogue {
    ($($verdict:ty)*) => {$(
        impl $verdict {
            /// Refuses for good; `text` may start with the status: `"5.7.1 No thanks"`.
            #[must_use]
            pub fn reject(text: &str) -> Self {
                Self::Reject(Refusal::permanent(text))
            }

            /// Refuses for now; the client will try again.
            #[must_use]
            pub fn defer(text: &str) -> Self {
                Self::Defer(Refusal::transient(text))
            }

            /// Answers and closes: 421, or 554 for a status of class 5.
            #[must_use]
            pub fn disconnect(text: &str) -> Self {
                Self::Disconnect(Some(Reply::closing(text)))
            }

            /// A refusal with a word of the sink's own for log and metrics; other verdicts stay as they are.
            #[must_use]
            pub fn because(self, reason: &str) -> Self {
                match self {
                    Self::Reject(refusal) => Self::Reject(refusal.because(reason)),
                    Self::Defer(refusal) => Self::Defer(refusal.because(reason)),
                    other => other,
                }
            }
        }
    )*};
}

dialogue! { gate::Verdict on_connect::Verdict on_rcpt_to::Verdict on_end_of_data::Verdict on_inbound_command::Answer }

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
    gate::Verdict on_connect::Verdict on_rcpt_to::Verdict on_end_of_data::Verdict on_inbound_command::Answer
    on_authenticate::Answer notice::Action stage::Verdict
}

impl on_connect::Verdict {
    /// The text after our host name in the 220 line.
    #[must_use]
    pub fn greet(text: &str) -> Self {
        Self::Greet(text.to_owned())
    }
}

/// The cases that carry a word for log and metrics.
macro_rules! words {
    ($($verdict:ty { $($(#[$docs:meta])* $name:ident $case:ident)* })*) => {$(
        impl $verdict {$(
            $(#[$docs])*
            #[must_use]
            pub fn $name(reason: &str) -> Self {
                Self::$case(reason.to_owned())
            }
        )*}
    )*};
}

words! {
    on_rcpt_to::Verdict {
        /// 250, and nothing is kept for this recipient.
        discard Discard
    }
    on_end_of_data::Verdict {
        /// 250, and nothing is kept.
        discard Discard
        /// 250, and the message waits for an operator.
        quarantine Quarantine
    }
    stage::Verdict {
        /// The message ends here, without a DSN.
        discard Discard
        /// The message waits for an operator.
        quarantine Quarantine
    }
}

impl on_rcpt_to::Verdict {
    /// These instead, at least one.
    #[must_use]
    pub fn rewrite(recipients: impl IntoIterator<Item = Address>) -> Self {
        Self::Rewrite(recipients.into_iter().collect())
    }
}

impl on_categorize::Target {
    /// A mailbox here, by its name.
    #[must_use]
    pub fn mailbox(name: &str) -> Self {
        Self::Mailbox(name.to_owned())
    }

    /// These instead, at least one.
    #[must_use]
    pub fn forward(recipients: impl IntoIterator<Item = Address>) -> Self {
        Self::Forward(recipients.into_iter().collect())
    }

    /// The members of a list, at least one; the reverse-path stays.
    #[must_use]
    pub fn expand(members: impl IntoIterator<Item = Address>) -> Self {
        Self::Expand(members.into_iter().collect())
    }

    /// There is no such recipient: a DSN with this text, which may start with the status.
    #[must_use]
    pub fn unknown(text: &str) -> Self {
        Self::Unknown(Refusal::permanent(text))
    }
}

impl on_route::Choice {
    /// There is no way: a DSN with this text, which may start with the status.
    #[must_use]
    pub fn unreachable(text: &str) -> Self {
        Self::Unreachable(Refusal::permanent(text))
    }
}

impl on_inbound_command::Answer {
    /// The whole answer.
    #[must_use]
    pub fn reply(code: u16, text: &str) -> Self {
        Self::Answer(Reply::new(code, text))
    }

    /// Replies, reads one line, and asks again with it and this state.
    #[must_use]
    pub fn ask_line(code: u16, text: &str, state: &[u8]) -> Self {
        Self::ask((code, text), on_inbound_command::Input::Line, state)
    }

    /// Replies, reads exactly `count` octets, and asks again with them and this state.
    #[must_use]
    pub fn ask_octets(code: u16, text: &str, count: u32, state: &[u8]) -> Self {
        Self::ask((code, text), on_inbound_command::Input::Octets(count), state)
    }

    fn ask((code, text): (u16, &str), input: on_inbound_command::Input, state: &[u8]) -> Self {
        let (reply, state) = (Reply::new(code, text), state.to_owned());
        Self::More(on_inbound_command::Dialogue { reply, input, state })
    }
}

impl stage::Verdict {
    /// A DSN for each recipient; `text` may start with the status.
    #[must_use]
    pub fn fail(text: &str) -> Self {
        Self::Fail(Refusal::permanent(text))
    }

    /// Sleeps that long, then this sink is asked again.
    #[must_use]
    pub fn wait(seconds: u32, reason: &str) -> Self {
        Self::wait_with(seconds, reason, &[])
    }

    /// Sleeps that long, then this sink is asked again, with this state.
    #[must_use]
    pub fn wait_with(seconds: u32, reason: &str, state: &[u8]) -> Self {
        Self::Defer(stage::Pause { wait: seconds, state: state.to_owned(), reason: reason.to_owned() })
    }

    /// A failure with a word of the sink's own for log and metrics; other verdicts stay as they are.
    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        match self {
            Self::Fail(refusal) => Self::Fail(refusal.because(reason)),
            other => other,
        }
    }
}
