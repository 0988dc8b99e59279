//! Which tenant is asked for which event of a session (EVENTS, "Who is asked"). Pure: the connection loop tells it what
//! happens, and it says whom to ask.
//!
//! Each call has one tenant at most. What happens before a recipient is named belongs to the listener's tenant, else to that
//! of the authenticated identity. Where there is neither, only the operator's sinks are asked at once; a tenant's own
//! are asked about those moments at the tenant's first RCPT, and what they refuse answers that RCPT.
//!
//! ```text
//! resolver.gate(&gate)          connection events, commands without a recipient
//! resolver.recipient(owner, …)  RCPT: whom to ask, what that tenant must be asked first, or 452
//! resolver.caught_up(tenant)    it was asked about what it had missed and refused nothing
//! resolver.accepted(owner)      the recipient was answered 250
//! resolver.transaction(event, …) DATA, the dot, the end of the transaction: one step after the other
//! resolver.session_over(met)    the end of the session
//! resolver.transaction_over()   after the dot's reply, RSET, or a new greeting
//! ```
//! Mail from a tenant's own users or over its own listener is that tenant's first, with all its recipients.

use std::collections::HashMap;
use std::sync::Arc;

use smtp::Gate;

use crate::event::EventKind;
use crate::registry::Snapshot;
use crate::subject::Tiers;

/// Whom to ask: a tenant, and which part of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// None where no tenant is known or nobody owns the domain.
    pub tenant: Option<Arc<str>>,
    /// Whose bindings.
    pub tiers: Tiers,
}

/// What to do with a RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientAsked {
    /// Ask about `catch_up` first, in order and with [`Tiers::TenantOnly`]: a refusal of one of these answers the RCPT. Then
    /// ask about the RCPT itself.
    Ask {
        /// About the RCPT itself.
        asked: Asked,
        /// What this tenant wasn't asked about when it happened.
        catch_up: Vec<Gate>,
    },
    /// Answer 452 4.5.3: the client sends again to this one (`split = when-needed`).
    Later,
}

/// What happens when recipients of two tenants meet in one transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// The second tenant's first RCPT is answered 452 if one of the two binds an event that needs an answer for the
    /// whole transaction.
    #[default]
    WhenNeeded,
    /// The second tenant's first RCPT is always answered 452.
    Always,
}

/// Which tenants a session and its transactions concern.
#[derive(Debug)]
pub struct Resolver {
    split: Split,
    session_tenant: Option<Arc<str>>,
    moments: u64,
    /// What no tenant was asked about, newest of each kind, with when it happened.
    missed: Vec<Missed>,
    /// Up to when each tenant was asked.
    heard: HashMap<Arc<str>, u64>,
    /// Owners of the recipients of this transaction, in the order in which they came.
    shares: Vec<Option<Arc<str>>>,
}

#[derive(Debug)]
struct Missed {
    moment: u64,
    gate: Gate,
}

/// Events that need one answer for the whole transaction.
const WHOLE: [EventKind; 3] = [EventKind::Data, EventKind::Headers, EventKind::EndOfData];

impl Resolver {
    /// A session on a listener, which may be one tenant's alone.
    pub fn new(listener_tenant: Option<Arc<str>>, split: Split) -> Self {
        Self {
            split,
            session_tenant: listener_tenant,
            moments: 0,
            missed: Vec::new(),
            heard: HashMap::new(),
            shares: Vec::new(),
        }
    }

    /// The client proved to be somebody of that tenant. The listener's tenant, if it has one, stays.
    pub fn authenticated(&mut self, tenant: Option<Arc<str>>) {
        if self.session_tenant.is_none() {
            self.session_tenant = tenant;
        }
    }

    /// Who the client proved to be is not known any more.
    pub fn identity_forgotten(&mut self, listener_tenant: Option<Arc<str>>) {
        self.session_tenant = listener_tenant;
    }

