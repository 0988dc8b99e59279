//! Sinks on the way out: what each gate may do, and that nobody interested costs nothing.

use super::*;
use bytes::Bytes;

const SENT: &str =
    ">MAIL FROM:<a@c.example>|250 ok|>RCPT TO:<r0@b.example>|250 ok|>DATA|354 go|>Hi^.|250 ok|>QUIT|221 x";
const MAIL: &str = ">MAIL FROM:<a@c.example>";
const RCPT: &str = ">RCPT TO:<r0@b.example>";

fn all() -> Interest {
    Interest::everything()
}

fn only(kind: GateKind) -> Interest {
    Interest::default().with_gate(kind)
}

fn replies_to(verb: &str) -> Interest {
    Interest::default().with_replies(Verbs::These(Arc::from(vec![verb.into()])))
}

#[test]
fn every_gate_is_asked_in_its_order_and_nothing_is_pipelined_then() {
    let scene = Scene::asking(all(), |_| Verdict::Continue);
    check_gates(
        &scene,
        &format!("{PIPELINED}{SENT}"),
        "0 ok 250|quit",
        "CONNECT 220|session-start|EHLO 250|message-start|MAIL 250|recipient 0|RCPT 250 of 0|before-data 1 0|DATA 354|. 250|\
         end 1 0 0 Standing|QUIT 221",
    );
}

#[test]
fn a_group_goes_as_far_as_nobody_has_a_say() {
    let group = format!("{PIPELINED}{MAIL}|{RCPT}|>DATA|250 a|250 b|354 go|>Hi^.|250 ok{BYE}");
    for kind in [GateKind::SessionStart, GateKind::MessageStart, GateKind::PerRecipient, GateKind::SessionEnd]
    {
        check(&Scene::asking(only(kind), |_| Verdict::Continue), &group, "0 ok 250|quit");
    }
    let counts = format!("{PIPELINED}{MAIL}|{RCPT}|250 a|250 b|>DATA|354 go|>Hi^.|250 ok{BYE}");
    check(&Scene::asking(only(GateKind::BeforeData), |_| Verdict::Continue), &counts, "0 ok 250|quit");
    check(&Scene::asking(replies_to("rcpt"), |_| Verdict::Continue), &counts, "0 ok 250|quit");
    let first = format!("{PIPELINED}{MAIL}|250 a|{RCPT}|>DATA|250 b|354 go|>Hi^.|250 ok{BYE}");
    check(&Scene::asking(replies_to("MAIL"), |_| Verdict::Continue), &first, "0 ok 250|quit");
    check(&Scene::asking(replies_to("."), |_| Verdict::Continue), &group, "0 ok 250|quit");
}

#[test]
fn the_session_start_names_us_or_skips_the_host() {
    let start = only(GateKind::SessionStart);
    let named = Scene::asking(start.clone(), |_| Verdict::GreetAs("other.example".to_owned()));
    check(&named, &format!("220 mx|>EHLO other.example|250 mx|{SENT}"), "0 ok 250|quit");
    let forged = Scene::asking(start.clone(), |_| Verdict::GreetAs("x\r\nRSET".to_owned()));
    assert_eq!(check(&forged, &format!("{PLAIN}{SENT}"), "0 ok 250|quit").ignored, 1);
    let skipped = Scene::asking(start.clone(), |_| Verdict::SkipHost);
    check(&skipped, "220 mx|>QUIT|221 x", "s SkipHost");
    let postponed = Scene::asking(start, |_| Verdict::Postpone(Some(Duration::from_secs(9))));
    check(&postponed, "220 mx|>QUIT|221 x", "s 9s");
}

#[test]
fn a_message_is_postponed_failed_or_dropped_before_its_first_byte() {
    let start = only(GateKind::MessageStart);
    let quit = format!("{PLAIN}>QUIT|221 x");
    let postpone = Scene::asking(start.clone(), |_| Verdict::Postpone(Some(Duration::from_secs(9))));
    check(&postpone, &quit, "0 later s 9s|quit");
    check(&Scene::asking(start.clone(), |_| fail(550)), &quit, "0 never s|quit");
    check(&Scene::asking(start.clone(), |_| Verdict::DropSession), &quit, "0 later s|s");
    let wrong = Scene::asking(start, |_| Verdict::SkipHost);
    assert_eq!(check(&wrong, &format!("{PLAIN}{SENT}"), "0 ok 250|quit").ignored, 1);
}

