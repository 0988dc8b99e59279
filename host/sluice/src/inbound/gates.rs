//! From a question of the session to the decision of its sinks.
//!
//! Sinks are asked on the session's own task, with the snapshot of the registry that the transaction began with. What they
//! set (variables, offers, envelope, draft) is kept here between two questions; what nobody binds costs a look-up.

mod login;

use std::sync::Arc;

use sinks::verdict::Merge;
use sinks::{Asked, EventKind, RecipientAsked, Resolver, Sinks, Snapshot, Split, Subject, Tiers, Verdict};
use smtp::{
    By, Decision, Gate, Interest, MailParameters, Mailbox, Notice, Recipient, RecipientStanding, Session,
    replies,
};

use super::Inbound;
use super::accept::{self, Accepted};
use super::admission;
use super::content::{Arrived, Arriving};
use super::moment::{self, Scope, Sight, Transaction};
use super::rounds::{self, About};
use crate::observer::Observation;
use crate::tenants::{Login, OPERATOR, Standing};

/// What one session knows of its sinks.
pub(super) struct Gates {
    snapshot: Arc<Snapshot>,
    resolver: Resolver,
    /// The listener's tenant, else that of who logged in: it sees all recipients of its own sessions.
    sender: Option<Arc<str>>,
    /// The listener's tenant.
    listener: Option<Arc<str>>,
    /// Who logged in.
    login: Option<Login>,
    /// The owner of the recipient that the last RCPT named.
    current: Option<Arc<str>>,
    /// Recipients of the envelope whose owners the resolver knows.
    owners_known: usize,
    /// Tenants that had a recipient in this session: they are told of its end.
    met: Vec<Arc<str>>,
    session_variables: sinks::Variables,
    /// As they were before the client said anything.
    variables_at_banner: sinks::Variables,
    events: u32,
    transaction: Option<Box<Transaction>>,
}

impl Gates {
    /// Of a session that begins now.
    pub(super) fn begin(inbound: &Inbound, sender: Option<Arc<str>>) -> Self {
        Self {
            snapshot: inbound.sinks.registry(),
            resolver: Resolver::new(sender.clone(), Split::WhenNeeded),
            listener: sender.clone(),
            sender,
            login: None,
            current: None,
            owners_known: 0,
            met: Vec::new(),
            session_variables: sinks::Variables::default(),
            variables_at_banner: sinks::Variables::default(),
            events: 0,
            transaction: None,
        }
    }

    /// What anybody wants to be asked, under the present snapshot.
    pub(super) fn interest(&self, inbound: &Inbound) -> Interest {
        inbound.interests.of(&self.snapshot)
    }

    /// A transaction begins: it keeps the sinks of this moment to its end.
    pub(super) fn begin_transaction(&mut self, inbound: &Inbound) {
        self.end_transaction();
        self.snapshot = inbound.sinks.registry();
        self.transaction = Some(Box::default());
    }

    /// A handshake is done: what sinks remember of what the client said in clear goes with it (RFC 3207 §4.2).
    pub(super) fn forget_clear(&mut self) {
        self.end_transaction();
        self.session_variables = self.variables_at_banner.clone();
        self.login = None;
        self.sender.clone_from(&self.listener);
        self.resolver.identity_forgotten(self.listener.clone());
    }

    fn end_transaction(&mut self) {
        self.resolver.transaction_over();
        self.current = None;
        self.owners_known = 0;
        self.transaction = None;
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
        let (owner, answer) = match inbound.tenants.standing(mailbox) {
            Standing::Foreign if self.login.is_some() || may_relay(inbound, session) => {
                (None, RecipientStanding::Accepted)
            }
            Standing::Foreign => {
                self.current = None;
                return RecipientStanding::Foreign;
            }
            Standing::Mailbox(owner) => (Some(owner), RecipientStanding::Accepted),
            Standing::Unknown(owner) => (Some(owner), RecipientStanding::UnknownMailbox),
        };
        // What is for elsewhere is its sender's.
        let whose = owner.as_ref().or(self.sender.as_ref()).map_or(OPERATOR, |owner| owner);
        let announced = MailParameters::read(&session.envelope().parameters).ok().and_then(|read| read.size);
        if !admission::fits_queue(inbound, whose, announced.unwrap_or(0)) {
            self.current = owner;
            return RecipientStanding::QueueFull;
        }
        let owner_of = |recipient: &Recipient| inbound.tenants.owner(recipient.address.domain()).cloned();
        let beside: Vec<_> = session.settled().iter().map(owner_of).collect();
        let must_split = self.resolver.recipient(owner.as_ref(), &self.snapshot) == RecipientAsked::Later
            || self.transaction.as_ref().is_some_and(|transaction| transaction.excludes(whose));
        let never_fits = self.resolver.is_apart(owner.as_ref(), &beside, &self.snapshot);
        self.current = owner;
        if never_fits {
            return RecipientStanding::Apart;
        }
        if must_split {
            return RecipientStanding::TransactionFull(replies::TRANSACTION_OF_ITS_OWN);
        }
        answer
    }

