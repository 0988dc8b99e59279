//! One message under way: what each reply and each verdict makes of its recipients.
//!
//! Promises that every recipient is settled once, and that a recipient which the peer took and a sink did not is taken back,
//! by RSET and another round without it. Leaves out what is sent when: that is [`super::sending`].

use super::draft::Draft;
use super::facts::ContentFacts;
use super::message::Message;
use super::outcome::{Cause, Ending, Fate, Next, Outcome, RecipientOutcome};
use super::question::{Ruling, ended};
use super::step::{Answer, Meaning, Step};
use super::{Client, Phase, content};
use crate::envelope::RecipientId;
use crate::parameters::Parameter;

/// One message under way.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) message: Message,
    /// Of the message, or of what it was encoded down to.
    pub(crate) content: ContentFacts,
    /// None until on-message-start is decided.
    pub(crate) mail_parameters: Option<Vec<Parameter>>,
    pub(crate) recipients: Vec<Attempt>,
    pub(crate) stage: Stage,
    pub(crate) peers_view: PeersView,
}

/// What is sent next.
#[derive(Debug)]
pub(crate) enum Stage {
    Start,
    /// The loop encoded the content down, so that no second try is needed.
    Encoded,
    Mail,
    /// The RCPT of that index.
    Recipient(usize),
    /// Every RCPT is out.
    Recipients,
    /// on-before-data is decided.
    Cleared,
    /// RSET is out, and the round begins anew.
    Again,
    /// DATA is out.
    Data,
    Content(content::Sending),
    /// All is out, the end of the content included.
    Dot,
}

/// What the peer believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeersView {
    /// No transaction is open.
    Nothing,
    /// MAIL was answered 2xx.
    Open,
    /// And it took a recipient that a sink did not.
    Other,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: RecipientId,
    /// None until on-per-recipient is decided.
    pub(crate) parameters: Option<Vec<Parameter>>,
    state: AttemptState,
    tag: Option<Box<str>>,
}

#[derive(Debug)]
enum AttemptState {
    Open,
    Accepted,
    Settled(Fate),
}

impl Transaction {
    pub(crate) fn new(message: Message) -> Self {
        let attempt = |id| Attempt { id, parameters: None, state: AttemptState::Open, tag: None };
        let recipients = message.envelope.recipients.iter().map(|recipient| attempt(recipient.id)).collect();
        let content = message.content;
        let (stage, peers_view) = (Stage::Start, PeersView::Nothing);
        Self { message, content, mail_parameters: None, recipients, stage, peers_view }
    }

    /// Whether the peer waits for content.
    pub(crate) fn is_in_content(&self) -> bool {
        matches!(self.stage, Stage::Content(_))
    }

    /// Indexes of those that the peer took.
    pub(crate) fn accepted(&self) -> impl Iterator<Item = usize> {
        let all = self.recipients.iter().enumerate();
        all.filter(|(_, one)| matches!(one.state, AttemptState::Accepted)).map(|(index, _)| index)
    }

    /// Keeps a sink's word about a recipient, or about all that are not settled.
    pub(crate) fn tag(&mut self, recipient: Option<usize>, tag: &str) {
        for (index, one) in self.recipients.iter_mut().enumerate() {
            let is_meant = match recipient {
                Some(recipient) => recipient == index,
                None => !one.is_settled(),
            };
            if is_meant {
                one.tag = Some(tag.into());
            }
        }
    }

    /// The same fate for all that have none.
    pub(crate) fn settle_rest(&mut self, fate: &Fate) {
        for one in &mut self.recipients {
            one.settle(|| fate.clone());
        }
    }

    pub(crate) fn settle(&mut self, index: usize, fate: Fate) {
        if let Some(one) = self.recipients.get_mut(index) {
            one.settle(|| fate);
        }
    }

    /// The connection is gone. Behind the end of the content nobody knows what the peer did.
    pub(crate) fn lose(&mut self, cause: &Cause) {
        let is_sent = matches!(self.stage, Stage::Dot);
        for one in &mut self.recipients {
            let may_be_there = is_sent && matches!(one.state, AttemptState::Accepted);
            one.settle(|| {
                if may_be_there {
                    Fate::MaybeDelivered(cause.clone())
                } else {
                    Fate::Deferred { cause: cause.clone(), wait: None }
                }
            });
        }
    }

    /// The content would reach a recipient that a sink did not take: nobody is to have it. Only an interest that changed
    /// between RCPT and its reply leads here, otherwise there is another round first.
    pub(crate) fn keep_from_others(&mut self) {
        if self.peers_view == PeersView::Other {
            self.settle_rest(&Fate::Deferred { cause: ended(), wait: None });
        }
    }

    /// The peer's transaction is over with the reply to the dot.
    pub(crate) fn is_answered(&mut self) {
        self.peers_view = PeersView::Nothing;
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.recipients.iter().all(Attempt::is_settled)
    }
}

impl Attempt {
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.state, AttemptState::Settled(_))
    }

    pub(crate) fn settle(&mut self, fate: impl FnOnce() -> Fate) {
        if !self.is_settled() {
            self.state = AttemptState::Settled(fate());
        }
    }
}

impl Client {
    pub(crate) fn recipient_id(&self, index: usize) -> Option<RecipientId> {
        Some(self.transaction.as_ref()?.recipients.get(index)?.id)
    }

