//! Events of a transaction: reverse-path, recipients, content, and how it ended.

/// MAIL FROM, before its reply. [`envelope_draft`](crate::envelope_draft) may set the reverse-path and the priority.
///
/// ```
/// use sluice_sdk::{Parameter, ReversePath, on_mail_from::Verdict};
///
/// #[sluice_sdk::on_mail_from]
/// fn check(reverse_path: &ReversePath, parameters: &[Parameter]) -> Verdict {
///     let announced = parameters.iter().any(|parameter| parameter.is("SIZE"));
///     match reverse_path.address() {
///         Some(address) if address.is_within("invalid") => Verdict::reject("5.1.8 No such domain"),
///         Some(_) if !announced => Verdict::defer("4.7.1 Say the size first"),
///         _ => Verdict::Continue,
///     }
/// }
/// ```
pub mod on_mail_from {
    pub use crate::bindings::contract::sluice::sink::gate::Verdict;
    #[doc(hidden)]
    pub use crate::bindings::on_mail_from as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_mail_from::exports::sluice::sink::on_mail_from::Guest;
}

/// RCPT TO, before its reply.
///
/// `claim` answers for a recipient of the tenant's own domains, `rewrite` puts others in its place, `discard` says 250 and
/// keeps nothing.
///
/// ```
/// use sluice_sdk::{Address, on_rcpt_to::Verdict};
///
/// #[sluice_sdk::on_rcpt_to]
/// fn check(recipient: &Address) -> Verdict {
///     match recipient.local.as_str() {
///         "noreply" => Verdict::reject("5.1.1 Nobody reads this mailbox").because("no-reply"),
///         "sales" => Verdict::rewrite([Address { local: "ann".into(), domain: recipient.domain.clone() }]),
///         _ => Verdict::Continue,
///     }
/// }
/// ```
pub mod on_rcpt_to {
    #[doc(hidden)]
    pub use crate::bindings::on_rcpt_to as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_rcpt_to::exports::sluice::sink::on_rcpt_to::Guest;
    pub use crate::bindings::on_rcpt_to::exports::sluice::sink::on_rcpt_to::Verdict;
}

/// DATA, before its 354: the envelope is complete, the content not yet sent.
///
/// ```
/// use sluice_sdk::{envelope, on_data::Verdict};
///
/// #[sluice_sdk::on_data]
/// fn check() -> Verdict {
///     let count = envelope::recipients().len();
///     if count > 50 { Verdict::reject("5.5.3 Too many recipients for one message") } else { Verdict::Continue }
/// }
/// ```
pub mod on_data {
    pub use crate::bindings::contract::sluice::sink::gate::Verdict;
    #[doc(hidden)]
    pub use crate::bindings::on_data as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_data::exports::sluice::sink::on_data::Guest;
}

/// The message is complete and its reply not yet sent. Edits and verdict are on disk before 250 is.
///
/// ```
/// use sluice_sdk::{Error, message, message_draft, on_end_of_data::Verdict};
///
/// #[sluice_sdk::on_end_of_data]
/// fn check() -> Result<Verdict, Error> {
///     if message::header("Subject").is_none() {
///         return Ok(Verdict::reject("5.6.0 A subject, please"));
///     }
///     message_draft::add_header(message_draft::Position::Top, "X-Checked", "yes")?;
///     Ok(Verdict::Continue)
/// }
/// ```
pub mod on_end_of_data {
    #[doc(hidden)]
    pub use crate::bindings::on_end_of_data as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_end_of_data::exports::sluice::sink::on_end_of_data::Guest;
    pub use crate::bindings::on_end_of_data::exports::sluice::sink::on_end_of_data::Verdict;
}

/// A transaction that got past MAIL FROM is over: `outcome` is committed, deferred, rejected, discarded, quarantined, reset or disconnected.
///
/// ```
/// use sluice_sdk::metrics;
///
/// #[sluice_sdk::on_transaction_end]
/// fn count(outcome: &str) {
///     metrics::count(outcome, 1);
/// }
/// ```
pub mod on_transaction_end {
    #[doc(hidden)]
    pub use crate::bindings::on_transaction_end as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_transaction_end::exports::sluice::sink::on_transaction_end::Guest;
}
