//! What is set aside is kept for a while and then thrown away (EVENTS, rule 11), so that quarantine does not grow for ever.
//!
//! Looks through the queue in memory; the disk is asked only about entries that are old enough by their names. What was
//! accepted later than its own end would be is never touched, nor is what is held.

use std::time::Duration;

use smtp::Timestamp;
use spool::{Done, EntryState, QueueId, Spool, Standing};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::inbound::accept::QUARANTINE;

/// Time between two looks; days are kept, so an hour is soon enough.
const LOOK_INTERVAL: Duration = Duration::from_hours(1);
/// Entries that are looked at together.
const PAGE_ENTRIES: usize = 1_000;

/// Looks at every interval until `stopping`.
pub(super) async fn run(spool: Spool, stopping: CancellationToken) {
    loop {
        throw_away(&spool, clock::now()).await;
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// Ends the entries whose quarantine is over.
async fn throw_away(spool: &Spool, now: Timestamp) {
    let mut after = None;
    loop {
        let page = spool.list(after, PAGE_ENTRIES);
        let Some(last) = page.last() else { return };
        after = Some(last.id);
        // A long queue must not hold the thread.
        tokio::task::yield_now().await;
        for summary in page {
            if summary.standing == Standing::Quarantined
                && may_be_over(summary.id, now)
                && let Err(error) = end(spool, summary.id, now).await
            {
                tracing::error!(entry = %summary.id, %error, "an entry whose quarantine is over was not ended");
            }
        }
    }
}

/// A name tells when it was given, and nothing is set aside before that.
fn may_be_over(id: QueueId, now: Timestamp) -> bool {
    let named = Timestamp(u64::try_from(id.number() >> 80).unwrap_or(u64::MAX));
    named.until(now) >= QUARANTINE
}

async fn end(spool: &Spool, id: QueueId, now: Timestamp) -> anyhow::Result<()> {
    let reading = spool.clone();
    let Some(mut lease) = tokio::task::spawn_blocking(move || reading.lease_entry(id)).await?? else {
        return Ok(());
    };
    let EntryState::Quarantined { reason, binding, until } = &lease.state else { return Ok(()) };
    if *until > now {
        return Ok(());
    }
    tracing::info!(entry = %id, tenant = lease.tenant, reason, by = binding, "thrown away: its quarantine is over");
    spool.record_done(&mut lease, Done::default()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use smtp::{Envelope, Mailbox, Recipient, RecipientId, Timestamp};
    use spool::{
        ContentPiece, EntryState, Ingress, NewEntry, QueueId, Scores, Settings, Spool, StageName,
        StagePointer, Variables,
    };

    use super::{QUARANTINE, throw_away};

    const ARRIVED: Timestamp = Timestamp(1_700_000_000_000);

    fn entry(number: u128, state: EntryState) -> NewEntry {
        let recipient = Recipient::new(RecipientId(0), Mailbox::parse("bob@b.example").unwrap());
        NewEntry {
            id: QueueId::new(ARRIVED, number),
            parent: None,
            maker: None,
            ingress: Ingress::Smtp,
            arrived: ARRIVED,
            facts: None,
            tenant: "b".to_owned(),
            envelope: Envelope { recipients: vec![recipient], ..Envelope::default() },
            content: vec![ContentPiece::Inline("Subject: x\r\n\r\n".into())],
            variables: Variables::default(),
            scores: Scores::default(),
            stage: StagePointer::at(StageName::Submission),
            due: ARRIVED,
            state,
        }
    }

    #[tokio::test]
    async fn quarantine_ends_and_nothing_else_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(Settings::new(folder.path())).await.unwrap();
        let aside =
            |until| EntryState::Quarantined { reason: "x".to_owned(), binding: "y".to_owned(), until };
        let until = ARRIVED + QUARANTINE;
        spool
            .accept(vec![
                entry(1, aside(until)),
                entry(2, aside(until + QUARANTINE)),
                entry(3, EntryState::Held { reason: "x".to_owned() }),
                entry(4, EntryState::Active),
            ])
            .await
            .unwrap();
        throw_away(&spool, Timestamp(until.0 - 1)).await;
        assert_eq!(spool.counts().entries, 4);
        throw_away(&spool, until).await;
        let left: Vec<u128> = spool.list(None, 9).iter().map(|left| left.id.number() & 0xff).collect();
        assert_eq!(left, [2, 3, 4]);
        spool.close().await;
    }
}
