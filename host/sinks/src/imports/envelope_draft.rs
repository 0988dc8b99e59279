//! `envelope-draft`: staged edits of the envelope. Each recipient ends kept or with one fate, never both, never neither.

use std::sync::Arc;

use smtp::{Envelope, Mailbox, Recipient, RecipientId, RecipientState};

use super::Answer;
use crate::access::EnvelopeEdits;
use crate::bindings::sluice::sink::envelope_draft::Host;
use crate::bindings::sluice::sink::types::{Address, Error, Notify, Reply, ReversePath};
use crate::capability::Capability;
use crate::convert::{lift_address, lift_notify, lift_reply_of, lift_timestamp, lift_word};
use crate::limits::{DISPOSITIONS_MAX, EXPIRY_MAX, RECIPIENTS_MAX, REDIRECT_MAX, SIBLINGS_MAX};
use crate::state::State;
use crate::subject::{Disposition, Fate};

/// What a sink wants to change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit {
    ReversePath,
    Priority,
    Expiry,
    NewRecipients,
    Fate,
    Discard(RecipientId),
    Fork,
}

impl State {
    /// The row of EVENTS' matrix.
    fn allow(&self, edit: Edit) -> Result<(), Error> {
        let allowed = match self.call.access.envelope_draft {
            EnvelopeEdits::None => false,
            EnvelopeEdits::ReversePath => matches!(edit, Edit::ReversePath | Edit::Priority),
            EnvelopeEdits::DiscardCurrent => {
                matches!(edit, Edit::Discard(id) if self.subject.current == Some(id))
            }
            EnvelopeEdits::NoForks => edit != Edit::Fork,
            EnvelopeEdits::NoRecipients => !matches!(edit, Edit::NewRecipients | Edit::Fork),
            EnvelopeEdits::All => true,
        };
        if allowed && self.subject.envelope.is_some() { Ok(()) } else { Err(Error::NotPermitted) }
    }

    /// The sink's own copy of the envelope, to be changed.
    fn edited(&mut self) -> Result<&mut Envelope, Error> {
        self.subject.envelope.as_mut().map(Arc::make_mut).ok_or(Error::NotPermitted)
    }

    /// An address that this sink may send to: the tenant's own domains, or any with the grant `forward` (EVENTS rule 5).
    fn reachable(&self, address: &Address) -> Result<Mailbox, Error> {
        let mailbox = lift_address(address)?;
        let domains = &self.call.outside.domains;
        let is_reachable = domains.owns(&self.subject.tenant, mailbox.domain())
            || self.call.installation.grants.contains(&Capability::Forward);
        if is_reachable { Ok(mailbox) } else { Err(Error::NotPermitted) }
    }

    /// An id that no recipient of this message has or had, nor one of a message that was forked from it.
    fn unused_recipient(&self) -> RecipientId {
        let used = |envelope: &Envelope| envelope.unused_id().0;
        let own = self.subject.envelope.as_deref().map_or(0, used);
        let forked = self.branches.all.iter().filter_map(|branch| branch.envelope.as_deref().map(used)).max();
        let siblings = self.subject.siblings.iter().map(|sibling| used(&sibling.envelope)).max();
        let gone = |all: &[Disposition]| all.iter().map(|one| one.recipient.0.saturating_add(1)).max();
        let branches = self.branches.all.iter().filter_map(|branch| gone(&branch.dispositions)).max();
        let decided = gone(&self.subject.dispositions);
        RecipientId([Some(own), forked, siblings, branches, decided].into_iter().flatten().max().unwrap_or(0))
    }

    /// Of the message and of all that were forked from it: forks must not multiply what one message may have.
    fn recipients(&self) -> usize {
        let count = |envelope: &Envelope| envelope.recipients.len();
        let selected = self.branches.selected;
        let aside = self.branches.all.iter().enumerate().filter(|(number, _)| *number != selected);
        let aside = aside.filter_map(|(_, branch)| branch.envelope.as_deref().map(count)).sum::<usize>();
        let forked = self.subject.siblings.iter().map(|sibling| count(&sibling.envelope)).sum::<usize>();
        self.subject.envelope.as_deref().map_or(0, count) + aside + forked
    }

    /// Writes down what was decided for a recipient.
    fn dispose(&mut self, recipient: RecipientId, fate: Fate) {
        let by = Arc::clone(&self.call.installation.id);
        self.subject.dispositions.push(Disposition { recipient, fate, by });
    }

