//! A dialogue: a file that says what a client sends and what must come back, and the runner of it.

pub mod parse;
