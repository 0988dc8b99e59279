//! Finishing a delivery: into the mailboxes of this machine.

pub mod local;
pub mod path;
