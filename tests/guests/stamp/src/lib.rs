//! Marks each message with the version of the file that it came from.
//!
//! A test makes versions without building: it overwrites the digits of [`VERSION`] in the component's bytes.

use std::hint::black_box;

use sluice_sdk::Error;
use sluice_sdk::message_draft::{self, Position};

/// Found by a test in the component: exactly these bytes, once.
static VERSION: [u8; 20] = *b"sluice-version-00000";

#[sluice_sdk::on_end_of_data]
fn stamp() -> Result<(), Error> {
    // Behind the box the bytes stay together in the data section, wherever the optimiser would want them.
    let version = String::from_utf8_lossy(black_box(&VERSION));
    message_draft::add_header(Position::Bottom, "X-Version", &version)
}
