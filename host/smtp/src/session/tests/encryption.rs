//! STARTTLS and implicit TLS: what is offered, refused, forgotten and asked.

use super::*;
use crate::gate::GateKind;

fn scene(encryption: Encryption) -> Scene {
    let mut scene = Scene { interest: Interest::nothing(), ..Scene::default() };
    scene.settings.encryption = encryption;
    scene
}

fn asked(encryption: Encryption, verdict: fn(&Gate) -> Verdict) -> Scene {
    let interest = Interest::nothing().with_gate(GateKind::TlsEstablished).with_gate(GateKind::Connect);
    Scene { interest, verdict, ..scene(encryption) }
}

/// Each line in a piece of its own, so that none stands behind STARTTLS; the replies have to begin so.
fn check_replies(scene: &Scene, input: &str, expected: &str) {
    let input = input.replace('|', "\r\n");
    let seen = run(scene, input.split_inclusive('\n').map(str::as_bytes));
    let replies: Vec<&str> = seen.replies.iter().map(String::as_str).collect();
    let expected: Vec<&str> = expected.split('|').collect();
    let fits = replies.iter().zip(&expected).all(|(reply, start)| reply.starts_with(start));
    assert!(fits && replies.len() == expected.len(), "{input:?}\n{replies:#?}");
}

const LISTED: &str = "250-mx|250-PIPELINING|250-SIZE|250-8BITMIME|250-ENHANCEDSTATUSCODES|";

#[test]
fn starttls_is_listed_until_the_session_is_encrypted() {
    check_replies(
        &scene(Encryption::Offered),
        "EHLO c|STARTTLS|EHLO c|STARTTLS|",
        &format!(
            "220|{LISTED}250-SMTPUTF8|250-DSN|250 STARTTLS|220 2.0.0|{LISTED}250-SMTPUTF8|250 DSN|503 5.5.1"
        ),
    );
    check_replies(
        &scene(Encryption::Never),
        "EHLO c|STARTTLS|",
        &format!("220|{LISTED}250-SMTPUTF8|250 DSN|502 5.5.1"),
    );
    check_replies(
        &scene(Encryption::Implicit),
        "EHLO c|STARTTLS|",
        &format!("220|{LISTED}250-SMTPUTF8|250 DSN|503 5.5.1"),
    );
}

#[test]
fn starttls_has_an_order_and_no_argument() {
    check_replies(&scene(Encryption::Offered), "STARTTLS|", "220|503 5.5.1");
    check_replies(&scene(Encryption::Offered), "HELO c|STARTTLS now|STARTTLS|", "220|250|501 5.5.4|220");
}

#[test]
fn everything_before_the_handshake_is_forgotten() {
    let scene = scene(Encryption::Offered);
    check_replies(
        &scene,
        "EHLO c|MAIL FROM:<> SMTPUTF8|RCPT TO:<r@b.example>|STARTTLS|RCPT TO:<r@b.example>|MAIL FROM:<>|HELO c|DATA|",
        &format!(
            "220|{LISTED}250-SMTPUTF8|250-DSN|250 STARTTLS|250 2.1.0|250 2.1.5|220 2.0.0|503 5.5.1 Send HELO|503 5.5.1 Send HELO|\
             250 mx|503 5.5.1 Send MAIL"
        ),
    );
    let told = Scene { interest: Interest::nothing().with_notice(NoticeKind::TransactionEnd), ..scene };
    check_trace(
        &told,
        "HELO c|MAIL FROM:<>|STARTTLS|",
        "220 mx.ex|250 mx.ex|250 2.1.0|reset|220 2.0.0|handshake",
    );
}

