//! The content of a message: header index, MIME view, staged edits, trace fields.
//!
//! Pure: bytes come in, bytes go out. What no edit touches keeps its bytes.
