//! What MAIL, RCPT and the dot are told about room: as soon as it is known that a message could not be kept.
//!
//! RFC 5321 §4.5.3.1.10 names 452 for insufficient storage; with 4.3.1 (RFC 3463 §3.4) the client comes back later. A spool
//! that stores nothing any more is no question of room: 451 4.3.0. Asking before the message is sent saves both sides its
//! bytes. A tenant with too much in the queue is refused its own recipients, and others don't notice.

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

/// Whether a tenant may have one more entry of so many bytes in the queue. Sessions that ask at the same moment may all pass:
/// the limit is exceeded by what they bring, once.
pub(super) fn fits_queue(inbound: &Inbound, tenant: &str, bytes: u64) -> bool {
    let Some(limits) = inbound.tenants.queue_limits(tenant) else { return true };
    let queued = inbound.spool.tenant_counts(tenant);
    let entries = u64::try_from(queued.entries).unwrap_or(u64::MAX);
    let fits = entries < limits.entries_max && queued.bytes.saturating_add(bytes) <= limits.bytes_max;
    if !fits {
        inbound.counters.tenant_queue_full.count();
        let (bytes_queued, bytes_max) = (queued.bytes, limits.bytes_max);
        tracing::info!(
            tenant,
            entries,
            entries_max = limits.entries_max,
            bytes_queued,
            bytes_max,
            bytes,
            "deferred: the tenant has too much in the queue"
        );
    }
    fits
}
