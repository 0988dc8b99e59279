//! A draft: an unedited one gives its bytes back, a reader of an edited one finds what it says.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| message::fuzz::draft(bytes));
