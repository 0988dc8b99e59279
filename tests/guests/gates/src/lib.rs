//! Binds the seven typed gates of a message's way in and has no opinion: what is left is what asking costs.

use sluice_sdk::{Address, ReversePath};

#[sluice_sdk::on_connect]
fn connect() {}

#[sluice_sdk::on_helo]
fn helo(_greeting: &str, _name: &str) {}

#[sluice_sdk::on_mail_from]
fn mail_from(_reverse_path: &ReversePath) {}

#[sluice_sdk::on_rcpt_to]
fn rcpt_to(_recipient: &Address) {}

#[sluice_sdk::on_data]
fn data() {}

#[sluice_sdk::on_end_of_data]
fn end_of_data() {}

#[sluice_sdk::on_inbound_command("RSET")]
fn reset(_verb: &str) {}
