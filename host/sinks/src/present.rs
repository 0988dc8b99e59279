//! What is known at present: an event and its subject as a rule sees them.

use std::net::IpAddr;

use smtp::{Gate, Ingress, Mailbox, Notice, Protocol, ReversePath};

use crate::event::Event;
use crate::known::{AcceptsAddress, Answer, CommandKnown, Direction, Known, PathKnown};
use crate::subject::Subject;

/// An event with its subject, while bindings are chosen.
pub(crate) struct Present<'a> {
    pub(crate) event: &'a Event,
    pub(crate) subject: &'a Subject,
}

impl Known for Present<'_> {
    fn tenant(&self) -> Option<&str> {
        (!self.subject.tiers.is_without_tenant()).then_some(&*self.subject.tenant)
    }

    fn listener(&self) -> Option<&str> {
        self.subject.facts.as_ref().map(|facts| &*facts.listener)
    }

    fn remote(&self) -> Option<IpAddr> {
        self.subject.facts.as_ref()?.remote.map(|remote| remote.ip())
    }

    fn greeting_name(&self) -> Option<&str> {
        match self.event {
            Event::Gate(Gate::Helo { name, .. }) => Some(name),
            _ => self.subject.facts.as_ref()?.helo_name.as_deref(),
        }
    }

    fn authenticated(&self) -> Option<Answer> {
        self.subject.facts.as_ref().map(|facts| answer(facts.authenticated.as_ref()))
    }

    fn tls(&self) -> Option<Answer> {
        self.subject.facts.as_ref().map(|facts| answer(facts.tls.as_ref()))
    }

    fn reverse_path(&self) -> Option<PathKnown<'_>> {
        match &self.subject.envelope.as_ref()?.reverse_path {
            ReversePath::Null => Some(PathKnown::Null),
            ReversePath::Mailbox(mailbox) => {
                Some(PathKnown::Mailbox { local: mailbox.local(), domain: mailbox.domain().as_str() })
            }
        }
    }

    fn any_recipient(&self, accepts: &mut AcceptsAddress<'_>) -> bool {
        let mut accepts = |address: &Mailbox| accepts(address.local(), address.domain().as_str());
        if let Event::Gate(Gate::RcptTo { recipient, .. }) = self.event {
            return accepts(recipient);
        }
        let Some(envelope) = &self.subject.envelope else {
            return false;
        };
        match self.subject.current {
            Some(current) => envelope.recipient(current).is_some_and(|one| accepts(&one.address)),
            None => envelope.recipients.iter().any(|one| accepts(&one.address)),
        }
    }

    fn size(&self) -> Option<u64> {
        if let Some(draft) = &self.subject.draft {
            return Some(draft.size());
        }
        let parameters = &self.subject.envelope.as_ref()?.parameters;
        let announced = parameters.iter().find(|parameter| parameter.keyword() == "SIZE")?;
        announced.value()?.parse().ok()
    }

    fn any_header(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        let draft = self.subject.draft.as_ref();
        draft.is_some_and(|draft| draft.header_values(name).iter().any(|value| accepts(value)))
    }

    fn command(&self) -> Option<CommandKnown<'_>> {
        let (verb, argument) = match self.event {
            Event::Gate(Gate::InboundCommand { verb, argument, .. }) => (verb.as_str(), argument.as_str()),
            Event::Gate(Gate::Reply { verb, .. }) | Event::Notice(Notice::Rejected { verb, .. }) => {
                (verb.as_str(), "")
            }
            Event::Outbound(smtp::client::Gate::ServerResponse { verb, .. }) => (&**verb, ""),
            _ => return None,
        };
        Some(CommandKnown { verb, argument })
    }

    fn ingress(&self) -> Option<&str> {
        match (&self.subject.message, &self.subject.facts) {
            (Some(message), _) => Some(message.ingress.word()),
            (None, Some(facts)) => Some(Ingress::of(facts).word()),
            (None, None) => None,
        }
    }

    fn direction(&self) -> Option<Direction> {
        if let Some(facts) = &self.subject.facts {
            let is_ours = facts.protocol == Protocol::Submission || facts.authenticated.is_some();
            return Some(if is_ours { Direction::Outbound } else { Direction::Inbound });
        }
        match self.subject.message.as_ref()?.ingress {
            Ingress::Smtp | Ingress::Lmtp => Some(Direction::Inbound),
            Ingress::Submission | Ingress::Pickup | Ingress::Api | Ingress::Dsn | Ingress::Sink => {
                Some(Direction::Outbound)
            }
            // The door that it first came by isn't kept, so nobody knows.
            Ingress::Resubmit => None,
        }
    }
}

