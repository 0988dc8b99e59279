//! The first part of a DSN: what happened to whom, why, and what to do, for people who know nothing of SMTP.
//!
//! Recipients with the same fate are told of together. Promises lines of RFC 5322's preferred length where words allow it.

use super::{Action, FATES_TOLD_MAX, Report, ReportedRecipient, Returned, Status, clean, date, host};

/// Bytes of a line of text: a reader's window, with room to be quoted.
const TEXT_LINE_BYTES: usize = 72;

/// The text, its lines ended by CRLF.
pub(super) fn text(report: &Report<'_>, returned: &Returned) -> String {
    let mut out = String::with_capacity(2048);
    paragraph(&mut out, "", &format!("This is the mail server {}.", clean(report.host_name)));
    let groups = groups(report.recipients);
    let mut last = None;
    for group in groups.iter().take(FATES_TOLD_MAX) {
        let Some(first) = group.first() else { continue };
        if last != Some(first.action) {
            last = Some(first.action);
            paragraph(&mut out, "", &headline(first.action, report));
        }
        fate(&mut out, group, first);
    }
    if let Some(rest) = groups.get(FATES_TOLD_MAX..).filter(|rest| !rest.is_empty()) {
        let count: usize = rest.iter().map(Vec::len).sum();
        paragraph(
            &mut out,
            "",
            &format!("The same report tells of {count} more recipients in its second part."),
        );
    }
    let what = if returned.kind.is_headers() { "the header lines of your message" } else { "your message" };
    paragraph(&mut out, "", &format!("At the end of this report you find {what}."));
    let (host_name, original) = (clean(report.host_name), clean(report.original_id));
    let postmaster = format!(
        "If you ask for help, send this whole report along. For the postmaster: the message had the queue id \
         {original} on {host_name}; this report has {}.",
        clean(report.id)
    );
    paragraph(&mut out, "", &postmaster);
    out
}

/// Recipients with the same outcome for the same reason, the most urgent outcome first.
fn groups(recipients: &[ReportedRecipient]) -> Vec<Vec<&ReportedRecipient>> {
    let mut sorted: Vec<&ReportedRecipient> = recipients.iter().collect();
    let fate = |it: &&ReportedRecipient| {
        let reply = it.reply.as_ref();
        let said = reply.map(|reply| (reply.code, reply.prefix(' '), reply.lines.clone()));
        (it.action, said, it.reason.clone(), it.remote.clone(), it.retry_until)
    };
    sorted.sort_by_cached_key(fate);
    let is_same = |one: &&ReportedRecipient, other: &&ReportedRecipient| fate(one) == fate(other);
    sorted.chunk_by(is_same).map(<[_]>::to_vec).collect()
}

fn headline(action: Action, report: &Report<'_>) -> String {
    let message = format!("Your message of {}", date(report.arrived));
    match action {
        Action::Failed => {
            format!(
                "{message} could not be delivered to the following recipients. It will not be tried again."
            )
        }
        Action::Delayed => format!(
            "{message} has not been delivered yet to the following recipients. You need not do anything: it will be \
             tried again."
        ),
        Action::Delivered => {
            format!("{message} was delivered to the following recipients, as you wished to know.")
        }
        Action::Relayed => format!(
            "{message} was passed on for the following recipients, as you wished to know. The server that has it now \
             sends no reports of delivery."
        ),
        Action::Expanded => format!(
            "{message} was passed on to the members of the following lists, as you wished to know. There will be no \
             report about each of the members."
        ),
    }
}