    /// Asks about a moment; the answer is the strictest of all that were given.
    pub(super) async fn ask(&mut self, inbound: &Inbound, session: &mut Session, gate: Gate) -> Decision {
        self.learn_owners(inbound, session);
        match &gate {
            Gate::RcptTo { recipient, .. } => {
                self.current = inbound.tenants.owner(recipient.domain()).cloned();
                if let Some(refusal) = self.catch_up(inbound, session).await {
                    return refusal;
                }
            }
            Gate::InboundCommand { verb, argument, .. } if verb == "RCPT" => {
                self.current = rounds::owner_in_command(argument, &inbound.tenants, &inbound.host_domain);
            }
            _ => {}
        }
        let asked = match rounds::about_gate(&gate) {
            About::Session => vec![self.resolver.gate(&gate)],
            About::Recipient => vec![self.resolver.about_recipient(self.current.as_ref())],
            About::Transaction => {
                self.resolver.transaction(sinks::Event::Gate(gate.clone()).kind(), &self.snapshot)
            }
            About::End => self.resolver.session_over(&self.met),
        };
        self.ask_all(inbound, session, (&sinks::Event::Gate(gate), &asked)).await
    }

    /// Tells what happened; the answer is whether the session goes on.
    pub(super) async fn tell(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        notice: Notice,
    ) -> Decision {
        self.learn_owners(inbound, session);
        let asked = match rounds::about_notice(&notice) {
            About::Session => vec![self.resolver.session()],
            About::Recipient => vec![self.resolver.about_recipient(self.current.as_ref())],
            About::Transaction => {
                self.resolver.transaction(sinks::Event::Notice(notice.clone()).kind(), &self.snapshot)
            }
            About::End => self.resolver.session_over(&self.met),
        };
        let ends = matches!(notice, Notice::TransactionEnd { .. });
        let decision = self.ask_all(inbound, session, (&sinks::Event::Notice(notice), &asked)).await;
        if ends {
            self.end_transaction();
        }
        decision
    }

    /// Whether a notice would reach anybody: else the reply before it need not be written yet.
    pub(super) fn wants_notice(&self, kind: EventKind) -> bool {
        Sinks::wants(&self.snapshot, kind, None)
            || self
                .sender
                .iter()
                .chain(&self.met)
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
        transaction.settle((session.envelope(), session.facts().protocol), decision)
    }

    /// Stores what is whole and passed its gates; the reply is 250 only behind the sync.
    pub(super) async fn accept(
        &mut self,
        inbound: &Inbound,
        session: &Session,
        content: Option<Box<Arriving>>,
    ) -> Accepted {
        let transaction = self.transaction.get_or_insert_default();
        let arrived = match content {
            Some(arriving) => match arriving.finish(inbound, session.facts().protocol).await {
                Ok(arrived) => arrived,
                Err(refusal) => return refusal.into(),
            },
            None => match transaction.arrived.take() {
                Some(arrived) => arrived,
                None => return replies::STORAGE_UNAVAILABLE.into(),
            },
        };
        accept::accept(inbound, (session, self.sender.as_deref()), transaction, arrived).await
    }

