//! Every verdict of every gate, the wrong ones too.

use super::*;
use crate::reply::REPLY_LINE_BYTES_MAX;

macro_rules! at {
    ($gate:pat => $verdict:expr) => {
        Scene::with_verdict(|gate| match gate {
            $gate => $verdict,
            _ => Verdict::Continue,
        })
    };
}

#[test]
fn on_connect() {
    let both = "HELO c|QUIT|";
    check(
        &at!(Gate::Connect => Verdict::Greet("be welcome".to_owned())),
        both,
        "220 mx.example be welcome|250|221",
    );
    check(&at!(Gate::Connect => Verdict::Greet("a\r\nb".to_owned())), both, "220 mx.example ESMTP|250|221");
    let longest = |surplus: usize| "x".repeat(REPLY_LINE_BYTES_MAX - "220 mx.example \r\n".len() + surplus);
    let mut scene = Scene::with_verdict(|_| Verdict::Continue);
    scene.greeting = Some(longest(0));
    check(&scene, both, "220 mx.example xxx|250|221");
    scene.greeting = Some(longest(1));
    check(&scene, both, "220 mx.example ESMTP|250|221");
    check(&at!(Gate::Connect => refuse(Verdict::Defer, 450)), both, "421 4.2.0 No");
    check(&at!(Gate::Connect => refuse(Verdict::Defer, 550)), both, "421 4.7.0");
    check(
        &at!(Gate::Connect => refuse(Verdict::Reject, 550)),
        "NOOP|HELO|HELO c|QUIT|",
        "554 5.7.1 No|503|503|503 5.5.1|221",
    );
    check(&at!(Gate::Connect => refuse(Verdict::Reject, 521)), "QUIT|", "521 5.0.0 No|221");
    check(&at!(Gate::Connect => Verdict::Disconnect(None)), both, "421 4.7.0");
    check(
        &at!(Gate::Connect => Verdict::Disconnect(Reply::from_sink(550, None, &["x"]).ok())),
        both,
        "554 5.7.1 x",
    );
    check(&at!(Gate::Connect => Verdict::Claim), both, "220 mx.example ESMTP|250|221");
}

#[test]
fn on_helo() {
    let input = "EHLO c|MAIL FROM:<>|";
    check(&at!(Gate::Helo { .. } => refuse(Verdict::Defer, 550)), input, "220|451 4.7.1|503");
    check(&at!(Gate::Helo { .. } => refuse(Verdict::Reject, 450)), input, "220|550 5.7.1|503");
    check(&at!(Gate::Helo { .. } => refuse(Verdict::Reject, 504)), input, "220|504 5.5.4 No|503");
    check(&at!(Gate::Helo { .. } => Verdict::Disconnect(None)), input, "220|421 4.7.0");
    let offers = |offers: &mut Offers| {
        offers.hide("SIZE").unwrap();
        offers.hide("SMTPUTF8").unwrap();
        offers.hide("DSN").unwrap();
        offers.offer("XFOO", Some("1 2")).unwrap();
        offers.offer_parameter(ParameterVerb::Mail, "XBAR").unwrap();
    };
    let scene = Scene { offers, ..Scene::default() };
    let ehlo = "220|250-mx|250-PIPELINING|250-8BITMIME|250-ENHANCEDSTATUSCODES|250 XFOO 1 2";
    check(&scene, "EHLO c|MAIL FROM:<> SIZE=1|MAIL FROM:<> XBAR=1|", &format!("{ehlo}|555 5.5.4|250 2.1.0"));
}

#[test]
fn a_greeting_that_is_refused_leaves_what_was_offered() {
    let verdict = |gate: &Gate| match gate {
        Gate::Helo { name, .. } if name == "d" => refuse(Verdict::Reject, 550),
        _ => Verdict::Continue,
    };
    let scene = Scene { verdict, ..Scene::default() };
    let ehlo = "220|250-|250-|250-|250-|250-|250-|250 ";
    check(&scene, "EHLO c|HELO d|MAIL FROM:<> SIZE=1|", &format!("{ehlo}|550|250 2.1.0"));
}

