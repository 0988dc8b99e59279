//! The server's side of SASL with a client that says anything: it ends, and nobody proves what they do not know.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::auth(bytes));
