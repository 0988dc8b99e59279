//! What sinks decided for single recipients in a stage: each leaves its message, into an entry of its own where there is more
//! to come. Recipients with the same end share one (EVENTS, rule 8: each ends exactly once).

use sinks::{Disposition, Fate};
use smtp::{Envelope, Recipient, RecipientState, Timestamp};
use spool::{Entry, EntryState, NewEntry};

use super::Transport;
use super::report::{self, Told};
use crate::clock;
use crate::inbound::accept::{QUARANTINE, RECIPIENT_DEFERRAL};

/// Why a rejected recipient failed, for the log.
const REJECTED: &str = "rejected by a sink";

/// Makes an entry for some recipients of a message.
type Make<'a> = &'a dyn Fn(Vec<Recipient>) -> NewEntry;

/// The entries that a message can be parted into.
pub(super) struct Parts<'a> {
    /// As it was before sinks edited it: they are asked again, and would edit it twice otherwise.
    pub(super) asked_again: Make<'a>,
    /// As it is now, in front of the next stage.
    pub(super) as_it_is: Make<'a>,
}

/// Takes the recipients that something was decided about out of the envelope. The answer is what goes on without it.
pub(super) fn part(
    transport: &Transport,
    lease: &Entry,
    (envelope, dispositions): (&mut Envelope, &[Disposition]),
    parts: &Parts<'_>,
) -> Vec<NewEntry> {
    let now = clock::now();
    let mut groups: Vec<(&Disposition, Vec<Recipient>)> = Vec::new();
    for disposition in dispositions {
        let Some(recipient) = envelope.recipient(disposition.recipient).cloned() else { continue };
        envelope.recipients.retain(|other| other.id != disposition.recipient);
        let same = |(other, _): &&mut (&Disposition, Vec<Recipient>)| {
            other.fate == disposition.fate && other.by == disposition.by
        };
        match groups.iter_mut().find(same) {
            Some((_, recipients)) => recipients.push(recipient),
            None => groups.push((disposition, vec![recipient])),
        }
    }
    groups
        .into_iter()
        .filter_map(|(disposition, recipients)| {
            entry(transport, (lease, now), (disposition, recipients), parts)
        })
        .collect()
}

/// What the sender is told of recipients that sinks rejected.
pub(super) fn told(
    transport: &Transport,
    lease: &Entry,
    (envelope, dispositions): (&Envelope, &[Disposition]),
) -> Vec<Told> {
    if !report::may_end(transport, lease) {
        return Vec::new();
    }
    let told = |disposition: &Disposition| {
        let Fate::Reject(reply) = &disposition.fate else { return None };
        Some(Told::refused(envelope.recipient(disposition.recipient)?, reply.clone()))
    };
    dispositions.iter().filter_map(told).collect()
}

fn entry(
    transport: &Transport,
    (lease, now): (&Entry, Timestamp),
    (disposition, recipients): (&Disposition, Vec<Recipient>),
    parts: &Parts<'_>,
) -> Option<NewEntry> {
    let pending = |mut recipients: Vec<Recipient>| {
        recipients.iter_mut().for_each(|recipient| recipient.state = RecipientState::Pending);
        recipients
    };
    match &disposition.fate {
        // The new recipients are in the envelope.
        Fate::Redirect(_) => None,
        Fate::Discard(reason) => {
            transport.counters.discarded.count();
            transport.settled(lease, "discarded", (reason, &disposition.by));
            None
        }
        Fate::Defer(_) => {
            let mut entry = (parts.asked_again)(pending(recipients));
            entry.due = now + RECIPIENT_DEFERRAL;
            Some(entry)
        }
        Fate::Reject(_) => {
            if report::may_end(transport, lease) {
                for recipient in &recipients {
                    transport.fail(lease, recipient, REJECTED);
                }
                return None;
            }
            transport.counters.quarantined.count();
            let mut entry = (parts.as_it_is)(pending(recipients));
            let (reason, binding) = (report::untold(REJECTED), disposition.by.to_string());
            entry.state = EntryState::Quarantined { reason, binding, until: now + QUARANTINE };
            Some(entry)
        }
        Fate::Quarantine(reason) => {
            transport.counters.quarantined.count();
            let mut entry = (parts.as_it_is)(pending(recipients));
            let (reason, binding) = (reason.clone(), disposition.by.to_string());
            entry.state = EntryState::Quarantined { reason, binding, until: now + QUARANTINE };
            Some(entry)
        }
    }
}
