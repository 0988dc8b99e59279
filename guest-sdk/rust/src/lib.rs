//! Write event sinks for the Sluice mail server as plain functions.
//!
//! A sink is a component that the server asks at named moments of a message's life. With this crate it is a function under
//! an attribute:
//!
//! ```
//! use sluice_sdk::{Address, on_rcpt_to::Verdict};
//!
//! #[sluice_sdk::on_rcpt_to]
//! fn check(recipient: &Address) -> Verdict {
//!     match recipient.local.as_str() {
//!         "noreply" | "no-reply" => Verdict::reject("5.1.1 Nobody reads this mailbox"),
//!         _ => Verdict::Continue,
//!     }
//! }
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes the component; `sluice dev FOLDER` does it too, sends a message
//! through, and shows what the sink did.
//!
//! # What it promises
//! - An event is exported if and only if its attribute is used, once, and an interface is imported if and only if it is
//!   called: what a sink can see and do is read off the component.
//! - Each call runs in a fresh instance: a `static` is as it was at the start, every time. What shall last goes into the
//!   variables of [`session`] or [`message`].
//! - Edits ([`message_draft`], [`envelope_draft`]) are staged, and thrown away if the call faults.
//! - The crate compiles natively as well, so the rules of a sink can be unit-tested. Functions of the host (everything in
//!   the lower-case modules of interfaces) answer only inside the server.
//!
//! # Which event
//! | while a client talks to us | when the message is ours | the sink's own life |
//! | --- | --- | --- |
//! | [`mod@on_connect`], [`mod@on_tls_established`], [`mod@on_helo`], [`mod@on_authenticate`], [`mod@on_auth_step`], [`mod@on_mail_from`], [`mod@on_rcpt_to`], [`mod@on_data`], [`mod@on_end_of_data`], [`mod@on_inbound_command`], [`mod@on_reply`], [`mod@on_violation`], [`mod@on_rejected`], [`mod@on_transaction_end`], [`mod@on_disconnect`] | [`mod@on_transport_submission`], [`mod@on_pre_categorize`], [`mod@on_categorize`], [`mod@on_post_categorize`], [`mod@on_route`], [`mod@on_routed`], [`mod@on_resolve_next_hop`], [`mod@on_remote_tls`], [`mod@on_session_start`], [`mod@on_message_start`], [`mod@on_per_recipient`], [`mod@on_before_data`], [`mod@on_server_response`], [`mod@on_session_end`], [`mod@on_deliver`] | [`mod@on_prepare`], [`mod@on_self_test`] |
//!
//! The contract (`wit/` of the project) has more events; each gets its attribute when the server fires it.
//!
//! # What a handler may return
//! The event's verdict; a `Result` of it, whose error is logged and is a fault, so that the binding's on-fault answers (by
//! default the client is asked to try later); or nothing, which means `Continue`.

mod answer;
#[expect(missing_docs, reason = "generated from the contract, which says what needs saying")]
mod bindings;
mod events;
mod interfaces;
mod reply;
mod values;

pub use bindings::contract::sluice::sink::types::{
    Address, Endpoint, EnhancedStatus, Error, Identity, NextHop, Notify, Parameter, Refusal, Reply,
    ReversePath, Route, TlsPolicy,
};
pub use events::{
    on_auth_step, on_authenticate, on_before_data, on_categorize, on_connect, on_data, on_deliver,
    on_disconnect, on_end_of_data, on_helo, on_inbound_command, on_mail_from, on_message_start,
    on_per_recipient, on_post_categorize, on_pre_categorize, on_prepare, on_rcpt_to, on_rejected,
    on_remote_tls, on_reply, on_resolve_next_hop, on_route, on_routed, on_self_test, on_server_response,
    on_session_end, on_session_start, on_tls_established, on_transaction_end, on_transport_submission,
    on_violation,
};
pub use interfaces::{
    blob, clock, command_draft, ehlo, envelope, envelope_draft, event, log, message, message_draft, metrics,
    random, remote, session, settings,
};
#[doc(inline)]
pub use sluice_sdk_macros::{
    on_auth_step, on_authenticate, on_before_data, on_categorize, on_connect, on_data, on_deliver,
    on_disconnect, on_end_of_data, on_helo, on_inbound_command, on_mail_from, on_message_start,
    on_per_recipient, on_post_categorize, on_pre_categorize, on_prepare, on_rcpt_to, on_rejected,
    on_remote_tls, on_reply, on_resolve_next_hop, on_route, on_routed, on_self_test, on_server_response,
    on_session_end, on_session_start, on_tls_established, on_transaction_end, on_transport_submission,
    on_violation,
};

/// For the code that the attributes write; no promise is made for it.
#[doc(hidden)]
pub mod __private {
    pub use crate::answer::{Answer, Report};
}
