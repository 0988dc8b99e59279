//! What needs no sink.

use super::*;

#[test]
fn a_message_passes() {
    let seen = check(
        &Scene::default(),
        "EHLO c.example|MAIL FROM:<a@c.example>|RCPT TO:<r@b.example>|DATA|Subject: hi||..|text|.|QUIT|",
        "220 mx.example ESMTP|250-mx.example|250-PIPELINING|250-SIZE 52428800|250-8BITMIME|250-ENHANCEDSTATUSCODES|\
         250-SMTPUTF8|250 DSN|250 2.1.0|250 2.1.5|354|250 2.0.0 Ok, 01J|221 2.0.0",
    );
    assert_eq!(seen.contents, ["Subject: hi\r\n\r\n.\r\ntext\r\n"]);
    assert_eq!(seen.recipients, ["0 r@b.example r@b.example"]);
}

#[test]
fn a_session_brings_several_messages() {
    let input = format!("{BEGIN}DATA|x|.|MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|y|.|QUIT|");
    let seen = check(&Scene::default(), &input, &format!("{BEGUN}|354|250|250|250|354|250|221"));
    assert_eq!(seen.contents, ["x\r\n", "y\r\n"]);
}

#[test]
fn postmaster_needs_no_domain() {
    let seen = check(
        &Scene::default(),
        "HELO c.example|MAIL FROM:<>|RCPT TO:<PostMaster>|DATA|.|",
        "220|250|250|250 2.1.5|354|250",
    );
    assert_eq!(seen.recipients, ["0 postmaster@mx.example postmaster@mx.example"]);
}

#[test]
fn commands_keep_their_sequence() {
    let scene = Scene::default();
    check(&scene, "MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|", "220|503 5.5.1|503 5.5.1|503 5.5.1");
    check(&scene, "HELO c|DATA|RCPT TO:<r@b.example>|", "220|250|503 5.5.1 Send MAIL|503 5.5.1");
    check(&scene, "HELO c|MAIL FROM:<>|DATA|MAIL FROM:<>|", "220|250|250|503 5.5.1 Send RCPT|503 5.5.1");
    let refused = "HELO c|MAIL FROM:<>|RCPT TO:<r@x.example>|DATA|";
    check(&scene, refused, "220|250|250|550 5.7.1|554 5.5.1");
    check(&scene, &format!("{BEGIN}RSET|DATA|"), &format!("{BEGUN}|250 2.0.0|503"));
    check(&scene, &format!("{BEGIN}HELO d|DATA|"), &format!("{BEGUN}|250 mx|503"));
}

#[test]
fn other_commands_are_served_at_any_time() {
    let replies =
        "220|250 2.0.0|214 2.0.0|252 2.1.5|502 5.5.1|250 2.0.0|502 5.5.1|502 5.5.1|502 5.5.1|500 5.5.1|221";
    let input = "NOOP|HELP|VRFY x|EXPN x|RSET|AUTH PLAIN x|STARTTLS|BDAT 3 LAST|XFOO|QUIT|";
    check(&Scene::default(), input, replies);
}

#[test]
fn a_line_that_is_none_is_one_error() {
    let scene = Scene::default();
    check(&scene, "HELO c\nMAIL FROM:<>|NOOP|", "220|500 5.5.2 Lines end|250");
    check(&scene, "HELO c\rMAIL FROM:<>|NOOP|", "220|500 5.5.2 A CR|250");
    check(&scene, "NOOP \u{7}|\u{16}\u{3}|NOOP|", "220|500 5.5.2|500 5.5.2|250");
    check(&scene, "NOOP unfinished", "220");
}

#[test]
fn parameters_need_their_extension() {
    let scene = Scene::default();
    check(&scene, "HELO c|MAIL FROM:<> SIZE=1|", "220|250|555 5.5.4");
    let ehlo = "220|250-|250-|250-|250-|250-|250-|250 ";
    check(&scene, "EHLO c|MAIL FROM:<> X=1|MAIL FROM:<> BODY=X|", &format!("{ehlo}|555 5.5.4|501 5.5.4"));
    check(&scene, "EHLO c|MAIL FROM:<> SIZE=52428801|", &format!("{ehlo}|552 5.3.4"));
    check(
        &scene,
        "EHLO c|MAIL FROM:<> SIZE=1|RCPT TO:<r@b.example> X=1|RCPT TO:<r@b.example> NOTIFY=NEVER|",
        &format!("{ehlo}|250|555 5.5.4|250"),
    );
    check(&scene, "EHLO c|MAIL FROM:<ö@c.example>|", &format!("{ehlo}|553 5.6.7"));
    check(&scene, "EHLO c|MAIL FROM:<>|RCPT TO:<ö@b.example>|", &format!("{ehlo}|250|553 5.6.7"));
    let utf8 = "EHLO c|MAIL FROM:<ö@c.example> SMTPUTF8|RCPT TO:<ö@b.example>|";
    check(&scene, utf8, &format!("{ehlo}|250 2.1.0|250 2.1.5"));
}

