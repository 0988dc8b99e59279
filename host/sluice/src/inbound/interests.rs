//! What is worth asking a session's sinks, worked out once for each snapshot of the registry.
//!
//! A session asks nothing that nobody binds. Who the tenants of a session will be is not known when it begins, so what any
//! tenant binds counts; the gate itself then looks at the tenant.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use sinks::{EventKind, Snapshot};
use smtp::{GateKind, Interest, NoticeKind, Verbs};

use crate::tenants::Tenants;

const GATES: [(EventKind, GateKind); 6] = [
    (EventKind::Connect, GateKind::Connect),
    (EventKind::Helo, GateKind::Helo),
    (EventKind::MailFrom, GateKind::MailFrom),
    (EventKind::RcptTo, GateKind::RcptTo),
    (EventKind::Data, GateKind::Data),
    (EventKind::EndOfData, GateKind::EndOfData),
];

const NOTICES: [(EventKind, NoticeKind); 2] =
    [(EventKind::Violation, NoticeKind::Violation), (EventKind::Disconnect, NoticeKind::Disconnect)];

type Known = (Arc<Snapshot>, Interest);

/// The interest of the last snapshot that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    last: Mutex<Option<Known>>,
}

impl Interests {
    /// What a session under this snapshot asks and tells.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>, tenants: &Tenants) -> Interest {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, interest)) = &*last
            && Arc::ptr_eq(known, snapshot)
        {
            return interest.clone();
        }
        let interest = work_out(snapshot, tenants);
        *last = Some((Arc::clone(snapshot), interest.clone()));
        interest
    }
}

fn work_out(snapshot: &Snapshot, tenants: &Tenants) -> Interest {
    let whose = || std::iter::once(None).chain(tenants.names().map(Some));
    let bound = |event: EventKind| whose().any(|tenant| !snapshot.bindings(event, tenant).is_empty());
    // Refusals are told for the log, and the end of a transaction ends what its sinks remember.
    let mut interest =
        Interest::nothing().with_notice(NoticeKind::Rejected).with_notice(NoticeKind::TransactionEnd);
    for (event, gate) in GATES {
        if bound(event) {
            interest = interest.with_gate(gate);
        }
    }
    // A tenant that is met at its first RCPT is then asked about the session and the sender.
    if [EventKind::Connect, EventKind::Helo, EventKind::MailFrom].into_iter().any(bound) {
        interest = interest.with_gate(GateKind::RcptTo);
    }
    for (event, notice) in NOTICES {
        if bound(event) {
            interest = interest.with_notice(notice);
        }
    }
    interest.with_commands(verbs(snapshot, tenants, EventKind::InboundCommand)).with_replies(verbs(
        snapshot,
        tenants,
        EventKind::Reply,
    ))
}

fn verbs(snapshot: &Snapshot, tenants: &Tenants, event: EventKind) -> Verbs {
    let mut named: BTreeSet<Box<str>> = BTreeSet::new();
    for tenant in std::iter::once(None).chain(tenants.names().map(Some)) {
        for binding in snapshot.bindings(event, tenant) {
            let installation = &binding.installation;
            let verbs = if event == EventKind::Reply {
                &installation.reply_verbs
            } else {
                &installation.command_verbs
            };
            match verbs {
                sinks::Verbs::Every => return Verbs::All,
                sinks::Verbs::These(these) => named.extend(these.iter().cloned()),
            }
        }
    }
    if named.is_empty() { Verbs::None } else { Verbs::These(named.into_iter().collect()) }
}
