//! Reports as a reader of mail sees them, and originals and replies that try to write into them: test only.

use bytes::Bytes;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

use super::*;
use crate::content::Content;
use crate::limits::LINE_BYTES_MAX;

const ORIGINAL: &[u8] = b"From: ann@a.example\r\nSubject: Hi\r\n\r\nHello\r\n";

fn recipient(address: &str, action: Action) -> ReportedRecipient {
    ReportedRecipient {
        address: address.to_owned(),
        original: None,
        action,
        status: None,
        reason: None,
        remote: None,
        reply: None,
        last_attempt: Some(1_795_527_727_000),
        retry_until: None,
    }
}

fn refused(address: &str, lines: &[&str]) -> ReportedRecipient {
    let status = Some(Status { class: 5, subject: 1, detail: 1 });
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    ReportedRecipient {
        remote: Some("mx.b.example".to_owned()),
        reply: Some(ReportedReply { code: 550, status, lines }),
        ..recipient(address, Action::Failed)
    }
}

fn report(recipients: &[ReportedRecipient]) -> Report<'_> {
    Report {
        host_name: "mx.a.example",
        id: "01JDA8ZZZZ",
        original_id: "01JDA7YYYY",
        to: "ann@a.example",
        now: 1_795_527_727_000,
        arrived: 1_795_527_000_000,
        envelope_id: None,
        recipients,
    }
}

/// The whole DSN, which must be well-formed whatever it was made of.
fn check(report: &Report<'_>, original: &[u8], wish: Return) -> (String, Dsn) {
    let content = Content::new(Bytes::copy_from_slice(original));
    let returned = returned(&content, wish).unwrap();
    let bytes = content.read(returned.range.clone()).unwrap();
    let dsn = compose(report, &returned, &bytes);
    let whole = [dsn.head.as_bytes(), &bytes, dsn.tail.as_bytes()].concat();
    is_report(&whole, &returned, &bytes);
    for line in whole.split(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(text.len() <= LINE_BYTES_MAX, "a line of {} bytes", text.len());
        assert!(!text.contains(&b'\r') && !text.contains(&0), "a control character");
    }
    // An address alone needs the extension, even where the fields that show it had to leave its characters out.
    assert_eq!(dsn.needs == Needs::SevenBit, whole.is_ascii() && report.to.is_ascii());
    (String::from_utf8_lossy(&whole).into_owned(), dsn)
}

fn is_report(whole: &[u8], returned: &Returned, original: &[u8]) {
    let parsed = MessageParser::new().parse(whole).expect("a message");
    let top = parsed.content_type().expect("a type");
    assert_eq!((top.ctype(), top.subtype()), ("multipart", Some("report")));
    assert_eq!(top.attribute("report-type"), Some("delivery-status"));
    for name in ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"] {
        let count = parsed.headers().iter().filter(|header| header.name().eq_ignore_ascii_case(name)).count();
        assert_eq!(count, 1, "{name}");
    }
    assert_eq!(parsed.headers().len(), 8, "a field too many");
    let PartType::Multipart(parts) = &parsed.root_part().body else { panic!("no multipart") };
    assert_eq!(parts.len(), 3, "parts of {}", String::from_utf8_lossy(whole));
    let part = |index: usize| parsed.part(parts[index]).expect("a part");
    let media = |index: usize| {
        let media = part(index).content_type().expect("a type");
        format!("{}/{}", media.ctype(), media.subtype().unwrap_or_default())
    };
    assert_eq!(media(0), "text/plain");
    assert!(matches!(media(1).as_str(), "message/delivery-status" | "message/global-delivery-status"));
    assert_eq!(media(2), returned.kind.media_type());
    let third = part(2);
    let body = &whole[third.raw_body_offset() as usize..third.raw_end_offset() as usize];
    assert_eq!(body, original, "the original came back changed");
}

