//! The attributes of `sluice-sdk`: each makes a plain function the handler of one event.
//!
//! An attribute writes the few lines between the function and the bindings that `sluice-sdk` generated from the contract:
//! it hands the event's values over by reference, and turns what the function returns into the event's verdict. What
//! each event is about, and an example of it, is in the module of the same name in `sluice-sdk`.

mod event;
mod expand;

use proc_macro::TokenStream;

/// Declares an attribute for each event that the host serves.
macro_rules! attributes {
    ($($name:ident)*) => {$(
        #[doc = concat!("Makes this function the handler of `", stringify!($name), "`; the module of that name has an example.")]
        ///
        /// Trailing parameters may be left out. The function may return the verdict, a `Result` of it (an error is
        /// logged and is a fault: the binding's on-fault answers), or nothing, which means `Continue`.
        #[proc_macro_attribute]
        pub fn $name(arguments: TokenStream, function: TokenStream) -> TokenStream {
            expand::expand(&event::$name(), arguments.into(), function.into()).into()
        }
    )*};
}

attributes! {
    on_prepare on_self_test
    on_connect on_tls_established on_helo on_authenticate on_auth_step on_mail_from on_rcpt_to on_data on_end_of_data on_inbound_command on_reply
    on_violation on_rejected on_transaction_end on_disconnect
    on_transport_submission on_pre_categorize on_categorize on_post_categorize on_route on_routed
    on_resolve_next_hop on_remote_tls on_session_start on_message_start
    on_per_recipient on_before_data on_server_response on_session_end
    on_deliver
}
