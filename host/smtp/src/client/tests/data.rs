//! Messages, extensions and what each reply makes of a recipient.

use super::*;

const MAIL: &str = ">MAIL FROM:<a@c.example>|";
const RCPT: &str = ">RCPT TO:<r0@b.example>|";
const THREE: &str = ">RCPT TO:<r0@b.example>|>RCPT TO:<r1@b.example>|>RCPT TO:<r2@b.example>|";

fn begin(extensions: &str) -> String {
    format!("220 mx|>EHLO c.example|250-mx^250 {extensions}|")
}

#[test]
fn commands_go_one_by_one_without_pipelining_and_as_a_group_with_it() {
    let single = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>Hi^.|250 ok{BYE}");
    check(&Scene::default(), &single, "0 ok 250|quit");
    let group =
        format!("{PIPELINED}{MAIL}{THREE}>DATA|250 ok|250 ok|550 no|451 wait|354 go|>Hi^.|250 ok{BYE}");
    check(&three(), &group, "0 ok 250|1 never RCPT 550|2 later RCPT 451|quit");
    let merged =
        group.replace("250 ok|250 ok|550 no|451 wait|354 go", "250 ok^250 ok^550 no^451 wait^354 go");
    check(&three(), &merged, "0 ok 250|1 never RCPT 550|2 later RCPT 451|quit");
    let mut narrow = three();
    narrow.settings.limits.pipelined_commands_max = 2;
    let script = format!(
        "{PIPELINED}{MAIL}{RCPT}250 ok|>RCPT TO:<r1@b.example>|250 ok|>RCPT TO:<r2@b.example>|250 ok|>DATA|250 ok|354 go|>Hi^.|250 ok{BYE}"
    );
    check(&narrow, &script, "0 ok 250|1 ok 250|2 ok 250|quit");
}

#[test]
fn a_refusal_at_each_step_is_the_fate_of_those_that_it_meets() {
    let scene = Scene::default();
    for (code, word) in [(450, "later"), (550, "never")] {
        check(&scene, &format!("{PLAIN}{MAIL}{code} no{BYE}"), &format!("0 {word} MAIL {code}|quit"));
        let rcpt = format!("{PLAIN}{MAIL}250 ok|{RCPT}{code} no|>RSET|250 ok{BYE}");
        check(&scene, &rcpt, &format!("0 {word} RCPT {code}|quit"));
        let data = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|{code} no|>RSET|250 ok{BYE}");
        check(&scene, &data, &format!("0 {word} DATA {code}|quit"));
        let dot = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>Hi^.|{code} no{BYE}");
        check(&scene, &dot, &format!("0 {word} . {code}|quit"));
    }
    check(&scene, &format!("{PLAIN}{MAIL}250 ok|{RCPT}552 full|>RSET|250 ok{BYE}"), "0 later RCPT 552|quit");
    check(
        &scene,
        &format!("{PLAIN}{MAIL}250 ok|{RCPT}550 no|>RSET|550 no{BYE}"),
        "0 never RCPT 550|RSET 550",
    );
}

#[test]
fn a_group_that_nobody_is_left_of_is_not_followed_by_content() {
    let refused = format!("{PIPELINED}{MAIL}{RCPT}>DATA|550 no|503 no|503 no{BYE}");
    check(&Scene::default(), &refused, "0 never MAIL 550|quit");
    let refused = format!("{PIPELINED}{MAIL}{RCPT}>DATA|250 ok|550 no|554 none|>RSET|250 ok{BYE}");
    check(&Scene::default(), &refused, "0 never RCPT 550|quit");
    let waiting = format!("{PIPELINED}{MAIL}{RCPT}>DATA|250 ok|550 no|354 go");
    check(&Scene::default(), &waiting, "0 never RCPT 550|Ended");
}

#[test]
fn several_messages_share_a_session() {
    let mut scene = three();
    scene.messages.push(message("", "", &["r0@b.example"], b".\r\nx"));
    let script = format!(
        "{PIPELINED}{MAIL}{THREE}>DATA|250 a^250 b^250 c^250 d^354 e|>Hi^.|250 f|\
         >MAIL FROM:<>|{RCPT}>DATA|250 a^250 b^354 c|>..^x^.|250 d{BYE}"
    );
    check(&scene, &script, "0 ok 250|1 ok 250|2 ok 250|0 ok 250|quit");
}

