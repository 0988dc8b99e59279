//! What the benches of the spool put into it, and how they fail.

use std::path::PathBuf;

use smtp::{Envelope, Mailbox, Recipient, RecipientId, ReversePath, Timestamp};
use spool::{
    ContentPiece, EntryState, Ingress, NewEntry, QueueId, Scores, StageName, StagePointer, Variables,
};

/// An empty folder on the disk that cargo builds on: a temporary folder may be memory.
pub(crate) fn folder(name: &str) -> std::io::Result<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// An entry of one recipient.
pub(crate) fn entry(number: u64, content: Vec<ContentPiece>) -> NewEntry {
    let mailbox = Mailbox::parse("jo.smith@tenant.example").into_iter();
    NewEntry {
        id: QueueId::from_number(u128::from(number)),
        parent: None,
        maker: None,
        ingress: Ingress::Smtp,
        arrived: Timestamp(0),
        facts: None,
        tenant: "tenant".to_owned(),
        envelope: Envelope {
            reverse_path: ReversePath::Null,
            recipients: mailbox.map(|mailbox| Recipient::new(RecipientId(0), mailbox)).collect(),
            ..Envelope::default()
        },
        content,
        variables: Variables::default(),
        scores: Scores::default(),
        stage: StagePointer::at(StageName::Deliver),
        due: Timestamp(0),
        state: EntryState::Active,
    }
}

/// Fails with the names of the gates that were missed.
pub(crate) fn gates(missed: impl IntoIterator<Item = &'static str>) -> std::io::Result<()> {
    let missed: Vec<&str> = missed.into_iter().collect();
    if missed.is_empty() { Ok(()) } else { Err(std::io::Error::other(missed.join(", "))) }
}

/// The name of what was measured, if it is above its gate.
pub(crate) fn missed<T: PartialOrd + Copy>(name: &'static str, measured: T, gate: T) -> Option<&'static str> {
    (measured > gate).then_some(name)
}
