//! The way to the first MAIL.

use super::*;

const SENT: &str =
    ">MAIL FROM:<a@c.example>|250 ok|>RCPT TO:<r0@b.example>|250 ok|>DATA|354 go|>Hi^.|250 ok|>QUIT|221 x";

fn play_sent(scene: &Scene, opening: &str) {
    check(scene, &format!("{opening}{SENT}"), "0 ok 250|quit");
}

#[test]
fn a_peer_that_does_not_know_ehlo_is_greeted_with_helo() {
    play_sent(&Scene::default(), "220 mx|>EHLO c.example|502 what?|>HELO c.example|250 mx|");
    check(&Scene::default(), "220 mx|>EHLO c.example|521 never|>QUIT|221 x", "EHLO 521");
    check(&Scene::default(), "220 mx|>EHLO c.example|450 later|>QUIT|221 x", "EHLO 450");
    check(
        &Scene::default(),
        "220 mx|>EHLO c.example|500 what?|>HELO c.example|550 no|>QUIT|221 x",
        "HELO 550",
    );
    check(&Scene::default(), "220 mx|>EHLO c.example|354 go", "unexpected 354 to EHLO");
}

#[test]
fn a_greeting_is_waited_for_and_believed() {
    play_sent(&Scene::default(), "220-mx^220 ESMTP|>EHLO c.example|250 mx|");
    check(&Scene::default(), "554 no|>QUIT|221 x", "CONNECT 554");
    check(&Scene::default(), "421 busy", "CONNECT 421");
    check(&Scene::default(), "354 go", "unexpected 354 to CONNECT");
    check(&Scene::default(), "SSH-2.0-x", "Malformed to CONNECT");
    check(&Scene::default(), "!end", "Closed");
    check(&Scene::default(), "!timeout", "timeout CONNECT");
}

#[test]
fn what_was_said_in_clear_is_forgotten_inside_tls() {
    let clear = "220 mx|>EHLO c.example|250-mx^250-STARTTLS^250-8BITMIME^250 SIZE 2|>STARTTLS|220 go|!tls|";
    play_sent(&Scene::default(), &format!("{clear}>EHLO c.example|250 mx|"));
    // STARTTLS inside of it is no reason for another.
    play_sent(&Scene::default(), &format!("{clear}>EHLO c.example|250-mx^250 STARTTLS|"));
}

#[test]
fn bytes_in_clear_behind_the_220_end_the_session() {
    let script = "220 mx|>EHLO c.example|250-mx^250 STARTTLS|>STARTTLS|220 go^250 smuggled";
    let seen = play(&Scene::default(), script, usize::MAX);
    assert_eq!((seen.ending.as_str(), seen.outcomes.len()), ("Unsolicited", 0));
    let scene = Scene::default();
    let mut one = Loop::new(&scene);
    for item in ["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"] {
        assert!(matches!(one.run(), Action::Read { .. }));
        one.client.receive(item.as_bytes());
    }
    assert!(matches!(one.run(), Action::StartTls { .. }));
    assert!(one.client.peer().greeting().is_none());
    one.client.receive(b"2");
    one.client.tls_established(tls());
    assert_eq!(one.run(), Action::Close);
    assert_eq!(one.finish().ending, "Unsolicited");
}

#[test]
fn tls_is_had_or_not_as_the_policy_says() {
    let required = Scene::with(|settings| settings.tls = TlsPolicy::Required);
    let never = Scene::with(|settings| settings.tls = TlsPolicy::Never);
    let offered = "220 mx|>EHLO c.example|250-mx^250 STARTTLS|";
    play_sent(&never, offered);
    play_sent(&Scene::default(), &format!("{offered}>STARTTLS|454 not now|"));
    check(&required, &format!("{offered}>STARTTLS|454 not now|>QUIT|221 x"), "STARTTLS 454");
    check(&required, &format!("{PLAIN}>QUIT|221 x"), "TlsNotOffered");
    check(&required, "220 mx|>EHLO c.example|500 x|>HELO c.example|250 mx|>QUIT|221 x", "TlsNotOffered");
    check(&Scene::default(), &format!("{offered}>STARTTLS|250 go"), "unexpected 250 to STARTTLS");
    check(&Scene::default(), &format!("{offered}>STARTTLS|220 go|!end"), "TlsFailed");
}

