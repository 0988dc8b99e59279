//! Trace fields (RFC 5321 §4.4): what we write on top of a message, and how many others did before us.
//!
//! Promises: one well-formed field whatever the client said of itself; `for` only where there is one recipient, so that
//! nobody learns of a blind copy. Takes plain values: this crate knows no session.

use std::fmt::Write;
use std::net::IpAddr;

use crate::headers::HeaderIndex;
use crate::limits::LINE_BYTES_PREFERRED;

/// What a Received field says.
#[derive(Debug, Clone, Copy)]
pub struct ReceivedFacts<'a> {
    /// What the client called itself.
    pub helo_name: Option<&'a str>,
    /// Its forward-confirmed name, if that was looked up.
    pub reverse_name: Option<&'a str>,
    /// Where it connected from.
    pub remote: Option<IpAddr>,
    /// Our own name.
    pub host_name: &'a str,
    /// The RFC 3848 word: `ESMTPSA`.
    pub with: &'a str,
    /// The TLS of the session; none in clear.
    pub tls: Option<TlsDetail<'a>>,
    /// The queue id.
    pub id: &'a str,
    /// The forward-paths; `for` names one only where it is the only one.
    pub recipients: &'a [&'a str],
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub arrived: u64,
}

/// How a session was encrypted.
#[derive(Debug, Clone, Copy)]
pub struct TlsDetail<'a> {
    /// `TLSv1.3`.
    pub version: &'a str,
    /// `TLS13_AES_256_GCM_SHA384`.
    pub cipher: &'a str,
}

