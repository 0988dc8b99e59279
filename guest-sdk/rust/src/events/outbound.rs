//! The dialogue in which this server is the client: which host is asked, what is said to it, and what its replies mean.
//!
//! [`remote`](crate::remote) tells of the session; [`command_draft`](crate::command_draft) edits the command that comes next, and
//! sends verbs of one's own before it, with the grant `outbound-verbs`. The content is frozen: it can be read, not changed.

/// Which hosts take mail for this domain? Before DNS is asked. Hosts of one's own need the grant `next-hop`.
///
/// ```
/// use sluice_sdk::on_resolve_next_hop::{Answer, Candidate};
///
/// #[sluice_sdk::on_resolve_next_hop]
/// fn resolve(_queue: &str, domain: &str) -> Answer {
///     match domain {
///         "partner.example" => Answer::hosts([Candidate::new("relay.partner.example", 25)]),
///         _ => Answer::Continue,
///     }
/// }
/// ```
pub mod on_resolve_next_hop {
    #[doc(hidden)]
    pub use crate::bindings::on_resolve_next_hop as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_resolve_next_hop::exports::sluice::sink::on_resolve_next_hop::Guest;
    pub use crate::bindings::on_resolve_next_hop::exports::sluice::sink::on_resolve_next_hop::{
        Answer, Candidate,
    };
}

/// The TLS handshake with the peer is done; `chain` is DER, the peer's own certificate first.
///
/// ```
/// use sluice_sdk::on_remote_tls::{Policy, Verdict};
/// use sluice_sdk::remote;
///
/// #[sluice_sdk::on_remote_tls]
/// fn judge(_policy: Policy, chain: &[Vec<u8>]) -> Verdict {
///     let is_old = remote::tls_version().is_some_and(|version| version == "TLSv1.2");
///     if is_old || chain.is_empty() { Verdict::SkipHost } else { Verdict::Continue }
/// }
/// ```
pub mod on_remote_tls {
    #[doc(hidden)]
    pub use crate::bindings::on_remote_tls as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_remote_tls::exports::sluice::sink::on_remote_tls::Guest;
    pub use crate::bindings::on_remote_tls::exports::sluice::sink::on_remote_tls::{Policy, Verdict};
}

/// Before EHLO; the peer's extensions are not known yet.
///
/// ```
/// use sluice_sdk::{remote, on_session_start::Verdict};
///
/// #[sluice_sdk::on_session_start]
/// fn greet() -> Verdict {
///     if remote::queue() == "bulk" { Verdict::greet_as("bulk.example.org") } else { Verdict::Continue }
/// }
/// ```
pub mod on_session_start {
    #[doc(hidden)]
    pub use crate::bindings::on_session_start as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_session_start::exports::sluice::sink::on_session_start::Guest;
    pub use crate::bindings::on_session_start::exports::sluice::sink::on_session_start::Verdict;
}

/// Before MAIL.
///
/// ```
/// use sluice_sdk::{Error, command_draft, envelope};
///
/// #[sluice_sdk::on_message_start]
/// fn name_it() -> Result<(), Error> {
///     match envelope::envelope_id() {
///         Some(id) => command_draft::set_parameter("ENVID", Some(&id)),
///         None => Ok(()),
///     }
/// }
/// ```
pub mod on_message_start {
    #[doc(hidden)]
    pub use crate::bindings::on_message_start as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_message_start::exports::sluice::sink::on_message_start::Guest;
    pub use crate::bindings::on_message_start::exports::sluice::sink::on_message_start::Verdict;
}

/// Before the RCPT of this recipient, an id of [`envelope::recipients`](crate::envelope::recipients).
///
/// ```
/// use sluice_sdk::{envelope, on_per_recipient::Verdict};
///
/// #[sluice_sdk::on_per_recipient]
/// fn look(recipient: u32) -> Verdict {
///     match envelope::attempts(recipient) {
///         0..=20 => Verdict::Continue,
///         _ => Verdict::fail("5.4.7 Tried often enough"),
///     }
/// }
/// ```
pub mod on_per_recipient {
    #[doc(hidden)]
    pub use crate::bindings::on_per_recipient as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_per_recipient::exports::sluice::sink::on_per_recipient::Guest;
    pub use crate::bindings::on_per_recipient::exports::sluice::sink::on_per_recipient::Verdict;
}

/// Before DATA or BDAT, when every RCPT is answered: the last moment to cancel.
///
/// ```
/// use sluice_sdk::on_before_data::Verdict;
///
/// #[sluice_sdk::on_before_data]
/// fn all_or_nobody(_accepted: u32, refused: u32) -> Verdict {
///     if refused > 0 { Verdict::Postpone(3600) } else { Verdict::Continue }
/// }
/// ```
pub mod on_before_data {
    #[doc(hidden)]
    pub use crate::bindings::on_before_data as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_before_data::exports::sluice::sink::on_before_data::Guest;
    pub use crate::bindings::on_before_data::exports::sluice::sink::on_before_data::Verdict;
}

/// The peer answered. The attribute takes the verbs that the sink wants to hear of; without any, of all: `CONNECT`, `EHLO`, `MAIL`,
/// `RCPT`, `DATA`, `.`, `QUIT`, or one that a sink sent first.
///
/// ```
/// use sluice_sdk::Reply;
/// use sluice_sdk::on_server_response::{Class, Judgement, Next};
///
/// #[sluice_sdk::on_server_response("RCPT", ".")]
/// fn judge(_verb: &str, reply: &Reply) -> Judgement {
///     let is_listed = reply.text.iter().any(|line| line.contains("blocklist"));
///     // 5xx because of our address: another host, another time, and not for good.
///     if is_listed { Judgement::new(Class::Transient, Next::SuspendQueue).tagged("listed") } else { Judgement::as_sent() }
/// }
/// ```
pub mod on_server_response {
    #[doc(hidden)]
    pub use crate::bindings::on_server_response as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_server_response::exports::sluice::sink::on_server_response::Guest;
    pub use crate::bindings::on_server_response::exports::sluice::sink::on_server_response::{
        Class, Judgement, Next,
    };
}

/// Before QUIT, or when the connection is lost; with what became of the recipients. There is no message any more.
///
/// ```
/// use sluice_sdk::{metrics, remote};
///
/// #[sluice_sdk::on_session_end]
/// fn count(delivered: u32, deferred: u32, failed: u32) {
///     metrics::count(&format!("sent-to-{}", remote::queue()), delivered);
///     metrics::count("not-sent", deferred + failed);
/// }
/// ```
pub mod on_session_end {
    #[doc(hidden)]
    pub use crate::bindings::on_session_end as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_session_end::exports::sluice::sink::on_session_end::Guest;
}