#[test]
fn on_mail_from() {
    let input = "HELO c|MAIL FROM:<>|RCPT TO:<r@b.example>|";
    check(&at!(Gate::MailFrom => refuse(Verdict::Defer, 450)), input, "220|250|450 4.2.0 No|503");
    check(&at!(Gate::MailFrom => refuse(Verdict::Defer, 250)), input, "220|250|451 4.7.1|503");
    check(&at!(Gate::MailFrom => refuse(Verdict::Defer, 421)), input, "220|250|421 4.3.2 No");
    check(&at!(Gate::MailFrom => refuse(Verdict::Reject, 250)), input, "220|250|550 5.7.1|503");
    check(&at!(Gate::MailFrom => Verdict::Disconnect(None)), input, "220|250|421 4.7.0");
    check(&at!(Gate::MailFrom => Verdict::Discard(String::new())), input, "220|250|250|250");
}

#[test]
fn on_rcpt_to() {
    let rcpt = |scene: &Scene, path: &str, expected: &str| {
        let input = format!("HELO c|MAIL FROM:<>|RCPT TO:<{path}>|DATA|x|.|");
        check(scene, &input, &format!("220|250|250|{expected}"))
    };
    let claim = at!(Gate::RcptTo { .. } => Verdict::Claim);
    rcpt(&claim, "nobody@b.example", "250 2.1.5|354|250");
    rcpt(&claim, "r@x.example", "550 5.7.1|554 5.5.1|500|500");
    let refused = "554 5.5.1|500 5.5.1|500 5.5.1";
    rcpt(
        &at!(Gate::RcptTo { .. } => refuse(Verdict::Defer, 452)),
        "r@b.example",
        &format!("452 4.3.1 No|{refused}"),
    );
    rcpt(
        &at!(Gate::RcptTo { .. } => refuse(Verdict::Reject, 250)),
        "r@b.example",
        &format!("550 5.7.1|{refused}"),
    );
    rcpt(&at!(Gate::RcptTo { .. } => Verdict::Disconnect(None)), "r@b.example", "421 4.7.0");
    let discard = at!(Gate::RcptTo { .. } => Verdict::Discard("x".to_owned()));
    let seen = rcpt(&discard, "r@b.example", "250 2.1.5|354|250 2.0.0");
    assert!(seen.contents.is_empty() && seen.trace.contains(&"discarded".to_owned()));
}

#[test]
fn a_discarded_recipient_does_not_take_others_with_it() {
    let verdict = |gate: &Gate| match gate {
        Gate::RcptTo { recipient, .. } if recipient.local() == "gone" => Verdict::Discard(String::new()),
        _ => Verdict::Continue,
    };
    let input = "HELO c|MAIL FROM:<>|RCPT TO:<gone@b.example>|RCPT TO:<r@b.example>|DATA|x|.|";
    let seen = check(&Scene::with_verdict(verdict), input, "220|250|250|250|250|354|250");
    assert_eq!(seen.recipients, ["0 r@b.example r@b.example"]);
}

fn rewrite(addresses: &[&str]) -> Verdict {
    Verdict::Rewrite(addresses.iter().map(|address| Mailbox::parse(address).unwrap()).collect())
}

#[test]
fn a_rewrite_passes_the_same_checks() {
    let rcpt = |scene: &Scene, expected: &str| {
        let input = "HELO c|MAIL FROM:<>|RCPT TO:<r@b.example>|DATA|x|.|";
        check(scene, input, &format!("220|250|250|{expected}")).recipients
    };
    let all = at!(Gate::RcptTo { .. } => rewrite(&["all@b.example"]));
    assert_eq!(rcpt(&all, "250 2.1.5|354|250"), ["0 all@b.example r@b.example"]);
    let copy = at!(Gate::RcptTo { .. } => rewrite(&["r@b.example", "copy@b.example"]));
    assert_eq!(rcpt(&copy, "250|354|250"), ["0 r@b.example r@b.example", "1 copy@b.example r@b.example"]);
    let refused = "554 5.5.1|500|500";
    rcpt(&at!(Gate::RcptTo { .. } => rewrite(&["r@x.example"])), &format!("550 5.7.1 No relaying|{refused}"));
    rcpt(&at!(Gate::RcptTo { .. } => rewrite(&["nobody@b.example"])), &format!("550 5.1.1|{refused}"));
    rcpt(&at!(Gate::RcptTo { .. } => rewrite(&[])), "250 2.1.5|354|250");
    let endless = |gate: &Gate| match gate {
        Gate::RcptTo { recipient, .. } => rewrite(&[&format!("x{recipient}")]),
        _ => Verdict::Continue,
    };
    rcpt(&Scene::with_verdict(endless), &format!("550 5.4.6|{refused}"));
}

