//! From a question of the session to the decision of its sinks.
//!
//! Sinks are asked on the session's own task, with the snapshot of the registry that the transaction began with. What they
//! set (variables, offers, envelope, draft) is kept here between two questions; what nobody binds costs a look-up.

use std::sync::Arc;

use sinks::verdict::Merge;
use sinks::{EventKind, Sinks, Snapshot, Subject, Tier, Tiers, Verdict};
use smtp::{Decision, Gate, Interest, Mailbox, Notice, RecipientStanding, Reply, Session, replies};

use super::Inbound;
use super::accept;
use super::content::{Arrived, Arriving};
use super::moment::{self, Transaction};
use super::rounds::{self, Concerned, Round};
use crate::observer::Observation;
use crate::tenants::Standing;

/// What one session knows of its sinks.
pub(super) struct Gates {
    snapshot: Arc<Snapshot>,
    concerned: Concerned,
    /// Recipients of the envelope whose owners are in `concerned` already.
    owners_known: usize,
    session_variables: sinks::Variables,
    /// Tenants that were asked about the session behind its beginning, and what they said.
    introduced: Vec<(Arc<str>, Decision)>,
    events: u32,
    transaction: Option<Box<Transaction>>,
}

impl Gates {
    /// Of a session that begins now.
    pub(super) fn begin(inbound: &Inbound, sender: Option<Arc<str>>) -> Self {
        Self {
            snapshot: inbound.sinks.registry(),
            concerned: Concerned { sender, ..Concerned::default() },
            owners_known: 0,
            session_variables: sinks::Variables::default(),
            introduced: Vec::new(),
            events: 0,
            transaction: None,
        }
    }

    /// What anybody wants to be asked, under the present snapshot.
    pub(super) fn interest(&self, inbound: &Inbound) -> Interest {
        inbound.interests.of(&self.snapshot, &inbound.tenants)
    }

    /// A transaction begins: it keeps the sinks of this moment to its end.
    pub(super) fn begin_transaction(&mut self, inbound: &Inbound) {
        self.snapshot = inbound.sinks.registry();
        self.concerned.recipients.clear();
        self.concerned.current = None;
        self.owners_known = 0;
        self.transaction = Some(Box::default());
    }

