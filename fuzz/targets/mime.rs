//! A message: the part tree behind its bounds, decoded text, and edits that leave other bytes alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| message::fuzz::mime(bytes));
