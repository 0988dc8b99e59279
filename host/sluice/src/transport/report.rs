//! Reports: from what became of recipients to the DSNs that the sender is owed (RFC 3461, RFC 5321 §6.1).
//!
//! A DSN is an entry in the outbox of the record that settles its recipients, so it is made exactly once. Promises none about
//! a DSN or any other mail with a null reverse-path, none that NOTIFY excludes, and none to whoever may not have sent the
//! message where a sink refused it ([`is_vouched`]). Leaves out the words: [`message::dsn`].

use bytes::Bytes;
use message::dsn::{
    self, Action, Needs, Report, ReportedRecipient, ReportedReply, Return, Returned, ReturnedKind,
};
use smtp::{
    DsnReturn, EnhancedStatus, Envelope, Mailbox, Notify, NotifyWhen, Parameter, Protocol, Recipient,
    RecipientId, Reply, ReversePath, Timestamp,
};
use spool::{
    ContentPiece, Entry, EntryState, Ingress, NewEntry, Scores, Spool, StageName, StagePointer, Variables,
};

use super::Transport;
use super::commit::child;
use crate::clock;
use crate::inbound::accept::QUARANTINE;

/// RFC 3463 §3.5: X.4.7, delivery time expired.
pub(crate) const EXPIRED: EnhancedStatus = EnhancedStatus::new(5, 4, 7);

/// What became of one recipient, as far as the sender may be told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) recipient: Recipient,
    pub(crate) action: Action,
    /// Where no reply says it: an expiry, a decision of ours.
    pub(crate) status: Option<EnhancedStatus>,
    /// Our own words: strangers read them, so nothing of our insides.
    pub(crate) reason: Option<String>,
    /// Who replied, or was not reached.
    pub(crate) remote: Option<String>,
    pub(crate) reply: Option<Reply>,
    /// Until when it is tried; of what is delayed.
    pub(crate) retry_until: Option<Timestamp>,
}

impl Told {
    /// Nothing but the outcome.
    pub(crate) fn new(recipient: &Recipient, action: Action) -> Self {
        Self {
            recipient: recipient.clone(),
            action,
            status: None,
            reason: None,
            remote: None,
            reply: None,
            retry_until: None,
        }
    }

    /// Failed, as a sink or an operator said.
    pub(super) fn refused(recipient: &Recipient, reply: Option<Reply>) -> Self {
        Self { reply, ..Self::new(recipient, Action::Failed) }
    }

    /// Whether the sender asked for it (RFC 3461 §4.1); who said nothing is told of failures and delays.
    fn is_wanted(&self) -> bool {
        let notify = self.recipient.notify;
        let by_default = notify.is_unset();
        match self.action {
            Action::Failed => by_default || notify.contains(NotifyWhen::Failure),
            Action::Delayed => by_default || notify.contains(NotifyWhen::Delay),
            Action::Delivered | Action::Relayed | Action::Expanded => notify.contains(NotifyWhen::Success),
        }
    }

    fn reported(&self, now: Timestamp) -> ReportedRecipient {
        let recipient = &self.recipient;
        let said = recipient.original_recipient();
        let said = said.map(|said| dsn::OriginalRecipient { kind: said.kind, address: said.address });
        // The sender knows the address that it gave, not the one that a sink or an alias made of it.
        let given = (recipient.original != recipient.address).then(|| dsn::OriginalRecipient {
            kind: if recipient.original.to_string().is_ascii() { "rfc822" } else { "utf-8" }.to_owned(),
            address: recipient.original.to_string(),
        });
        let is_tried = recipient.attempts > 0 || self.remote.is_some();
        ReportedRecipient {
            address: recipient.address.to_string(),
            original: said.or(given),
            action: self.action,
            status: self.status.map(status),
            reason: self.reason.clone(),
            remote: self.remote.clone().filter(|name| !name.is_empty()),
            reply: self.reply.as_ref().map(|reply| ReportedReply {
                code: reply.code(),
                status: reply.status().map(status),
                lines: reply.lines().map(str::to_owned).collect(),
            }),
            last_attempt: is_tried.then_some(now.0),
            retry_until: self.retry_until.map(|until| until.0),
        }
    }
}

fn status(status: EnhancedStatus) -> dsn::Status {
    dsn::Status { class: status.class, subject: status.subject, detail: status.detail }
}