#[test]
fn a_recipient_is_postponed_or_failed_alone() {
    let scene = Scene {
        verdict: |gate| match gate {
            Gate::PerRecipient(RecipientId(0)) => fail(550),
            Gate::PerRecipient(RecipientId(1)) => Verdict::Postpone(None),
            _ => Verdict::Continue,
        },
        interest: only(GateKind::PerRecipient),
        ..three()
    };
    let script =
        format!("{PIPELINED}{MAIL}|>RCPT TO:<r2@b.example>|>DATA|250 a|250 b|354 go|>Hi^.|250 ok{BYE}");
    check(&scene, &script, "0 never s|1 later s|2 ok 250|quit");
    let none = Scene { messages: Scene::default().messages, ..scene };
    check(&none, &format!("{PLAIN}{MAIL}|250 a|>RSET|250 ok{BYE}"), "0 never s|quit");
}

#[test]
fn the_last_moment_to_cancel_counts_recipients() {
    let scene = Scene { interest: only(GateKind::BeforeData), verdict: |_| fail(554), ..three() };
    let group = format!(
        "{PIPELINED}{MAIL}|{RCPT}|>RCPT TO:<r1@b.example>|>RCPT TO:<r2@b.example>|250 a^250 b^550 no^250 d"
    );
    let expected = "0 never s|1 never RCPT 550|2 never s|quit";
    check_gates(&scene, &format!("{group}|>RSET|250 ok{BYE}"), expected, "before-data 2 1");
    let scene = Scene { verdict: |_| Verdict::DropSession, ..scene };
    check(&scene, &format!("{group}{BYE}"), "0 later s|1 never RCPT 550|2 later s|s");
}

#[test]
fn a_reply_is_reclassified_but_never_a_2xx_to_the_dot() {
    let transient = |_: &Gate| judge(Class::Transient, AfterReply::AsUsual);
    let permanent = |_: &Gate| judge(Class::Permanent, AfterReply::AsUsual);
    let mail = format!("{PLAIN}{MAIL}|550 no{BYE}");
    check(&Scene::asking(replies_to("MAIL"), transient), &mail, "0 later MAIL 550 #t|quit");
    let taken = format!("{PLAIN}{MAIL}|250 ok|>RSET|250 ok{BYE}");
    check(&Scene::asking(replies_to("MAIL"), permanent), &taken, "0 never MAIL 250 #t|quit");
    let sent = format!("{PLAIN}{SENT}");
    let seen = check(&Scene::asking(replies_to("."), permanent), &sent, "0 ok 250 #t|quit");
    assert_eq!(seen.ignored, 1);
    let refused = sent.replace("Hi^.|250 ok", "Hi^.|451 no");
    check(&Scene::asking(replies_to("."), permanent), &refused, "0 never . 451 #t|quit");
    let success = Scene::asking(replies_to("MAIL"), |_| judge(Class::Success, AfterReply::AsUsual));
    assert_eq!(check(&success, &mail, "0 never MAIL 550 #t|quit").ignored, 1);
    let data = format!("{PLAIN}{MAIL}|250 ok|{RCPT}|250 ok|>DATA|354 go");
    check(&Scene::asking(replies_to("DATA"), transient), &data, "0 later DATA 354 #t|Ended");
    check(
        &Scene::asking(replies_to("EHLO"), permanent),
        "220 mx|>EHLO c.example|250 mx|>QUIT|221 x",
        "EHLO 250",
    );
}

#[test]
fn a_recipient_that_the_peer_took_and_a_sink_did_not_is_taken_back() {
    let scene = Scene {
        interest: replies_to("RCPT"),
        verdict: |gate| match gate {
            Gate::ServerResponse { recipient: Some(RecipientId(1)), .. } => {
                judge(Class::Permanent, AfterReply::AsUsual)
            }
            _ => Verdict::Continue,
        },
        ..three()
    };
    let script = format!(
        "{PLAIN}{MAIL}|250 ok|{RCPT}|250 ok|>RCPT TO:<r1@b.example>|250 ok|>RCPT TO:<r2@b.example>|250 ok|>RSET|250 ok|\
         {MAIL}|250 ok|{RCPT}|250 ok|>RCPT TO:<r2@b.example>|250 ok|>DATA|354 go|>Hi^.|250 ok{BYE}"
    );
    check(&scene, &script, "0 ok 250|1 never RCPT 250 #t|2 ok 250|quit");
}

