//! What a session has still to do, and what it waits for.

use super::action::Action;
use super::answer::Outgoing;
use super::authentication::AuthWork;
use super::dialogue::CommandWork;
use super::greeting::GreetingWork;
use super::recipient::RecipientWork;
use crate::envelope::Recipient;
use crate::gate::Gate;
use crate::notice::{DisconnectCause, Notice, TransactionOutcome};
use std::time::Duration;

/// What a step does before it reads on.
#[derive(Debug)]
pub(super) enum Task {
    Ask(Question),
    Send(Outgoing),
    Encrypt,
    BeginContent,
    AbortContent,
    EndTransaction(TransactionOutcome),
    ClearTransaction,
    Finish(DisconnectCause),
    TellDisconnect(DisconnectCause),
}

/// What the loop is asked, with the work that waits for its answer.
#[derive(Debug)]
pub(super) enum Question {
    Connect,
    Encrypt {
        wait_max: Duration,
    },
    /// With the text of the banner, where that is still owed.
    TlsEstablished(Option<Box<str>>),
    Helo(Box<GreetingWork>),
    Authenticate(Box<AuthWork>),
    Command(Box<CommandWork>),
    Admit {
        announced: Option<u64>,
    },
    MailFrom,
    Resolve(Box<RecipientWork>),
    RcptTo(Box<RecipientWork>),
    Data,
    EndOfData,
    Complete(TransactionOutcome),
    Reply(Box<Outgoing>),
    Told(Box<Notice>),
}

impl Question {
    /// What the loop is told to do about it.
    pub(super) fn action(&self) -> Action {
        match self {
            Self::Connect => Action::Ask(Gate::Connect),
            Self::Encrypt { wait_max } => Action::Encrypt { wait_max: *wait_max },
            Self::TlsEstablished(_) => Action::Ask(Gate::TlsEstablished),
            Self::Helo(work) => {
                Action::Ask(Gate::Helo { greeting: work.greeting, name: work.name.clone().into() })
            }
            Self::Authenticate(work) => Action::Authenticate(work.question.clone()),
            Self::Command(work) => Action::Ask(work.gate()),
            Self::Admit { announced } => Action::Admit { announced: *announced },
            Self::MailFrom => Action::Ask(Gate::MailFrom),
            Self::Resolve(work) => Action::Resolve(work.candidate.address.clone()),
            Self::RcptTo(work) => {
                let Recipient { address, parameters, .. } = &work.candidate;
                Action::Ask(Gate::RcptTo { recipient: address.clone(), parameters: parameters.clone() })
            }
            Self::Data => Action::Ask(Gate::Data),
            Self::EndOfData => Action::Ask(Gate::EndOfData),
            Self::Complete(_) => Action::Complete,
            Self::Reply(outgoing) => Action::Ask(Gate::of_reply(outgoing)),
            Self::Told(notice) => Action::Tell((**notice).clone()),
        }
    }
}
