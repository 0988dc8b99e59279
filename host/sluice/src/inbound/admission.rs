//! What MAIL is told about room: before the client sends a message that could not be kept.
//!
//! RFC 5321 §4.5.3.1.10 names 452 for insufficient storage; with 4.3.1 (RFC 3463 §3.4) the client comes back later. A spool
//! that stores nothing any more is no question of room: 451 4.3.0. Asking before the message is sent saves both sides its bytes.

use smtp::Admission;

use super::Inbound;

/// Whether a message of this announced size may come.
pub(super) fn mail(inbound: &Inbound, session_id: &str, announced: Option<u64>) -> Admission {
    if inbound.spool.poisoned() {
        inbound.counters.spool_unavailable.count();
        tracing::debug!(session = session_id, "deferred: the spool stores nothing until a restart");
        return Admission::Unavailable;
    }
    if let Some(scarcity) = inbound.resources.scarce(announced) {
        inbound.counters.low_resources.count();
        let resource = scarcity.word();
        tracing::debug!(session = session_id, resource, announced, "deferred: a resource runs low");
        return Admission::Full;
    }
    Admission::Room
}