    /// Whom to ask about a connection event or a command without a recipient.
    pub fn gate(&mut self, gate: &Gate) -> Asked {
        if self.session_tenant.is_none() && is_caught_up_later(gate) {
            self.moments += 1;
            self.missed.retain(|missed| !is_same_kind(&missed.gate, gate));
            self.missed.push(Missed { moment: self.moments, gate: gate.clone() });
        }
        self.session()
    }

    /// Whom to ask or tell about what concerns no recipient, where catching up makes no sense: replies, notices.
    pub fn session(&self) -> Asked {
        match &self.session_tenant {
            Some(tenant) => Asked { tenant: Some(Arc::clone(tenant)), tiers: Tiers::All },
            None => Asked { tenant: None, tiers: Tiers::OperatorOnly },
        }
    }

    /// Whom to ask about RCPT. `owner` is the tenant whose domain it is.
    pub fn recipient(&self, owner: Option<&Arc<str>>, snapshot: &Snapshot) -> RecipientAsked {
        if self.must_wait(owner, snapshot) {
            return RecipientAsked::Later;
        }
        let asked = self.about_recipient(owner);
        let catch_up = match &asked.tenant {
            Some(tenant) => self.missed_by(tenant, snapshot),
            None => Vec::new(),
        };
        RecipientAsked::Ask { asked, catch_up }
    }

    /// Whom to ask about the reply to RCPT, and to tell about its refusal: the recipient's tenant; the sender's where the
    /// domain is nobody's.
    pub fn about_recipient(&self, owner: Option<&Arc<str>>) -> Asked {
        match owner.or(self.session_tenant.as_ref()) {
            Some(tenant) => Asked { tenant: Some(Arc::clone(tenant)), tiers: Tiers::All },
            None => Asked { tenant: None, tiers: Tiers::OperatorOnly },
        }
    }

    /// The tenant was asked about all that it had missed and refused nothing. Until then it is asked again at each RCPT.
    pub fn caught_up(&mut self, tenant: &Arc<str>) {
        self.heard.insert(Arc::clone(tenant), self.moments);
    }

    /// The RCPT was answered 250: the owner has a share of the transaction.
    pub fn accepted(&mut self, owner: Option<&Arc<str>>) {
        if !self.shares.iter().any(|known| known.as_ref() == owner) {
            self.shares.push(owner.cloned());
        }
    }

    /// The tenants that have recipients in this transaction, in the order in which they came; `None` is nobody's domain.
    pub fn shares(&self) -> &[Option<Arc<str>>] {
        &self.shares
    }

    /// Whom to ask about the transaction, one after the other. Where no tenant of several has a say of its own, that is once on
    /// the whole in the whole order. Else operator-first and the sender's tenant are asked on the whole, and then each share
    /// its tenant's and operator-last.
    pub fn transaction(&self, event: EventKind, snapshot: &Snapshot) -> Vec<Asked> {
        let sender = self.session_tenant.as_ref();
        let has_a_say = |share: &Arc<str>| Some(share) != sender && snapshot.tenant_wants(event, share);
        if let (None, [Some(share)]) = (sender, self.shares.as_slice()) {
            return vec![Asked { tenant: Some(Arc::clone(share)), tiers: Tiers::All }];
        }
        if !self.shares.iter().flatten().any(has_a_say) {
            return vec![self.session()];
        }
        let whole = if sender.is_some() { Tiers::UpToTenant } else { Tiers::OperatorFirst };
        let of_share = |share: &Option<Arc<str>>| match share {
            Some(tenant) if Some(tenant) != sender => {
                Asked { tenant: Some(Arc::clone(tenant)), tiers: Tiers::FromTenant }
            }
            _ => Asked { tenant: sender.cloned(), tiers: Tiers::OperatorLast },
        };
        std::iter::once(Asked { tenant: sender.cloned(), tiers: whole })
            .chain(self.shares.iter().map(of_share))
            .collect()
    }

