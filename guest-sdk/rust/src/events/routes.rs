//! Where a message goes: what its recipients are, by which next hop each goes, and the last look before it leaves.
//!
//! The first sink that does not continue decides for a recipient; for whom nobody decides the host's own tables do. Domains
//! that are not the tenant's need the grant `forward`, hosts of one's own the grant `next-hop`.

/// What are these recipients? One answer for each, in order.
///
/// ```
/// use sluice_sdk::Address;
/// use sluice_sdk::on_categorize::{Subject, Target};
///
/// #[sluice_sdk::on_categorize]
/// fn categorize(recipients: &[Subject]) -> Vec<Target> {
///     let staff = || ["ann", "bob"].map(|local| Address { local: local.into(), domain: "example.org".into() });
///     let target = |subject: &Subject| match subject.address.local.as_str() {
///         "staff" => Target::expand(staff()),
///         "gone" => Target::unknown("5.1.6 This mailbox has moved"),
///         _ => Target::Continue,
///     };
///     recipients.iter().map(target).collect()
/// }
/// ```
pub mod on_categorize {
    #[doc(hidden)]
    pub use crate::bindings::on_categorize as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_categorize::exports::sluice::sink::on_categorize::Guest;
    pub use crate::bindings::on_categorize::exports::sluice::sink::on_categorize::{Subject, Target};
}

/// By which next hop do recipients of this domain go? One choice for each, in order; `recipients` are ids of
/// [`envelope::recipients`](crate::envelope::recipients).
///
/// ```
/// use sluice_sdk::{Route, TlsPolicy, on_route::Choice};
///
/// #[sluice_sdk::on_route]
/// fn route(domain: &str, recipients: &[u32]) -> Vec<Choice> {
///     let choice = match domain {
///         "partner.example" => Choice::Via(Route::named("partner").with_tls(TlsPolicy::Required)),
///         "closed.example" => Choice::unreachable("5.4.4 They have closed"),
///         _ => Choice::Continue,
///     };
///     vec![choice; recipients.len()]
/// }
/// ```
pub mod on_route {
    #[doc(hidden)]
    pub use crate::bindings::on_route as bindings;
    pub use crate::bindings::on_route::exports::sluice::sink::on_route::Choice;
    #[doc(hidden)]
    pub use crate::bindings::on_route::exports::sluice::sink::on_route::Guest;
}

/// The last look, with the route that all recipients of this entry take (none is to mailboxes here): afterwards the bytes are
/// frozen. The content may change, the recipients may not.
///
/// ```
/// use sluice_sdk::message_draft::{self, Position};
/// use sluice_sdk::{Error, Route};
///
/// #[sluice_sdk::on_routed]
/// fn mark(route: Option<&Route>) -> Result<(), Error> {
///     let queue = route.map_or("mailboxes", |route| &route.queue);
///     message_draft::add_header(Position::Bottom, "X-Queue", queue)
/// }
/// ```
pub mod on_routed {
    pub use crate::bindings::contract::sluice::sink::stage::{Pause, Verdict};
    #[doc(hidden)]
    pub use crate::bindings::on_routed as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_routed::exports::sluice::sink::on_routed::Guest;
}
