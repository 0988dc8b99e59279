//! One line of a client: it parses, or is refused; what parses prints to a line that parses to the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| smtp::fuzz::command(bytes));
