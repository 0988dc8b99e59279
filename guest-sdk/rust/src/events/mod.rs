//! A module for each event: what it is about, an example, and its verdict.

mod delivery;
mod life;
mod login;
mod outbound;
mod outbound_verdicts;
mod routes;
mod session;
mod stages;
mod transaction;
mod verdicts;

pub use delivery::on_deliver;
pub use life::{on_prepare, on_self_test};
pub use login::{on_auth_step, on_authenticate};
pub use outbound::{
    on_before_data, on_message_start, on_per_recipient, on_remote_tls, on_resolve_next_hop,
    on_server_response, on_session_end, on_session_start,
};
pub use routes::{on_categorize, on_route, on_routed};
pub use session::{
    on_connect, on_disconnect, on_helo, on_inbound_command, on_rejected, on_reply, on_tls_established,
    on_violation,
};
pub use stages::{on_post_categorize, on_pre_categorize, on_transport_submission};
pub use transaction::{on_data, on_end_of_data, on_mail_from, on_rcpt_to, on_transaction_end};
