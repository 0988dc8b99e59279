//! One event in a fresh instance beside a bare wasmtime call with the same configuration.
fn main() {}
