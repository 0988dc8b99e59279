//! The stages: the message is durable and ours, and each stage is one durable write. A stage may be asked again after a
//! crash, with the same [`event::id`](crate::event::id).

/// Every message, by whichever door it came, before anything else happens to it.
///
/// `wait` sleeps and is asked again, with [`event::attempt`](crate::event::attempt) counted up and its own state in
/// [`event::state`](crate::event::state).
///
/// ```
/// use sluice_sdk::{event, message, on_transport_submission::Verdict};
///
/// #[sluice_sdk::on_transport_submission]
/// fn hold_back() -> Verdict {
///     let bulk = message::header("Precedence").is_some_and(|value| value == "bulk");
///     if bulk && event::attempt() == 1 { Verdict::wait(60, "bulk") } else { Verdict::Continue }
/// }
/// ```
pub mod on_transport_submission {
    pub use crate::bindings::contract::sluice::sink::stage::{Pause, Verdict};
    #[doc(hidden)]
    pub use crate::bindings::on_transport_submission as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_transport_submission::exports::sluice::sink::on_transport_submission::Guest;
}

/// Before recipients are resolved; they can't be added or redirected here.
///
/// ```
/// use sluice_sdk::{message, on_pre_categorize::Verdict};
///
/// #[sluice_sdk::on_pre_categorize]
/// fn sort_out() -> Verdict {
///     if message::score("spam").is_some_and(|score| score > 15.0) { Verdict::quarantine("spam") } else { Verdict::Continue }
/// }
/// ```
pub mod on_pre_categorize {
    pub use crate::bindings::contract::sluice::sink::stage::{Pause, Verdict};
    #[doc(hidden)]
    pub use crate::bindings::on_pre_categorize as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_pre_categorize::exports::sluice::sink::on_pre_categorize::Guest;
}

/// The true recipients are known.
///
/// ```
/// use sluice_sdk::{envelope, on_post_categorize::Verdict};
///
/// #[sluice_sdk::on_post_categorize]
/// fn limit() -> Verdict {
///     match envelope::recipients().len() {
///         0..=500 => Verdict::Continue,
///         count => Verdict::fail(&format!("5.5.3 {count} recipients are too many for one message")),
///     }
/// }
/// ```
pub mod on_post_categorize {
    pub use crate::bindings::contract::sluice::sink::stage::{Pause, Verdict};
    #[doc(hidden)]
    pub use crate::bindings::on_post_categorize as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_post_categorize::exports::sluice::sink::on_post_categorize::Guest;
}
