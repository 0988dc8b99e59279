//! AUTH: what is listed, in which order it may come, what each mechanism asks, and how often it may fail.

use super::*;
use crate::client::Mechanism;
use crate::facts::{Identity, Protocol};
use crate::sasl::{ScramKeys, ScramSalt};
use crate::session::{Authentication, ClearPasswords};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const LISTED: &str = "250-mx|250-PIPELINING|250-SIZE|250-8BITMIME|250-ENHANCEDSTATUSCODES|";
/// jo and pencil.
const PLAIN: &str = "AGpvAHBlbmNpbA==";

fn scene(in_clear: ClearPasswords) -> Scene {
    let mut scene = Scene { interest: Interest::nothing(), identity: jo, ..Scene::default() };
    scene.settings.authentication = Authentication::new(Mechanism::ALL.to_vec(), in_clear);
    scene
}

/// Whoever is called jo, with the password pencil.
fn jo(question: &AuthQuestion) -> AuthAnswer {
    let identity = |mechanism: &str| {
        AuthAnswer::Identity(Identity { name: "jo".to_owned(), mechanism: mechanism.to_owned() })
    };
    match question {
        AuthQuestion::Password { user, password, mechanism }
            if user == "jo" && **password.reveal() == *b"pencil" =>
        {
            identity(mechanism.word())
        }
        AuthQuestion::Keys { .. } => {
            let salt = ScramSalt { salt: b"salt".to_vec(), iterations: 4_096 };
            AuthAnswer::Keys { keys: ScramKeys::derive(b"pencil", &salt), salt, nonce: [7; 18] }
        }
        AuthQuestion::Proved { .. } => identity("SCRAM-SHA-256"),
        _ => AuthAnswer::Refuse { reply: None, by: By::Host },
    }
}

/// Behind an EHLO that lists AUTH, wherever the input is cut.
fn check_auth(input: &str, expected: &str) {
    let listed = format!("220|{LISTED}250-SMTPUTF8|250-DSN|250 AUTH SCRAM-SHA-256 PLAIN LOGIN|");
    check(&scene(ClearPasswords::Allowed), &format!("EHLO c|{input}|"), &format!("{listed}{expected}"));
}

#[test]
fn plain_and_login_ask_for_the_password() {
    check_auth(&format!("AUTH PLAIN {PLAIN}"), "235 2.7.0");
    check_auth(&format!("auth plain|{PLAIN}"), "334 |235 2.7.0");
    check_auth("AUTH LOGIN|am8=|cGVuY2ls", "334 VXNlcm5hbWU6|334 UGFzc3dvcmQ6|235 2.7.0");
    check_auth("AUTH LOGIN am8=|cGVuY2ls", "334 UGFzc3dvcmQ6|235 2.7.0");
    check_auth("AUTH PLAIN AGpvAGVyYXNlcg==|NOOP", "535 5.7.8|250 2.0.0");
    check_auth("AUTH LOGIN|am8=|ZXJhc2Vy|AUTH PLAIN AGpvAHBlbmNpbA==", "334|334|535 5.7.8|235 2.7.0");
}

#[test]
fn what_is_no_message_of_the_mechanism_ends_the_exchange() {
    check_auth("AUTH PLAIN =|NOOP", "501 5.5.2|250 2.0.0");
    check_auth("AUTH PLAIN %%%|NOOP", "501 5.5.2|250 2.0.0");
    check_auth("AUTH PLAIN|*|NOOP", "334|501 5.7.0|250 2.0.0");
    check_auth("AUTH LOGIN|am8=|*|NOOP", "334|334|501 5.7.0|250 2.0.0");
    check_auth("AUTH XOAUTH2 eA==|NOOP", "504 5.5.4|250 2.0.0");
    check_auth("AUTH SCRAM-SHA-256 biwsbj1qbw==", "501 5.5.2");
    // Nobody acts as another: ann as jo.
    check_auth("AUTH PLAIN YW5uAGpvAHBlbmNpbA==", "501 5.5.2");
}

#[test]
fn auth_has_an_order() {
    check_auth(&format!("AUTH PLAIN {PLAIN}|AUTH PLAIN {PLAIN}"), "235|503 5.5.1");
    check_auth(&format!("MAIL FROM:<>|AUTH PLAIN {PLAIN}"), "250|503 5.5.1");
    check_auth("MAIL FROM:<> AUTH=<>", "250 2.1.0");
    check(
        &scene(ClearPasswords::Allowed),
        "AUTH PLAIN x|HELO c|AUTH PLAIN x|",
        "220|503 5.5.1|250|502 5.5.1",
    );
    check(
        &Scene::default(),
        "EHLO c|AUTH PLAIN x|MAIL FROM:<> AUTH=<>|",
        &format!("220|{LISTED}250-SMTPUTF8|250 DSN|502 5.5.1|555"),
    );
}

