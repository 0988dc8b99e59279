//! Peers that lie, babble or vanish: nobody's outcome is better than what is known.

use super::*;

const STEPS: [(&str, &str); 5] = [
    (">EHLO c.example", "250 mx"),
    (">MAIL FROM:<a@c.example>", "250 ok"),
    (">RCPT TO:<r0@b.example>", "250 ok"),
    (">DATA", "354 go"),
    (">Hi^.", "250 ok"),
];

/// The dialogue up to the command of that step.
fn up_to(step: usize) -> String {
    let mut script = "220 mx".to_owned();
    for (index, (command, reply)) in STEPS.iter().enumerate().take(step + 1) {
        script.push_str(&format!("|{command}"));
        if index < step {
            script.push_str(&format!("|{reply}"));
        }
    }
    script
}

/// What becomes of the recipient when the session breaks at that step: none before there is a message.
fn word(step: usize) -> Option<&'static str> {
    match step {
        0 => None,
        4 => Some("maybe"),
        _ => Some("later"),
    }
}

fn broken(said: &str, cause_of: impl Fn(&str) -> String) {
    for (step, (command, _)) in STEPS.iter().enumerate() {
        let verb = match step {
            4 => ".",
            _ => command.trim_start_matches('>').split(' ').next().unwrap(),
        };
        let cause = cause_of(verb);
        let outcome = word(step).map_or(cause.clone(), |word| format!("0 {word} {cause}|{cause}"));
        check(&Scene::default(), &format!("{}|{said}", up_to(step)), &outcome);
    }
}

#[test]
fn a_peer_that_closes_or_stalls_at_each_step() {
    broken("!end", |_| "Closed".to_owned());
    broken("!timeout", |verb| format!("timeout {verb}"));
}

#[test]
fn a_peer_that_answers_no_reply_at_each_step() {
    broken("hello", |verb| format!("Malformed to {verb}"));
    broken("250-a^550 b", |verb| format!("CodesDiffer to {verb}"));
    broken("199 x", |verb| format!("Malformed to {verb}"));
    let endless = vec!["250-x"; 200].join("^");
    broken(&endless, |verb| format!("Endless to {verb}"));
    broken(&"2".repeat(3_000), |verb| format!("LineTooLong to {verb}"));
}

#[test]
fn a_peer_that_answers_with_a_code_of_another_command() {
    for (step, expected) in [
        (1, "0 later unexpected 354 to MAIL"),
        (2, "0 later unexpected 354 to RCPT"),
        (4, "0 maybe unexpected 354 to ."),
    ] {
        let cause = expected.split_once(' ').unwrap().1.split_once(' ').unwrap().1;
        check(&Scene::default(), &format!("{}|354 go", up_to(step)), &format!("{expected}|{cause}"));
    }
    let expected = "0 later unexpected 250 to DATA|unexpected 250 to DATA";
    check(&Scene::default(), &format!("{}|250 go", up_to(3)), expected);
}

#[test]
fn a_421_closes_wherever_it_comes() {
    for (step, (command, _)) in STEPS.iter().enumerate() {
        let verb = if step == 4 { "." } else { command.trim_start_matches('>').split(' ').next().unwrap() };
        let cause = format!("{verb} 421");
        let outcome = word(step).map_or(cause.clone(), |_| format!("0 later {cause}|{cause}"));
        check(&Scene::default(), &format!("{}|421 bye", up_to(step)), &outcome);
    }
    let group = ">MAIL FROM:<a@c.example>|>RCPT TO:<r0@b.example>|>RCPT TO:<r1@b.example>|>RCPT TO:<r2@b.example>|>DATA";
    check(
        &three(),
        &format!("{PIPELINED}{group}|250 ok^550 no^421 bye"),
        "0 never RCPT 550|1 later RCPT 421|2 later RCPT 421|RCPT 421",
    );
}