#[test]
fn on_data() {
    let input = format!("{BEGIN}DATA|RSET|");
    let data = |scene: &Scene, expected: &str| check(scene, &input, &format!("{BEGUN}|{expected}"));
    data(&at!(Gate::Data => refuse(Verdict::Defer, 450)), "450 4.2.0 No|250 2.0.0");
    data(&at!(Gate::Data => refuse(Verdict::Reject, 450)), "554 5.7.1|250 2.0.0");
    data(&at!(Gate::Data => Verdict::Disconnect(None)), "421 4.7.0");
    data(&at!(Gate::Data => Verdict::Claim), "354");
}

#[test]
fn on_end_of_data() {
    let dot = |scene: &Scene, expected: &str, outcome: &str, stored: usize| {
        let seen = check(scene, &format!("{BEGIN}DATA|x|.|NOOP|"), &format!("{BEGUN}|354|{expected}"));
        assert_eq!(seen.contents.len(), stored, "{expected}");
        assert!(seen.trace.contains(&outcome.to_owned()), "{:?}", seen.trace);
    };
    dot(&at!(Gate::EndOfData => Verdict::Continue), "250 2.0.0 Ok, 01J|250", "committed", 1);
    dot(
        &at!(Gate::EndOfData => Verdict::Quarantine(String::new())),
        "250 2.0.0 Ok, 01J|250",
        "quarantined",
        1,
    );
    dot(&at!(Gate::EndOfData => Verdict::Discard(String::new())), "250 2.0.0|250", "discarded", 0);
    dot(&at!(Gate::EndOfData => refuse(Verdict::Defer, 450)), "450 4.2.0 No|250", "deferred", 0);
    dot(&at!(Gate::EndOfData => refuse(Verdict::Reject, 450)), "554 5.7.1|250", "rejected", 0);
    dot(&at!(Gate::EndOfData => Verdict::Disconnect(None)), "421 4.7.0", "disconnected", 0);
    dot(&at!(Gate::EndOfData => Verdict::Greet(String::new())), "250|250", "committed", 1);
}

#[test]
fn on_inbound_command_refuses_any_verb_and_answers_only_its_own() {
    let mine = Scene::with_verdict(|gate| match gate {
        Gate::InboundCommand { .. } => Verdict::Answer(Reply::from_sink(250, None, &["mine"]).unwrap()),
        _ => Verdict::Continue,
    });
    let own = "250 2.0.0 mine";
    check(
        &mine,
        "XFOO|NOOP|HELP|VRFY x|EXPN x|HELO c|MAIL FROM:<>|AUTH X|QUIT|",
        &format!("220|{own}|{own}|{own}|{own}|{own}|250 mx|250 2.1.0|502|221 2.0.0 Bye"),
    );
    let defer = at!(Gate::InboundCommand { .. } => refuse(Verdict::Defer, 550));
    check(&defer, "HELO c|QUIT|", "220|451 4.7.1|451 4.7.1");
    let reject = at!(Gate::InboundCommand { .. } => refuse(Verdict::Reject, 550));
    check(&reject, "HELO c|", "220|550 5.7.1 No");
    check(&at!(Gate::InboundCommand { .. } => Verdict::Disconnect(None)), "HELO c|", "220|421 4.7.0");
}

