//! Sinks on the way to another server: what one session asks them, and what is taken back from their answers.
//!
//! A session keeps the sinks that a message began with until that message is over. Nothing is looked at or copied where nobody
//! is asked. At the end of a session there is no message any more: on-session-end knows the session alone.

use std::sync::Arc;

use bytes::Bytes;
use sinks::provider::{Answer, Exchangers};
use sinks::{Event, EventKind, Outbound, RemoteFacts, RemoteTls, Sinks, Snapshot, Subject, Variables};
use smtp::client::{
    AfterReply, Cause, Class, Client, Decision, Ending, Gate, Interest, Judgement, Next, Verdict,
};
use smtp::{By, Domain, QueueName, RecipientId, Refusal, Route, TlsFacts, TlsPolicy};
use spool::{Lease, ReadError};
use tokio::net::TcpStream;

use super::resolve::Target;
use crate::clock;
use crate::observer::Observation;
use crate::transport::{Transport, stages};

/// The word for what a sink that faulted leaves undone.
const FAULT: &str = "sink-fault";

/// What one session knows of its sinks.
pub(super) struct Gates {
    transport: Arc<Transport>,
    snapshot: Arc<Snapshot>,
    tenant: Arc<str>,
    facts: RemoteFacts,
    variables: Variables,
    events: u64,
    /// What sinks may know of the message that is under way, if any is asked about it.
    message: Option<Subject>,
}

impl Gates {
    /// Of a session that was just connected for an entry.
    pub(super) fn begin(
        transport: &Arc<Transport>,
        (lease, route): (&Lease, &Route),
        (target, stream): (&Target, &TcpStream),
    ) -> Self {
        Self {
            transport: Arc::clone(transport),
            snapshot: transport.sinks.registry(),
            tenant: Arc::from(lease.tenant.as_str()),
            facts: RemoteFacts {
                session_id: clock::fresh_id().to_string(),
                queue: route.queue.clone(),
                host: target.name.to_string(),
                peer: Some(target.address),
                source: stream.local_addr().ok(),
                extensions: Vec::new(),
                tls: None,
            },
            variables: Variables::default(),
            events: 0,
            message: None,
        }
    }

    /// The session works for this entry now. The answer is what its sinks want to be asked about.
    ///
    /// # Errors
    /// When the content can't be read that they may look at.
    pub(super) async fn take_up(&mut self, lease: &Lease) -> Result<Interest, ReadError> {
        self.snapshot = self.transport.sinks.registry();
        self.message = None;
        if self.snapshot.has_own_queues(&lease.tenant) {
            self.message = Some(stages::about(&self.transport, lease, Arc::from("")).await?);
        }
        Ok(self.snapshot.outbound_interest(&lease.tenant).clone())
    }

    /// The message is over.
    pub(super) fn put_down(&mut self) {
        self.message = None;
    }

    /// Asks about a moment of the dialogue, and answers the session.
    pub(super) async fn ask(&mut self, client: &mut Client, gate: Gate) {
        if matches!(gate, Gate::SessionEnd { .. }) {
            self.message = None;
        }
        let recipient = match &gate {
            Gate::PerRecipient(recipient) => Some(*recipient),
            Gate::ServerResponse { recipient, .. } => *recipient,
            _ => None,
        };
        self.facts.extensions = client.peer().keywords().cloned().collect();
        self.facts.tls = client.tls().map(remote_tls);
        let is_reply = matches!(gate, Gate::ServerResponse { .. });
        let (verdict, by, command) =
            self.fire(Event::Outbound(gate), (recipient, client.draft().cloned())).await;
        if let (Some(staged), Some(draft)) = (command, client.draft_mut()) {
            *draft = staged;
        }
        let verdict = match verdict {
            Verdict::Postpone(_) if is_reply => Verdict::Judge(self.faulted()),
            verdict => verdict,
        };
        client.decide(Decision { verdict, by });
    }

    /// Whether the peer's certificate is asked about.
    pub(super) fn wants_tls(&self) -> bool {
        Sinks::wants(&self.snapshot, EventKind::RemoteTls, Some(&self.tenant))
    }