    fn add(&mut self, address: Mailbox, like: impl FnOnce(&mut Recipient)) -> Result<RecipientId, Error> {
        if self.recipients() >= RECIPIENTS_MAX {
            return Err(Error::QuotaExceeded);
        }
        let id = self.unused_recipient();
        let envelope = self.edited()?;
        let mut recipient = Recipient::new(id, address);
        like(&mut recipient);
        envelope.recipients.push(recipient);
        Ok(id)
    }

    /// A recipient that nothing was decided about yet in this event.
    fn pending(&self, id: RecipientId) -> Result<&Recipient, Error> {
        let recipient = self.subject.envelope.as_ref().and_then(|envelope| envelope.recipient(id));
        let recipient = recipient.ok_or(Error::NotFound)?;
        if self.subject.dispositions.len() >= DISPOSITIONS_MAX {
            return Err(Error::QuotaExceeded);
        }
        let is_decided = || self.subject.dispositions.iter().any(|one| one.recipient == id);
        match recipient.state {
            RecipientState::Pending => Ok(recipient),
            // By an earlier event, and asked about again now.
            RecipientState::Deferred if !is_decided() => Ok(recipient),
            _ => Err(Error::InvalidArgument("that recipient's fate is decided".to_owned())),
        }
    }

    /// Decides about one recipient, once.
    fn decide(&mut self, id: RecipientId, state: RecipientState, fate: Fate) -> Result<(), Error> {
        self.pending(id)?;
        for recipient in &mut self.edited()?.recipients {
            if recipient.id == id {
                recipient.state = state;
            }
        }
        self.dispose(id, fate);
        Ok(())
    }

    fn redirect_to(&mut self, id: RecipientId, to: &[Address]) -> Result<Vec<u32>, Error> {
        self.allow(Edit::NewRecipients)?;
        if to.is_empty() || to.len() > REDIRECT_MAX {
            return Err(Error::InvalidArgument(format!("one to {REDIRECT_MAX} addresses")));
        }
        let old = self.pending(id)?.clone();
        let addresses = to.iter().map(|address| self.reachable(address)).collect::<Result<Vec<_>, _>>()?;
        let mut added = Vec::with_capacity(addresses.len());
        for address in addresses {
            added.push(self.add(address, |recipient| {
                recipient.original = old.original.clone();
                recipient.notify = old.notify;
                recipient.parameters.clone_from(&old.parameters);
            })?);
        }
        self.edited()?.recipients.retain(|recipient| recipient.id != id);
        self.dispose(id, Fate::Redirect(added.clone()));
        Ok(added.into_iter().map(|id| id.0).collect())
    }

    fn fork_off(&mut self, ids: &[u32]) -> Result<u32, Error> {
        self.allow(Edit::Fork)?;
        let mut moved = Vec::with_capacity(ids.len().min(RECIPIENTS_MAX));
        for id in ids {
            let recipient = self.pending(RecipientId(*id))?;
            if moved.iter().any(|one: &Recipient| one.id == recipient.id) {
                return Err(Error::InvalidArgument("a recipient comes twice".to_owned()));
            }
            moved.push(recipient.clone());
        }
        if moved.is_empty() {
            return Err(Error::InvalidArgument("at least one recipient".to_owned()));
        }
        if self.branches.all.len() > SIBLINGS_MAX {
            return Err(Error::QuotaExceeded);
        }
        if self.branches.all.is_empty() {
            self.branches.all.push(self.branch());
        }
        let number = u32::try_from(self.branches.all.len()).map_err(|_| Error::QuotaExceeded)?;
        let mut branch = self.branch();
        branch.dispositions.clear();
        let envelope = branch.envelope.as_mut().map(Arc::make_mut).ok_or(Error::NotPermitted)?;
        envelope.recipients = moved;
        let taken: Vec<RecipientId> = envelope.recipients.iter().map(|recipient| recipient.id).collect();
        self.branches.all.push(branch);
        self.edited()?.recipients.retain(|recipient| !taken.contains(&recipient.id));
        Ok(number)
    }