/// CVE-2011-0411: a command that somebody slipped in behind STARTTLS is never read as one of the encrypted session's.
#[test]
fn what_came_in_clear_behind_starttls_is_thrown_away() {
    let interest = Interest::nothing().with_notice(NoticeKind::Violation);
    let scene = Scene { interest, ..scene(Encryption::Offered) };
    let seen =
        run(&scene, [&b"EHLO c\r\n"[..], b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x>\r\n", b"NOOP\r\n"]);
    let last: Vec<&str> = seen.trace.iter().rev().take(4).rev().map(String::as_str).collect();
    assert_eq!(last, ["unannounced-pipelining", "220 2.0.0", "handshake", "250 2.0.0"]);
    let seen = run(&scene, [&b"EHLO c\r\n"[..], b"STARTTLS\r\nNOO", b"P\r\n"]);
    assert_eq!(seen.replies.last().map(|reply| &reply[..9]), Some("500 5.5.1"), "half a command stayed");
}

#[test]
fn a_listener_that_requires_tls_serves_nothing_else_before() {
    check_replies(
        &scene(Encryption::Required),
        "MAIL FROM:<>|VRFY x|XFOO|NOOP|HELO c|MAIL FROM:<>|STARTTLS|HELO c|MAIL FROM:<>|",
        "220|530 5.7.0|530 5.7.0|530 5.7.0|250|250|530 5.7.0|220|250|250 2.1.0",
    );
}

#[test]
fn a_handshake_that_fails_ends_the_session() {
    let interest = Interest::nothing().with_notice(NoticeKind::Violation).with_notice(NoticeKind::Disconnect);
    let scene = Scene { interest, handshake: Err("no cipher"), ..scene(Encryption::Offered) };
    check_trace(
        &scene,
        "HELO c|STARTTLS|NOOP|",
        "220 mx.ex|250 mx.ex|220 2.0.0|handshake|tls-failed|failed 0 0",
    );
    let scene =
        Scene { settings: Settings { encryption: Encryption::Implicit, ..scene.settings.clone() }, ..scene };
    check_trace(&scene, "NOOP|", "handshake|tls-failed|failed 0 0");
}

#[test]
fn the_gate_is_asked_behind_the_handshake() {
    let calm: fn(&Gate) -> Verdict = |_| Verdict::Continue;
    check_trace(
        &asked(Encryption::Offered, calm),
        "HELO c|STARTTLS|NOOP|",
        "Connect|220 mx.ex|250 mx.ex|220 2.0.0|handshake|TlsEstablished|250 2.0.0",
    );
    check_trace(
        &asked(Encryption::Implicit, calm),
        "NOOP|",
        "handshake|Connect|TlsEstablished|220 mx.ex|250 2.0.0",
    );
    check_trace(&asked(Encryption::Never, calm), "NOOP|", "Connect|220 mx.ex|250 2.0.0");
}

fn at_tls(gate: &Gate, verdict: Verdict) -> Verdict {
    if matches!(gate, Gate::TlsEstablished) { verdict } else { Verdict::Continue }
}

#[test]
fn a_rejection_answers_the_next_command_and_then_quit_alone_is_served() {
    let rejecting = |gate: &Gate| at_tls(gate, refuse(Verdict::Reject, 550));
    check_replies(
        &asked(Encryption::Offered, rejecting),
        "HELO c|STARTTLS|HELO c|MAIL FROM:<>|QUIT|",
        "220|250|220|550 5.7.1 No|503 5.5.1|221",
    );
    check_replies(&asked(Encryption::Offered, rejecting), "HELO c|STARTTLS|QUIT|", "220|250|220|221");
    check_replies(&asked(Encryption::Implicit, rejecting), "HELO c|QUIT|", "554|503 5.5.1|221");
}

#[test]
fn a_deferral_is_421_and_the_last_word() {
    let deferring = |gate: &Gate| at_tls(gate, refuse(Verdict::Defer, 451));
    check_replies(
        &asked(Encryption::Offered, deferring),
        "HELO c|STARTTLS|NOOP|",
        "220|250|220|421 4.3.0 No",
    );
    check_replies(&asked(Encryption::Implicit, deferring), "NOOP|", "421 4.3.0 No");
    let parting = |gate: &Gate| at_tls(gate, Verdict::Disconnect(None));
    check_replies(&asked(Encryption::Offered, parting), "HELO c|STARTTLS|NOOP|", "220|250|220|421 4.7.0");
    check_replies(&asked(Encryption::Implicit, parting), "NOOP|", "421 4.7.0");
}

#[test]
fn no_sink_turns_the_reply_to_starttls_into_another_code() {
    let interest = Interest::nothing().with_replies(Verbs::All);
    let verdict = |_: &Gate| Verdict::Replace(Reply::bare(250, "Fine"));
    let scene = Scene { interest, verdict, ..scene(Encryption::Offered) };
    check_replies(&scene, "HELO c|STARTTLS|", "220|250 Fine|220 2.0.0 Go ahead");
}
