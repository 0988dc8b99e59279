//! A session of ours with a peer that says anything: it ends, each recipient has one outcome, and nothing is smuggled.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::client(bytes));
