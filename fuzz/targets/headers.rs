//! A header section: the index, the decoded values, and staged edits.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| message::fuzz::headers(bytes));
