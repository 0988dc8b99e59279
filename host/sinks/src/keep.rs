//! What of a sink's own copy of the subject becomes the caller's (EVENTS, "What is kept when").

use std::collections::BTreeSet;
use std::sync::Arc;

use smtp::{Envelope, RecipientId};

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
/// with them. A sum of recipients that does not add up is a fault, and then nothing is merged.
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
    let taken = news.iter().flat_map(|sibling| recipients(&sibling.envelope)).collect();
    subject.siblings = edited.siblings;
    remove(subject, &taken);
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
    subject.offers.clone_from(&before.offers);
    subject.envelope.clone_from(&before.envelope);
    subject.draft.clone_from(&before.draft);
    subject.dispositions.clone_from(&before.dispositions);
    if let (Some(outbound), Some(before)) = (&mut subject.outbound, &before.outbound) {
        outbound.command.clone_from(&before.command);
    }
    let news = subject.siblings.get(before.siblings.len()..).unwrap_or_default();
    let taken: BTreeSet<RecipientId> =
        news.iter().flat_map(|sibling| recipients(&sibling.envelope)).collect();
    remove(subject, &taken);
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

fn remove(subject: &mut Subject, taken: &BTreeSet<RecipientId>) {
    if let Some(envelope) = &mut subject.envelope
        && recipients(envelope).any(|id| taken.contains(&id))
    {
        Arc::make_mut(envelope).recipients.retain(|recipient| !taken.contains(&recipient.id));
    }
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