    /// Whom to tell that the session is over, whose recipients were of these tenants: operator-first, the session's own tenant,
    /// each of the others, operator-last.
    pub fn session_over(&self, met: &[Arc<str>]) -> Vec<Asked> {
        let sender = self.session_tenant.as_ref();
        let others: Vec<&Arc<str>> = met.iter().filter(|tenant| Some(*tenant) != sender).collect();
        if others.is_empty() {
            return vec![self.session()];
        }
        let first = if sender.is_some() { Tiers::UpToTenant } else { Tiers::OperatorFirst };
        let other = |tenant: &Arc<str>| Asked { tenant: Some(Arc::clone(tenant)), tiers: Tiers::TenantOnly };
        std::iter::once(Asked { tenant: sender.cloned(), tiers: first })
            .chain(others.into_iter().map(other))
            .chain(std::iter::once(Asked { tenant: sender.cloned(), tiers: Tiers::OperatorLast }))
            .collect()
    }

    /// The transaction is over; nobody is asked about its MAIL any more.
    pub fn transaction_over(&mut self) {
        self.shares.clear();
        self.missed.retain(|missed| !is_of_transaction(&missed.gate));
    }

    fn must_wait(&self, owner: Option<&Arc<str>>, snapshot: &Snapshot) -> bool {
        self.is_apart(owner, &self.shares, snapshot)
    }

    /// A tenant that has a say in the content shares no transaction with another. The sender's own answers for the whole.
    /// `shares` are those of the transaction, or those that the same RCPT was rewritten to.
    pub fn is_apart(
        &self,
        owner: Option<&Arc<str>>,
        shares: &[Option<Arc<str>>],
        snapshot: &Snapshot,
    ) -> bool {
        if shares.is_empty() || shares.iter().any(|share| share.as_ref() == owner) {
            return false;
        }
        let has_a_say = |tenant: &Arc<str>| {
            Some(tenant) != self.session_tenant.as_ref()
                && WHOLE.iter().any(|event| snapshot.tenant_wants(*event, tenant))
        };
        match self.split {
            Split::Always => true,
            Split::WhenNeeded => {
                shares.iter().map(Option::as_ref).chain(std::iter::once(owner)).flatten().any(has_a_say)
            }
        }
    }

    fn missed_by(&self, tenant: &Arc<str>, snapshot: &Snapshot) -> Vec<Gate> {
        let heard = self.heard.get(tenant).copied().unwrap_or(0);
        let wants = |gate: &Gate| snapshot.tenant_wants(event(gate), tenant);
        let missed = self.missed.iter().filter(|missed| missed.moment > heard);
        missed.map(|missed| &missed.gate).filter(|gate| wants(gate)).cloned().collect()
    }
}

fn event(gate: &Gate) -> EventKind {
    crate::event::Event::Gate(gate.clone()).kind()
}

/// What stands before a recipient can still be refused at RCPT. Other commands were answered, and replies were sent.
fn is_caught_up_later(gate: &Gate) -> bool {
    match gate {
        Gate::Connect | Gate::TlsEstablished | Gate::Helo { .. } | Gate::MailFrom => true,
        Gate::InboundCommand { verb, input, .. } => {
            input.is_empty() && matches!(verb.as_str(), "HELO" | "EHLO" | "LHLO" | "MAIL")
        }
        Gate::RcptTo { .. } | Gate::Data | Gate::EndOfData | Gate::Reply { .. } => false,
    }
}

fn is_of_transaction(gate: &Gate) -> bool {
    matches!(gate, Gate::MailFrom) || matches!(gate, Gate::InboundCommand { verb, .. } if verb == "MAIL")
}

/// Whether the newer one takes the older one's place, so that a client that greets for ever keeps one greeting.
fn is_same_kind(older: &Gate, newer: &Gate) -> bool {
    match (older, newer) {
        (Gate::InboundCommand { .. }, Gate::InboundCommand { .. }) => {
            is_of_transaction(older) == is_of_transaction(newer)
        }
        _ => std::mem::discriminant(older) == std::mem::discriminant(newer),
    }
}

#[cfg(test)]
mod tests;
