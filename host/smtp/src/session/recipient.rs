//! RCPT: relay control, on-rcpt-to, and the mailbox check (RFC 5321 §4.1.1.3, §7.9).
//!
//! Promises that a foreign recipient is refused before any sink is asked, that a rewrite passes the same checks as what it
//! replaces, and that rewrites end.

use super::answer::{NOT_THIS_GATE, Refusals, Ruling};
use super::{Question, RecipientStanding, Session, Task};
use crate::address::Mailbox;
use crate::envelope::{Recipient, RecipientId};
use crate::extensions::ParameterVerb;
use crate::facts::Protocol;
use crate::gate::{By, Decision, GateKind, Heeded, Verdict};
use crate::notice::Violation;
use crate::parameters::{Notify, Parameter, Smtputf8, find};
use crate::path::ForwardPath;
use crate::replies;
use crate::reply::Reply;
use crate::xtext;

const RCPT_TO: Refusals =
    Refusals { defer: replies::RECIPIENT_DEFERRED, reject: replies::RECIPIENT_REJECTED };

/// A RCPT between its checks.
#[derive(Debug)]
pub(crate) struct RecipientWork {
    /// The one that is being checked, as it would enter the envelope.
    pub(crate) candidate: Recipient,
    standing: Standing,
    /// None as long as no sink rewrote anything, which is nearly always.
    rewriting: Option<Rewriting>,
    /// Those that passed.
    settled: Vec<Recipient>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Known,
    UnknownMailbox,
}

#[derive(Debug, Default)]
struct Rewriting {
    /// Every address that this RCPT came to.
    seen: Vec<Mailbox>,
    /// Those of them that are still to be checked.
    pending: Vec<Mailbox>,
}

impl Session {
    /// Where the recipient that [`super::Action::Resolve`] is about came by a rewrite: those that the same RCPT was rewritten to
    /// and that passed their checks. They are not in the envelope yet.
    #[must_use]
    pub fn settled(&self) -> &[Recipient] {
        match &self.question {
            Some(Question::Resolve(work)) => &work.settled,
            _ => &[],
        }
    }

    /// RCPT, in sequence and past on-inbound-command.
    pub(crate) fn rcpt(&mut self, forward_path: ForwardPath, parameters: Vec<Parameter>, needs: Smtputf8) {
        match self.candidate_of(forward_path, parameters, needs) {
            Ok(candidate) => {
                let (standing, settled) = (Standing::Known, Vec::new());
                let work = RecipientWork { candidate, standing, rewriting: None, settled };
                self.tasks.push_back(Task::Ask(Question::Resolve(Box::new(work))));
            }
            Err(reply) => self.refuse_recipient(reply, By::Host),
        }
    }

    /// Relay control was asked, and whether the mailbox is known.
    pub(crate) fn recipient_judged(&mut self, mut work: Box<RecipientWork>, standing: RecipientStanding) {
        work.standing = match standing {
            RecipientStanding::Accepted => Standing::Known,
            RecipientStanding::UnknownMailbox => Standing::UnknownMailbox,
            RecipientStanding::Foreign => return self.refuse_recipient(replies::RELAY_REFUSED, By::Host),
            RecipientStanding::Undecided => {
                return self.refuse_recipient(replies::RECIPIENT_UNDECIDED, By::Host);
            }
            RecipientStanding::QueueFull => {
                return self.refuse_recipient(replies::RECIPIENT_QUEUE_FULL, By::Host);
            }
            RecipientStanding::Apart => return self.refuse_recipient(replies::REWRITE_APART, By::Host),
            RecipientStanding::TransactionFull(reply) => {
                let reply = if reply.is_transient() { reply } else { replies::RECIPIENTS_TOO_MANY };
                return self.refuse_recipient(reply, By::Host);
            }
        };
        if self.interest.wants_gate(GateKind::RcptTo) {
            self.tasks.push_back(Task::Ask(Question::RcptTo(work)));
        } else {
            self.check_mailbox(work);
        }
    }

    /// on-rcpt-to was asked.
    pub(crate) fn recipient_decided(&mut self, work: Box<RecipientWork>, decision: Decision) -> Heeded {
        match Ruling::new(decision.verdict, &RCPT_TO) {
            Ruling::Proceed => self.check_mailbox(work),
            Ruling::Refuse(reply) => self.refuse_recipient(reply, decision.by),
            Ruling::End(reply) => self.send_last("RCPT", reply, decision.by),
            Ruling::Special(Verdict::Claim) => self.settle(work),
            Ruling::Special(Verdict::Discard(_)) => self.next_address(work),
            Ruling::Special(Verdict::Rewrite(addresses)) if !addresses.is_empty() => {
                self.rewrite(work, addresses);
            }
            Ruling::Special(verdict) => {
                self.check_mailbox(work);
                return match verdict {
                    Verdict::Rewrite(_) => Heeded::Ignored("a rewrite names at least one address"),
                    _ => NOT_THIS_GATE,
                };
            }
        }
        Heeded::Taken
    }

