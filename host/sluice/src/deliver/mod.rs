//! Deliver: from a leased entry to what became of each of its recipients.
//!
//! A few workers take what is ready in batches, write the mailboxes on the blocking pool, and record the outcomes; the
//! records of a batch share one sync. An entry is done when every recipient is finished; else it waits as the schedule says.

pub mod local;
pub mod path;
pub(crate) mod remote;
mod settled;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use message::dsn::Action;
use message::{LoadError, ReceivedFacts, TlsDetail};
use smtp::{EnhancedStatus, Mailbox, Recipient, RecipientState, ReversePath, Target, Timestamp, replies};
use spool::schedule::{Age, Next};
use spool::{Entry, Lease, Outcome, ReadError, Spool, Stage, StoredContent};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;

use crate::clock;
use crate::observer::Observation;
use crate::transport::report::{self, Told};
use crate::transport::{Transport, stages};
use local::{DeliverError, Delivery, History, Source};
use settled::Settled;

/// Bytes that are read of a large content at one time while it is written out.
pub const COPY_BYTES: u64 = 256 * 1024;

/// How long the leases of a batch that broke off rest: it may break off again.
const BROKEN_PAUSE: Duration = Duration::from_secs(1);

/// RFC 3463 §3.2: X.1.1, bad destination mailbox address.
const NO_SUCH_MAILBOX: EnhancedStatus = EnhancedStatus::new(5, 1, 1);

/// What is ready to be delivered; shared by the workers.
pub(crate) type Queue = Arc<Mutex<Receiver<Lease>>>;

/// A recipient, and what came of writing its mailbox.
type Tried = (Recipient, Result<PathBuf, DeliverError>);

/// Delivers batches until the queue is closed and empty.
pub(crate) async fn work(transport: Arc<Transport>, queue: Queue) {
    let batch_max = usize::try_from(transport.settings.batch_max).unwrap_or(usize::MAX);
    loop {
        let mut batch = Vec::new();
        if queue.lock().await.recv_many(&mut batch, batch_max).await == 0 {
            return;
        }
        deliver(&transport, batch).await;
    }
}

async fn deliver(transport: &Arc<Transport>, leases: Vec<Lease>) {
    let mut deliveries = Vec::new();
    let mut owners = Vec::new();
    for (index, lease) in leases.iter().enumerate() {
        for (recipient, delivery) in prepare(transport, lease) {
            owners.push((index, recipient));
            deliveries.push(delivery);
        }
    }
    let maildir = Arc::clone(&transport.maildir);
    let Ok(results) = tokio::task::spawn_blocking(move || maildir.deliver(&deliveries)).await else {
        // The writing thread panicked: nothing was recorded. The leases go back when they are dropped.
        transport.doubt();
        tracing::error!("a delivery batch broke off");
        tokio::time::sleep(BROKEN_PAUSE).await;
        return;
    };
    let mut by_lease: Vec<Vec<Tried>> = leases.iter().map(|_| Vec::new()).collect();
    for ((index, recipient), result) in owners.into_iter().zip(results) {
        if let Some(of_lease) = by_lease.get_mut(index) {
            of_lease.push((recipient, result));
        }
    }
    join_all(leases.into_iter().zip(by_lease).map(|(lease, results)| settle(transport, lease, results)))
        .await;
}

/// The deliveries of an entry: one for each recipient that is still to be delivered.
fn prepare(transport: &Transport, lease: &Lease) -> Vec<(Recipient, Delivery)> {
    let content: Arc<dyn Source + Sync> =
        Arc::new(Whole { spool: transport.spool.clone(), content: lease.content.clone() });
    let trace = Bytes::from(trace(&transport.host_name, lease));
    let pending = |recipient: &&Recipient| {
        matches!(recipient.state, RecipientState::Pending | RecipientState::Deferred)
    };
    lease
        .envelope
        .recipients
        .iter()
        .filter(pending)
        .map(|recipient| {
            let tenant = transport.tenants.owner(recipient.address.domain()).cloned();
            let delivery = Delivery {
                tenant: tenant.unwrap_or_else(|| Arc::from(lease.tenant.as_str())),
                mailbox: folder(transport, recipient),
                name: format!(
                    "{}.{}_{}.{}",
                    lease.arrived.0 / 1000,
                    lease.id,
                    recipient.id.0,
                    transport.host_name
                ),
                history: if recipient.attempts > 0 || transport.is_doubtful(lease) {
                    History::Repeated
                } else {
                    History::First
                },
                trace: trace.clone(),
                content: Arc::clone(&content),
            };
            (recipient.clone(), delivery)
        })
        .collect()
}