    /// Puts the current message aside and takes up another one.
    pub(crate) fn select_branch(&mut self, number: usize) -> Result<(), Error> {
        if self.branches.all.is_empty() && number == 0 {
            return Ok(());
        }
        if number >= self.branches.all.len() {
            return Err(Error::NotFound);
        }
        let selected = self.branches.selected;
        if selected == number {
            return Ok(());
        }
        // Exchanged, not copied: a sink may go to and fro as often as it likes.
        for place in [selected, number] {
            if let Some(branch) = self.branches.all.get_mut(place) {
                branch.exchange(&mut self.subject);
            }
        }
        self.branches.selected = number;
        Ok(())
    }
}

impl Host for State {
    async fn set_mail_from(&mut self, path: ReversePath) -> Answer<()> {
        self.toll(&[&path]).await?;
        Ok(self.allow(Edit::ReversePath).and_then(|()| {
            let path = match &path {
                ReversePath::Null => smtp::ReversePath::Null,
                ReversePath::Mailbox(address) => smtp::ReversePath::Mailbox(lift_address(address)?),
            };
            self.edited()?.reverse_path = path;
            Ok(())
        }))
    }

    async fn add_recipient(&mut self, address: Address, notify: Notify) -> Answer<u32> {
        self.toll(&[&address]).await?;
        Ok(self.allow(Edit::NewRecipients).and_then(|()| {
            let mailbox = self.reachable(&address)?;
            let notify = lift_notify(notify)?;
            self.add(mailbox, |recipient| recipient.notify = notify).map(|id| id.0)
        }))
    }

    async fn redirect(&mut self, id: u32, to: Vec<Address>) -> Answer<Vec<u32>> {
        self.toll(&[&to]).await?;
        Ok(self.redirect_to(RecipientId(id), &to))
    }

    async fn defer(&mut self, id: u32, reply: Option<Reply>) -> Answer<()> {
        self.toll(&[&reply]).await?;
        Ok(self.allow(Edit::Fate).and_then(|()| {
            let reply = reply.as_ref().map(|reply| lift_reply_of(reply, 4)).transpose()?;
            self.decide(RecipientId(id), RecipientState::Deferred, Fate::Defer(reply))
        }))
    }

    async fn reject(&mut self, id: u32, reply: Option<Reply>) -> Answer<()> {
        self.toll(&[&reply]).await?;
        Ok(self.allow(Edit::Fate).and_then(|()| {
            let reply = reply.as_ref().map(|reply| lift_reply_of(reply, 5)).transpose()?;
            self.decide(RecipientId(id), RecipientState::Failed, Fate::Reject(reply))
        }))
    }

    async fn quarantine(&mut self, id: u32, reason: String) -> Answer<()> {
        self.toll(&[&reason]).await?;
        Ok(self.allow(Edit::Fate).and_then(|()| {
            let reason = lift_word(reason)?;
            self.decide(RecipientId(id), RecipientState::Quarantined, Fate::Quarantine(reason))
        }))
    }

    async fn discard(&mut self, id: u32, reason: String) -> Answer<()> {
        self.toll(&[&reason]).await?;
        let id = RecipientId(id);
        Ok(self.allow(Edit::Discard(id)).and_then(|()| {
            let reason = lift_word(reason)?;
            self.decide(id, RecipientState::Discarded, Fate::Discard(reason))
        }))
    }

    fn set_priority(&mut self, priority: i8) -> Answer<()> {
        Ok(self.allow(Edit::Priority).and_then(|()| {
            // RFC 6710 §4: -9 to 9.
            if !(-9..=9).contains(&priority) {
                return Err(Error::InvalidArgument("a priority is -9 to 9".to_owned()));
            }
            self.edited()?.priority = priority;
            Ok(())
        }))
    }

    fn set_expiry(&mut self, at: f64) -> Answer<()> {
        Ok(self.allow(Edit::Expiry).and_then(|()| {
            let now = self.call.outside.clock.now();
            self.edited()?.expires = Some(lift_timestamp(at)?.clamp(now, now + EXPIRY_MAX));
            Ok(())
        }))
    }

    async fn fork(&mut self, ids: Vec<u32>) -> Answer<u32> {
        self.toll(&[&ids]).await?;
        Ok(self.fork_off(&ids))
    }

    fn select(&mut self, sibling: u32) -> Answer<()> {
        Ok(self
            .allow(Edit::Fork)
            .and_then(|()| self.select_branch(usize::try_from(sibling).map_err(|_| Error::NotFound)?)))
    }
}
