//! Events of a login; their sinks are shown passwords and tokens, and need the grant `credentials`.

/// A client logs in with a mechanism of the host's that shows the password (PLAIN, LOGIN). The first sink that does not
/// continue decides; where all continue the host looks into its own files.
///
/// An identity is an address in a domain of the tenant.
///
/// ```
/// use sluice_sdk::{Identity, on_authenticate::Answer};
///
/// #[sluice_sdk::on_authenticate]
/// fn guests(mechanism: &str, user: &str, secret: &[u8]) -> Answer {
///     match (user, secret) {
///         ("guest@example.org", b"welcome") => {
///             Answer::Authenticated(Identity { name: user.to_owned(), mechanism: mechanism.to_owned() })
///         }
///         _ => Answer::Continue,
///     }
/// }
/// ```
pub mod on_authenticate {
    #[doc(hidden)]
    pub use crate::bindings::on_authenticate as bindings;
    pub use crate::bindings::on_authenticate::exports::sluice::sink::on_authenticate::Answer;
    #[doc(hidden)]
    pub use crate::bindings::on_authenticate::exports::sluice::sink::on_authenticate::Guest;
}

/// A SASL mechanism of the sink's own; the attribute lists them. `state` is what the sink gave with its last challenge, empty at
/// first; `response` is empty where the client began without one.
///
/// ```
/// use sluice_sdk::{Identity, Refusal, on_auth_step::Step};
///
/// #[sluice_sdk::on_auth_step("XTOKEN")]
/// fn token(mechanism: &str, response: &[u8], state: &[u8]) -> Step {
///     match (response, state) {
///         (b"", b"") => Step::challenge(b"token?", b"asked"),
///         (b"s3cret", _) => {
///             let name = "robot@example.org".to_owned();
///             Step::Authenticated(Identity { name, mechanism: mechanism.to_owned() })
///         }
///         _ => Step::Reject(Refusal { reply: None, reason: "token".to_owned() }),
///     }
/// }
/// ```
pub mod on_auth_step {
    #[doc(hidden)]
    pub use crate::bindings::on_auth_step as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_auth_step::exports::sluice::sink::on_auth_step::Guest;
    pub use crate::bindings::on_auth_step::exports::sluice::sink::on_auth_step::{Challenge, Step};

    impl Step {
        /// Asks for more; `state` comes back with the response.
        #[must_use]
        pub fn challenge(data: &[u8], state: &[u8]) -> Self {
            Self::Challenge(Challenge { data: data.to_vec(), state: state.to_vec() })
        }
    }
}