#[test]
fn one_answer_too_many_ends_the_session_and_is_no_answer() {
    let scene = Scene::default();
    let seen = |script: &str| {
        let seen = play(&scene, script, usize::MAX);
        [seen.outcomes.as_slice(), std::slice::from_ref(&seen.ending)].concat().join("|")
    };
    assert_eq!(seen("220 mx^250 mx"), "Unsolicited");
    assert_eq!(seen(&format!("{}|250 mx^250 ok", up_to(0))), "Unsolicited");
    assert_eq!(seen(&format!("{}|250 ok^250 ok", up_to(1))), "0 later Unsolicited|Unsolicited");
    assert_eq!(seen(&format!("{}|250 ok^354 go", up_to(2))), "0 later Unsolicited|Unsolicited");
    // The message is the peer's all the same: it said so in time.
    assert_eq!(seen(&format!("{}|250 ok^250 ok", up_to(4))), "0 ok 250|Unsolicited");
    let group =
        format!("{PIPELINED}>MAIL FROM:<a@c.example>|>RCPT TO:<r0@b.example>|>DATA|250 a^250 b^354 c^250 d");
    assert_eq!(seen(&group), "0 later Early|Early");
}

#[test]
fn an_answer_inside_the_content_is_a_refusal_or_a_lie() {
    let scene = Scene::default();
    for (said, expected) in [
        ("552 large\r\n", "0 never . 552|. 552"),
        ("451 later\r\n", "0 later . 451|. 451"),
        ("421 bye\r\n", "0 later . 421|. 421"),
        ("250 ok\r\n", "0 later Early|Early"),
        ("354 go\r\n", "0 later Early|Early"),
        ("what\r\n", "0 later Unsolicited|Unsolicited"),
    ] {
        let mut client = client_of(&scene);
        let mut outcomes = Vec::new();
        for item in ["220 mx\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n"] {
            while !matches!(client.step(Timestamp(0)), Action::Read { .. }) {
                client.send(scene.messages[0].0.clone()).unwrap();
            }
            client.receive(item.as_bytes());
        }
        assert!(matches!(client.step(Timestamp(0)), Action::SendContent { .. }));
        client.content(b"Hi\r\n");
        client.receive(said.as_bytes());
        while let Action::Outcome(outcome) = client.step(Timestamp(0)) {
            outcomes.push(format!("0 {}", fate(&outcome.recipients[0].fate)));
            assert_ne!(outcome.next, Next::Reuse);
        }
        assert!(!client.take_output().ends_with(b".\r\n"), "{said}");
        outcomes.push(cause(client.ending().unwrap().cause.as_ref().unwrap()));
        assert_eq!(outcomes.join("|"), expected, "{said}");
    }
}

#[test]
fn missing_answers_are_waited_for_and_then_missed() {
    let group = format!("{PIPELINED}>MAIL FROM:<a@c.example>|>RCPT TO:<r0@b.example>|>DATA|");
    check(&Scene::default(), &format!("{group}250 ok|!timeout"), "0 later timeout RCPT|timeout RCPT");
    check(&Scene::default(), &format!("{group}250 ok|250 ok|!timeout"), "0 later timeout DATA|timeout DATA");
    // One of them stands for two: the 354 answers RCPT, which it cannot.
    check(
        &Scene::default(),
        &format!("{group}250 ok|354 go"),
        "0 later unexpected 354 to RCPT|unexpected 354 to RCPT",
    );
}

#[test]
fn the_status_of_a_fate_has_the_class_of_its_end() {
    let reply =
        |code, status| Cause::Reply { verb: "RCPT".into(), reply: Reply::with_lines(code, status, ["x"]) };
    let status = |fate: &Fate| fate.status().to_string();
    assert_eq!(status(&Fate::Failed(reply(550, Some(crate::EnhancedStatus::new(5, 1, 1))))), "5.1.1");
    assert_eq!(status(&Fate::Deferred { cause: reply(550, None), wait: None }), "4.7.1");
    assert_eq!(status(&Fate::MaybeDelivered(Cause::Session(SessionError::Closed))), "4.4.2");
    assert_eq!(status(&Fate::Failed(Cause::Message(MessageFlaw::TooLarge { limit: 1 }))), "5.3.4");
    assert_eq!(status(&Fate::Delivered(replies::CONTENT_ACCEPTED)), "2.0.0");
}
