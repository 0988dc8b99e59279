//! What a moment of the dialogue is about: the session, one recipient, or the transaction. `sinks::Resolver` says whom to
//! ask then.

use std::sync::Arc;

use smtp::{Domain, ForwardPath, Gate, Notice};

use crate::tenants::Tenants;

/// What a moment is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum About {
    /// The session, or a command without a recipient.
    Session,
    /// One recipient.
    Recipient,
    /// The transaction with all its recipients.
    Transaction,
    /// The session as a whole, with all tenants that had a recipient in it.
    End,
}

/// What a gate is about.
pub(super) fn about_gate(gate: &Gate) -> About {
    match gate {
        Gate::Connect | Gate::TlsEstablished | Gate::Helo { .. } | Gate::MailFrom => About::Session,
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
        Notice::TransactionEnd { .. } => About::Transaction,
        Notice::Disconnect { .. } => About::End,
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
    use smtp::Domain;

    use super::owner_in_command;
    use crate::config::load;
    use crate::tenants::Tenants;

    #[track_caller]
    fn check(argument: &str, expected: Option<&str>) {
        let config =
            load::parse("host_name = \"mx.example\"\n[tenants.a]\ndomains = [\"a.example\"]\n").unwrap();
        let tenants = Tenants::new(&config).unwrap();
        let host_name = Domain::parse("mx.example").unwrap();
        assert_eq!(owner_in_command(argument, &tenants, &host_name).as_deref(), expected);
    }

    #[test]
    fn a_rcpt_command_names_its_owner_before_it_is_parsed() {
        check("TO:<ann@A.example> NOTIFY=NEVER", Some("a"));
        check("to: <ann@a.example>", Some("a"));
        check("TO:<postmaster>", Some("operator"));
        check("TO:<ann@elsewhere.example>", None);
        check("nonsense", None);
    }
}
