//! The fields of a DSN: its own header section, and those for programs (RFC 3464 §2).
//!
//! Promises that no value ends its field: control characters are gone, lines are folded at spaces and bounded.

use super::{Action, Report, ReportedRecipient, clean, host};
use crate::limits::LINE_BYTES_PREFERRED;
use crate::trace::date;

/// The header section, with the empty line and the line before the first delimiter left to the caller.
pub(super) fn head(report: &Report<'_>, boundary: &str) -> String {
    let (host_name, id) = (clean(report.host_name), clean(report.id));
    let mut out = String::with_capacity(1024);
    whole(&mut out, "From", &format!("Mail Delivery System <MAILER-DAEMON@{host_name}>"));
    whole(&mut out, "To", &format!("<{}>", clean(report.to)));
    whole(&mut out, "Subject", subject(report));
    whole(&mut out, "Date", &date(report.now));
    whole(&mut out, "Message-ID", &format!("<{id}@{host_name}>"));
    whole(&mut out, "Auto-Submitted", "auto-replied");
    whole(&mut out, "MIME-Version", "1.0");
    out.push_str("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"");
    out.push_str(boundary);
    out.push_str("\"\r\n");
    out
}

/// The most urgent of what is told.
fn subject(report: &Report<'_>) -> &'static str {
    match report.recipients.iter().map(|recipient| recipient.action).min() {
        Some(Action::Failed) => "Your message could not be delivered",
        Some(Action::Delayed) => "Your message is delayed",
        Some(Action::Delivered) => "Your message was delivered",
        Some(Action::Relayed | Action::Expanded) | None => "Your message was passed on",
    }
}

/// The fields of the message, then of each recipient, apart by empty lines (RFC 3464 §2.1).
pub(super) fn status(report: &Report<'_>) -> String {
    let mut out = String::with_capacity(256 * (1 + report.recipients.len()));
    if let Some(envelope_id) = report.envelope_id {
        whole(&mut out, "Original-Envelope-Id", &clean(envelope_id));
    }
    whole(&mut out, "Reporting-MTA", &format!("dns; {}", host(report.host_name)));
    whole(&mut out, "Arrival-Date", &date(report.arrived));
    for recipient in report.recipients {
        out.push_str("\r\n");
        of_recipient(&mut out, recipient);
    }
    out
}

fn of_recipient(out: &mut String, recipient: &ReportedRecipient) {
    if let Some(original) = &recipient.original {
        let kind = clean(&original.kind).replace([' ', ';'], "?");
        whole(out, "Original-Recipient", &format!("{kind}; {}", clean(&original.address)));
    }
    let address = clean(&recipient.address);
    let kind = if address.is_ascii() { "rfc822" } else { "utf-8" };
    whole(out, "Final-Recipient", &format!("{kind}; {address}"));
    whole(out, "Action", recipient.action.word());
    whole(out, "Status", &recipient.effective_status().text());
    if let Some(remote) = &recipient.remote {
        whole(out, "Remote-MTA", &format!("dns; {}", host(remote)));
    }
    if let Some(reply) = &recipient.reply {
        let text = format!("smtp; {}{}", reply.prefix(' '), reply.quoted().join(" "));
        // Only an address that needs it makes the part an international one (RFC 6533 §3).
        let text = if address.is_ascii() {
            text.replace(|character| !char::is_ascii(&character), "?")
        } else {
            text
        };
        folded(out, "Diagnostic-Code", &text);
    }
    if let Some(last) = recipient.last_attempt {
        whole(out, "Last-Attempt-Date", &date(last));
    }
    if let Some(until) = recipient.retry_until.filter(|_| recipient.action == Action::Delayed) {
        whole(out, "Will-Retry-Until", &date(until));
    }
}

/// A field on one line.
fn whole(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push_str("\r\n");
}

/// A field that is folded at its spaces.
fn folded(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push(':');
    let mut line_bytes = name.len() + 1;
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        if line_bytes + 1 + word.len() > LINE_BYTES_PREFERRED && line_bytes > 1 {
            out.push_str("\r\n\t");
            line_bytes = 1;
        } else {
            out.push(' ');
            line_bytes += 1;
        }
        out.push_str(word);
        line_bytes += word.len();
    }
    out.push_str("\r\n");
}