#[test]
fn a_sink_says_what_comes_behind_a_reply() {
    let script = format!("{PLAIN}{MAIL}|250 ok|{RCPT}|250 ok|>RCPT TO:<r1@b.example>|451 no");
    let behind = |next: fn(&Gate) -> Verdict, rest: &str, expected: &str| {
        let scene = Scene { interest: replies_to("RCPT"), verdict: next, ..three() };
        check(&scene, &format!("{script}{rest}"), expected);
    };
    fn at_second(gate: &Gate, next: AfterReply) -> Verdict {
        match gate {
            Gate::ServerResponse { recipient: Some(RecipientId(1)), .. } => judge(Class::AsSent, next),
            _ => Verdict::Continue,
        }
    }
    let waits = "0 later RCPT 451|1 later RCPT 451 #t|2 later RCPT 451|";
    behind(
        |gate| at_second(gate, AfterReply::NextRecipient),
        &format!("|>RCPT TO:<r2@b.example>|250 ok|>DATA|354 go|>Hi^.|250 ok{BYE}"),
        "0 ok 250|1 later RCPT 451 #t|2 ok 250|quit",
    );
    behind(
        |gate| at_second(gate, AfterReply::NextMessage),
        &format!("|>RSET|250 ok{BYE}"),
        &format!("{waits}quit"),
    );
    behind(|gate| at_second(gate, AfterReply::EndSession), BYE, &format!("{waits}RCPT 451"));
    behind(|gate| at_second(gate, AfterReply::SkipHost), BYE, &format!("{waits}RCPT 451 SkipHost"));
    behind(|gate| at_second(gate, AfterReply::SuspendQueue), BYE, &format!("{waits}RCPT 451 SuspendQueue"));
    let dot = Scene::asking(replies_to("."), |_| judge(Class::AsSent, AfterReply::SuspendQueue));
    check(&dot, &format!("{PLAIN}{SENT}"), "0 ok 250 #t|. 250 SuspendQueue");
    let ehlo = Scene::asking(replies_to("EHLO"), |_| judge(Class::AsSent, AfterReply::SkipHost));
    check(&ehlo, &format!("{PLAIN}>QUIT|221 x"), "EHLO 250 SkipHost");
}

#[test]
fn parameters_are_edited_before_their_command() {
    let scene = Scene {
        interest: only(GateKind::MessageStart).with_gate(GateKind::PerRecipient),
        edit: |gate, draft| match gate {
            Gate::MessageStart => {
                draft.remove_parameter("XFOO").unwrap();
                draft.set_parameter("XBAR", Some("1")).unwrap();
                assert!(draft.set_parameter("SIZE", Some("1")).is_err());
            }
            _ => draft.set_parameter("XBAZ", None).unwrap(),
        },
        ..Scene::of(vec![message("a@c.example", "XFOO=1", &["r0@b.example"], b"Hi\r\n")])
    };
    let script = format!(
        "220 mx|>EHLO c.example|250-mx^250 XFOO|{MAIL} XBAR=1|250 ok|{RCPT} XBAZ|550 no|>RSET|250 ok{BYE}"
    );
    check(&scene, &script, "0 never RCPT 550|quit");
}

/// Verbs at each gate that has them.
fn with_verbs(verdict: fn(&Gate) -> Verdict) -> Scene {
    let edit = |gate: &Gate, draft: &mut Draft| match gate {
        Gate::MessageStart => {
            draft.send_first("XONE", "a b", Some(Bytes::from_static(b"payload\r\n"))).unwrap();
            draft.send_first("XTWO", "", None).unwrap();
        }
        Gate::BeforeData { .. } => draft.send_first("XDATA", "", None).unwrap(),
        Gate::SessionEnd { .. } => {
            let _ = draft.send_first("XEND", "", None);
        }
        _ => assert!(draft.send_first("XNO", "\r\n", None).is_err()),
    };
    Scene { edit, ..Scene::asking(all(), verdict) }
}

#[test]
fn verbs_of_ones_own_go_first_and_fail_nothing() {
    let scene = with_verbs(|_| Verdict::Continue);
    let script = format!(
        "{PLAIN}>XONE a b|354 go|>payload|250 ok|>XTWO|500 what|{MAIL}|250 ok|{RCPT}|250 ok|>XDATA|450 no|>DATA|354 go|>Hi^.|250 ok|\
         >XEND|250 ok|>QUIT|221 x"
    );
    let seen = check(&scene, &script, "0 ok 250|quit");
    assert!(seen.gates.contains(&"XONE 354".to_owned()) && seen.gates.contains(&"XTWO 500".to_owned()));
    // The payload stays here when nobody asks for it.
    let script = script.replace("354 go|>payload|250 ok|>XTWO", "550 no|>XTWO");
    check(&scene, &script, "0 ok 250|quit");
}

#[test]
fn a_peer_that_waits_for_more_than_a_verb_has_is_left() {
    let scene = with_verbs(|_| Verdict::Continue);
    let script = format!("{PLAIN}>XONE a b|250 ok|>XTWO|354 more");
    check(&scene, &script, "0 later Unfinished { verb: \"XTWO\" }|Unfinished { verb: \"XTWO\" }");
    check(&scene, &format!("{PLAIN}>XONE a b|421 bye"), "0 later XONE 421|XONE 421");
    let scene = with_verbs(|gate| match gate {
        Gate::ServerResponse { verb, .. } if &**verb == "XONE" => {
            judge(Class::Success, AfterReply::NextMessage)
        }
        _ => Verdict::Continue,
    });
    let script = format!("{PLAIN}>XONE a b|250 ok|>XTWO|250 ok|>XEND|250 ok|>QUIT|221 x");
    check(&scene, &script, "0 later XONE 250 #t|quit");
}