    /// The content that had arrived is not wanted any more.
    pub(super) fn drop_content(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.arrived = None;
        }
    }

    /// Whose a recipient is, and whether this transaction can have it.
    pub(super) fn standing(
        &mut self,
        inbound: &Inbound,
        session: &Session,
        mailbox: &Mailbox,
    ) -> RecipientStanding {
        self.learn_owners(inbound, session);
        let standing = inbound.tenants.standing(mailbox);
        let (owner, answer) = match standing {
            Standing::Foreign => {
                self.concerned.current = None;
                return RecipientStanding::Foreign;
            }
            Standing::Mailbox(owner) => (owner, RecipientStanding::Accepted),
            Standing::Unknown(owner) => (owner, RecipientStanding::UnknownMailbox),
        };
        self.concerned.current = Some(Arc::clone(&owner));
        if self.must_split(&owner) {
            return RecipientStanding::TransactionFull(replies::TRANSACTION_OF_ITS_OWN);
        }
        answer
    }

    /// EVENTS, "Two tenants in one transaction": split when needed. A second tenant's recipient comes again in another
    /// transaction if either tenant has a say in the content.
    fn must_split(&self, owner: &Arc<str>) -> bool {
        let mut others = self.concerned.recipients.iter().filter(|other| *other != owner).peekable();
        if others.peek().is_none() {
            return false;
        }
        let exclusive = self.transaction.as_ref().and_then(|transaction| transaction.exclusive.as_ref());
        exclusive.is_some() || self.judges_content(owner) || others.any(|other| self.judges_content(other))
    }

    fn judges_content(&self, tenant: &Arc<str>) -> bool {
        [EventKind::Data, EventKind::EndOfData]
            .iter()
            .flat_map(|event| self.snapshot.bindings(*event, Some(tenant)))
            .any(|binding| binding.tier == Tier::Tenant)
    }

    /// Asks about a moment; the answer is the strictest of all that were given.
    pub(super) async fn ask(&mut self, inbound: &Inbound, session: &mut Session, gate: Gate) -> Decision {
        self.learn_owners(inbound, session);
        match &gate {
            Gate::RcptTo { recipient, .. } => {
                self.concerned.current = inbound.tenants.owner(recipient.domain()).cloned();
                if let Some(refusal) = self.introduce(inbound, session).await {
                    return refusal;
                }
            }
            Gate::InboundCommand { verb, argument, .. } if verb == "RCPT" => {
                self.concerned.current =
                    rounds::owner_in_command(argument, &inbound.tenants, &inbound.host_domain);
            }
            _ => {}
        }
        let rounds = self.concerned.rounds(rounds::about_gate(&gate));
        self.ask_all(inbound, session, (&sinks::Event::Gate(gate), &rounds)).await
    }

    /// Tells what happened; the answer is whether the session goes on.
    pub(super) async fn tell(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        notice: Notice,
    ) -> Decision {
        self.learn_owners(inbound, session);
        let about = rounds::about_notice(&notice);
        let ends = matches!(notice, Notice::TransactionEnd { .. });
        if let Notice::Disconnect { .. } = &notice {
            self.concerned.recipients =
                self.introduced.iter().map(|(tenant, _)| Arc::clone(tenant)).collect();
        }
        let rounds = self.concerned.rounds(about);
        let decision = self.ask_all(inbound, session, (&sinks::Event::Notice(notice), &rounds)).await;
        if ends {
            self.transaction = None;
            self.concerned.recipients.clear();
            self.owners_known = 0;
        }
        decision
    }

    /// Whether a notice would reach anybody: else the reply before it need not be written yet.
    pub(super) fn wants_notice(&self, kind: EventKind) -> bool {
        Sinks::wants(&self.snapshot, kind, None)
            || self
                .concerned
                .sender
                .iter()
                .chain(self.introduced.iter().map(|(tenant, _)| tenant))
                .any(|tenant| Sinks::wants(&self.snapshot, kind, Some(tenant)))
    }

    /// The content is whole: the sinks read and edit it before it is accepted.
    pub(super) async fn end_of_data(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        arrived: Arrived,
    ) -> Decision {
        self.transaction.get_or_insert_default().arrived = Some(arrived);
        let decision = self.ask(inbound, session, Gate::EndOfData).await;
        let transaction = self.transaction.get_or_insert_default();
        transaction.settle(session.envelope(), decision)
    }

    /// Stores what is whole and passed its gates; the reply is 250 only behind the sync.
    pub(super) async fn accept(
        &mut self,
        inbound: &Inbound,
        session: &Session,
        content: Option<Box<Arriving>>,
    ) -> Reply {
        let mut transaction = self.transaction.take().unwrap_or_default();
        let arrived = match content {
            Some(arriving) => match arriving.finish(inbound).await {
                Ok(arrived) => arrived,
                Err(refusal) => return refusal,
            },
            None => match transaction.arrived.take() {
                Some(arrived) => arrived,
                None => return replies::STORAGE_UNAVAILABLE,
            },
        };
        let reply = accept::accept(inbound, session, &transaction, arrived).await;
        self.transaction = Some(transaction);
        reply
    }

    /// The tenant of a first recipient is asked about what came before it (EVENTS, "Which tenant").
    async fn introduce(&mut self, inbound: &Inbound, session: &mut Session) -> Option<Decision> {
        let owner = self.concerned.current.clone()?;
        if self.concerned.sender.is_some() {
            return None;
        }
        let round = [rounds::tenant_only(&owner)];
        let known = self.introduced.iter().find(|(tenant, _)| *tenant == owner).map(|(_, said)| said.clone());
        let said = match known {
            Some(said) => said,
            None => {
                let mut said =
                    self.ask_all(inbound, session, (&sinks::Event::Gate(Gate::Connect), &round)).await;
                if let Some(helo) = moment::helo(session.facts())
                    && !refuses(&said)
                {
                    said = self.ask_all(inbound, session, (&sinks::Event::Gate(helo), &round)).await;
                }
                self.introduced.push((Arc::clone(&owner), said.clone()));
                said
            }
        };
        if refuses(&said) {
            return Some(said);
        }
        if !self.transaction.get_or_insert_default().first_meeting(&owner) {
            return None;
        }
        let said = self.ask_all(inbound, session, (&sinks::Event::Gate(Gate::MailFrom), &round)).await;
        refuses(&said).then_some(said)
    }

    async fn ask_all(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        (event, rounds): (&sinks::Event, &[Round]),
    ) -> Decision {
        let mut standing = Decision::proceed();
        for round in rounds {
            let tenant = (round.tiers != Tiers::OperatorOnly).then_some(&*round.tenant);
            if !Sinks::wants(&self.snapshot, event.kind(), tenant) {
                continue;
            }
            let said = self.fire(inbound, session, (event.clone(), round)).await;
            standing = stricter(standing, said);
            if refuses(&standing) {
                break;
            }
        }
        standing
    }

    /// One event for one tenant: builds its subject, fires, and takes back what sinks made of it.
    async fn fire(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        (event, round): (sinks::Event, &Round),
    ) -> Decision {
        self.events = self.events.wrapping_add(1);
        let kind = event.kind();
        let event_id = format!("{}-{}", session.facts().session_id, self.events);
        let mut subject = Subject::new(Arc::clone(&round.tenant), event_id.into());
        subject.tiers = round.tiers;
        subject.session_variables = self.session_variables.clone();
        let scope = moment::Scope { tenants: &inbound.tenants, round };
        moment::fill(&mut subject, (session, kind), self.transaction.as_deref_mut(), &scope);
        let before = subject.envelope.clone();
        let outcome = inbound.sinks.fire(&self.snapshot, event, &mut subject).await;
        inbound.counters.count_calls(&outcome.calls);
        let Verdict::Gate(verdict) = outcome.verdict else { return Decision::defer() };
        let decision =
            moment::take_back((&subject, before), (session, kind), self.transaction.as_deref_mut(), &scope)
                .map_or(Decision { verdict, by: outcome.by }, |decision| decision);
        self.session_variables = subject.session_variables;
        if !outcome.calls.is_empty() {
            inbound.observer.tell(|| Observation::Fired {
                session: Some(session.facts().session_id.clone()),
                entry: None,
                event: kind.name(),
                tenant: Arc::clone(&round.tenant),
                calls: outcome.calls,
            });
        }
        if !subject.tarpit.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(subject.tarpit) => {}
                () = inbound.shutdown.stopping.cancelled() => {}
            }
        }
        decision
    }

    fn learn_owners(&mut self, inbound: &Inbound, session: &Session) {
        let recipients = &session.envelope().recipients;
        for recipient in recipients.get(self.owners_known..).unwrap_or_default() {
            if let Some(owner) = inbound.tenants.owner(recipient.address.domain())
                && !self.concerned.recipients.contains(owner)
            {
                self.concerned.recipients.push(Arc::clone(owner));
            }
        }
        self.owners_known = recipients.len();
    }
}

/// Of two decisions the stricter; of equals the later one that says something.
fn stricter(standing: Decision, said: Decision) -> Decision {
    let (old, new) = (Verdict::Gate(standing.verdict.clone()), Verdict::Gate(said.verdict.clone()));
    match old.merge(&new) {
        Merge::Keep => standing,
        Merge::Replace => said,
    }
}

fn refuses(decision: &Decision) -> bool {
    matches!(
        decision.verdict,
        smtp::Verdict::Defer(_) | smtp::Verdict::Reject(_) | smtp::Verdict::Disconnect(_)
    )
}