/// The blocks of the second part, each as its fields.
fn blocks(whole: &str) -> Vec<Vec<(String, String)>> {
    let start = whole.find("delivery-status\r\nContent-Transfer").expect("a second part");
    let body = &whole[start..][whole[start..].find("\r\n\r\n").unwrap() + 4..];
    let body = &body[..body.find("\r\n\r\n--").unwrap_or_else(|| body.find("\r\n--").unwrap())];
    let field = |line: &str| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.to_owned(), value.to_owned())
    };
    let unfolded = body.replace("\r\n\t", " ");
    unfolded.split("\r\n\r\n").map(|block| block.lines().map(field).collect()).collect()
}

fn value<'a>(block: &'a [(String, String)], name: &str) -> Option<&'a str> {
    block.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_failure_is_told_in_words_then_in_fields_then_the_original_comes_back() {
    let recipients = [refused("bob@b.example", &["No such user here", "Sorry"])];
    let (whole, dsn) = check(&report(&recipients), ORIGINAL, Return::Full);
    let expected = concat!(
        "From: Mail Delivery System <MAILER-DAEMON@mx.a.example>\r\n",
        "To: <ann@a.example>\r\n",
        "Subject: Your message could not be delivered\r\n",
        "Date: Tue, 24 Nov 2026 13:42:07 +0000\r\n",
        "Message-ID: <01JDA8ZZZZ@mx.a.example>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "MIME-Version: 1.0\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n",
        "\tboundary=\"ZZZZ8ADJ10=_0\"\r\n",
        "\r\n--ZZZZ8ADJ10=_0\r\n",
        "Content-Type: text/plain; charset=us-ascii\r\n",
        "Content-Transfer-Encoding: 7bit\r\n\r\n",
        "This is the mail server mx.a.example.\r\n\r\n",
        "Your message of Tue, 24 Nov 2026 13:30:00 +0000 could not be delivered\r\n",
        "to the following recipients. It will not be tried again.\r\n\r\n",
        "  <bob@b.example>\r\n",
        "    There is no such address. Check how it is spelled, or ask for the\r\n",
        "    new one by another way.\r\n",
        "    The server mx.b.example said:\r\n",
        "      550-5.1.1 No such user here\r\n",
        "      550 5.1.1 Sorry\r\n\r\n",
        "At the end of this report you find your message.\r\n\r\n",
        "If you ask for help, send this whole report along. For the postmaster:\r\n",
        "the message had the queue id 01JDA7YYYY on mx.a.example; this report has\r\n",
        "01JDA8ZZZZ.\r\n\r\n",
        "\r\n--ZZZZ8ADJ10=_0\r\n",
        "Content-Type: message/delivery-status\r\n",
        "Content-Transfer-Encoding: 7bit\r\n\r\n",
        "Reporting-MTA: dns; mx.a.example\r\n",
        "Arrival-Date: Tue, 24 Nov 2026 13:30:00 +0000\r\n\r\n",
        "Final-Recipient: rfc822; bob@b.example\r\n",
        "Action: failed\r\n",
        "Status: 5.1.1\r\n",
        "Remote-MTA: dns; mx.b.example\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 No such user here Sorry\r\n",
        "Last-Attempt-Date: Tue, 24 Nov 2026 13:42:07 +0000\r\n",
        "\r\n--ZZZZ8ADJ10=_0\r\n",
        "Content-Type: message/rfc822\r\n",
        "Content-Transfer-Encoding: 7bit\r\n\r\n",
        "From: ann@a.example\r\nSubject: Hi\r\n\r\nHello\r\n",
        "\r\n--ZZZZ8ADJ10=_0--\r\n",
    );
    assert_eq!(whole, expected);
    assert_eq!(dsn.needs, Needs::SevenBit);
}

