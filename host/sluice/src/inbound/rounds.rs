//! Who is asked about a moment of the dialogue: one round of sinks for each tenant that it concerns.
//!
//! EVENTS, "Which tenant": what has no recipient belongs to the tenant of the listener; without one only the operator's
//! sinks are asked then, and a tenant's at its first RCPT. Several tenants in one transaction share the operator's round.

use std::sync::Arc;

use sinks::Tiers;
use smtp::{Domain, ForwardPath, Gate, Notice};

use crate::tenants::{OPERATOR, Tenants};

/// One round: the tenant of its calls, and whose bindings are asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Round {
    pub(super) tenant: Arc<str>,
    pub(super) tiers: Tiers,
    pub(super) sight: Sight,
}

/// Which recipients a round may see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sight {
    /// Those of its own tenant.
    Own,
    /// All: the operator's, and those of a tenant's own sessions.
    All,
}

/// What is known of the session when it asks.
#[derive(Debug, Default)]
pub(super) struct Concerned {
    /// The tenant of the listener.
    pub(super) sender: Option<Arc<str>>,
    /// The owners of the transaction's recipients, each once.
    pub(super) recipients: Vec<Arc<str>>,
    /// The owner of the recipient that the last RCPT named.
    pub(super) current: Option<Arc<str>>,
}

/// What a moment is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum About {
    /// The session, or a command without a recipient.
    Session,
    /// One recipient.
    Recipient,
    /// The transaction with all its recipients.
    Transaction,
}

impl Concerned {
    /// The rounds for a moment, in their order; none of them asks a binding twice.
    pub(super) fn rounds(&self, about: About) -> Vec<Round> {
        match (about, &self.current, &self.sender) {
            (About::Recipient, Some(owner), _) => vec![all(owner)],
            (About::Recipient | About::Session, _, Some(sender)) => vec![sending(sender)],
            (About::Recipient | About::Session, _, None) => vec![operator()],
            (About::Transaction, _, Some(sender)) => {
                let others = self.recipients.iter().filter(|owner| *owner != sender);
                std::iter::once(sending(sender)).chain(others.map(tenant_only)).collect()
            }
            (About::Transaction, _, None) => match self.recipients.as_slice() {
                [] => vec![operator()],
                [owner] => vec![all(owner)],
                owners => std::iter::once(operator()).chain(owners.iter().map(tenant_only)).collect(),
            },
        }
    }
}

fn all(tenant: &Arc<str>) -> Round {
    Round { tenant: Arc::clone(tenant), tiers: Tiers::All, sight: Sight::Own }
}

fn sending(tenant: &Arc<str>) -> Round {
    Round { sight: Sight::All, ..all(tenant) }
}

/// The tenant's own bindings alone: the operator's were asked already.
pub(super) fn tenant_only(tenant: &Arc<str>) -> Round {
    Round { tiers: Tiers::TenantOnly, ..all(tenant) }
}

fn operator() -> Round {
    Round { tenant: Arc::from(OPERATOR), tiers: Tiers::OperatorOnly, sight: Sight::All }
}

/// What a gate is about.
pub(super) fn about_gate(gate: &Gate) -> About {
    match gate {
        Gate::Connect | Gate::Helo { .. } | Gate::MailFrom => About::Session,
        Gate::RcptTo { .. } => About::Recipient,
        Gate::Data | Gate::EndOfData => About::Transaction,
        Gate::InboundCommand { verb, .. } | Gate::Reply { verb, .. } => about_verb(verb),
    }
}

/// What a notice is about.
pub(super) fn about_notice(notice: &Notice) -> About {
    match notice {
        Notice::Violation { .. } => About::Session,
        Notice::Rejected { verb, .. } => about_verb(verb),
        Notice::TransactionEnd { .. } | Notice::Disconnect { .. } => About::Transaction,
    }
}

fn about_verb(verb: &str) -> About {
    match verb {
        "RCPT" => About::Recipient,
        "DATA" | "." => About::Transaction,
        _ => About::Session,
    }
}

/// The owner of the recipient that a RCPT command names, for events that come before it is parsed.
pub(super) fn owner_in_command(argument: &str, tenants: &Tenants, host_name: &Domain) -> Option<Arc<str>> {
    let (_, path) = argument.split_once(':')?;
    let (path, _) = ForwardPath::parse(path.trim_start()).ok()?;
    let mailbox = path.mailbox_at(host_name).ok()?;
    tenants.owner(mailbox.domain()).cloned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sinks::Tiers;

    use super::{About, Concerned};

    #[track_caller]
    fn check(sender: Option<&str>, recipients: &[&str], about: About, expected: &[(&str, Tiers)]) {
        let concerned = Concerned {
            sender: sender.map(Arc::from),
            recipients: recipients.iter().map(|owner| Arc::from(*owner)).collect(),
            current: recipients.last().map(|owner| Arc::from(*owner)),
        };
        let rounds = concerned.rounds(about);
        let found: Vec<(&str, Tiers)> = rounds.iter().map(|round| (&*round.tenant, round.tiers)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn before_a_recipient_only_the_operator_is_asked() {
        check(None, &[], About::Session, &[("operator", Tiers::OperatorOnly)]);
        check(None, &[], About::Transaction, &[("operator", Tiers::OperatorOnly)]);
    }

    #[test]
    fn a_tenants_listener_asks_its_tenant_from_the_first_moment() {
        check(Some("a"), &[], About::Session, &[("a", Tiers::All)]);
        check(Some("a"), &["b"], About::Session, &[("a", Tiers::All)]);
    }

    #[test]
    fn a_recipient_asks_its_owner() {
        check(None, &["a", "b"], About::Recipient, &[("b", Tiers::All)]);
        check(Some("a"), &["b"], About::Recipient, &[("b", Tiers::All)]);
    }

    #[test]
    fn two_tenants_of_a_transaction_are_each_asked_and_the_operator_once() {
        check(None, &["a"], About::Transaction, &[("a", Tiers::All)]);
        check(
            None,
            &["a", "b"],
            About::Transaction,
            &[("operator", Tiers::OperatorOnly), ("a", Tiers::TenantOnly), ("b", Tiers::TenantOnly)],
        );
        check(Some("a"), &["a", "b"], About::Transaction, &[("a", Tiers::All), ("b", Tiers::TenantOnly)]);
    }
}
