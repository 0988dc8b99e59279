//! Delivery by a sink.

/// The sink is the delivery agent of a route that names it ([`Route::agent`](crate::Route::agent)). One outcome for each
/// recipient, in order; [`event::id`](crate::event::id) is the same for each attempt at these recipients.
///
/// ```
/// use sluice_sdk::on_deliver::Outcome;
/// use sluice_sdk::{log, message};
///
/// #[sluice_sdk::on_deliver]
/// fn archive(_queue: &str, recipients: &[u32]) -> Vec<Outcome> {
///     log::info(message::header("Subject").unwrap_or_default());
///     vec![Outcome::delivered("2.0.0 Noted"); recipients.len()]
/// }
/// ```
pub mod on_deliver {
    #[doc(hidden)]
    pub use crate::bindings::on_deliver as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_deliver::exports::sluice::sink::on_deliver::Guest;
    pub use crate::bindings::on_deliver::exports::sluice::sink::on_deliver::{Outcome, Postponed};
}