    /// Asks whether this peer is good enough; the answer is how the session ends where it is not.
    pub(super) async fn judge_tls(
        &mut self,
        facts: &TlsFacts,
        (policy, chain): (TlsPolicy, Vec<Bytes>),
    ) -> Option<Ending> {
        self.facts.tls = Some(remote_tls(facts));
        let (verdict, by, _) = self.fire(Event::RemoteTls { policy, chain }, (None, None)).await;
        let (next, wait) = match verdict {
            Verdict::SkipHost => (Next::SkipHost, None),
            Verdict::Postpone(wait) => (Next::SuspendQueue, wait),
            _ => return None,
        };
        let refusal = Refusal { reply: None, reason: "the peer's certificate".to_owned() };
        Some(Ending { cause: Some(Cause::Sink { by, refusal }), next, wait })
    }

    /// What a fault at a reply means: what is not settled yet waits.
    fn faulted(&self) -> Judgement {
        let next = if self.message.is_some() { AfterReply::NextMessage } else { AfterReply::EndSession };
        Judgement { class: Class::AsSent, next, tag: Some(FAULT.into()) }
    }

    async fn fire(
        &mut self,
        event: Event,
        (current, command): (Option<RecipientId>, Option<smtp::client::Draft>),
    ) -> (Verdict, By, Option<smtp::client::Draft>) {
        self.events = self.events.saturating_add(1);
        let id: Arc<str> = format!("{}-{}", self.facts.session_id, self.events).into();
        let nothing = || Subject::new(Arc::clone(&self.tenant), Arc::clone(&id));
        let mut subject = self.message.clone().unwrap_or_else(nothing);
        subject.event_id = Arc::clone(&id);
        subject.current = current;
        subject.outbound = Some(Box::new(Outbound {
            remote: Some(Arc::new(self.facts.clone())),
            remote_variables: self.variables.clone(),
            command,
            original: None,
        }));
        let kind = event.kind();
        let outcome = self.transport.sinks.fire(&self.snapshot, event, &mut subject).await;
        self.transport.counters.count_calls(&outcome.calls);
        let mut command = None;
        if let Some(outbound) = subject.outbound.take() {
            self.variables = outbound.remote_variables;
            command = outbound.command;
        }
        if let Some(message) = &mut self.message {
            message.variables = subject.variables;
            message.scores = subject.scores;
        }
        if !outcome.calls.is_empty() {
            let entry = self.message.as_ref().and_then(|subject| subject.message.as_ref());
            self.transport.observer.tell(|| Observation::Fired {
                session: Some(self.facts.session_id.clone()),
                entry: entry.map(|message| message.id.clone()),
                id,
                event: kind.name(),
                tenant: Arc::clone(&self.tenant),
                calls: outcome.calls,
            });
        }
        match outcome.verdict {
            sinks::Verdict::Outbound(verdict) => (verdict, outcome.by, command),
            _ => (Verdict::Continue, outcome.by, command),
        }
    }
}

/// Asks who takes mail for a domain, before DNS is.
///
/// # Errors
/// When the content can't be read that sinks may look at.
pub(super) async fn exchangers(
    transport: &Transport,
    lease: &Lease,
    (queue, domain): (&QueueName, &Domain),
) -> Result<Exchangers, ReadError> {
    let snapshot = transport.sinks.registry();
    if !Sinks::wants(&snapshot, EventKind::ResolveNextHop, Some(&lease.tenant)) {
        return Ok(Exchangers::Continue);
    }
    let id = format!("{}-{}-{}-{domain}", lease.id, EventKind::ResolveNextHop, lease.version);
    let mut subject = stages::about(transport, lease, id.into()).await?;
    let event = Event::ResolveNextHop { queue: queue.clone(), domain: domain.clone() };
    let outcome = transport.sinks.fire(&snapshot, event.clone(), &mut subject).await;
    stages::tell(transport, lease, (&event, &subject), &outcome);
    Ok(match outcome.verdict {
        sinks::Verdict::Answer(Answer::Exchangers(exchangers)) => exchangers,
        _ => Exchangers::Continue,
    })
}

fn remote_tls(facts: &TlsFacts) -> RemoteTls {
    RemoteTls { version: facts.version.clone(), cipher: facts.cipher.clone() }
}
