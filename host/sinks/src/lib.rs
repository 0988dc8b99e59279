//! Runs a guest for an event, within its grants, and returns a verdict.

pub mod event;

pub use event::{Class, EventKind, Served};