/// The Received field with its CRLF.
pub fn received_field(facts: &ReceivedFacts<'_>) -> String {
    let mut words = Vec::with_capacity(8);
    if let Some(name) = facts.helo_name {
        words.push(format!("from {}", word(name)));
    }
    if let Some(remote) = facts.remote {
        let literal = match remote {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        let name = facts.reverse_name.map(|name| format!("{} ", word(name))).unwrap_or_default();
        // Without a name that the client gave, RFC 5321 §4.4 still wants the from clause.
        let clause = if facts.helo_name.is_some() { "" } else { "from unknown " };
        words.push(format!("{clause}({name}{literal})"));
    }
    words.push(format!("by {} (Sluice)", word(facts.host_name)));
    words.push(format!("with {}", word(facts.with)));
    if let Some(tls) = facts.tls {
        words.push(format!("({} {})", word(tls.version), word(tls.cipher)));
    }
    words.push(format!("id {}", word(facts.id)));
    if let [recipient] = facts.recipients {
        words.push(format!("for <{}>", path(recipient)));
    }
    fold("Received:", &words, &date(facts.arrived))
}

/// The Return-Path field with its CRLF; an empty path is `<>` (RFC 5321 §4.4).
pub fn return_path_field(reverse_path: &str) -> String {
    format!("Return-Path: <{}>\r\n", path(reverse_path))
}

/// How many Received fields a header section has, for the detection of loops (RFC 5321 §6.3).
pub fn received_count(head: &[u8]) -> usize {
    let index = HeaderIndex::of(head);
    index.iter(head).filter(|field| field.name.eq_ignore_ascii_case("Received")).count()
}

/// Clauses joined by spaces or folds, the date behind a semicolon.
fn fold(name: &str, words: &[String], date: &str) -> String {
    let mut field = name.to_owned();
    let mut line_bytes = name.len();
    let last = words.len().saturating_sub(1);
    for (number, word) in words.iter().enumerate() {
        let end = if number == last { ";" } else { "" };
        append(&mut field, &mut line_bytes, &format!("{word}{end}"));
    }
    append(&mut field, &mut line_bytes, date);
    field + "\r\n"
}

fn append(field: &mut String, line_bytes: &mut usize, word: &str) {
    if *line_bytes + 1 + word.len() > LINE_BYTES_PREFERRED {
        field.push_str("\r\n\t");
        *line_bytes = 1;
    } else {
        field.push(' ');
        *line_bytes += 1;
    }
    field.push_str(word);
    *line_bytes += word.len();
}

/// A value inside a clause: what could end the clause, a comment or the field becomes `?`.
fn word(value: &str) -> String {
    let is_bad = |character: char| {
        character.is_control()
            || character.is_whitespace()
            || matches!(character, '(' | ')' | ';' | '\\' | '"')
    };
    clipped(value).replace(is_bad, "?")
}

/// A path inside its angle brackets: only control characters cannot stand there.
fn path(value: &str) -> String {
    clipped(value).replace(char::is_control, "?")
}

/// RFC 5321 §4.5.3.1.3: a path has at most 256 octets; with UTF-8 and source routes gone, more is no path and no name.
fn clipped(value: &str) -> &str {
    const BYTES_MAX: usize = 512;
    value.get(..value.floor_char_boundary(BYTES_MAX)).unwrap_or_default()
}

/// RFC 5322 §3.3, in UTC: `Tue, 24 Nov 2026 13:42:07 +0000`.
pub(crate) fn date(milliseconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = milliseconds / 1000;
    let days = seconds / 86_400;
    let week_day = usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or("Thu");
    // Days to a civil date, counted in eras of 400 years that begin on 1 March of the year 0.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let month_name =
        usize::try_from(month).ok().and_then(|month| MONTHS.get(month - 1)).copied().unwrap_or("Jan");
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = String::with_capacity(32);
    // Writing into a string cannot fail.
    let _ = write!(text, "{week_day}, {day} {month_name} {year:04} {hour:02}:{minute:02}:{second:02} +0000");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: ReceivedFacts<'static> = ReceivedFacts {
        helo_name: Some("client.example"),
        reverse_name: Some("mx.client.example"),
        remote: Some(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))),
        host_name: "mx.sluice.example",
        with: "ESMTPS",
        tls: Some(TlsDetail { version: "TLSv1.3", cipher: "TLS13_AES_256_GCM_SHA384" }),
        id: "01JDA8",
        recipients: &["jane@example.org"],
        arrived: 1_795_527_727_000,
    };

    fn check(facts: &ReceivedFacts<'_>, expected: &str) {
        assert_eq!(received_field(facts), expected);
        assert_eq!(received_count(received_field(facts).as_bytes()), 1);
    }

    #[test]
    fn a_received_field_tells_who_and_how_in_short_lines() {
        check(
            &FACTS,
            "Received: from client.example (mx.client.example [192.0.2.1])\r\n\tby mx.sluice.example (Sluice) with \
             ESMTPS (TLSv1.3 TLS13_AES_256_GCM_SHA384)\r\n\tid 01JDA8 for <jane@example.org>; \
             Tue, 24 Nov 2026 13:42:07 +0000\r\n",
        );
    }

    #[test]
    fn several_recipients_are_not_named() {
        let facts = ReceivedFacts {
            recipients: &["a@example.org", "b@example.org"],
            tls: None,
            helo_name: None,
            reverse_name: None,
            remote: Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)),
            with: "SMTP",
            ..FACTS
        };
        check(
            &facts,
            "Received: from unknown ([IPv6:::1]) by mx.sluice.example (Sluice) with SMTP\r\n\tid 01JDA8; \
             Tue, 24 Nov 2026 13:42:07 +0000\r\n",
        );
    }

    #[test]
    fn what_a_client_says_ends_neither_the_clause_nor_the_field() {
        let facts = ReceivedFacts {
            helo_name: Some("a;\r\nBcc: x (y)"),
            reverse_name: None,
            remote: None,
            tls: None,
            recipients: &["a\r\nX: y@b"],
            ..FACTS
        };
        let field = received_field(&facts);
        assert!(field.starts_with("Received: from a???Bcc:?x??y? by "), "{field}");
        assert!(field.contains("for <a??X: y@b>;"), "{field}");
        assert_eq!(HeaderIndex::of(field.as_bytes()).iter(field.as_bytes()).count(), 1);
    }

    #[test]
    fn a_null_reverse_path_is_written_as_such() {
        assert_eq!(return_path_field(""), "Return-Path: <>\r\n");
        assert_eq!(return_path_field("a@b.example"), "Return-Path: <a@b.example>\r\n");
    }

    fn check_date(milliseconds: u64, expected: &str) {
        assert_eq!(date(milliseconds), expected);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        check_date(0, "Thu, 1 Jan 1970 00:00:00 +0000");
        check_date(951_782_399_999, "Mon, 28 Feb 2000 23:59:59 +0000");
        check_date(951_782_400_000, "Tue, 29 Feb 2000 00:00:00 +0000");
        check_date(4_107_542_400_000, "Mon, 1 Mar 2100 00:00:00 +0000");
    }

    #[test]
    fn received_fields_are_counted_in_the_header_section_alone() {
        assert_eq!(received_count(b"Received: a\r\nRECEIVED : b\r\nX: c\r\n\r\nReceived: d\r\n"), 2);
    }
}