/// The recipients of a group, then what is known of it.
fn fate(out: &mut String, group: &[&ReportedRecipient], first: &ReportedRecipient) {
    for recipient in group {
        let address = clean(&recipient.address);
        let known = recipient.original.as_ref().map(|original| clean(&original.address));
        match known.filter(|original| *original != address) {
            Some(original) => line(out, "  ", &format!("<{original}> (sent on to <{address}>)")),
            None => line(out, "  ", &format!("<{address}>")),
        }
    }
    if matches!(first.action, Action::Failed | Action::Delayed) {
        line(out, "    ", why(first));
    }
    if let Some(reason) = &first.reason {
        line(out, "    ", &format!("The reason: {}", clean(reason)));
    }
    if let Some(reply) = first.reply.as_ref().filter(|_| first.action <= Action::Delayed) {
        match &first.remote {
            Some(remote) => line(out, "    ", &format!("The server {} said:", host(remote))),
            None => line(out, "    ", "This server said:"),
        }
        let quoted = reply.quoted();
        let last = quoted.len().saturating_sub(1);
        for (number, text) in quoted.iter().enumerate() {
            let separator = if number == last { ' ' } else { '-' };
            line(out, "      ", &format!("{}{text}", reply.prefix(separator)));
        }
    } else if let Some(remote) = &first.remote {
        line(out, "    ", &format!("The server was {}.", host(remote)));
    }
    if let Some(until) = first.retry_until.filter(|_| first.action == Action::Delayed) {
        line(out, "    ", &format!("It will be tried until {}.", date(until)));
    }
    out.push_str("\r\n");
}

/// What the status means, and what to do (RFC 3463 §3).
fn why(recipient: &ReportedRecipient) -> &'static str {
    let Status { class, subject, detail } = recipient.effective_status();
    match (class, subject, detail) {
        (_, 1, 1) => {
            "There is no such address. Check how it is spelled, or ask for the new one by another way."
        }
        (_, 1, 2 | 10) | (5, 4, 4) => {
            "The part of the address behind the @ does not exist, or takes no mail. Check how it is spelled."
        }
        (_, 1, 3) => {
            "The address is written in a way that the server does not understand. Check how it is spelled."
        }
        (_, 1, 6) => "The recipient has moved and left no new address.",
        (_, 1, 7 | 8) => {
            "The server does not take mail from your address. Check the address that you send from."
        }
        (_, 2, 1) => "The mailbox is closed. Reach the recipient by another way.",
        (_, 2, 2) => "The mailbox is full. Try again later, or tell the recipient by another way.",
        (_, 2 | 3, 3 | 4) => "The message is too large. Send it without its attachments, or in parts.",
        (5, 6, 7) => {
            "An address of the message uses letters that the recipient's server cannot take. Send it from an address in \
             plain letters, or ask for one."
        }
        (_, 6, _) => {
            "The recipient's server does not understand the form of the message. Send it as plain text."
        }
        (_, 7, 1 | 0) => {
            "The message was refused by a rule of the recipient's side. Ask the recipient or its postmaster."
        }
        (_, 7, _) => "The message was refused for reasons of security. Give this report to your postmaster.",
        (5, 4, 7) => {
            "It could not be delivered for so long that it was given up. Send it again later if it still matters."
        }
        (5, 4, 6) => "The message went in a circle. Give this report to your postmaster.",
        (_, 4, _) => "The recipient's server could not be reached.",
        (4, ..) => "The recipient's server could not take the message until now.",
        _ => {
            "It was refused for good. What is said below tells why; the recipient's postmaster can tell more."
        }
    }
}

/// Lines and an empty one behind them.
fn paragraph(out: &mut String, indent: &str, text: &str) {
    line(out, indent, text);
    out.push_str("\r\n");
}

/// Text in as many lines as it takes. A word that is too long has a line of its own; [`clean`] bounds it.
fn line(out: &mut String, indent: &str, text: &str) {
    let mut line_bytes = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if line_bytes > 0 && line_bytes + 1 + word.len() > TEXT_LINE_BYTES {
            out.push_str("\r\n");
            line_bytes = 0;
        }
        if line_bytes == 0 {
            out.push_str(indent);
            line_bytes = indent.len();
        } else {
            out.push(' ');
            line_bytes += 1;
        }
        out.push_str(word);
        line_bytes += word.len();
    }
    out.push_str("\r\n");
}
