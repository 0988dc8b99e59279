//! What is worth asking a session's sinks, worked out once for each snapshot of the registry.
//!
//! A session asks nothing that nobody binds. Who the tenants of a session will be is not known when it begins, so what any
//! tenant binds counts; the gate itself then looks at the tenant.

use std::sync::{Arc, Mutex, PoisonError};

use sinks::Snapshot;
use smtp::{GateKind, Interest, NoticeKind};

type Known = (Arc<Snapshot>, Interest);

/// The interest of the last snapshot that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    last: Mutex<Option<Known>>,
}

impl Interests {
    /// What a session under this snapshot asks and tells.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Interest {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, interest)) = &*last
            && Arc::ptr_eq(known, snapshot)
        {
            return interest.clone();
        }
        let interest = with_the_hosts_own(snapshot.interest());
        *last = Some((Arc::clone(snapshot), interest.clone()));
        interest
    }
}

/// Violations and refusals are told for the log, and the end of a transaction ends what its sinks remember. A tenant that is met at its
/// first RCPT is asked there about the session and the sender, so who binds these wants the RCPT too.
fn with_the_hosts_own(interest: Interest) -> Interest {
    let gates = [GateKind::Connect, GateKind::TlsEstablished, GateKind::Helo, GateKind::MailFrom];
    let commands = ["HELO", "EHLO", "MAIL"];
    let asks_early = gates.into_iter().any(|gate| interest.wants_gate(gate))
        || commands.into_iter().any(|verb| interest.wants_command(verb));
    let interest = [NoticeKind::Violation, NoticeKind::Rejected, NoticeKind::TransactionEnd]
        .into_iter()
        .fold(interest, Interest::with_notice);
    if asks_early { interest.with_gate(GateKind::RcptTo) } else { interest }
}

#[cfg(test)]
mod tests {
    use smtp::{GateKind, Interest};

    use super::with_the_hosts_own;

    #[test]
    fn who_binds_the_sender_is_asked_at_the_recipient_too() {
        let asked = with_the_hosts_own(Interest::nothing().with_gate(GateKind::MailFrom));
        assert!(asked.wants_gate(GateKind::RcptTo));
        assert!(!with_the_hosts_own(Interest::nothing()).wants_gate(GateKind::RcptTo));
    }
}