/// Whether the reverse-path of a message is known to be its sender's: it came from a user or a network of ours, or was made
/// here. A report that a sink caused goes to nobody else, since the reverse-path of a message that sinks refuse is mostly forged (EVENTS,
/// "Two tenants in one transaction": no backscatter).
fn is_vouched(transport: &Transport, entry: &Entry) -> bool {
    let Some(facts) = &entry.facts else { return true };
    facts.authenticated.is_some()
        || facts.protocol == Protocol::Submission
        || facts.remote.is_some_and(|remote| {
            transport.relay_networks.iter().any(|network| network.contains(remote.ip()))
        })
}

/// Whether a recipient that a sink gave up ends here: with a report, or with none since the reverse-path is null. Others are
/// kept: [`kept`].
pub(crate) fn may_end(transport: &Transport, entry: &Entry) -> bool {
    is_vouched(transport, entry) || entry.envelope.reverse_path == ReversePath::Null
}

/// The entry of recipients that a sink gave up and whose sender is not told: nothing is lost without a word, so an operator
/// finds it in quarantine.
pub(crate) fn kept(entry: &Entry, recipients: Vec<Recipient>, (reason, by): (&str, &str)) -> NewEntry {
    let mut kept = child(entry, recipients, entry.content.whole());
    let (reason, until) = (untold(reason), kept.due + QUARANTINE);
    kept.state = EntryState::Quarantined { reason, binding: by.to_owned(), until };
    kept
}

/// The reason of a quarantine in place of a report that would be backscatter.
pub(super) fn untold(reason: &str) -> String {
    let reason = if reason.is_empty() { "no reason given" } else { reason };
    format!("failed: {reason}; not told, since the sender is not known")
}

/// The DSNs about these recipients of an entry, for the outbox of the record that settles them: one for each kind of outcome.
/// Nothing is read where nothing is owed.
pub(crate) async fn about(transport: &Transport, entry: &Entry, told: Vec<Told>) -> Vec<NewEntry> {
    let ReversePath::Mailbox(sender) = &entry.envelope.reverse_path else {
        for told in told.iter().filter(|told| told.action == Action::Failed) {
            let recipient = &told.recipient.address;
            tracing::warn!(entry = %entry.id, %recipient, "failed, and nobody is told: the reverse-path is null");
        }
        return Vec::new();
    };
    let mut reports = Vec::new();
    for action in [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded] {
        let of_kind: Vec<&Told> =
            told.iter().filter(|told| told.action == action && told.is_wanted()).collect();
        if !of_kind.is_empty() {
            reports.push(report(transport, (entry, sender), (action, &of_kind)).await);
        }
    }
    reports
}

async fn report(
    transport: &Transport,
    (entry, sender): (&Entry, &Mailbox),
    (action, told): (Action, &[&Told]),
) -> NewEntry {
    let (id, now) = (clock::queue_id(), clock::now());
    let (returned, bytes) = returned(&transport.spool, entry, wish(&entry.envelope, action)).await;
    let recipients: Vec<ReportedRecipient> = told.iter().map(|told| told.reported(now)).collect();
    let envelope_id = entry.envelope.envelope_id().and_then(smtp::xtext::envelope_id);
    let report = Report {
        host_name: &transport.host_name,
        id: &id.to_string(),
        original_id: &entry.id.to_string(),
        to: &sender.to_string(),
        now: now.0,
        arrived: entry.arrived.0,
        envelope_id: envelope_id.as_deref(),
        recipients: &recipients,
    };
    let dsn = dsn::compose(&report, &returned, &bytes);
    tracing::info!(
        entry = %id, about = %entry.id, tenant = entry.tenant, action = action.word(), recipients = told.len(),
        "DSN made"
    );
    NewEntry {
        id,
        parent: Some(entry.id),
        maker: None,
        ingress: Ingress::Dsn,
        arrived: now,
        facts: None,
        tenant: entry.tenant.clone(),
        envelope: envelope(sender, dsn.needs),
        content: vec![
            ContentPiece::Inline(dsn.head.into()),
            ContentPiece::Original(returned.range),
            ContentPiece::Inline(dsn.tail.into()),
        ],
        variables: Variables::default(),
        scores: Scores::default(),
        stage: StagePointer::at(StageName::Submission),
        due: now,
        state: EntryState::Active,
    }
}

/// RFC 3461 §4.3: RET is about failures alone. Who didn't say gets the header section: enough to know the message by, and
/// no help to someone who writes in another's name.
fn wish(envelope: &Envelope, action: Action) -> Return {
    match envelope.dsn_return() {
        Some(DsnReturn::Full) if action == Action::Failed => Return::Full,
        Some(DsnReturn::Full | DsnReturn::Headers) | None => Return::Headers,
    }
}

