//! A sink's own life: what happens before a version takes traffic.

/// Once, when the sink is loaded: look at the settings, parse rules. An error refuses the load, with this text.
///
/// [`log`](crate::log) and [`settings`](crate::settings) alone answer, and secret settings are left out.
///
/// ```
/// use sluice_sdk::settings;
///
/// #[sluice_sdk::on_prepare]
/// fn prepare() -> Result<(), String> {
///     match settings::get("tag") {
///         Some(tag) if tag.len() > 20 => Err(format!("the tag {tag:?} is longer than 20 bytes")),
///         _ => Ok(()),
///     }
/// }
/// ```
pub mod on_prepare {
    #[doc(hidden)]
    pub use crate::bindings::on_prepare as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_prepare::exports::sluice::sink::on_prepare::Guest;
}

/// Before a version may take traffic. An error keeps the version that runs.
///
/// ```
/// fn is_spam(subject: &str) -> bool {
///     subject.contains("$$$")
/// }
///
/// #[sluice_sdk::on_self_test]
/// fn self_test() -> Result<(), String> {
///     if is_spam("earn $$$") && !is_spam("lunch?") { Ok(()) } else { Err("the rule is broken".into()) }
/// }
/// ```
pub mod on_self_test {
    #[doc(hidden)]
    pub use crate::bindings::on_self_test as bindings;
    #[doc(hidden)]
    pub use crate::bindings::on_self_test::exports::sluice::sink::on_self_test::Guest;
}
