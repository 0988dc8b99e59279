//! The harness of the tests: a server in process on loopback, dialogues, guests that are built once, foreign clients.
//!
//! It promises that a test names what it wants and nothing else: ports, folders and deadlines are chosen here. It knows
//! Sluice only from outside: sockets, files, and the server's own report of what it did.

pub mod certificate;
pub mod client;
pub mod clock;
pub mod dialogue;
pub mod guests;
pub mod kill;
pub mod measure;
pub mod names;
pub mod peer;
pub mod process;
pub mod scene;
pub mod server;
pub mod site;
pub mod skip;
pub mod tree;
