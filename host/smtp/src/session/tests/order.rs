//! EVENTS' order, and what is told to whom.

use super::*;

#[test]
fn gates_come_in_order_before_their_replies() {
    let scene = Scene::with_verdict(|_| Verdict::Continue);
    check_trace(
        &scene,
        "HELO c|MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|.|QUIT|",
        "Connect|reply CONNECT 220|220 mx.ex|command HELO [c] [] []|helo c|reply HELO 250|250 mx.ex|\
         command MAIL [FROM:<>] [] []|MailFrom|reply MAIL 250|250 2.1.0|\
         command RCPT [TO:<r@b.example>] [] []|resolve r@b.example|rcpt-to r@b.example|reply RCPT 250|250 2.1.5|\
         command DATA [] [] []|Data|reply DATA 354|354 End d|EndOfData|reply . 250|250 2.0.0|committed|\
         command QUIT [] [] []|reply QUIT 221|221 2.0.0|client-quit 1 0",
    );
}

#[test]
fn what_nobody_binds_is_not_asked() {
    let scene = Scene { interest: Interest::nothing(), ..Scene::default() };
    check_trace(
        &scene,
        &format!("{BEGIN}DATA|.|QUIT|"),
        "220 mx.ex|250 mx.ex|250 2.1.0|resolve r@b.example|250 2.1.5|354 End d|250 2.0.0|221 2.0.0",
    );
    let some = Arc::from(vec!["XFOO".into()]);
    let interest = Interest::nothing().with_commands(Verbs::These(some)).with_replies(Verbs::None);
    check_trace(
        &Scene { interest, ..Scene::default() },
        "xfoo A b|NOOP|",
        "220 mx.ex|command XFOO [A b] [] []|500 5.5.1|250 2.0.0",
    );
}

#[test]
fn a_foreign_recipient_reaches_no_gate_and_an_unknown_mailbox_does() {
    let scene = Scene { interest: Interest::default(), ..Scene::default() };
    let trace = |path: &str, expected: &str| {
        let input = format!("HELO c|MAIL FROM:<>|RCPT TO:<{path}>|");
        check_trace(
            &scene,
            &input,
            &format!("Connect|220 mx.ex|helo c|250 mx.ex|MailFrom|250 2.1.0|{expected}"),
        );
    };
    trace("r@x.example", "resolve r@x.example|550 5.7.1");
    trace("nobody@b.example", "resolve nobody@b.example|rcpt-to nobody@b.example|550 5.1.1");
}

#[test]
fn a_refusal_is_told_behind_its_reply() {
    let interest = Interest::nothing().with_notice(NoticeKind::Rejected);
    let scene = Scene { interest, ..Scene::default() };
    check_trace(&scene, "XFOO|", "220 mx.ex|500 5.5.1|rejected XFOO host 500");
    let interest = Interest::default().with_notice(NoticeKind::Rejected);
    let verdict = |gate: &Gate| match gate {
        Gate::MailFrom => refuse(Verdict::Reject, 553),
        _ => Verdict::Continue,
    };
    let scene = Scene { interest, verdict, ..Scene::default() };
    let expected = "Connect|220 mx.ex|helo c|250 mx.ex|MailFrom|553 5.1.3|rejected MAIL sink 553";
    check_trace(&scene, "HELO c|MAIL FROM:<>|", expected);
}

#[test]
fn violations_are_told() {
    let interest = Interest::nothing().with_notice(NoticeKind::Violation);
    let scene = Scene { interest, ..Scene::default() };
    let trace = |input, expected: &str| check_trace(&scene, input, &format!("220 mx.ex|{expected}"));
    trace("NOOP\nNOOP|", "bare-line-feed|500 5.5.2");
    trace("NOOP\rNOOP|", "bare-carriage-return|500 5.5.2");
    trace("DATA|", "bad-sequence|503 5.5.1");
    trace("XFOO|", "unknown-command|500 5.5.1");
    let content = format!("{BEGIN}DATA|a\nb|.|");
    trace(
        &content,
        "250 mx.ex|250 2.1.0|resolve r@b.example|250 2.1.5|354 End d|abort|bare-line-feed|554 5.6.0",
    );
}

#[test]
fn talking_early_and_ahead_is_told_once_and_changes_nothing() {
    let mut session = session_of(&Interest::nothing().with_notice(NoticeKind::Violation));
    session.receive(b"HELO c\r\nNOOP\r\nNOOP\r\n");
    let mut told_so_far = Vec::new();
    loop {
        match session.step() {
            Action::Tell(notice) => {
                told_so_far.push(told(&notice));
                session.decide(Decision::proceed());
            }
            Action::Read { .. } => break,
            other => assert_eq!(other, Action::Close, "only notices"),
        }
    }
    assert_eq!(told_so_far, ["early-talker", "unannounced-pipelining"]);
    let output = String::from_utf8(session.take_output().to_vec()).unwrap();
    assert_eq!(output.matches("250").count(), 3, "{output}");
}

