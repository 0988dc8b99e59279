//! Which events a component exports, found once by name, so that a call looks nothing up.

use wasmtime::StoreContextMut;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::exports::sluice::sink as guest;
use crate::event::EventKind;
use crate::state::State;

macro_rules! exports {
    ($($field:ident $kind:ident)+) => {
        /// Where in the component the events are that this host fires.
        #[derive(Default)]
        pub(crate) struct Exports {
            $(pub(crate) $field: Option<guest::$field::GuestIndices>,)+
        }

        impl Exports {
            /// Looks for each event by its name; an interface without its functions is an error.
            pub(crate) fn find(instance: &InstancePre<State>) -> wasmtime::Result<Self> {
                let exported = |kind: EventKind| instance.component().get_export_index(None, kind.export()).is_some();
                let mut found = Self::default();
                $(if exported(EventKind::$kind) {
                    found.$field = Some(guest::$field::GuestIndices::new(instance)?);
                })+
                Ok(found)
            }

            /// Whether the event is exported, and is one that this host can call.
            pub(crate) fn has(&self, kind: EventKind) -> bool {
                match kind {
                    $(EventKind::$kind => self.$field.is_some(),)+
                    _ => false,
                }
            }

            /// Checks the types of every export on an instance.
            pub(crate) fn check(
                &self,
                mut store: StoreContextMut<'_, State>,
                instance: &Instance,
            ) -> wasmtime::Result<()> {
                $(if let Some(indices) = &self.$field {
                    indices.load(&mut store, instance)?;
                })+
                Ok(())
            }
        }

        #[cfg(test)]
        const BOUND: &[EventKind] = &[$(EventKind::$kind),+];
    };
}

exports! {
    on_prepare Prepare
    on_self_test SelfTest
    on_connect Connect
    on_tls_established TlsEstablished
    on_helo Helo
    on_authenticate Authenticate
    on_auth_step AuthStep
    on_mail_from MailFrom
    on_rcpt_to RcptTo
    on_data Data
    on_end_of_data EndOfData
    on_inbound_command InboundCommand
    on_reply Reply
    on_violation Violation
    on_rejected Rejected
    on_transaction_end TransactionEnd
    on_disconnect Disconnect
    on_transport_submission TransportSubmission
    on_pre_categorize PreCategorize
    on_categorize Categorize
    on_post_categorize PostCategorize
    on_route Route
    on_routed Routed
    on_resolve_next_hop ResolveNextHop
    on_remote_tls RemoteTls
    on_session_start SessionStart
    on_message_start MessageStart
    on_per_recipient PerRecipient
    on_before_data BeforeData
    on_server_response ServerResponse
    on_session_end SessionEnd
    on_deliver Deliver
    on_delivery_attempt DeliveryAttempt
    on_retry Retry
    on_queue_age QueueAge
    on_dsn Dsn
    on_feedback Feedback
}

#[cfg(test)]
mod tests {
    use super::BOUND;
    use crate::event::{EventKind, Served};

    #[test]
    fn an_event_that_is_served_is_bound() {
        for kind in EventKind::ALL {
            assert!(BOUND.contains(&kind) || kind.served() == Served::NotYet, "{kind}");
        }
    }
}
