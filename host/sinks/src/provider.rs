//! What providers answer: the engine asks, the first sink that does not continue decides (EVENTS, "Classes").
//!
//! Where an event is about several recipients the first sink that does not continue decides for each of them, so later
//! sinks are asked about the rest alone.

use std::time::Duration;

use bytes::Bytes;
use smtp::{Domain, Host, Mailbox, RecipientId, Refusal, Reply, Route, Secret, Timestamp};

use std::net::IpAddr;

/// The answer to a provider's event. One that is `Continue` leaves it to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// on-categorize: one for each recipient that was asked about, in order.
    Targets(Vec<Target>),
    /// on-route: the same.
    Choices(Vec<Choice>),
    /// on-resolve-next-hop.
    Exchangers(Exchangers),
    /// on-deliver: one for each recipient, in order.
    Delivered(Vec<Delivered>),
    /// on-retry.
    Retry(RetryPlan),
    /// on-queue-age.
    Age(AgePlan),
    /// on-authenticate and on-auth-step.
    Login(LoginAnswer),
}

/// Who a client is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LoginAnswer {
    /// Whoever the host finds.
    #[default]
    Continue,
    /// It is this one, of the tenant that was asked.
    Authenticated(Mailbox),
    /// on-auth-step: it has to say more.
    Challenge {
        /// What it is told.
        data: Bytes,
        /// Given back with its response.
        state: Secret,
    },
    /// Not now.
    Defer(Refusal),
    /// No.
    Reject(Refusal),
}

/// What a recipient is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// Whatever the host finds.
    #[default]
    Continue,
    /// A mailbox here, by its name.
    Mailbox(String),
    /// Another server's.
    Remote,
    /// These instead; the reverse-path stays.
    Forward(Vec<Mailbox>),
    /// Members of a list.
    Expand(Vec<Mailbox>),
    /// There is no such recipient.
    Unknown(Refusal),
    /// Ask again after this.
    RetryIn(Duration),
}

/// Where a recipient goes next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// Wherever the host sends it.
    #[default]
    Continue,
    /// By this route.
    Via(Route),
    /// Into a mailbox here.
    Local,
    /// Nowhere, for good.
    Unreachable(Refusal),
    /// Ask again after this.
    Later(Duration),
}

/// Who takes mail for a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exchangers {
    /// DNS knows.
    #[default]
    Continue,
    /// These, by preference.
    Hosts(Vec<Candidate>),
    /// Ask again after this.
    Later(Duration),
    /// Nobody, for good.
    Unreachable(Refusal),
}

/// A host that takes mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name and port.
    pub host: Host,
    /// Lower is tried first, as in DNS.
    pub preference: u16,
    /// Its addresses; none means that DNS is asked.
    pub addresses: Vec<IpAddr>,
}

/// What a delivery agent did with a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// It has the message.
    Delivered(Reply),
    /// It never will.
    Failed(Reply),
    /// Not now; after the wait, where it names one.
    Deferred {
        /// 4xx.
        reply: Reply,
        /// At least this long.
        wait: Option<Duration>,
    },
}

/// What becomes of recipients whose delivery failed for now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RetryPlan {
    /// As the schedule says.
    #[default]
    Continue,
    /// Again after this.
    After(Duration),
    /// By another route, at once.
    Reroute(Route),
    /// Never again.
    GiveUp(Refusal),
    /// Nothing of this queue for so long.
    SuspendQueue(Duration),
}

/// What becomes of a message that reached an age.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AgePlan {
    /// As the host has it.
    #[default]
    Continue,
    /// A DSN that it is delayed.
    ReportDelay,
    /// No DSN that it is delayed.
    StaySilent,
    /// It expires so much later.
    Extend(Duration),
    /// It fails now.
    GiveUp(Refusal),
}

