//! RFC 5321 and its extensions as values and state machines.
//!
//! Pure: bytes, `now` and ids come in as arguments; replies and actions go out as values. No I/O, no clock, no random source.