#[test]
fn a_delay_says_how_long_it_will_be_tried() {
    let late = ReportedRecipient {
        retry_until: Some(1_795_959_000_000),
        ..recipient("b@c.example", Action::Delayed)
    };
    let (whole, _) = check(&report(&[late]), ORIGINAL, Return::Headers);
    assert!(whole.contains("Subject: Your message is delayed\r\n"));
    assert!(whole.contains("It will be tried until"), "{whole}");
    let blocks = blocks(&whole);
    assert_eq!(value(&blocks[1], "Status"), Some("4.0.0"));
    assert_eq!(value(&blocks[1], "Will-Retry-Until"), Some("Sun, 29 Nov 2026 13:30:00 +0000"));
    assert!(whole.contains("Content-Type: text/rfc822-headers\r\n"));
    assert!(!whole.contains("Hello"));
}

#[test]
fn what_was_wished_to_be_known_is_told_with_what_the_sender_called_it() {
    let original = OriginalRecipient { kind: "rfc822".to_owned(), address: "list@b.example".to_owned() };
    let recipients = [
        ReportedRecipient { original: Some(original), ..recipient("c@d.example", Action::Relayed) },
        recipient("e@f.example", Action::Delivered),
        recipient("g@f.example", Action::Expanded),
    ];
    let report = Report { envelope_id: Some("QQ 31"), ..report(&recipients) };
    let (whole, _) = check(&report, ORIGINAL, Return::Headers);
    assert!(whole.contains("Subject: Your message was delivered\r\n"));
    assert!(whole.contains("<list@b.example> (sent on to <c@d.example>)"), "{whole}");
    let blocks = blocks(&whole);
    assert_eq!(value(&blocks[0], "Original-Envelope-Id"), Some("QQ 31"));
    assert_eq!(value(&blocks[1], "Original-Recipient"), Some("rfc822; list@b.example"));
    let actions: Vec<_> = blocks[1..].iter().filter_map(|block| value(block, "Action")).collect();
    assert_eq!(actions, ["relayed", "delivered", "expanded"]);
    assert!(blocks[1..].iter().all(|block| value(block, "Status") == Some("2.0.0")));
}

#[test]
fn what_we_decided_outranks_the_last_reply() {
    let given_up = ReportedRecipient {
        status: Some(Status { class: 4, subject: 4, detail: 7 }),
        ..refused("b@c.example", &["Later"])
    };
    let (whole, _) = check(&report(&[given_up]), ORIGINAL, Return::Headers);
    assert_eq!(value(&blocks(&whole)[1], "Status"), Some("5.4.7"));
    assert!(whole.contains("it was given up"), "{whole}");
}

#[test]
fn nothing_that_is_said_ends_a_line_or_a_part() {
    let evil = "x\r\n--ZZZZ8ADJ10=_0--\r\n\r\nAction: delivered\r\n\u{2028}\0";
    let mut hostile = refused(evil, &[evil, "\u{e9}"]);
    hostile.remote = Some(evil.to_owned());
    hostile.reason = Some(evil.to_owned());
    hostile.original = Some(OriginalRecipient { kind: evil.to_owned(), address: evil.to_owned() });
    let report = Report { to: evil, envelope_id: Some(evil), ..report(std::slice::from_ref(&hostile)) };
    let original = "Subject: x\r\n\r\n--ZZZZ8ADJ10=_0\r\n--ZZZZ8ADJ10=_1--\r\n";
    let (whole, _) = check(&report, original.as_bytes(), Return::Full);
    assert_eq!(blocks(&whole).len(), 2);
    assert!(whole.contains("boundary=\"ZZZZ8ADJ10=_2\""), "{whole}");
}

#[test]
fn five_hundred_recipients_are_all_named_to_programs() {
    let recipients: Vec<_> =
        (0..500).map(|number| refused(&format!("r{number}@b.example"), &[&format!("No {number}")])).collect();
    let (whole, _) = check(&report(&recipients), ORIGINAL, Return::Headers);
    assert_eq!(blocks(&whole).len(), 501);
    assert!(whole.contains("tells of 400 more recipients"), "{}", &whole[..2000]);
    let alike: Vec<_> = (0..500).map(|number| refused(&format!("r{number}@b.example"), &["No"])).collect();
    let (whole, _) = check(&report(&alike), ORIGINAL, Return::Headers);
    assert_eq!(whole.matches("There is no such address").count(), 1, "told of together");
}

