//! What a proxy says of its client: it ends within its bound, and no byte of the client is asked for.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::proxy(bytes));