#[test]
fn recipients_are_judged() {
    let start = "HELO c|MAIL FROM:<>|";
    let rcpt = |path: &str, expected: &str| {
        check(&Scene::default(), &format!("{start}RCPT TO:<{path}>|"), &format!("220|250|250|{expected}"))
    };
    rcpt("r@x.example", "550 5.7.1");
    rcpt("nobody@b.example", "550 5.1.1");
    rcpt("later@b.example", "451 4.3.0");
    rcpt("full@b.example", "452 4.5.3");
    rcpt("@b.example:r@x.example", "550 5.7.1");
}

#[test]
fn nothing_but_the_dot_ends_the_data_and_a_bare_newline_is_refused_behind_it() {
    let scene = Scene::default();
    for smuggled in ["\n.\n", "\n.|", "|.\n", "\r.|", "\r.\r", "|.\r"] {
        let input = format!("{BEGIN}DATA|hi{smuggled}MAIL FROM:<evil@c.example>|.|NOOP|");
        let seen = check(&scene, &input, &format!("{BEGUN}|354|554 5.6.0|250 2.0.0"));
        assert!(seen.contents.is_empty() && seen.trace.contains(&"abort".to_owned()));
    }
    let mut scene = Scene::default();
    scene.settings.bare_newlines = BareNewlines::Accept;
    let seen = check(&scene, &format!("{BEGIN}DATA|a\n.\nb\n.|c|.|"), &format!("{BEGUN}|354|250"));
    assert_eq!(seen.contents, ["a\n.\nb\n.\r\nc\r\n"]);
}

#[test]
fn storage_decides_what_the_dot_is_answered() {
    for (code, outcome) in [(250, "committed"), (451, "deferred"), (554, "rejected")] {
        let stored = Reply::from_sink(code, None, &["so"]).unwrap();
        let interest = Interest::nothing().with_notice(NoticeKind::TransactionEnd);
        let scene = Scene { stored, interest, ..Scene::default() };
        let seen = check(&scene, &format!("{BEGIN}DATA|.|"), &format!("{BEGUN}|354|{code}"));
        assert_eq!(seen.trace.last().map(String::as_str), Some(outcome));
    }
    let odd = Scene { stored: replies::START_CONTENT, ..Scene::default() };
    check(&odd, &format!("{BEGIN}DATA|.|"), &format!("{BEGUN}|354|451 4.3.0"));
    let full = Scene { admission: Admission::Full, ..Scene::default() };
    check(&full, "HELO c|MAIL FROM:<>|RCPT TO:<r@b.example>|", "220|250|452 4.3.1|503");
}

#[test]
fn a_spool_that_can_store_nothing_refuses_at_mail() {
    let scene = Scene { admission: Admission::Unavailable, ..Scene::default() };
    check(&scene, "HELO c|MAIL FROM:<>|RCPT TO:<r@b.example>|", "220|250|451 4.3.0|503");
}

#[test]
fn an_owner_with_too_much_in_the_queue_holds_nobody_elses_mail_up() {
    let queued = "RCPT TO:<queued@b.example>|RCPT TO:<r@b.example>|DATA|a|.|";
    let seen = check(
        &Scene::default(),
        &format!("HELO c|MAIL FROM:<>|{queued}"),
        "220|250|250|452 4.3.1|250|354|250",
    );
    assert_eq!(seen.contents, ["a\r\n"]);
}

#[test]
fn an_idle_session_is_small() {
    let mut session = session_of(&Interest::nothing());
    while !matches!(session.step(), Action::Read { .. }) {}
    session.receive(b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\n");
    loop {
        match session.step() {
            Action::Admit { .. } => session.admit(Admission::Room),
            Action::Read { .. } => break,
            other => assert_eq!(other, Action::Close, "nobody is interested"),
        }
    }
    drop(session.take_output());
    let held = session.input.bytes.capacity() + session.output.capacity();
    assert_eq!((held, session.tasks.capacity()), (0, 0));
    let size = size_of::<Session>() + size_of::<Facts>() + size_of::<crate::Envelope>();
    assert!(size <= 1_024, "{size}");
}
