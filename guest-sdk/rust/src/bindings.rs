//! What wit-bindgen makes of the contract: the imports once, and a world of its own for each event.
//!
//! The worlds are apart because a component exports all that its world names: so a sink exports the events whose attribute
//! it uses, and no other. Types are shared: every event's world maps what it speaks of to the one copy in `contract`.

/// The interfaces that every sink may import, and the types and verdicts that several events speak of.
pub(crate) mod contract {
    wit_bindgen::generate!({
        path: ["wit", "worlds"],
        world: "sluice:sdk/contract",
        additional_derives: [PartialEq],
        generate_unused_types: true,
        generate_all,
    });
}

/// The bindings of each event: the name of its world, and the interfaces that it shares with others.
macro_rules! events {
    ($($module:ident: $world:literal shares { $($interface:literal = $shared:ident),* })*) => {$(
        pub mod $module {
            wit_bindgen::generate!({
                path: ["wit", "worlds"],
                world: $world,
                with: { $($interface: crate::bindings::contract::sluice::sink::$shared),* },
                additional_derives: [PartialEq],
                pub_export_macro: true,
            });
        }
    )*};
}

events! {
    on_prepare: "sluice:sdk/on-prepare" shares {}
    on_self_test: "sluice:sdk/on-self-test" shares {}
    on_connect: "sluice:sdk/on-connect" shares { "sluice:sink/types@0.1.0" = types }
    on_tls_established: "sluice:sdk/on-tls-established" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/gate@0.1.0" = gate }
    on_helo: "sluice:sdk/on-helo" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/gate@0.1.0" = gate }
    on_authenticate: "sluice:sdk/on-authenticate" shares { "sluice:sink/types@0.1.0" = types }
    on_auth_step: "sluice:sdk/on-auth-step" shares { "sluice:sink/types@0.1.0" = types }
    on_mail_from: "sluice:sdk/on-mail-from" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/gate@0.1.0" = gate }
    on_rcpt_to: "sluice:sdk/on-rcpt-to" shares { "sluice:sink/types@0.1.0" = types }
    on_data: "sluice:sdk/on-data" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/gate@0.1.0" = gate }
    on_end_of_data: "sluice:sdk/on-end-of-data" shares { "sluice:sink/types@0.1.0" = types }
    on_inbound_command: "sluice:sdk/on-inbound-command" shares { "sluice:sink/types@0.1.0" = types }
    on_reply: "sluice:sdk/on-reply" shares { "sluice:sink/types@0.1.0" = types }
    on_violation: "sluice:sdk/on-violation" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/notice@0.1.0" = notice }
    on_rejected: "sluice:sdk/on-rejected" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/notice@0.1.0" = notice }
    on_transaction_end: "sluice:sdk/on-transaction-end" shares { "sluice:sink/types@0.1.0" = types }
    on_disconnect: "sluice:sdk/on-disconnect" shares { "sluice:sink/types@0.1.0" = types }
    on_transport_submission: "sluice:sdk/on-transport-submission" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/stage@0.1.0" = stage }
    on_pre_categorize: "sluice:sdk/on-pre-categorize" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/stage@0.1.0" = stage }
    on_categorize: "sluice:sdk/on-categorize" shares { "sluice:sink/types@0.1.0" = types }
    on_post_categorize: "sluice:sdk/on-post-categorize" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/stage@0.1.0" = stage }
    on_route: "sluice:sdk/on-route" shares { "sluice:sink/types@0.1.0" = types }
    on_routed: "sluice:sdk/on-routed" shares { "sluice:sink/types@0.1.0" = types, "sluice:sink/stage@0.1.0" = stage }
    on_resolve_next_hop: "sluice:sdk/on-resolve-next-hop" shares { "sluice:sink/types@0.1.0" = types }
    on_remote_tls: "sluice:sdk/on-remote-tls" shares {}
    on_session_start: "sluice:sdk/on-session-start" shares {}
    on_message_start: "sluice:sdk/on-message-start" shares { "sluice:sink/types@0.1.0" = types }
    on_per_recipient: "sluice:sdk/on-per-recipient" shares { "sluice:sink/types@0.1.0" = types }
    on_before_data: "sluice:sdk/on-before-data" shares { "sluice:sink/types@0.1.0" = types }
    on_server_response: "sluice:sdk/on-server-response" shares { "sluice:sink/types@0.1.0" = types }
    on_session_end: "sluice:sdk/on-session-end" shares {}
    on_deliver: "sluice:sdk/on-deliver" shares { "sluice:sink/types@0.1.0" = types }
}
