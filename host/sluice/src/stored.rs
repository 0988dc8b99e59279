//! Between what sinks hold and what the spool stores: the two floors don't know each other.

use std::sync::Arc;

use sinks::{Deferral, MessageFacts, Position, Staged, Tier};
use smtp::Timestamp;
use spool::{Binary, Entry, Resume, StageName, StagePointer};

/// Variables as the spool stores them.
pub(crate) fn variables(variables: &sinks::Variables) -> spool::Variables {
    let mut stored = spool::Variables::default();
    for (installation, values) in variables.all() {
        for (key, value) in values {
            stored.insert(installation, key, value.clone());
        }
    }
    stored
}

/// Scores as the spool stores them.
pub(crate) fn scores(scores: &sinks::Scores) -> spool::Scores {
    spool::Scores(scores.all().clone())
}

/// Variables as sinks read them.
pub(crate) fn live_variables(stored: &spool::Variables) -> sinks::Variables {
    let values = stored.0.iter().map(|(installation, values)| {
        let values = values.iter().map(|(key, value)| (key.clone(), value.0.clone())).collect();
        (installation.clone(), values)
    });
    sinks::Variables::new(values.collect())
}

/// Scores as sinks read them.
pub(crate) fn live_scores(stored: &spool::Scores) -> sinks::Scores {
    sinks::Scores::new(stored.0.clone())
}

/// What sinks may know of an entry beside its content.
pub(crate) fn message_facts(entry: &Entry) -> Arc<MessageFacts> {
    Arc::new(MessageFacts {
        id: entry.id.to_string(),
        parent: entry.parent.map(|parent| parent.to_string()),
        maker: entry.maker.clone(),
        ingress: entry.ingress,
        arrived: Some(entry.arrived),
    })
}

/// Where a deferred stage goes on. The deferral is stored whole, since only `sinks` knows what it needs.
pub(crate) fn resume_at(stage: StageName, deferral: &Deferral, due: Timestamp) -> StagePointer {
    let state = serde_json::to_vec(deferral).unwrap_or_default();
    StagePointer {
        stage,
        resume: Some(Resume {
            position: position(&deferral.position),
            state: Binary(state.into()),
            attempt: deferral.attempts,
            due,
        }),
        route: None,
    }
}

/// Where a sibling goes on: behind the binding that forked it. The order of ids is that of their bytes, so the smallest
/// one behind an id is that id with a zero byte.
pub(crate) fn resume_behind(stage: StageName, after: &Position, now: Timestamp) -> StagePointer {
    let behind = Position { id: format!("{}\0", after.id).into(), ..after.clone() };
    let position = position(&behind);
    StagePointer {
        resume: Some(Resume { position, state: Binary::default(), attempt: 0, due: now }),
        ..StagePointer::at(stage)
    }
}

/// What was stored of a deferral, as sinks want it.
pub(crate) fn staged(resume: &Resume) -> Option<Arc<Staged>> {
    let fresh = || Deferral {
        position: live_position(&resume.position),
        installation: Arc::from(""),
        digest: Arc::from(""),
        state: bytes::Bytes::new(),
        attempts: resume.attempt,
        faults: 0,
    };
    let deferral =
        if resume.state.is_empty() { fresh() } else { serde_json::from_slice(&resume.state.0).ok()? };
    Some(Arc::new(Staged { due: resume.due, deferral }))
}

fn position(live: &Position) -> spool::Position {
    let tier = match live.tier {
        Tier::OperatorFirst => spool::Tier::OperatorFirst,
        Tier::Tenant => spool::Tier::Tenant,
        Tier::OperatorLast => spool::Tier::OperatorLast,
    };
    spool::Position { tier, priority: live.priority, id: live.id.to_string() }
}

fn live_position(stored: &spool::Position) -> Position {
    let tier = match stored.tier {
        spool::Tier::OperatorFirst => Tier::OperatorFirst,
        spool::Tier::Tenant => Tier::Tenant,
        spool::Tier::OperatorLast => Tier::OperatorLast,
    };
    Position { tier, priority: stored.priority, id: Arc::from(stored.id.as_str()) }
}