    /// The tenant of a recipient is asked about what happened before anyone knew that it was concerned (EVENTS, "Which
    /// tenant"); its refusal answers the RCPT.
    async fn catch_up(&mut self, inbound: &Inbound, session: &mut Session) -> Option<Decision> {
        let owner = self.current.clone()?;
        let RecipientAsked::Ask { catch_up, .. } = self.resolver.recipient(Some(&owner), &self.snapshot)
        else {
            return None;
        };
        let asked = [Asked { tenant: Some(Arc::clone(&owner)), tiers: Tiers::TenantOnly }];
        for gate in catch_up {
            let said = self.ask_all(inbound, session, (&sinks::Event::Gate(gate), &asked)).await;
            if refuses(&said) {
                return Some(said);
            }
        }
        self.resolver.caught_up(&owner);
        None
    }

    async fn ask_all(
        &mut self,
        inbound: &Inbound,
        session: &mut Session,
        (event, asked): (&sinks::Event, &[Asked]),
    ) -> Decision {
        let mut standing = Decision::proceed();
        for one in asked {
            if !Sinks::wants(&self.snapshot, event.kind(), one.tenant.as_deref()) {
                continue;
            }
            let said = match self.fire(inbound, session, (event.clone(), one)).await {
                (Verdict::Gate(verdict), by) => Decision { verdict, by },
                _ => Decision::defer(),
            };
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
        (event, asked): (sinks::Event, &Asked),
    ) -> (Verdict, By) {
        self.events = self.events.wrapping_add(1);
        let kind = event.kind();
        let event_id = format!("{}-{}", session.facts().session_id, self.events);
        let tenant = asked.tenant.clone().unwrap_or_else(|| Arc::from(OPERATOR));
        let is_share = matches!(asked.tiers, Tiers::FromTenant | Tiers::OperatorLast);
        let sees_all = !is_share && (asked.tenant.is_none() || asked.tenant == self.sender);
        let scope = Scope {
            tenants: &inbound.tenants,
            tenant: &tenant,
            tiers: asked.tiers,
            sight: if sees_all { Sight::All } else { Sight::Own },
        };
        let mut subject = Subject::new(Arc::clone(&tenant), event_id.into());
        subject.tiers = asked.tiers;
        subject.session_variables = self.session_variables.clone();
        moment::fill(&mut subject, (session, kind), self.transaction.as_deref_mut(), &scope);
        let before = subject.envelope.clone();
        let outcome = inbound.sinks.fire(&self.snapshot, event, &mut subject).await;
        inbound.counters.count_calls(&outcome.calls);
        let decided =
            moment::take_back((&subject, before), (session, kind), self.transaction.as_deref_mut(), &scope)
                .map_or((outcome.verdict, outcome.by), |decision| {
                    (Verdict::Gate(decision.verdict), decision.by)
                });
        self.session_variables = subject.session_variables;
        if kind == EventKind::Connect {
            self.variables_at_banner = self.session_variables.clone();
        }
        if !outcome.calls.is_empty() {
            inbound.observer.tell(|| Observation::Fired {
                session: Some(session.facts().session_id.clone()),
                entry: None,
                id: Arc::clone(&subject.event_id),
                event: kind.name(),
                tenant: Arc::clone(&tenant),
                calls: outcome.calls,
            });
        }
        if !subject.tarpit.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(subject.tarpit) => {}
                () = inbound.shutdown.stopping.cancelled() => {}
            }
        }
        decided
    }

    /// Tells the resolver whose recipients were accepted since it last looked.
    fn learn_owners(&mut self, inbound: &Inbound, session: &Session) {
        let recipients = &session.envelope().recipients;
        for recipient in recipients.get(self.owners_known..).unwrap_or_default() {
            let owner = inbound.tenants.owner(recipient.address.domain());
            self.resolver.accepted(owner);
            if let Some(owner) = owner
                && !self.met.contains(owner)
            {
                self.met.push(Arc::clone(owner));
            }
        }
        self.owners_known = recipients.len();
    }
}

/// Whether the client may send to domains that nobody here owns; no sink has a say in it.
fn may_relay(inbound: &Inbound, session: &Session) -> bool {
    let remote = session.facts().remote.map(|remote| remote.ip());
    remote.is_some_and(|remote| inbound.relay_networks.iter().any(|network| network.contains(remote)))
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