fn answer<T>(fact: Option<&T>) -> Answer {
    if fact.is_some() { Answer::Yes } else { Answer::No }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use smtp::{Envelope, Facts, Gate, Identity, Mailbox, Parameter, Recipient, RecipientId, ReversePath};

    use super::Present;
    use crate::event::{Event, EventKind};
    use crate::rule::Rule;
    use crate::subject::{Subject, Tiers};

    fn subject() -> Subject {
        let mut facts = Facts::new("session".into(), "mx".into(), "host.example".into());
        facts.remote = Some("192.0.2.7:25000".parse().unwrap());
        facts.helo_name = Some("client.example".into());
        let mut subject = Subject::new("acme".into(), "1".into());
        subject.facts = Some(Arc::new(facts));
        subject.envelope = Some(Arc::new(Envelope {
            reverse_path: ReversePath::Mailbox(Mailbox::parse("user@from.example").unwrap()),
            parameters: vec![Parameter::parse("size=1000").unwrap()],
            recipients: ["first@a.example", "second@b.example"]
                .iter()
                .zip(0..)
                .map(|(address, id)| Recipient::new(RecipientId(id), Mailbox::parse(address).unwrap()))
                .collect(),
            ..Envelope::default()
        }));
        subject
    }

    fn matches(rule: &str, event: &Event, subject: &Subject) -> bool {
        Rule::parse(rule).unwrap().matches(event.kind(), &Present { event, subject })
    }

    #[test]
    fn a_rule_reads_session_envelope_and_size_of_the_subject() {
        let (event, subject) = (Event::Gate(Gate::Data), subject());
        for rule in [
            "tenant=acme;listener=mx;cidr=192.0.2.0/24;authenticated=no;tls=no;direction=inbound;ingress=smtp",
            "ehlo=client.*;mail from=user@from.example;rcpt to=second*",
            "size>=1000;size<1001",
        ] {
            assert!(matches(rule, &event, &subject), "{rule}");
        }
        assert!(!matches("rcpt to=third*", &event, &subject));
    }

    #[test]
    fn an_event_about_one_recipient_shows_that_one_alone() {
        let recipient = Mailbox::parse("third@c.example").unwrap();
        let event = Event::Gate(Gate::RcptTo { recipient, parameters: Vec::new() });
        assert!(matches("rcpt to=third*", &event, &subject()));
        assert!(!matches("rcpt to=first*", &event, &subject()));
        let current = Subject { current: Some(RecipientId(1)), ..subject() };
        assert!(matches("rcpt to=second*", &Event::Gate(Gate::Data), &current));
        assert!(!matches("rcpt to=first*", &Event::Gate(Gate::Data), &current));
    }

    #[test]
    fn a_users_session_is_outbound() {
        let mut subject = subject();
        let mut facts = Facts::clone(subject.facts.as_ref().unwrap());
        facts.authenticated = Some(Identity { name: "u".into(), mechanism: "PLAIN".into() });
        subject.facts = Some(Arc::new(facts));
        assert!(matches("direction=outbound;authenticated=yes", &Event::Gate(Gate::Data), &subject));
    }

    #[test]
    fn without_a_tenant_none_is_known() {
        let subject = Subject { tiers: Tiers::OperatorOnly, ..subject() };
        assert!(!matches("tenant=*", &Event::Gate(Gate::Data), &subject));
    }

    #[test]
    fn a_message_shows_its_fields() {
        let content = message::Content::new("Subject: =?utf-8?q?B=C3=A4r?=\r\n\r\nx".into());
        let subject = Subject { draft: Some(message::Draft::new(content)), ..subject() };
        assert!(matches("header subject=Bär;size<100", &Event::PostCategorize, &subject));
        assert_eq!(Event::PostCategorize.kind(), EventKind::PostCategorize);
    }
}