#[test]
fn pipelining_is_free_with_the_extension_but_not_behind_ehlo_and_data() {
    let interest = Interest::nothing().with_notice(NoticeKind::Violation);
    let scene = Scene { interest, ..Scene::default() };
    let noted = |chunks: &[&str]| {
        let chunks: Vec<String> = chunks.iter().map(|chunk| chunk.replace('|', "\r\n")).collect();
        let mut all: Vec<&[u8]> = vec![b""];
        all.extend(chunks.iter().map(String::as_bytes));
        let seen = run(&scene, all);
        seen.trace.iter().filter(|line| *line == "unannounced-pipelining").count()
    };
    let transaction = "MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|";
    assert_eq!(noted(&["EHLO c|", transaction, "x|.|QUIT|"]), 0);
    assert_eq!(noted(&["EHLO c|MAIL FROM:<>|"]), 1);
    assert_eq!(noted(&["EHLO c|", &format!("{transaction}x|.|"), &format!("{transaction}x|.|")]), 1);
    assert_eq!(noted(&["HELO c|", "MAIL FROM:<>|RCPT TO:<r@b.example>|"]), 1);
}

#[test]
fn a_notice_may_end_the_session() {
    let interest = Interest::nothing().with_notice(NoticeKind::Violation).with_notice(NoticeKind::Disconnect);
    let scene = Scene { interest, notice: |_| Verdict::Disconnect(None), ..Scene::default() };
    check_trace(&scene, "XFOO|NOOP|", "220 mx.ex|unknown-command|421 4.7.0|refused 0 1");
}

#[test]
fn a_session_ends_for_a_reason() {
    let interest =
        Interest::nothing().with_notice(NoticeKind::TransactionEnd).with_notice(NoticeKind::Disconnect);
    let end = |how: fn(&mut Session), input: &str| {
        let mut session = session_of(&interest);
        let input = input.replace('|', "\r\n");
        let mut input = Some(input.as_bytes());
        let mut trace = Vec::new();
        loop {
            match session.step() {
                Action::Read { .. } => match input.take() {
                    Some(input) => session.receive(input),
                    None => how(&mut session),
                },
                Action::Tell(notice) => {
                    trace.push(told(&notice));
                    session.decide(Decision::proceed());
                }
                Action::Resolve(_) => session.judge_recipient(RecipientStanding::Accepted),
                Action::Admit { .. } => session.admit(Admission::Room),
                Action::AbortContent => trace.push("abort".to_owned()),
                Action::Close => break,
                _ => {}
            }
        }
        let output = String::from_utf8(session.take_output().to_vec()).unwrap();
        trace.extend(output.split_terminator("\r\n").last().map(|line| line[..3].to_owned()));
        trace.join("|")
    };
    let mail = "HELO c|MAIL FROM:<>|";
    let data = format!("{BEGIN}DATA|half");
    assert_eq!(end(Session::receive_end, mail), "disconnected|client-closed 0 0|250");
    assert_eq!(end(Session::time_out, mail), "disconnected|timed-out 0 1|421");
    assert_eq!(end(Session::shut_down, mail), "disconnected|shutting-down 0 1|421");
    assert_eq!(end(Session::fail, mail), "disconnected|failed 0 0|250");
    assert_eq!(end(Session::receive_end, &data), "abort|disconnected|client-closed 0 0|354");
    assert_eq!(end(Session::time_out, &data), "abort|disconnected|timed-out 0 1|421");
    assert_eq!(end(Session::receive_end, "QUIT|"), "client-quit 0 0|221");
}

#[test]
fn a_content_under_way_is_taken_before_a_shutdown() {
    let mut session = session_of(&Interest::nothing());
    let mut input = vec![".\r\n".to_owned(), format!("{BEGIN}DATA|x|").replace('|', "\r\n")];
    loop {
        match session.step() {
            Action::Read { .. } => {
                session.receive(input.pop().unwrap_or_default().as_bytes());
                if input.len() == 1 {
                    session.shut_down();
                }
            }
            Action::Resolve(_) => session.judge_recipient(RecipientStanding::Accepted),
            Action::Admit { .. } => session.admit(Admission::Room),
            Action::Complete => session.content_stored(replies::CONTENT_ACCEPTED),
            Action::Close => break,
            _ => {}
        }
    }
    let output = String::from_utf8(session.take_output().to_vec()).unwrap();
    assert!(output.ends_with("250 2.0.0 Ok\r\n421 4.3.2 Shutting down, try again later\r\n"), "{output}");
}

/// What is said when only `answered` questions get an answer.
fn silence(answered: fn(&mut Session, &Action), expected: &str) {
    let mut session = session_of(&Interest::nothing());
    let mut input = vec![".\r\n".to_owned(), "DATA\r\n".to_owned(), BEGIN.replace('|', "\r\n")];
    let mut aborts = 0;
    loop {
        match session.step() {
            Action::Read { .. } => match input.pop() {
                Some(input) => session.receive(input.as_bytes()),
                None => session.receive_end(),
            },
            Action::AbortContent => aborts += 1,
            Action::Close => break,
            action => answered(&mut session, &action),
        }
    }
    let output = String::from_utf8(session.take_output().to_vec()).unwrap();
    let codes: Vec<&str> = output.split_terminator("\r\n").map(|line| &line[..3]).collect();
    assert_eq!(format!("{} {aborts}", codes.join("|")), expected);
}

#[test]
fn a_question_without_an_answer_is_a_refusal() {
    silence(|_, _| (), "220|250|452|503|503|500 0");
    let admit = |session: &mut Session, action: &Action| {
        if matches!(action, Action::Admit { .. }) {
            session.admit(Admission::Room);
        }
    };
    silence(admit, "220|250|250|451|554|500 0");
    let resolve = |session: &mut Session, action: &Action| match action {
        Action::Admit { .. } => session.admit(Admission::Room),
        Action::Resolve(_) => session.judge_recipient(RecipientStanding::Accepted),
        _ => {}
    };
    silence(resolve, "220|250|250|250|354|451 1");
}
