//! RFC 5321 and its extensions as values and state machines.
//!
//! Pure: bytes and ids come in as arguments; replies and actions go out as values. No I/O, no clock, no random source.
//! The hearts are [`Session`], the server's side of a dialogue, and [`Client`], ours with a next hop: the loop around either
//! does what each action says.

pub mod address;
pub mod client;
pub mod command;
pub mod data;
pub mod envelope;
pub mod extensions;
pub mod facts;
pub mod fuzz;
pub mod gate;
pub mod ingress;
pub mod interest;
pub mod limits;
pub mod notice;
pub mod parameters;
pub mod path;
pub mod proxy;
pub mod replies;
pub mod reply;
pub mod route;
pub mod sasl;
pub mod session;
pub mod time;
pub mod xtext;

pub use address::{AddressError, Domain, Mailbox};
pub use client::{Client, Mechanism};
pub use command::{Command, CommandError, is_verb_open_to_sinks};
pub use data::DataReader;
pub use envelope::{Envelope, Recipient, RecipientId, RecipientState};
pub use extensions::{OfferError, Offers, ParameterVerb};
pub use facts::{Facts, Greeting, Identity, Protocol, TlsFacts};
pub use gate::{By, Decision, Dialogue, Gate, GateKind, Heeded, Input, Refusal, Verdict};
pub use ingress::Ingress;
pub use interest::{Interest, Verbs};
pub use limits::Limits;
pub use notice::{DisconnectCause, Notice, NoticeKind, Totals, TransactionOutcome, Violation};
pub use parameters::{BodyType, DsnReturn, MailParameters, Notify, NotifyWhen, Parameter, Smtputf8};
pub use path::{ForwardPath, ReversePath};
pub use reply::{EnhancedStatus, Reply, ReplyError};
pub use route::{Host, NextHop, QueueName, QueueNameError, ROUTE_HOSTS_MAX, Route, Target, TlsPolicy};
pub use sasl::{AuthQuestion, Secret};
pub use session::{
    Action, Admission, AuthAnswer, Authentication, BareNewlines, ClearPasswords, Encryption, Pace,
    RecipientStanding, Session, Settings,
};
pub use time::Timestamp;
pub use xtext::OriginalRecipient;