#[test]
fn no_password_is_asked_for_in_clear() {
    let mut scene = scene(ClearPasswords::Refused);
    scene.settings.encryption = Encryption::Offered;
    check(
        &scene,
        &format!("EHLO c|AUTH PLAIN {PLAIN}|"),
        &format!("220|{LISTED}250-SMTPUTF8|250-DSN|250 STARTTLS|538 5.7.11"),
    );
    let input = format!("EHLO c|STARTTLS|EHLO c|AUTH PLAIN {PLAIN}|MAIL FROM:<>|").replace('|', "\r\n");
    let seen = run(&scene, input.split_inclusive('\n').map(str::as_bytes));
    let last: Vec<&str> = seen.replies.iter().rev().take(3).rev().map(|reply| &reply[..9]).collect();
    assert_eq!(last, ["250 AUTH ", "235 2.7.0", "250 2.1.0"]);
}

#[test]
fn what_somebody_proved_in_clear_is_forgotten_behind_a_handshake() {
    let mut scene = scene(ClearPasswords::Allowed);
    scene.settings.encryption = Encryption::Offered;
    scene.settings.protocol = Protocol::Submission;
    let input = format!("EHLO c|MAIL FROM:<>|AUTH PLAIN {PLAIN}|MAIL FROM:<>|STARTTLS|EHLO c|MAIL FROM:<>|");
    let input = input.replace('|', "\r\n");
    let seen = run(&scene, input.split_inclusive('\n').map(str::as_bytes));
    let codes: Vec<&str> =
        seen.replies.iter().filter(|reply| !reply.starts_with("250-")).map(|reply| &reply[..3]).collect();
    assert_eq!(codes, ["220", "250", "530", "235", "250", "220", "250", "530"]);
}

#[test]
fn guesses_are_counted_and_the_last_one_ends_the_session() {
    let wrong = "AUTH PLAIN AGpvAGVyYXNlcg==|";
    check_auth(&format!("{}NOOP", wrong.repeat(5)), "535|535|535|535|421 4.7.0");
    let interest = Interest::nothing().with_notice(NoticeKind::Violation);
    let scene = Scene { interest, ..scene(ClearPasswords::Allowed) };
    let seen = run(&scene, [&b"EHLO c\r\n"[..], b"AUTH PLAIN AGpvAGVyYXNlcg==\r\n"]);
    assert!(seen.trace.iter().any(|told| told == "authentication-failed"), "{:?}", seen.trace);
}

#[test]
fn sinks_see_the_mechanism_and_neither_challenge_nor_response() {
    let scene = Scene { interest: Interest::everything(), ..scene(ClearPasswords::Allowed) };
    let input = "EHLO c|AUTH PLAIN AGpvAGVyYXNlcg==|AUTH LOGIN|am8=|cGVuY2ls|".replace('|', "\r\n");
    let seen = run(&scene, input.split_inclusive('\n').map(str::as_bytes));
    let told = seen.trace.join("|");
    assert!(told.contains("|command AUTH [LOGIN] [] []|"), "{told}");
    assert!(told.contains("|command AUTH [PLAIN] [] []|"), "{told}");
    assert!(!told.contains("reply AUTH 334") && told.contains("reply AUTH 235"), "{told}");
    for secret in ["am8=", "cGVuY2ls", "pencil", "AGpv"] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
}

#[test]
fn scram_goes_both_ways_and_a_wrong_proof_does_not() {
    // What a client sends that knows the password, and one that has none.
    let first = STANDARD.encode("n,,n=jo,r=abc");
    let nonce = format!("abc{}", STANDARD.encode([7; 18]));
    let server_first = format!("r={nonce},s={},i=4096", STANDARD.encode("salt"));
    let without_proof = format!("c=biws,r={nonce}");
    let proof = |password: &[u8]| {
        let salt = ScramSalt { salt: b"salt".to_vec(), iterations: 4_096 };
        let signed = format!("n=jo,r=abc,{server_first},{without_proof}");
        let client = crate::sasl::tests::client_proof(password, &salt, signed.as_bytes());
        STANDARD.encode(format!("{without_proof},p={}", STANDARD.encode(client)))
    };
    let challenge = format!("334 {}", STANDARD.encode(&server_first));
    check_auth(
        &format!("AUTH SCRAM-SHA-256 {first}|{}|", proof(b"pencil")),
        &format!("{challenge}|334 dj|235 2.7.0"),
    );
    check_auth(
        &format!("AUTH SCRAM-SHA-256 {first}|{}|NOOP", proof(b"eraser")),
        &format!("{challenge}|535 5.7.8|250"),
    );
    check_auth(
        &format!("AUTH SCRAM-SHA-256 {first}|{}|*|NOOP", proof(b"pencil")),
        &format!("{challenge}|334 dj|501 5.7.0|250"),
    );
}
