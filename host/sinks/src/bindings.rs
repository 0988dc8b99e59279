//! The contract as Rust: bindings of the world `everything`, which is all of `wit/`.
//!
//! Only the host binds everything at once. Its `EverythingPre` is never used: a sink exports a few events, so each is
//! looked up by itself (`exports`). An imported function that works by the byte may wait, because its work is done off
//! the guest's small stack.

#![expect(missing_docs, reason = "the contract in wit/ is where these are documented")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "everything",
    imports: {
        "sluice:sink/message.header-mailboxes": async | trappable,
        "sluice:sink/message.parts": async | trappable,
        "sluice:sink/message.part-header": async | trappable,
        "sluice:sink/message.part-traits": async | trappable,
        "sluice:sink/message.read-part": async | trappable,
        "sluice:sink/message.read-text": async | trappable,
        "sluice:sink/message.read-raw": async | trappable,
        "sluice:sink/message.find": async | trappable,
        "sluice:sink/message.match-any": async | trappable,
        "sluice:sink/message.digest": async | trappable,
        "sluice:sink/blob.from-part": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});
