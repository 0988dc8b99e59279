//! What a message met on its way, gathered from what the server's observer tells.

use std::path::PathBuf;

use super::show::Row;
use crate::Observation;

/// Calls of sinks in their order, and the end.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) rows: Vec<Row>,
    entries: Vec<String>,
    pub(super) end: Option<End>,
}

/// Where it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In a mailbox, as this file.
    Arrived(PathBuf),
    /// Otherwise: a sentence.
    Otherwise(String),
}

impl Way {
    pub(super) fn note(&mut self, observation: Observation) {
        match observation {
            Observation::Fired { event, calls, .. } => {
                self.rows.extend(calls.into_iter().map(|call| row(event, &call)));
            }
            Observation::Accepted { entries, .. } => self.entries.extend(entries),
            Observation::Delivered { entry, path, .. } if self.is_ours(&entry) => {
                self.end = Some(End::Arrived(path));
            }
            Observation::Settled { entry, outcome, reason } if self.is_ours(&entry) => {
                self.end = Some(End::Otherwise(format!("{outcome}: {reason}")));
            }
            Observation::Delivered { .. } | Observation::Settled { .. } => {}
        }
    }

    /// A delivery may be told before the acceptance that it belongs to; what is still on its way from before is not ours.
    fn is_ours(&self, entry: &str) -> bool {
        self.entries.is_empty() || self.entries.iter().any(|ours| ours == entry)
    }
}

fn row(event: &'static str, call: &sinks::Call) -> Row {
    let sink = call.installation.rsplit('/').next().unwrap_or_default().to_owned();
    let fault = call.fault.as_ref().map(ToString::to_string);
    Row { event, sink, verdict: call.verdict, fuel: call.fuel, took: call.took, fault }
}

#[cfg(test)]
mod tests {
    use super::{End, Observation, Way};

    fn check(observations: Vec<Observation>, expected: Option<&End>) {
        let mut way = Way::default();
        observations.into_iter().for_each(|observation| way.note(observation));
        assert_eq!(way.end.as_ref(), expected);
    }

    fn delivered(entry: &str) -> Observation {
        Observation::Delivered {
            entry: entry.into(),
            recipient: "bob@example.org".into(),
            path: entry.into(),
        }
    }

    fn accepted(entry: &str) -> Observation {
        Observation::Accepted { session: "s".into(), entries: vec![entry.into()] }
    }

    #[test]
    fn the_end_of_another_message_is_not_the_end() {
        check(vec![accepted("a"), delivered("b")], None);
        check(vec![accepted("a"), delivered("b"), delivered("a")], Some(&End::Arrived("a".into())));
    }

    #[test]
    fn a_message_that_ends_otherwise_says_how() {
        let settled =
            Observation::Settled { entry: "a".into(), outcome: "quarantined", reason: "spam".into() };
        check(vec![accepted("a"), settled], Some(&End::Otherwise("quarantined: spam".to_owned())));
    }
}
