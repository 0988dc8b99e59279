//! The way in: who may connect, and when more mail can be taken.

pub mod connections;
pub mod resources;
