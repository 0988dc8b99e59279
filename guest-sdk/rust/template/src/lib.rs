//! Refuses mail to the mailbox that nobody reads, and marks what it has seen.

use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{Address, Error, on_rcpt_to::Verdict};

#[sluice_sdk::on_rcpt_to]
fn check(recipient: &Address) -> Verdict {
    match recipient.local.as_str() {
        "noreply" => Verdict::reject("5.1.1 Nobody reads this mailbox"),
        _ => Verdict::Continue,
    }
}

#[sluice_sdk::on_end_of_data]
fn mark() -> Result<(), Error> {
    message_draft::add_header(Position::Bottom, "X-Checked-By", "my-sink")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reads_noreply() {
        let address = |local: &str| Address { local: local.to_owned(), domain: "example.org".to_owned() };
        assert!(matches!(check(&address("noreply")), Verdict::Reject(_)));
        assert_eq!(check(&address("ann")), Verdict::Continue);
    }
}