#[test]
fn a_message_larger_than_the_peer_takes_is_not_sent() {
    check(
        &Scene::default(),
        &format!("{}>QUIT|221 x", begin("SIZE 3")),
        "0 never TooLarge { limit: 3 }|quit",
    );
    let script = format!("{}>MAIL FROM:<a@c.example> SIZE=4|550 no{BYE}", begin("SIZE 4"));
    check(&Scene::default(), &script, "0 never MAIL 550|quit");
    // What goes over the wire counts: three bytes are four once the LF is mended.
    let scene = Scene::of(vec![message("a@c.example", "", &["r0@b.example"], b"Hi\n")]);
    check(&scene, &format!("{}>QUIT|221 x", begin("SIZE 3")), "0 never TooLarge { limit: 3 }|quit");
}

#[test]
fn eight_bit_content_goes_as_it_is_or_encoded_or_not_at_all() {
    let content = "S: 1\r\n\r\né\r\n".as_bytes();
    let mut scene = Scene::of(vec![message("a@c.example", "", &["r0@b.example"], content)]);
    let eight = format!(
        "{}>MAIL FROM:<a@c.example> BODY=8BITMIME|250 ok|{RCPT}250 ok|>DATA|354 go|>S: 1^^é^.|250 ok{BYE}",
        begin("8BITMIME")
    );
    check(&scene, &eight, "0 ok 250|quit");
    check(&scene, &format!("{PLAIN}>QUIT|221 x"), "0 never NeedsEightBitMime|quit");
    scene.encoded = Some(b"=C3=A9\r\n");
    let seven = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>=C3=A9^.|250 ok{BYE}");
    check(&scene, &seven, "0 ok 250|quit");
    scene.encoded = Some("é".as_bytes());
    check(&scene, &format!("{PLAIN}>QUIT|221 x"), "0 never NeedsEightBitMime|quit");
}

#[test]
fn smtputf8_is_asked_for_where_it_is_needed() {
    let mixed =
        Scene::of(vec![message("a@c.example", "SMTPUTF8", &["ö@b.example", "r1@b.example"], b"Hi\r\n")]);
    let without =
        format!("{PLAIN}{MAIL}250 ok|>RCPT TO:<r1@b.example>|250 ok|>DATA|354 go|>Hi^.|250 ok{BYE}");
    check(&mixed, &without, "0 never AddressNeedsSmtputf8|1 ok 250|quit");
    let with = format!("{}>MAIL FROM:<a@c.example> SMTPUTF8|550 no{BYE}", begin("SMTPUTF8"));
    check(&mixed, &with, "0 never MAIL 550|1 never MAIL 550|quit");
    let sender = Scene::of(vec![message("ö@c.example", "SMTPUTF8", &["r0@b.example"], b"Hi\r\n")]);
    check(&sender, &format!("{PLAIN}>QUIT|221 x"), "0 never AddressNeedsSmtputf8|quit");
    let header = message("a@c.example", "SMTPUTF8", &["r0@b.example"], "S: é\r\n".as_bytes());
    check(
        &Scene::of(vec![header]),
        &format!("{}>QUIT|221 x", begin("8BITMIME")),
        "0 never HeaderNeedsSmtputf8|quit",
    );
    // Nobody asked for it: not needed, not said.
    let script = format!("{}{MAIL}550 no{BYE}", begin("SMTPUTF8"));
    check(&Scene::default(), &script, "0 never MAIL 550|quit");
}

#[test]
fn parameters_are_passed_on_where_their_extension_is_offered() {
    let to = ["r0@b.example NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x XBAR=2"];
    let scene =
        Scene::of(vec![message("a@c.example", "RET=HDRS ENVID=q XFOO=1 SIZE=99 AUTH=<>", &to, b"Hi\r\n")]);
    let none = format!("{PLAIN}{MAIL}250 ok|{RCPT}550 no|>RSET|250 ok{BYE}");
    check(&scene, &none, "0 never RCPT 550|quit");
    let dsn = format!(
        "{}>MAIL FROM:<a@c.example> RET=HDRS ENVID=q|250 ok|>RCPT TO:<r0@b.example> ORCPT=rfc822;x NOTIFY=SUCCESS,DELAY|550 no|>RSET|250 ok{BYE}",
        begin("DSN")
    );
    check(&scene, &dsn, "0 never RCPT 550|quit");
    let own = format!(
        "{}>MAIL FROM:<a@c.example> XFOO=1|250 ok|>RCPT TO:<r0@b.example> XBAR=2|550 no|>RSET|250 ok{BYE}",
        begin("XFOO^250 XBAR").replace("250 XFOO", "250-XFOO")
    );
    check(&scene, &own, "0 never RCPT 550|quit");
}