#[test]
fn a_password_goes_out_only_where_it_may() {
    let credentials = Credentials::new("user", "pencil").unwrap();
    let scene = Scene { login: Some(credentials), ..Scene::default() };
    let allowed = Scene {
        settings: Settings { clear_passwords: ClearPasswords::Allowed, ..scene.settings.clone() },
        ..scene.clone()
    };
    let plain = "220 mx|>EHLO c.example|250-mx^250 AUTH LOGIN PLAIN|";
    check(&scene, &format!("{plain}>QUIT|221 x"), "AuthNotOffered");
    check(&allowed, &format!("{PLAIN}>QUIT|221 x"), "AuthNotOffered");
    play_sent(&allowed, &format!("{plain}>AUTH PLAIN AHVzZXIAcGVuY2ls|235 ok|"));
    check(&allowed, &format!("{plain}>AUTH PLAIN AHVzZXIAcGVuY2ls|535 no|>QUIT|221 x"), "AUTH 535");
    let login = "220 mx|>EHLO c.example|250-mx^250 AUTH LOGIN|>AUTH LOGIN|334 VXNlcm5hbWU6|>dXNlcg==|";
    play_sent(&allowed, &format!("{login}334 UGFzc3dvcmQ6|>cGVuY2ls|235 ok|"));
    check(&allowed, &format!("{login}235 ok"), "Challenge");
    let tls = "220 mx|>EHLO c.example|250-mx^250 STARTTLS|>STARTTLS|220 go|!tls|>EHLO c.example|";
    play_sent(&scene, &format!("{tls}250-mx^250 AUTH PLAIN|>AUTH PLAIN AHVzZXIAcGVuY2ls|235 ok|"));
    let scram = "220 mx|>EHLO c.example|250-mx^250 AUTH PLAIN SCRAM-SHA-256|\
                 >AUTH SCRAM-SHA-256 biwsbj11c2VyLHI9QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB|";
    check(&scene, &format!("{scram}235 ok"), "NotProved");
    check(&scene, &format!("{scram}334 !"), "Challenge");
}

#[test]
fn every_wait_has_its_deadline_and_slow_bytes_win_no_time() {
    let scene = Scene::default();
    let mut one = Loop::new(&scene);
    let mut waits = Vec::new();
    let replies =
        ["220 mx\r\n", "250 mx\r\n", "250 a\r\n", "250 b\r\n", "354 c\r\n", "250 d\r\n", "221 e\r\n"];
    for reply in replies {
        for byte in reply.bytes() {
            let Action::Read { deadline } = one.run() else { panic!("{reply}") };
            one.now = one.now + Duration::from_secs(1);
            one.client.receive(&[byte]);
            waits.push(deadline);
        }
    }
    assert_eq!(one.run(), Action::Close);
    waits.dedup();
    let ends: Vec<u64> = waits.iter().map(|deadline| deadline.0 / 1_000).collect();
    // Greeting, EHLO, MAIL, RCPT, DATA, dot, QUIT; each began when the reply before it was whole.
    assert_eq!(ends, [301, 309, 317, 324, 151, 638, 55]);
}

#[test]
fn an_idle_session_hears_what_the_peer_says() {
    let scene = Scene::of(Vec::new());
    for (said, expected) in [("421 idle\r\n", " 421"), ("250 what\r\n", "Unsolicited"), ("4", "Unsolicited")]
    {
        let mut client = client_of(&scene);
        for item in ["220 mx\r\n", "250 mx\r\n"] {
            assert!(matches!(client.step(Timestamp(0)), Action::Read { .. }));
            client.receive(item.as_bytes());
        }
        assert_eq!(client.step(Timestamp(0)), Action::Ready);
        client.receive(said.as_bytes());
        assert_eq!(client.step(Timestamp(0)), Action::Close);
        assert_eq!(cause(client.ending().unwrap().cause.as_ref().unwrap()), expected);
        let message = Scene::default().messages.remove(0).0;
        assert!(client.send(message).is_err());
    }
}
