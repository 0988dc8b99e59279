//! What rests does not rest for ever without a word: quarantine ends after its days and is thrown away (EVENTS, rule 11),
//! and of what is held the operators are reminded until they release, fail or delete it.
//!
//! Looks through the queue in memory; the disk is asked only about entries whose time has come.

use std::time::Duration;

use smtp::Timestamp;
use spool::{Done, EntryState, QueueId, Spool, Stage, Standing, Summary};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Time between two looks; days are kept, so an hour is soon enough.
const LOOK_INTERVAL: Duration = Duration::from_hours(1);
/// Entries that are looked at together.
const PAGE_ENTRIES: usize = 1_000;
/// Time after which the operators are reminded of an entry that the host holds, and again each time. A working day.
pub(super) const REMINDER: Duration = Duration::from_hours(24);

/// Looks at every interval until `stopping`.
pub(super) async fn run(spool: Spool, stopping: CancellationToken) {
    loop {
        look(&spool, clock::now()).await;
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// Deals with the entries whose quarantine or hold is over.
async fn look(spool: &Spool, now: Timestamp) {
    let mut after = None;
    loop {
        let page = spool.list(after, PAGE_ENTRIES);
        let Some(last) = page.last() else { return };
        after = Some(last.id);
        // A long queue must not hold the thread.
        tokio::task::yield_now().await;
        for summary in page.into_iter().filter(|summary| is_over(summary, now)) {
            if let Err(error) = end(spool, summary.id, now).await {
                tracing::error!(entry = %summary.id, %error, "an entry whose time at rest is over was not dealt with");
            }
        }
    }
}

fn is_over(summary: &Summary, now: Timestamp) -> bool {
    matches!(summary.standing, Standing::Quarantined | Standing::Held) && summary.due <= now
}

async fn end(spool: &Spool, id: QueueId, now: Timestamp) -> anyhow::Result<()> {
    let reading = spool.clone();
    let Some(mut lease) = tokio::task::spawn_blocking(move || reading.lease_entry(id)).await?? else {
        return Ok(());
    };
    // Looked at again, now that nobody else can change it.
    match lease.state.clone() {
        EntryState::Quarantined { reason, binding, until } if until <= now => {
            let tenant = &lease.tenant;
            tracing::info!(entry = %id, tenant, reason, by = binding, "thrown away: its quarantine is over");
            spool.record_done(&mut lease, Done::default()).await?;
        }
        EntryState::Held { reason, binding, until: Some(until) } if until <= now => {
            tracing::error!(
                entry = %id, tenant = lease.tenant, reason, by = binding,
                "still held: release it, fail it or delete it"
            );
            let until = Some(now + REMINDER);
            let state = EntryState::Held { reason, binding, until };
            let stage = Stage { state, ..Stage::of(&lease) };
            spool.record_stage(&mut lease, stage).await?;
        }
        EntryState::Active | EntryState::Quarantined { .. } | EntryState::Held { .. } => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use smtp::{Envelope, Ingress, Mailbox, Recipient, RecipientId, Timestamp};
    use spool::{
        ContentPiece, EntryState, NewEntry, QueueId, Scores, Settings, Spool, StageName, StagePointer,
        Variables,
    };

    use super::{REMINDER, look};
    use crate::inbound::accept::QUARANTINE;

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

    async fn spool_of(entries: Vec<NewEntry>) -> (tempfile::TempDir, Spool) {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(Settings::new(folder.path())).await.unwrap();
        spool.accept(entries).await.unwrap();
        (folder, spool)
    }

    #[tokio::test]
    async fn quarantine_ends_and_nothing_else_is_thrown_away() {
        let aside =
            |until| EntryState::Quarantined { reason: "x".to_owned(), binding: "y".to_owned(), until };
        let until = ARRIVED + QUARANTINE;
        let (_folder, spool) = spool_of(vec![
            entry(1, aside(until)),
            entry(2, aside(until + QUARANTINE)),
            entry(3, EntryState::held("x")),
            entry(4, EntryState::Active),
        ])
        .await;
        look(&spool, Timestamp(until.0 - 1)).await;
        assert_eq!(spool.counts().entries, 4);
        look(&spool, until).await;
        let left: Vec<u128> = spool.list(None, 9).iter().map(|left| left.id.number() & 0xff).collect();
        assert_eq!(left, [2, 3, 4]);
        spool.close().await;
    }

    #[tokio::test]
    async fn operators_are_reminded_of_what_is_held_until_they_do_something() {
        let held = |until| EntryState::Held { reason: "x".to_owned(), binding: Some("y".to_owned()), until };
        let (_folder, spool) = spool_of(vec![entry(1, held(Some(ARRIVED))), entry(2, held(None))]).await;
        let state = |number| spool.entry(QueueId::new(ARRIVED, number)).unwrap().state;
        look(&spool, ARRIVED).await;
        assert_eq!(state(1), held(Some(ARRIVED + REMINDER)));
        look(&spool, Timestamp(ARRIVED.0 + 1)).await;
        assert_eq!(spool.counts().records, 2, "once for each time");
        assert_eq!(state(2), held(None));
        spool.close().await;
    }
}
