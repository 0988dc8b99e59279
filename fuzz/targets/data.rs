//! Content cut anywhere: un-stuffing says the same as for the whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::data(bytes));
