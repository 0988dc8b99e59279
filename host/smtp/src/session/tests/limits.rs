//! Every limit of a session, reached.

use super::*;

#[test]
fn command_lines() {
    let scene = Scene::with_limits(|limits| {
        limits.command_line_bytes_max = 20;
        limits.command_drain_bytes_max = 10;
    });
    check(&scene, &format!("NOOP {}|NOOP|", "x".repeat(13)), "220|250|250");
    check(&scene, &format!("NOOP {}|NOOP|", "x".repeat(14)), "220|500 5.5.2 Line too long|250");
    check(&scene, &format!("NOOP {}|NOOP|", "x".repeat(23)), "220|500 5.5.2|250");
    check(&scene, &format!("NOOP {}|NOOP|", "x".repeat(24)), "220|421 4.7.0");
    check(&scene, &"x".repeat(40), "220|421 4.7.0");
}

#[test]
fn contents() {
    let scene = Scene::with_limits(|limits| {
        limits.message_bytes_max = 10;
        limits.text_line_bytes_max = 6;
        limits.content_drain_bytes_max = 20;
    });
    let dot = |content: &str, expected: &str| {
        check(&scene, &format!("{BEGIN}DATA|{content}|.|NOOP|"), &format!("{BEGUN}|354|{expected}"));
    };
    dot("1234|12", "250|250");
    dot("1234|123", "552 5.3.4|250");
    dot("12345", "554 5.6.0 A line|250");
    dot("12345|12345|12345|12345", "421 4.7.0");
}

#[test]
fn recipients() {
    let scene = Scene::with_limits(|limits| limits.recipients_max = 2);
    let rcpt = "RCPT TO:<r@b.example>|";
    check(&scene, &format!("{BEGIN}{rcpt}{rcpt}DATA|.|"), &format!("{BEGUN}|250|452 4.5.3|354|250"));
    let mut scene = Scene::with_verdict(|gate| match gate {
        Gate::RcptTo { recipient, .. } if recipient.local() == "r" => Verdict::Rewrite(
            ["x@b.example", "y@b.example"].map(|address| Mailbox::parse(address).unwrap()).to_vec(),
        ),
        _ => Verdict::Continue,
    });
    scene.settings.limits.recipients_max = 3;
    check(&scene, &format!("{BEGIN}{rcpt}"), &format!("{BEGUN}|452 4.5.3"));
    scene.settings.limits.rewrites_max = 1;
    check(&scene, BEGIN, "220|250|250|550 5.4.6");
    scene.settings.limits.rewrites_max = 2;
    check(&scene, BEGIN, BEGUN);
}

#[test]
fn messages() {
    let scene = Scene::with_limits(|limits| limits.messages_max = 1);
    check(&scene, &format!("{BEGIN}DATA|.|MAIL FROM:<>|NOOP|"), &format!("{BEGUN}|354|250|421 4.7.0"));
}

#[test]
fn errors_refusals_and_idle_commands() {
    let scene = Scene::with_limits(|limits| limits.errors_max = 3);
    check(&scene, "DATA|XFOO|HELO|NOOP|", "220|503|500|421 4.7.0");
    let scene = Scene::with_limits(|limits| limits.unknown_commands_max = 2);
    check(&scene, "DATA|XFOO|XFOO|NOOP|", "220|503|500|421 4.7.0");
    let scene = Scene::with_limits(|limits| limits.refusals_max = 3);
    let rcpt = "RCPT TO:<r@x.example>|";
    check(&scene, &format!("{BEGIN}{rcpt}{rcpt}{rcpt}{rcpt}"), &format!("{BEGUN}|550|550|421 4.7.0"));
    let scene = Scene::with_limits(|limits| limits.idle_commands_max = 3);
    check(&scene, "NOOP|RSET|HELP|VRFY x|NOOP|", "220|250|250|214|421 4.7.0");
    let message = "MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|.|";
    check(&scene, &format!("HELO c|NOOP|NOOP|{message}NOOP|"), "220|250|250|250|250|250|354|250|250");
}

/// Goes on for ever.
fn endless(gate: &Gate) -> Verdict {
    let Gate::InboundCommand { argument, .. } = gate else { return Verdict::Continue };
    let mut words = argument.split(' ');
    let count = words.next().and_then(|word| word.parse().ok());
    let state = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let input = count.map_or(Input::Line, Input::Octets);
    Verdict::More(Dialogue { reply: Reply::bare(350, "more"), input, state: Bytes::from(vec![b's'; state]) })
}

#[test]
fn dialogues() {
    let mut scene = Scene::with_verdict(endless);
    let limits = &mut scene.settings.limits;
    limits.dialogue_rounds_max = 3;
    limits.dialogue_input_bytes_max = 10;
    limits.dialogue_total_bytes_max = 15;
    limits.dialogue_state_bytes_max = 4;
    check(&scene, "XFOO|a|b|c|", "220|350|350|350|451 4.3.0");
    check(&scene, "XFOO 10|1234567890", "220|350|451 4.3.0");
    check(&scene, "XFOO 11|", "220|451 4.3.0");
    check(&scene, "XFOO 1 4|", "220|350");
    check(&scene, "XFOO 1 5|", "220|451 4.3.0");
    check(&scene, "XFOO|12345678|12345678|", "220|350|350|451 4.3.0");
    check(&scene, "XFOO|123456789|", "220|350|500 5.5.2");
}

#[test]
fn waits() {
    let mut session = session_of(&Interest::nothing());
    let mut input = vec!["x\r\n".to_owned(), format!("{BEGIN}DATA|").replace('|', "\r\n")];
    let mut waits = Vec::new();
    let rate = Pace::Rate { bytes_per_second_min: session.settings.limits.content_bytes_per_second_min };
    while waits.len() < 3 {
        match session.step() {
            Action::Read { wait_max, pace } => {
                waits.push((wait_max.as_secs(), pace));
                session.receive(input.pop().unwrap_or_default().as_bytes());
            }
            Action::Resolve(_) => session.judge_recipient(RecipientStanding::Accepted),
            Action::Admit { .. } => session.admit(Admission::Room),
            _ => {}
        }
    }
    assert_eq!(waits, [(300, Pace::Together), (120, rate), (180, rate)]);
}
