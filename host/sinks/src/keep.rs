//! What of a sink's own copy of the subject becomes the caller's (EVENTS, "What is kept when").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use smtp::{Envelope, Recipient, RecipientId, RecipientState};

use crate::binding::Binding;
use crate::limits::SIBLINGS_MAX;
use crate::state::{Branch, State};
use crate::subject::{Disposition, Fate, Sibling, Subject};
use crate::verdict::{Edits, Fault, FaultKind, Strictness};

/// Whether drafts are kept; variables, session variables, tarpit and scores of a sink that did not fault always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commit {
    Draft,
    NoDraft,
}

/// The table's rows by verdict.
pub(crate) const fn commit_of(strictness: Strictness) -> Commit {
    match strictness {
        Strictness::Continue | Strictness::Quarantine => Commit::Draft,
        Strictness::Discard | Strictness::Defer | Strictness::Reject | Strictness::Disconnect => {
            Commit::NoDraft
        }
    }
}

/// Merges what a sink left into the caller's subject. Forks are kept whatever the verdict is, and take their recipients
/// with them, and so those whom they replace. A sum of recipients that does not add up is a fault, and then nothing is merged.
pub(crate) fn merge(
    subject: &mut Subject,
    mut state: State,
    binding: &Binding,
    commit: Commit,
) -> Result<Edits, Fault> {
    // The verdict is for message 0.
    if state.select_branch(0).is_err() {
        return Err(not_conserved("message 0 is gone"));
    }
    let forked = std::mem::take(&mut state.branches.all);
    let mut edited = state.subject;
    let forked = forked.into_iter().skip(1);
    for branch in forked {
        edited.siblings.push(sibling(branch, binding)?);
    }
    if edited.siblings.len() > SIBLINGS_MAX {
        return Err(not_conserved("too many siblings"));
    }
    let news = edited.siblings.get(subject.siblings.len()..).unwrap_or_default();
    check_conservation(subject, &edited, news)?;
    if commit == Commit::Draft {
        let edits = edits_of(subject, &edited);
        *subject = edited;
        return Ok(edits);
    }
    let edits = if news.is_empty() { Edits::None } else { Edits::Merged };
    let rest = Rest::of(subject, &edited, news);
    subject.siblings = edited.siblings;
    subject.envelope = rest.envelope;
    subject.dispositions = rest.dispositions;
    subject.session_variables = edited.session_variables;
    subject.tarpit = edited.tarpit;
    if let (Some(kept), Some(edited)) = (&mut subject.outbound, edited.outbound) {
        kept.remote_variables = edited.remote_variables;
    }
    subject.variables = edited.variables;
    subject.scores = edited.scores;
    Ok(edits)
}

/// Takes drafts back to what they were; recipients that forks took with them stay with the forks.
pub(crate) fn restore(subject: &mut Subject, before: &Subject) {
    let news = subject.siblings.get(before.siblings.len()..).unwrap_or_default();
    let rest = Rest::of(before, subject, news);
    subject.offers.clone_from(&before.offers);
    subject.draft.clone_from(&before.draft);
    subject.envelope = rest.envelope;
    subject.dispositions = rest.dispositions;
    if let (Some(outbound), Some(before)) = (&mut subject.outbound, &before.outbound) {
        outbound.command.clone_from(&before.command);
    }
}

/// Recipients of a message whose edits are dropped, while what was forked off it stands.
///
/// Who was forked off is gone. If that one had replaced another, by one redirect or by several, the redirects stand too: else
/// the one of old would end here, and its successor in the fork. What was decided about other successors is dropped, so
/// they stay and are pending.
struct Rest {
    envelope: Option<Arc<Envelope>>,
    dispositions: Vec<Disposition>,
}

impl Rest {
    fn of(before: &Subject, after: &Subject, news: &[Sibling]) -> Self {
        let mut dispositions = before.dispositions.clone();
        let (Some(was), Some(is), false) = (&before.envelope, &after.envelope, news.is_empty()) else {
            return Self { envelope: before.envelope.clone(), dispositions };
        };
        let since = after.dispositions.get(dispositions.len()..).unwrap_or_default();
        let forked = news.iter().flat_map(|sibling| &sibling.dispositions);
        let roots = Roots::of(since.iter().chain(forked));
        let gone: BTreeSet<RecipientId> =
            news.iter().flat_map(|sibling| recipients(&sibling.envelope)).map(|id| roots.of_id(id)).collect();
        let is_gone = |id: RecipientId| gone.contains(&roots.of_id(id));
        let mut envelope = Envelope::clone(was);
        envelope.recipients.retain(|recipient| !gone.contains(&recipient.id));
        let successors =
            is.recipients.iter().filter(|one| was.recipient(one.id).is_none() && is_gone(one.id));
        envelope
            .recipients
            .extend(successors.map(|one| Recipient { state: RecipientState::Pending, ..one.clone() }));
        let redirects = since.iter().filter(|one| matches!(one.fate, Fate::Redirect(_)));
        dispositions.extend(redirects.filter(|one| is_gone(one.recipient)).cloned());
        Self { envelope: Some(Arc::new(envelope)), dispositions }
    }
}