#[test]
fn a_chunk_is_announced_to_the_byte_and_waits_for_its_recipients() {
    let scene = Scene::of(vec![message("a@c.example", "", &["r0@b.example"], b".\nx\r")]);
    let open = begin("PIPELINING^250 CHUNKING").replace("250 PIPE", "250-PIPE");
    let taken = format!("{open}{MAIL}{RCPT}250 ok|250 ok|>BDAT 6 LAST^.^x|250 ok{BYE}");
    check(&scene, &taken, "0 ok 250|quit");
    check(&scene, &format!("{open}{MAIL}{RCPT}250 ok|550 no|>RSET|250 ok{BYE}"), "0 never RCPT 550|quit");
    let lost = format!("{open}{MAIL}{RCPT}250 ok|250 ok|>BDAT 6 LAST^.^x|!end");
    check(&scene, &lost, "0 maybe Closed|Closed");
}

#[test]
fn lmtp_answers_for_each_recipient_that_it_took() {
    let mut scene = three();
    scene.settings.protocol = Protocol::Lmtp;
    let open = format!(
        "220 mx|>LHLO c.example|250-mx^250 PIPELINING|{MAIL}{THREE}>DATA|250 ok^250 ok^550 no^250 ok^354 go|>Hi^.|"
    );
    check(&scene, &format!("{open}250 ok|452 full{BYE}"), "0 ok 250|1 never RCPT 550|2 later . 452|quit");
    check(&scene, &format!("{open}250 ok^550 no{BYE}"), "0 ok 250|1 never RCPT 550|2 never . 550|quit");
    check(&scene, &format!("{open}250 ok|!end"), "0 ok 250|1 never RCPT 550|2 maybe Closed|Closed");
    check(&scene, &format!("{open}421 bye|!end"), "0 later . 421|1 never RCPT 550|2 maybe Closed|. 421");
    check(&scene, &format!("{open}421 bye|250 ok"), "0 later . 421|1 never RCPT 550|2 ok 250|. 421");
    check(&scene, "220 mx|>LHLO c.example|500 what?|>QUIT|221 x", "LHLO 500");
}

#[test]
fn bare_newlines_are_mended_or_refused() {
    let mut scene = Scene::of(vec![message("a@c.example", "", &["r0@b.example"], b"a\n.\r\nb\r.\rc")]);
    let script = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>a^..^b^..^c^.|250 ok{BYE}");
    check(&scene, &script, "0 ok 250|quit");
    scene.settings.bare_newlines = BareNewlines::Refuse;
    check(&scene, &format!("{PLAIN}>QUIT|221 x"), "0 never BareNewlines|quit");
}

#[test]
fn a_content_that_is_not_what_was_announced_is_never_ended() {
    let mut scene = Scene::default();
    scene.messages[0].0.content.bare_newlines = 1;
    let script = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>Hi");
    check(&scene, &script, "0 later Content|Content");
    let mut scene = Scene::default();
    scene.messages[0].1 = b"H".to_vec();
    let script = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go");
    check(&scene, &script, "0 later Content|Content");
    let mut scene = Scene::default();
    scene.messages[0].1 = b"\n\n\n\n".to_vec();
    check(&scene, &script, "0 later Content|Content");
}

#[test]
fn a_long_content_is_pulled_in_pieces() {
    let content = "0123456789abcde\r\n".repeat(10_000);
    let scene = Scene::of(vec![message("a@c.example", "", &["r0@b.example"], content.as_bytes())]);
    let text = content.replace("\r\n", "^");
    let script = format!("{PLAIN}{MAIL}250 ok|{RCPT}250 ok|>DATA|354 go|>{text}.|250 ok{BYE}");
    let seen = play(&scene, &script, usize::MAX);
    assert_eq!((seen.outcomes.join("|").as_str(), seen.ending.as_str()), ("0 ok 250", "quit"));
}