#[test]
fn a_dialogue_goes_on_from_the_reply_and_ends_with_its_limit() {
    let edit = |gate: &Gate, draft: &mut Draft| match gate {
        Gate::MessageStart => draft.send_first("XSTEP", "1", None).unwrap(),
        Gate::ServerResponse { verb, reply, .. } if &**verb == "XSTEP" && reply.code() == 334 => {
            let _ = draft.send_first("XSTEP", "2", None);
        }
        _ => {}
    };
    let mut scene = Scene { edit, ..Scene::asking(all(), |_| Verdict::Continue) };
    let script = format!("{PLAIN}>XSTEP 1|334 more|>XSTEP 2|250 ok|{SENT}");
    check(&scene, &script, "0 ok 250|quit");
    scene.settings.limits.own_commands_max = 2;
    let script = format!("{PLAIN}>XSTEP 1|334 more|>XSTEP 2|334 more");
    check(&scene, &script, "0 later Unfinished { verb: \"XSTEP\" }|Unfinished { verb: \"XSTEP\" }");
}

#[test]
fn no_verb_goes_out_before_ehlo_or_in_clear_before_tls() {
    let edit = |gate: &Gate, draft: &mut Draft| match gate {
        Gate::ServerResponse { verb, .. } if &**verb == "CONNECT" => {
            assert_eq!(draft.send_first("XNO", "", None), Err(DraftError::NotPermitted));
        }
        Gate::ServerResponse { verb, .. } if &**verb == "EHLO" => draft.send_first("XYES", "", None).unwrap(),
        _ => {}
    };
    let scene = Scene { edit, ..Scene::asking(all(), |_| Verdict::Continue) };
    let script = format!(
        "220 mx|>EHLO c.example|250-mx^250 STARTTLS|>STARTTLS|220 go|!tls|>EHLO c.example|250 mx|>XYES|250 ok|>XYES|250 ok|{SENT}"
    );
    check(&scene, &script, "0 ok 250|quit");
}

#[test]
fn the_session_end_hears_what_became_of_it() {
    let scene = Scene { interest: only(GateKind::SessionEnd), ..three() };
    let group = format!(
        "{PIPELINED}{MAIL}|{RCPT}|>RCPT TO:<r1@b.example>|>RCPT TO:<r2@b.example>|>DATA|250 a^250 b^550 c^450 d^354 e|>Hi^."
    );
    let gates = |script: &str| play(&scene, script, usize::MAX).gates.join("|");
    assert_eq!(gates(&format!("{group}|250 ok{BYE}")), "end 1 1 1 Standing");
    assert_eq!(gates(&format!("{group}|!end")), "end 0 2 1 Lost");
    assert_eq!(gates("554 no|>QUIT|221 x"), "");
    assert_eq!(
        gates(&format!(
            "{PIPELINED}{MAIL}|{RCPT}|>RCPT TO:<r1@b.example>|>RCPT TO:<r2@b.example>|>DATA|421 bye"
        )),
        "end 0 3 0 Lost"
    );
}

#[test]
fn a_question_without_an_answer_is_not_now() {
    for (kind, expected) in [
        (GateKind::SessionStart, "host"),
        (GateKind::MessageStart, "0 later host|quit"),
        (GateKind::PerRecipient, "0 later host|quit"),
        (GateKind::BeforeData, "0 later host|quit"),
        (GateKind::SessionEnd, "0 ok 250|quit"),
    ] {
        let scene = Scene::asking(only(kind), |_| Verdict::Continue);
        let mut client = client_of(&scene);
        let (mut seen, mut has_sent) = (Vec::new(), false);
        loop {
            match client.step(Timestamp(0)) {
                Action::Ask(_) | Action::SendContent { .. } if kind != GateKind::SessionEnd => {}
                Action::Ask(_) => {}
                Action::SendContent { .. } => client.content(b"Hi\r\n"),
                Action::Ready if !std::mem::replace(&mut has_sent, true) => {
                    client.send(scene.messages[0].0.clone()).unwrap();
                }
                Action::Ready => client.quit(),
                Action::Outcome(outcome) => seen.push(format!("0 {}", fate(&outcome.recipients[0].fate))),
                Action::Read { .. } => {
                    let output = client.take_output();
                    let is_data = output.starts_with(b"DATA");
                    client.receive(match output.is_empty() {
                        true => b"220 mx\r\n",
                        false if is_data => b"354 go\r\n",
                        false => b"250 ok\r\n",
                    });
                }
                _ => break,
            }
        }
        seen.push(client.ending().unwrap().cause.as_ref().map_or("quit".to_owned(), cause));
        assert_eq!(seen.join("|"), expected, "{kind:?}");
    }
}