#[test]
fn a_long_reply_is_cut() {
    let lines: Vec<String> = (0..128).map(|number| format!("{number} {}", "x".repeat(400))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (whole, dsn) = check(&report(&[refused("b@c.example", &lines)]), ORIGINAL, Return::Headers);
    assert!(dsn.head.len() < 3 * REPLY_BYTES_MAX + 2048, "{} bytes", dsn.head.len());
    assert!(whole.contains("      550-5.1.1 0\r\n      xxx"));
    let short: Vec<String> = (0..128).map(|number| format!("line {number}")).collect();
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    let (whole, _) = check(&report(&[refused("b@c.example", &short)]), ORIGINAL, Return::Headers);
    assert!(whole.contains("550 5.1.1 line 9\r\n") && !whole.contains("line 10"), "{whole}");
}

#[test]
fn a_word_that_is_too_long_is_cut_between_characters() {
    let address = "\u{e9}".repeat(WORD_BYTES_MAX);
    let (whole, dsn) = check(&report(&[recipient(&address, Action::Failed)]), ORIGINAL, Return::Headers);
    assert_eq!(blocks(&whole)[1][0].1.len(), "utf-8; ".len() + WORD_BYTES_MAX);
    assert_eq!(dsn.needs, Needs::EightBit);
}

#[test]
fn addresses_and_header_fields_in_utf8_make_international_parts() {
    let recipients = [recipient("j\u{f6}rg@b.example", Action::Failed)];
    let report = Report { to: "\u{e4}nn@a.example", ..report(&recipients) };
    let original = "Subject: \u{e4}\r\n\r\nHello\r\n".as_bytes();
    let (whole, dsn) = check(&report, original, Return::Headers);
    assert!(whole.contains("Content-Type: message/global-delivery-status\r\n"));
    assert!(whole.contains("Final-Recipient: utf-8; j\u{f6}rg@b.example\r\n"));
    assert!(whole.contains("Content-Type: message/global-headers\r\n"));
    assert_eq!(dsn.needs, Needs::Smtputf8);
    assert!(check(&report, original, Return::Full).0.contains("Content-Type: message/global\r\n"));
    let latin = b"Subject: \xe4\r\n\r\nHello\r\n";
    assert!(check(&report, latin, Return::Headers).0.contains("Content-Type: text/rfc822-headers\r\n"));
}

#[test]
fn an_8bit_reply_about_an_ascii_address_leaves_the_fields_in_ascii() {
    let (whole, dsn) = check(&report(&[refused("b@c.example", &["caf\u{e9}"])]), ORIGINAL, Return::Headers);
    assert!(whole.contains("smtp; 550 5.1.1 caf?\r\n") && whole.contains("550 5.1.1 caf\u{e9}\r\n"));
    assert!(whole.contains("Content-Type: message/delivery-status\r\n"));
    assert_eq!(dsn.needs, Needs::EightBit);
}

fn check_returned(original: &[u8], wish: Return, expected: (ReturnedKind, u64)) {
    let found = returned(&Content::new(Bytes::copy_from_slice(original)), wish).unwrap();
    assert_eq!((found.kind, found.range), (expected.0, 0..expected.1));
}

#[test]
fn a_large_original_comes_back_without_its_body() {
    let of_size = |bytes: u64| {
        let lines = usize::try_from(bytes - 14).unwrap() / 10;
        let mut original = format!("Subject: x\r\n\r\n{}", "12345678\r\n".repeat(lines)).into_bytes();
        original.resize(usize::try_from(bytes).unwrap(), b'x');
        original
    };
    let max = RETURNED_BYTES_MAX;
    check_returned(&of_size(max), Return::Full, (ReturnedKind::Message, max));
    check_returned(&of_size(max + 1), Return::Full, (ReturnedKind::Headers, 12));
    check_returned(&of_size(100), Return::Headers, (ReturnedKind::Headers, 12));
}

#[test]
fn what_a_server_would_refuse_is_not_returned() {
    check_returned(b"A: b\r\nC: d\ne\r\n\r\nHello\r\n", Return::Full, (ReturnedKind::Headers, 6));
    check_returned(b"A: b\r\n\r\nHe\0llo\r\n", Return::Full, (ReturnedKind::Headers, 6));
    let line = |bytes: usize| format!("A: b\r\n\r\n{}\r\n", "x".repeat(bytes)).into_bytes();
    check_returned(&line(LINE_BYTES_MAX), Return::Full, (ReturnedKind::Message, 1008));
    check_returned(&line(LINE_BYTES_MAX + 1), Return::Full, (ReturnedKind::Headers, 6));
    check_returned(b"A: b\r\n\r\nend", Return::Full, (ReturnedKind::Message, 11));
    check_returned(b"", Return::Full, (ReturnedKind::Headers, 0));
    let field = format!("A: {}\r\n", "b".repeat(95));
    let long = field.repeat(RETURNED_HEADER_BYTES_MAX / field.len() + 1);
    let whole_fields = u64::try_from(RETURNED_HEADER_BYTES_MAX / field.len() * field.len()).unwrap();
    check_returned(long.as_bytes(), Return::Headers, (ReturnedKind::Headers, whole_fields));
}

fn any_reply() -> impl Strategy<Value = Option<ReportedReply>> {
    let status = any::<Option<(u8, u16, u16)>>()
        .prop_map(|status| status.map(|(class, subject, detail)| Status { class, subject, detail }));
    let lines = proptest::collection::vec("(?s).{0,80}|[ \\-]{0,9}|--[0-9Z=_]{0,20}", 1..12);
    proptest::option::of((any::<u16>(), status, lines))
        .prop_map(|reply| reply.map(|(code, status, lines)| ReportedReply { code, status, lines }))
}

fn any_recipient() -> impl Strategy<Value = ReportedRecipient> {
    let text = || "(?s).{0,60}|[ \r\n\t:;-]{0,9}";
    let original = proptest::option::of((text(), text()))
        .prop_map(|it| it.map(|(kind, address)| OriginalRecipient { kind, address }));
    let action = proptest::sample::select(vec![
        Action::Failed,
        Action::Delayed,
        Action::Delivered,
        Action::Relayed,
        Action::Expanded,
    ]);
    let words = (proptest::option::of(text()), proptest::option::of(text()));
    let times = (any::<Option<u32>>(), any::<Option<u32>>());
    (text(), original, action, words, any_reply(), times).prop_map(
        |(address, original, action, (reason, remote), reply, (last_attempt, retry_until))| {
            ReportedRecipient {
                address,
                original,
                action,
                status: None,
                reason,
                remote,
                reply,
                last_attempt: last_attempt.map(u64::from),
                retry_until: retry_until.map(u64::from),
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn whatever_is_said_it_stays_a_report_of_three_parts(
        recipients in proptest::collection::vec(any_recipient(), 1..4),
        to in "(?s).{0,60}",
        envelope_id in proptest::option::of("(?s).{0,30}"),
        original in proptest::collection::vec(any::<u8>(), 0..300),
        lines in proptest::collection::vec("(From|Content-Type|Subject): [ -~]{0,40}|--[0-9Z=_]{0,20}(--)?|", 0..9),
        full in any::<bool>(),
    ) {
        let report = Report { to: &to, envelope_id: envelope_id.as_deref(), ..report(&recipients) };
        let wish = if full { Return::Full } else { Return::Headers };
        let (whole, _) = check(&report, &original, wish);
        prop_assert_eq!(blocks(&whole).len(), recipients.len() + 1);
        let text = lines.join("\r\n");
        check(&report, text.as_bytes(), wish);
    }
}