/// The mailbox of a recipient: as it was found out, else as the tables of its domain's owner have it.
fn folder(transport: &Transport, recipient: &Recipient) -> Mailbox {
    let address = &recipient.address;
    match &recipient.target {
        Target::Mailbox(Some(name)) => {
            Mailbox::new(name, address.domain().clone()).unwrap_or_else(|_| address.clone())
        }
        Target::Mailbox(None) => address.clone(),
        Target::ByDomain | Target::Remote => transport.tenants.folder(address).into_owned(),
    }
}

/// Return-Path (RFC 5321 §4.4: the server that makes the final delivery adds it) and our Received field.
fn trace(host_name: &str, entry: &Entry) -> String {
    let reverse_path = match &entry.envelope.reverse_path {
        ReversePath::Null => String::new(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    };
    message::return_path_field(&reverse_path) + &received(host_name, entry)
}

/// Our Received field (RFC 5321 §4.4).
fn received(host_name: &str, entry: &Entry) -> String {
    let facts = entry.facts.as_deref();
    let id = entry.id.to_string();
    let originals: Vec<String> =
        entry.envelope.recipients.iter().map(|recipient| recipient.original.to_string()).collect();
    let recipients: Vec<&str> = originals.iter().map(String::as_str).collect();
    message::received_field(&ReceivedFacts {
        helo_name: facts.and_then(|facts| facts.helo_name.as_deref()),
        reverse_name: None,
        remote: facts.and_then(|facts| facts.remote).map(|remote| remote.ip()),
        host_name,
        with: facts.map_or("SMTP", smtp::Facts::with_word),
        tls: facts
            .and_then(|facts| facts.tls.as_ref())
            .map(|tls| TlsDetail { version: &tls.version, cipher: &tls.cipher }),
        id: &id,
        recipients: &recipients,
        arrived: entry.arrived.0,
    })
}

/// Records what became of an entry's recipients.
async fn settle(transport: &Arc<Transport>, mut lease: Lease, results: Vec<Tried>) {
    if let Some(error) = unreadable(transport, &lease, &results).await {
        return set_aside(transport, lease, results, &error).await;
    }
    let now = clock::now();
    let mut settled = Settled::default();
    for (recipient, result) in results {
        let outcome = match result {
            Ok(path) => {
                settled.told.push(Told::new(&recipient, Action::Delivered));
                delivered(transport, &lease, &recipient, path)
            }
            Err(error) => undelivered(transport, (&lease, now), &recipient, &error, &mut settled),
        };
        settled.outcomes.push(outcome);
    }
    if let Err(error) = settled.record(transport, &mut lease).await {
        // Delivered, but not known to be: the next attempt finds the message by its name.
        transport.doubt();
        tracing::error!(entry = %lease.id, %error, "the outcome of a delivery was not recorded");
    }
}

/// Whether the content is what kept it from its mailboxes: it is not as it was written, so trying again is of no use.
async fn unreadable(transport: &Transport, lease: &Lease, results: &[Tried]) -> Option<ReadError> {
    let of_content = |(_, result): &Tried| match result {
        Err(DeliverError::Later { error, .. }) => {
            error.get_ref().is_some_and(|cause| cause.is::<ReadError>() || cause.is::<LoadError>())
        }
        Ok(_) | Err(DeliverError::NoSuchFolder) => false,
    };
    if !results.iter().any(of_content) {
        return None;
    }
    let (size, mut at) = (lease.content.size(), 0);
    while at < size {
        let end = size.min(at.saturating_add(COPY_BYTES));
        match transport.spool.read(&lease.content, at..end).await {
            Err(error @ ReadError::Damaged { .. }) => return Some(error),
            // The disk or a limit of the system: another attempt may do.
            Err(ReadError::Disk { .. } | ReadError::Gone) => return None,
            Ok(_) => at = end,
        }
    }
    None
}

/// Holds an entry of which the content is damaged, with what was delivered of it before.
async fn set_aside(transport: &Transport, mut lease: Lease, results: Vec<Tried>, error: &ReadError) {
    tracing::error!(entry = %lease.id, %error, "an entry's content can't be read; it is held");
    let mut stage = Stage::of(&lease);
    for (recipient, result) in results {
        if let Ok(path) = result
            && let Some(known) = stage.envelope.recipients.iter_mut().find(|known| known.id == recipient.id)
        {
            known.state = delivered(transport, &lease, &recipient, path).state;
        }
    }
    stages::hold(transport, &mut lease, (stage, format!("content unreadable: {error}"))).await;
}

fn delivered(transport: &Transport, entry: &Entry, recipient: &Recipient, path: PathBuf) -> Outcome {
    transport.counters.delivered.count();
    tracing::info!(entry = %entry.id, recipient = %recipient.address, tenant = entry.tenant, "delivered");
    transport.observer.tell(|| Observation::Delivered {
        entry: entry.id.to_string(),
        recipient: recipient.address.to_string(),
        path,
    });
    Outcome { recipient: recipient.id, state: RecipientState::Delivered, reply: None }
}

fn undelivered(
    transport: &Transport,
    (entry, now): (&Entry, Timestamp),
    recipient: &Recipient,
    error: &DeliverError,
    settled: &mut Settled,
) -> Outcome {
    let age = Age {
        id: entry.id,
        arrived: entry.arrived,
        expires: entry.envelope.expires,
        attempts: recipient.attempts.saturating_add(1),
        due: entry.due,
    };
    let next = match error {
        DeliverError::Later { .. } => transport.schedule.next(&age, now),
        DeliverError::NoSuchFolder => Next::Expire,
    };
    match next {
        Next::Attempt(at) => {
            transport.counters.delivery_deferred.count();
            if transport.schedule.tells_delay(&age, now) {
                let retry_until = Some(transport.schedule.expires(&age));
                settled.told.push(Told { retry_until, ..unwritable(recipient, Action::Delayed) });
            }
            tracing::warn!(
                entry = %entry.id, recipient = %recipient.address, %error, attempt = age.attempts, due = at.0,
                "delivery deferred"
            );
            settled.again_at(at);
            Outcome {
                recipient: recipient.id,
                state: RecipientState::Deferred,
                reply: Some(replies::MAILBOX_UNAVAILABLE),
            }
        }
        Next::Expire => {
            transport.fail(entry, recipient, &error.to_string());
            let status = match error {
                DeliverError::Later { .. } => report::EXPIRED,
                DeliverError::NoSuchFolder => NO_SUCH_MAILBOX,
            };
            settled.told.push(Told { status: Some(status), ..unwritable(recipient, Action::Failed) });
            Outcome {
                recipient: recipient.id,
                state: RecipientState::Failed,
                reply: Some(replies::MAILBOX_UNAVAILABLE),
            }
        }
    }
}

/// What the sender is told of a mailbox that could not be written; the error itself is for our log.
fn unwritable(recipient: &Recipient, action: Action) -> Told {
    Told { reply: Some(replies::MAILBOX_UNAVAILABLE), ..Told::new(recipient, action) }
}

/// A content as it stands in the spool, read in pieces by the writing thread.
struct Whole {
    spool: Spool,
    content: StoredContent,
}

impl Source for Whole {
    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let content = self.spool.load(&self.content).map_err(io::Error::other)?;
        let size = content.size();
        let mut at = 0;
        while at < size {
            let end = size.min(at.saturating_add(COPY_BYTES));
            out.write_all(&content.read(at..end).map_err(io::Error::other)?)?;
            at = end;
        }
        Ok(())
    }
}