    /// Tells the outcome, and says what the session does next.
    pub(crate) fn finish_message(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        let is_cut = transaction.is_in_content();
        let is_open = transaction.peers_view != PeersView::Nothing;
        let outcome = |one: Attempt| {
            let fate = match one.state {
                AttemptState::Settled(fate) => fate,
                // Not reached: a message is finished when all are settled.
                AttemptState::Open | AttemptState::Accepted => Fate::Deferred { cause: ended(), wait: None },
            };
            RecipientOutcome { id: one.id, fate, tag: one.tag }
        };
        let recipients: Vec<_> = transaction.recipients.into_iter().map(outcome).collect();
        recipients.iter().for_each(|one| self.totals.count(&one.fate));
        if is_cut {
            self.ending.get_or_insert(Ending { cause: Some(ended()), next: Next::Close, wait: None });
        }
        let next = self.ending.as_ref().map_or(Next::Reuse, |ending| ending.next);
        self.outcome = Some(Outcome { recipients, next });
        let is_closing = is_cut || self.ending.as_ref().is_some_and(Ending::is_peers);
        match next {
            _ if is_closing => self.phase = Phase::Lost,
            Next::Reuse if is_open => {
                self.phase = Phase::Resetting;
                self.command("RSET", Step::Reset);
            }
            Next::Reuse => self.phase = Phase::Ready,
            Next::Close | Next::SkipHost | Next::SuspendQueue => self.phase = Phase::Leaving,
        }
    }

    pub(crate) fn message_start_decided(&mut self, ruling: Ruling, mut draft: Draft) {
        if let Ruling::Proceed = ruling {
            self.stage(&mut draft);
            if let Some(transaction) = &mut self.transaction {
                transaction.mail_parameters = Some(draft.into_parameters());
                transaction.stage = Stage::Mail;
            }
        } else {
            self.settle_message(ruling);
        }
    }

    pub(crate) fn recipient_decided(&mut self, index: usize, ruling: Ruling, draft: Draft) {
        let Some(transaction) = &mut self.transaction else { return };
        match ruling {
            Ruling::Settle(fate) | Ruling::Drop(fate) => transaction.settle(index, fate),
            Ruling::Proceed => {
                if let Some(one) = transaction.recipients.get_mut(index) {
                    one.parameters = Some(draft.into_parameters());
                }
            }
        }
    }

    pub(crate) fn before_data_decided(&mut self, ruling: Ruling, mut draft: Draft) {
        if let Ruling::Proceed = ruling {
            self.stage(&mut draft);
            if let Some(transaction) = &mut self.transaction {
                transaction.stage = Stage::Cleared;
            }
        } else {
            self.settle_message(ruling);
        }
    }

    pub(crate) fn mail_answered(&mut self, answer: &Answer) {
        let Some(transaction) = &mut self.transaction else { return };
        if answer.reply.is_positive() {
            transaction.peers_view = PeersView::Open;
        }
        match answer.meaning {
            Meaning::Done => {}
            Meaning::More => self.misunderstood(answer),
            Meaning::Transient | Meaning::Permanent => transaction.settle_rest(&answer.refusal()),
        }
    }

    pub(crate) fn rcpt_answered(&mut self, index: usize, answer: &Answer) {
        let Some(transaction) = &mut self.transaction else { return };
        if answer.meaning == Meaning::More {
            return self.misunderstood(answer);
        }
        let Some(one) = transaction.recipients.get_mut(index) else { return };
        match answer.meaning {
            Meaning::Done if !one.is_settled() => one.state = AttemptState::Accepted,
            Meaning::Done | Meaning::More => {}
            Meaning::Transient | Meaning::Permanent => {
                one.settle(|| answer.refusal());
                if answer.reply.is_positive() {
                    transaction.peers_view = PeersView::Other;
                }
            }
        }
    }

    pub(crate) fn reset_answered(&mut self, answer: &Answer) {
        match (answer.meaning, &mut self.transaction) {
            (Meaning::Done, Some(transaction)) => {
                transaction.peers_view = PeersView::Nothing;
                transaction.stage = Stage::Mail;
                for one in &mut transaction.recipients {
                    if matches!(one.state, AttemptState::Accepted) {
                        one.state = AttemptState::Open;
                    }
                }
            }
            (Meaning::Done, None) => self.phase = Phase::Ready,
            (Meaning::More, _) => self.misunderstood(answer),
            (Meaning::Transient | Meaning::Permanent, transaction) => {
                if let Some(transaction) = transaction {
                    transaction.settle_rest(&Fate::Deferred { cause: answer.cause(), wait: None });
                }
                self.refused(answer);
                self.finish_message();
            }
        }
    }

    fn settle_message(&mut self, ruling: Ruling) {
        let Some(transaction) = &mut self.transaction else { return };
        match ruling {
            Ruling::Proceed => {}
            Ruling::Settle(fate) => transaction.settle_rest(&fate),
            Ruling::Drop(fate) => {
                transaction.settle_rest(&fate);
                let cause = match fate {
                    Fate::Deferred { cause, .. } => Some(cause),
                    _ => None,
                };
                self.ending = Some(Ending { cause, next: Next::Close, wait: None });
            }
        }
    }
}

impl Ending {
    /// The peer said that it closes: it reads no QUIT.
    fn is_peers(&self) -> bool {
        matches!(&self.cause, Some(Cause::Reply { reply, .. }) if reply.code() == 421)
    }
}