/// Asks for a line, then for three octets, then answers with all of it.
fn dialogue(gate: &Gate) -> Verdict {
    let Gate::InboundCommand { verb, input, state, .. } = gate else { return Verdict::Continue };
    if verb != "XFOO" {
        return Verdict::Continue;
    }
    let more = |input, state: Vec<u8>| {
        let reply = Reply::bare(350, "more");
        Verdict::More(Dialogue { reply, input, state: Bytes::from(state) })
    };
    match state.len() {
        0 => more(Input::Line, b"1".to_vec()),
        1 => more(Input::Octets(3), [b"2:", &**input].concat()),
        _ => {
            let text = format!(
                "{} {}",
                String::from_utf8_lossy(state),
                String::from_utf8_lossy(input).escape_debug()
            );
            Verdict::Answer(Reply::from_sink(250, None, &[text]).unwrap())
        }
    }
}

#[test]
fn a_dialogue_reads_lines_and_octets() {
    let scene = Scene::with_verdict(dialogue);
    check(&scene, "XFOO bar|line|a|NOOP|", "220|350 more|350 more|250 2.0.0 2:line a\\r\\n|250 2.0.0 Ok");
    check(&scene, "XFOO bar|li\nne|NOOP|", "220|350|500 5.5.2|250 2.0.0 Ok");
    check(&scene, "XFOO bar|line|ab", "220|350|350");
}

#[test]
fn on_reply_changes_words_but_no_meaning() {
    let replace = |gate: &Gate| match gate {
        Gate::Reply { reply, .. } => {
            let code = reply.code() / 100 * 100 + 10;
            Verdict::Replace(Reply::from_sink(code, None, &["other"]).unwrap())
        }
        _ => Verdict::Continue,
    };
    let scene = Scene::with_verdict(replace);
    let input = "HELO c|MAIL FROM:<>|RCPT TO:<r@x.example>|RCPT TO:<r@b.example>|DATA|.|QUIT|";
    check(&scene, input, "220|210|210|510|210|354|210|210");
    check(&scene, "EHLO c|", "220|250-mx|250-|250-|250-|250-|250-|250 ");
    let worse = at!(Gate::Reply { .. } => Verdict::Replace(Reply::from_sink(550, None, &["x"]).unwrap()));
    check(&worse, "HELO c|", "220|250 mx");
    let closing = at!(Gate::Reply { .. } => Verdict::Replace(Reply::from_sink(421, None, &["x"]).unwrap()));
    check(&closing, "HELO c|MAIL FROM:<>|RCPT TO:<later@b.example>|", "220|250|250|451 4.3.0");
}

#[test]
fn parameters_of_sinks_reach_the_gate() {
    let verdict = |gate: &Gate| match gate {
        Gate::RcptTo { parameters, .. } => match parameters.first().and_then(Parameter::value) {
            Some("a+2B") => Verdict::Continue,
            _ => refuse(Verdict::Reject, 550),
        },
        _ => Verdict::Continue,
    };
    let offers = |offers: &mut Offers| {
        offers.offer_parameter(ParameterVerb::Rcpt, "XOWN").unwrap();
    };
    let scene = Scene { verdict, offers, ..Scene::default() };
    let ehlo = "220|250-|250-|250-|250-|250-|250-|250 |250";
    check(&scene, "EHLO c|MAIL FROM:<>|RCPT TO:<r@b.example> xown=a+2B|", &format!("{ehlo}|250 2.1.5"));
}

#[test]
fn the_loop_hears_when_a_verdict_was_not_followed() {
    let heeded = |verdict: Verdict| {
        let mut session = session_of(&Interest::default());
        assert_eq!(session.step(), Action::Ask(Gate::Connect));
        session.decide(Decision { verdict, by: By::Host })
    };
    assert_eq!(heeded(Verdict::Continue), Heeded::Taken);
    assert_eq!(heeded(refuse(Verdict::Reject, 450)), Heeded::Taken);
    assert!(matches!(heeded(Verdict::Claim), Heeded::Ignored(_)));
    assert!(matches!(heeded(Verdict::Greet("a\nb".to_owned())), Heeded::Ignored(_)));
    let unasked = session_of(&Interest::nothing()).decide(Decision::defer());
    assert_eq!(unasked, Heeded::Ignored("no gate was asked"));
}
