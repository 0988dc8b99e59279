//! The programmable mail server: sockets, clocks, files and operators around the pure crates.