    fn candidate_of(
        &self,
        forward_path: ForwardPath,
        parameters: Vec<Parameter>,
        needs: Smtputf8,
    ) -> Result<Recipient, Reply> {
        if parameters.iter().any(|parameter| !self.offers.takes(ParameterVerb::Rcpt, parameter)) {
            return Err(replies::PARAMETER_UNKNOWN);
        }
        if needs == Smtputf8::Asked && self.facts.smtputf8 == Smtputf8::Absent {
            return Err(replies::SMTPUTF8_NEEDED);
        }
        let notify = match find(&parameters, "NOTIFY") {
            Some(parameter) => parameter.value().and_then(Notify::parse).ok_or(replies::PARAMETER_VALUE)?,
            None => Notify::default(),
        };
        if let Some(parameter) = find(&parameters, "ORCPT") {
            parameter.value().and_then(xtext::original_recipient).ok_or(replies::PARAMETER_VALUE)?;
        }
        let address =
            forward_path.mailbox_at(&self.settings.host_name).map_err(|_| replies::RECIPIENT_MALFORMED)?;
        let id = RecipientId(self.transaction.map_or(0, |transaction| transaction.accepted));
        Ok(Recipient { notify, parameters, ..Recipient::new(id, address) })
    }

    fn check_mailbox(&mut self, work: Box<RecipientWork>) {
        match work.standing {
            Standing::Known => self.settle(work),
            Standing::UnknownMailbox => self.refuse_recipient(replies::MAILBOX_UNKNOWN, By::Host),
        }
    }

    /// Addresses that this RCPT had before are no news: a sink that rewrites all it sees to one mailbox comes to an end.
    fn rewrite(&mut self, mut work: Box<RecipientWork>, addresses: Vec<Mailbox>) {
        let rewriting = work.rewriting.get_or_insert_with(|| Rewriting {
            seen: vec![work.candidate.address.clone()],
            pending: Vec::new(),
        });
        let stays = addresses.contains(&work.candidate.address);
        for address in addresses {
            if !rewriting.seen.contains(&address) {
                rewriting.seen.push(address.clone());
                rewriting.pending.push(address);
            }
            // The first one is what the client said.
            if rewriting.seen.len() - 1
                > usize::try_from(self.settings.limits.rewrites_max).unwrap_or(usize::MAX)
            {
                return self.refuse_recipient(replies::REWRITE_LOOP, By::Host);
            }
        }
        if stays { self.check_mailbox(work) } else { self.next_address(work) }
    }

    fn settle(&mut self, mut work: Box<RecipientWork>) {
        if work.rewriting.is_none() {
            return self.accept_recipients(1, std::iter::once(work.candidate));
        }
        work.settled.push(work.candidate.clone());
        self.next_address(work);
    }

    /// Checks the next address that a rewrite gave, or answers.
    fn next_address(&mut self, mut work: Box<RecipientWork>) {
        let next = work.rewriting.as_mut().and_then(|rewriting| rewriting.pending.pop());
        let settled = u32::try_from(work.settled.len()).unwrap_or(u32::MAX);
        let Some(address) = next else { return self.accept_recipients(settled, work.settled) };
        let accepted = self.transaction.map_or(0, |transaction| transaction.accepted);
        work.candidate.id = RecipientId(accepted.saturating_add(settled));
        work.candidate.address = address;
        self.tasks.push_back(Task::Ask(Question::Resolve(work)));
    }

    fn accept_recipients(&mut self, added: u32, settled: impl IntoIterator<Item = Recipient>) {
        let Some(mut transaction) = self.transaction else { return };
        if transaction.recipients().saturating_add(added) > self.settings.limits.recipients_max {
            self.violate(Violation::TooManyRecipients, "RCPT");
            return self.refuse_recipient(replies::RECIPIENTS_TOO_MANY, By::Host);
        }
        if self.settings.protocol == Protocol::Lmtp {
            self.accepted.push(transaction.accepted..transaction.accepted.saturating_add(added));
        }
        match added {
            0 => transaction.discarded = transaction.discarded.saturating_add(1),
            _ => transaction.accepted = transaction.accepted.saturating_add(added),
        }
        self.transaction = Some(transaction);
        if added > 0 {
            self.envelope_mut().recipients.extend(settled);
        }
        self.send("RCPT", replies::RECIPIENT_ACCEPTED);
    }

    fn refuse_recipient(&mut self, reply: Reply, by: By) {
        if let Some(transaction) = &mut self.transaction {
            transaction.refused = transaction.refused.saturating_add(1);
        }
        self.send_by("RCPT", reply, by);
    }
}
