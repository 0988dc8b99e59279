//! The programmable mail server: sockets, clocks, files and operators around the pure crates.

pub mod build;
pub mod clock;
pub mod config;
pub mod deliver;
pub mod inbound;
pub mod shutdown;
pub mod telemetry;
pub mod tenants;
