//! Runs a guest for an event, within its grants, and returns a verdict.
