//! A whole session of bytes cut anywhere: it ends, answers in whole lines, and never panics.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::session(bytes));