/// What comes back of the original; nothing if it can't be read, since the sender is owed the report all the same.
async fn returned(spool: &Spool, entry: &Entry, wish: Return) -> (Returned, Bytes) {
    let (spool, stored) = (spool.clone(), entry.content.clone());
    let read = move || -> anyhow::Result<(Returned, Bytes)> {
        let content = spool.load(&stored)?;
        let returned = dsn::returned(&content, wish)?;
        let bytes = content.read(returned.range.clone())?;
        Ok((returned, bytes))
    };
    match tokio::task::spawn_blocking(read).await.map_err(anyhow::Error::from).flatten() {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(entry = %entry.id, %error, "a DSN returns nothing of a content that can't be read");
            (Returned { kind: ReturnedKind::Headers, range: 0..0 }, Bytes::new())
        }
    }
}

/// RFC 5321 §4.5.5: the reverse-path is null, so that no report answers a report; RFC 3461 §6.1 adds NOTIFY=NEVER.
fn envelope(sender: &Mailbox, needs: Needs) -> Envelope {
    let keyword = match needs {
        Needs::SevenBit => None,
        Needs::EightBit => Some("BODY=8BITMIME"),
        Needs::Smtputf8 => Some("SMTPUTF8"),
    };
    let recipient = Recipient { notify: Notify::NEVER, ..Recipient::new(RecipientId(0), sender.clone()) };
    Envelope {
        reverse_path: ReversePath::Null,
        parameters: keyword.and_then(Parameter::parse).into_iter().collect(),
        recipients: vec![recipient],
        ..Envelope::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(notify: Option<&str>) -> Recipient {
        let notify = notify.map(|words| Notify::parse(words).unwrap()).unwrap_or_default();
        Recipient { notify, ..Recipient::new(RecipientId(1), Mailbox::parse("bob@b.example").unwrap()) }
    }

    fn check_wanted(notify: Option<&str>, expected: &[Action]) {
        let all = [Action::Failed, Action::Delayed, Action::Delivered, Action::Relayed, Action::Expanded];
        let wanted: Vec<Action> =
            all.into_iter().filter(|action| Told::new(&recipient(notify), *action).is_wanted()).collect();
        assert_eq!(wanted, expected, "{notify:?}");
    }

    #[test]
    fn the_sender_is_told_what_it_asked_for() {
        check_wanted(None, &[Action::Failed, Action::Delayed]);
        check_wanted(Some("NEVER"), &[]);
        check_wanted(Some("FAILURE"), &[Action::Failed]);
        check_wanted(Some("DELAY"), &[Action::Delayed]);
        check_wanted(Some("SUCCESS"), &[Action::Delivered, Action::Relayed, Action::Expanded]);
    }

    #[test]
    fn ret_counts_for_failures_alone() {
        let envelope = |parameter: &str| Envelope {
            parameters: Parameter::parse(parameter).into_iter().collect(),
            ..Envelope::default()
        };
        assert_eq!(wish(&envelope("RET=FULL"), Action::Failed), Return::Full);
        assert_eq!(wish(&envelope("RET=FULL"), Action::Delayed), Return::Headers);
        assert_eq!(wish(&envelope("RET=HDRS"), Action::Failed), Return::Headers);
        assert_eq!(wish(&Envelope::default(), Action::Failed), Return::Headers);
    }

    #[test]
    fn the_sender_reads_the_address_that_it_gave() {
        let mut recipient = recipient(None);
        let address = |recipient: &Recipient| {
            let reported = Told::new(recipient, Action::Failed).reported(Timestamp(1));
            reported.original.map(|original| format!("{};{}", original.kind, original.address))
        };
        assert_eq!(address(&recipient), None);
        recipient.original = Mailbox::parse("list@b.example").unwrap();
        assert_eq!(address(&recipient).as_deref(), Some("rfc822;list@b.example"));
        recipient.parameters.extend(Parameter::parse("ORCPT=rfc822;a+2Bb@c.example"));
        assert_eq!(address(&recipient).as_deref(), Some("rfc822;a+b@c.example"));
    }

    #[test]
    fn a_report_is_addressed_so_that_none_answers_it() {
        let sender = Mailbox::parse("ann@a.example").unwrap();
        let envelope = envelope(&sender, Needs::Smtputf8);
        assert_eq!(envelope.reverse_path, ReversePath::Null);
        assert_eq!(envelope.parameters, [Parameter::parse("SMTPUTF8").unwrap()]);
        assert!(envelope.recipients.iter().all(|recipient| recipient.notify.is_never()));
    }
}