/// What happened to a recipient in an attempt, for observers (on-delivery-attempt).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Timestamp,
    /// The entry.
    pub message: String,
    /// Whom it was about.
    pub recipient: Mailbox,
    /// The queue's name.
    pub queue: String,
    /// The host that was spoken to, if one was.
    pub host: Option<String>,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What the peer said.
    pub reply: Option<Reply>,
    /// How long it took.
    pub took: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The next hop has it.
    Delivered,
    /// It will be tried again.
    Deferred,
    /// It never will.
    Failed,
}

impl AttemptOutcome {
    /// The contract's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Failed => "failed",
        }
    }
}

/// A report about mail of ours that came in (on-feedback).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// failed, delayed, complaint, tls-report.
    pub kind: &'static str,
    /// Whom it is about.
    pub recipient: Option<Mailbox>,
    /// What the reporting server was told.
    pub reply: Option<Reply>,
    /// All that was understood of it, as a JSON object.
    pub json: String,
}

/// A question about the recipients of one domain (on-route).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteQuestion {
    /// Their domain.
    pub domain: Domain,
    /// Who, in the order of the envelope.
    pub recipients: Vec<RecipientId>,
}

/// Failed attempts that something is to be decided about (on-retry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryQuestion {
    /// Whose attempts failed in the same way.
    pub recipients: Vec<RecipientId>,
    /// What the peer said, if it said something.
    pub reply: Option<Reply>,
    /// How often it failed, this time included.
    pub failures: u32,
    /// Since the message was accepted.
    pub age: Duration,
}

impl Answer {
    /// The contract's word; of several recipients that of the first that something was decided about.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Targets(targets) => first_word(targets, Target::word),
            Self::Choices(choices) => first_word(choices, Choice::word),
            Self::Exchangers(exchangers) => exchangers.word(),
            Self::Delivered(outcomes) => first_word(outcomes, Delivered::word),
            Self::Retry(plan) => plan.word(),
            Self::Age(plan) => plan.word(),
            Self::Login(answer) => answer.word(),
        }
    }
}

fn first_word<T>(answers: &[T], word: impl Fn(&T) -> &'static str) -> &'static str {
    answers.iter().map(word).find(|word| *word != "continue").unwrap_or("continue")
}

macro_rules! words {
    ($($answer:ident { $($case:pat => $word:literal,)+ })+) => {
        $(impl $answer {
            /// The contract's word.
            pub const fn word(&self) -> &'static str {
                match self { $($case => $word,)+ }
            }
        })+
    };
}

words! {
    LoginAnswer {
        Self::Continue => "continue",
        Self::Authenticated(_) => "authenticated",
        Self::Challenge { .. } => "challenge",
        Self::Defer(_) => "defer",
        Self::Reject(_) => "reject",
    }
    Target {
        Self::Continue => "continue",
        Self::Mailbox(_) => "mailbox",
        Self::Remote => "remote",
        Self::Forward(_) => "forward",
        Self::Expand(_) => "expand",
        Self::Unknown(_) => "unknown",
        Self::RetryIn(_) => "retry-in",
    }
    Choice {
        Self::Continue => "continue",
        Self::Via(_) => "via",
        Self::Local => "local",
        Self::Unreachable(_) => "unreachable",
        Self::Later(_) => "later",
    }
    Exchangers {
        Self::Continue => "continue",
        Self::Hosts(_) => "hosts",
        Self::Later(_) => "later",
        Self::Unreachable(_) => "unreachable",
    }
    Delivered {
        Self::Delivered(_) => "delivered",
        Self::Failed(_) => "failed",
        Self::Deferred { .. } => "deferred",
    }
    RetryPlan {
        Self::Continue => "continue",
        Self::After(_) => "after",
        Self::Reroute(_) => "reroute",
        Self::GiveUp(_) => "give-up",
        Self::SuspendQueue(_) => "suspend-queue",
    }
    AgePlan {
        Self::Continue => "continue",
        Self::ReportDelay => "report-delay",
        Self::StaySilent => "stay-silent",
        Self::Extend(_) => "extend",
        Self::GiveUp(_) => "give-up",
    }
}