/// Whom each recipient that came by redirects replaces.
struct Roots(BTreeMap<RecipientId, RecipientId>);

impl Roots {
    fn of<'a>(dispositions: impl Iterator<Item = &'a Disposition>) -> Self {
        let mut replaced = BTreeMap::new();
        for disposition in dispositions {
            if let Fate::Redirect(to) = &disposition.fate {
                replaced.extend(to.iter().map(|new| (*new, disposition.recipient)));
            }
        }
        Self(replaced)
    }

    fn of_id(&self, id: RecipientId) -> RecipientId {
        let mut root = id;
        // A new id is above all that were given, so this comes to an end.
        while let Some(older) = self.0.get(&root).filter(|older| **older < root) {
            root = *older;
        }
        root
    }
}

fn sibling(branch: Branch, binding: &Binding) -> Result<Sibling, Fault> {
    let (Some(envelope), Some(draft)) = (branch.envelope, branch.draft) else {
        return Err(not_conserved("a sibling without envelope or content"));
    };
    Ok(Sibling {
        after: binding.position(),
        envelope,
        draft,
        variables: branch.variables,
        scores: branch.scores,
        dispositions: branch.dispositions,
    })
}

fn recipients(envelope: &Envelope) -> impl Iterator<Item = RecipientId> {
    envelope.recipients.iter().map(|recipient| recipient.id)
}

fn edits_of(before: &Subject, after: &Subject) -> Edits {
    let envelope_is_same = match (&before.envelope, &after.envelope) {
        (Some(before), Some(after)) => Arc::ptr_eq(before, after) || before == after,
        (None, None) => true,
        _ => false,
    };
    let edits = |draft: &Option<message::Draft>| draft.as_ref().map(message::Draft::pieces);
    let draft_is_same = match (&before.draft, &after.draft) {
        (Some(one), Some(other)) if !one.is_edited() && !other.is_edited() => true,
        _ => edits(&before.draft) == edits(&after.draft),
    };
    let is_same = envelope_is_same
        && draft_is_same
        && before.offers == after.offers
        && command(before) == command(after)
        && before.siblings.len() == after.siblings.len();
    if is_same { Edits::None } else { Edits::Merged }
}

fn command(subject: &Subject) -> Option<&smtp::client::Draft> {
    subject.outbound()?.command.as_ref()
}

/// EVENTS rule 8: each recipient ends in the envelope, redirected, or in a sibling, exactly once, and nobody comes from
/// nowhere twice.
fn check_conservation(before: &Subject, after: &Subject, news: &[Sibling]) -> Result<(), Fault> {
    let (Some(was), Some(is)) = (&before.envelope, &after.envelope) else {
        return Ok(());
    };
    if Arc::ptr_eq(was, is) && news.is_empty() {
        return Ok(());
    }
    let redirected = |dispositions: &[Disposition]| {
        let ids = dispositions.iter().filter(|one| matches!(one.fate, Fate::Redirect(_)));
        ids.map(|one| one.recipient).collect::<Vec<_>>()
    };
    let had = before.dispositions.len();
    let mut ends: Vec<RecipientId> = recipients(is).collect();
    ends.extend(redirected(after.dispositions.get(had..).unwrap_or_default()));
    for sibling in news {
        ends.extend(recipients(&sibling.envelope));
        ends.extend(redirected(&sibling.dispositions));
    }
    let number = ends.len();
    let ends: BTreeSet<RecipientId> = ends.into_iter().collect();
    if ends.len() != number {
        return Err(not_conserved("a recipient ends twice"));
    }
    match recipients(was).find(|id| !ends.contains(id)) {
        Some(lost) => Err(not_conserved(&format!("recipient {} is lost", lost.0))),
        None => Ok(()),
    }
}

fn not_conserved(detail: &str) -> Fault {
    Fault { kind: FaultKind::IllegalVerdict, detail: format!("recipients do not add up: {detail}") }
}

#[cfg(test)]
mod tests;
