//! Dialogues with a scripted peer, and the loop that plays them: test only.
//!
//! A script is items apart by `|`: `>` and a line that the client has to send, `!` and what happens (`end`, `timeout`, `tls`),
//! else what the peer says, with `^` for CRLF between its lines. Each is played whole and byte by byte.

use super::*;
use crate::address::{Domain, Mailbox};
use crate::envelope::{Envelope, Recipient, RecipientId};
use crate::gate::{By, Heeded, Refusal};
use crate::parameters::parse_all;
use crate::path::ReversePath;
use crate::reply::Reply;
use crate::{Verbs, replies};
use std::time::Duration;

mod against_session;
mod data;
mod gates;
mod liars;
mod open;

/// Who sends what, and who answers.
#[derive(Clone)]
struct Scene {
    settings: Settings,
    interest: Interest,
    login: Option<Credentials>,
    verdict: fn(&Gate) -> Verdict,
    edit: fn(&Gate, &mut Draft),
    messages: Vec<(Message, Vec<u8>)>,
    /// The 7-bit form, where there is one.
    encoded: Option<&'static [u8]>,
}

impl Default for Scene {
    fn default() -> Self {
        let domain = Domain::parse("c.example").unwrap();
        Self {
            settings: Settings::new(domain),
            interest: Interest::default(),
            login: None,
            verdict: |_| Verdict::Continue,
            edit: |_, _| (),
            messages: vec![message("a@c.example", "", &["r0@b.example"], b"Hi\r\n")],
            encoded: None,
        }
    }
}

impl Scene {
    fn of(messages: Vec<(Message, Vec<u8>)>) -> Self {
        Self { messages, ..Self::default() }
    }

    fn with(change: fn(&mut Settings)) -> Self {
        let mut scene = Self::default();
        change(&mut scene.settings);
        scene
    }

    fn asking(interest: Interest, verdict: fn(&Gate) -> Verdict) -> Self {
        Self { interest, verdict, ..Self::default() }
    }
}

/// Parameters of a recipient stand behind its address.
fn message(from: &str, parameters: &str, to: &[&str], content: &[u8]) -> (Message, Vec<u8>) {
    let recipient = |(index, text): (usize, &&str)| {
        let (address, parameters) = text.split_once(' ').unwrap_or((text, ""));
        let id = RecipientId(u32::try_from(index).unwrap());
        let parameters = parse_all(parameters).unwrap();
        let notify = crate::parameters::find(&parameters, "NOTIFY");
        let notify = notify.and_then(|it| crate::Notify::parse(it.value().unwrap())).unwrap_or_default();
        Recipient { parameters, notify, ..Recipient::new(id, Mailbox::parse(address).unwrap()) }
    };
    let envelope = Envelope {
        reverse_path: Mailbox::parse(from).map_or(ReversePath::Null, ReversePath::Mailbox),
        parameters: parse_all(parameters).unwrap(),
        recipients: to.iter().enumerate().map(recipient).collect(),
        ..Envelope::default()
    };
    let message = Message { envelope: Arc::new(envelope), content: ContentScan::of(content) };
    (message, content.to_vec())
}

fn three() -> Scene {
    Scene::of(vec![message("a@c.example", "", &["r0@b.example", "r1@b.example", "r2@b.example"], b"Hi\r\n")])
}

fn client_of(scene: &Scene) -> Client {
    let mut client = Client::new(Arc::new(scene.settings.clone()));
    if let Some(credentials) = &scene.login {
        client = client.with_login(Arc::new(credentials.clone()), Nonce([0; 18]));
    }
    client.set_interest(scene.interest.clone());
    client
}

/// What came of it: a word for each recipient of each message, then for the session.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    outcomes: Vec<String>,
    ending: String,
    gates: Vec<String>,
    ignored: usize,
}

/// Does what every action but the waits says; gives back those.
struct Loop<'a> {
    scene: &'a Scene,
    client: Client,
    now: Timestamp,
    seen: Seen,
    sent: usize,
    content: Vec<u8>,
}

impl<'a> Loop<'a> {
    fn new(scene: &'a Scene) -> Self {
        let (client, now) = (client_of(scene), Timestamp(1_000));
        Self { scene, client, now, seen: Seen::default(), sent: 0, content: Vec::new() }
    }

    fn run(&mut self) -> Action {
        loop {
            match self.client.step(self.now) {
                Action::Ask(gate) => {
                    self.seen.gates.push(name(&gate));
                    if let Some(draft) = self.client.draft_mut() {
                        (self.scene.edit)(&gate, draft);
                    }
                    let decision =
                        Decision { verdict: (self.scene.verdict)(&gate), by: By::Sink("s".into()) };
                    if self.client.decide(decision) != Heeded::Taken {
                        self.seen.ignored += 1;
                    }
                }
                Action::Ready => match self.scene.messages.get(self.sent) {
                    Some((message, content)) => {
                        self.content = content.clone();
                        self.sent += 1;
                        self.client.send(message.clone()).unwrap();
                    }
                    None => self.client.quit(),
                },
                Action::DownEncode => match self.scene.encoded {
                    Some(encoded) => {
                        self.content = encoded.to_vec();
                        self.client.content_encoded(ContentScan::of(encoded));
                    }
                    None => self.client.content_not_encodable(),
                },
                Action::SendContent { range, .. } => {
                    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
                    match self.content.get(range) {
                        Some(bytes) => self.client.content(bytes),
                        None => self.client.content_unavailable(),
                    }
                }
                Action::Outcome(outcome) => self.seen.outcomes.extend(outcome.recipients.iter().map(|one| {
                    let tag = one.tag.as_ref().map_or(String::new(), |tag| format!(" #{tag}"));
                    format!("{} {}{tag}", one.id.0, fate(&one.fate))
                })),
                wait => return wait,
            }
        }
    }

    fn finish(mut self) -> Seen {
        let ending = self.client.ending().unwrap();
        let cause = ending.cause.as_ref().map_or("quit".to_owned(), cause);
        let wait = ending.wait.map_or(String::new(), |wait| format!(" {}s", wait.as_secs()));
        self.seen.ending = match ending.next {
            Next::Close => format!("{cause}{wait}"),
            next => format!("{cause}{wait} {next:?}"),
        };
        self.seen
    }
}

fn name(gate: &Gate) -> String {
    match gate {
        Gate::SessionStart => "session-start".to_owned(),
        Gate::MessageStart => "message-start".to_owned(),
        Gate::PerRecipient(id) => format!("recipient {}", id.0),
        Gate::BeforeData { accepted, refused } => format!("before-data {accepted} {refused}"),
        Gate::ServerResponse { verb, reply, recipient } => {
            let of = recipient.map_or(String::new(), |id| format!(" of {}", id.0));
            format!("{verb} {}{of}", reply.code())
        }
        Gate::SessionEnd { totals, connection } => {
            format!("end {} {} {} {connection:?}", totals.delivered, totals.deferred, totals.failed)
        }
    }
}

fn fate(fate: &Fate) -> String {
    match fate {
        Fate::Delivered(reply) => format!("ok {}", reply.code()),
        Fate::Deferred { cause: why, wait } => {
            let wait = wait.map_or(String::new(), |wait| format!(" {}s", wait.as_secs()));
            format!("later {}{wait}", cause(why))
        }
        Fate::Failed(why) => format!("never {}", cause(why)),
        Fate::MaybeDelivered(why) => format!("maybe {}", cause(why)),
    }
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Reply { verb, reply } => format!("{verb} {}", reply.code()),
        Cause::Sink { by, .. } => by.word().to_owned(),
        Cause::Message(flaw) => format!("{flaw:?}"),
        Cause::Session(error) => match error {
            SessionError::TimedOut { verb } => format!("timeout {verb}"),
            SessionError::Reply { verb, flaw } => format!("{flaw:?} to {verb}"),
            SessionError::Unexpected { verb, reply } => format!("unexpected {} to {verb}", reply.code()),
            SessionError::Auth(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        },
    }
}

/// Plays a script; the peer's bytes come in pieces of that size.
fn play(scene: &Scene, script: &str, piece: usize) -> Seen {
    let mut one = Loop::new(scene);
    let mut items = script.split('|').peekable();
    let mut output = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    loop {
        let action = one.run();
        output.extend_from_slice(&one.client.take_output());
        while let Some(line) = items.peek().and_then(|item| item.strip_prefix('>')) {
            let expected = [line.replace('^', "\r\n").as_bytes(), b"\r\n"].concat();
            let so_far = String::from_utf8_lossy(&output).into_owned();
            if output.len() < expected.len() {
                break;
            }
            assert!(output.starts_with(&expected), "{script}\nsaid {so_far:?} instead of {line:?}");
            output.drain(..expected.len());
            items.next();
        }
        if action == Action::Close {
            assert!(output.is_empty(), "{script}\nsaid {:?} too", String::from_utf8_lossy(&output));
            assert_eq!(items.collect::<Vec<_>>(), Vec::<&str>::new(), "{script}");
            assert_eq!(one.client.step(one.now), Action::Close);
            return one.finish();
        }
        if pending.is_empty() {
            let item = items.next();
            match item.and_then(|item| item.strip_prefix('!')) {
                Some("end") => one.client.receive_end(),
                Some("timeout") => one.client.time_out(),
                Some("tls") => one.client.tls_established(tls()),
                _ => {
                    let item =
                        item.unwrap_or_else(|| panic!("{script}\nends, and the client wants {action:?}"));
                    assert!(!item.starts_with('>'), "{script}\nwants {item:?} of {output:?} {action:?}");
                    pending = [item.replace('^', "\r\n").as_bytes(), b"\r\n"].concat();
                }
            }
        }
        let length = pending.len().min(piece);
        let bytes: Vec<u8> = pending.drain(..length).collect();
        one.client.receive(&bytes);
    }
}

fn tls() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
        server_name: None,
        client_certificate: None,
        client_verified: false,
    }
}

/// `expected`: outcomes and ending, apart by `|`.
fn check(scene: &Scene, script: &str, expected: &str) -> Seen {
    let seen = play(scene, script, usize::MAX);
    let found = [seen.outcomes.as_slice(), std::slice::from_ref(&seen.ending)].concat().join("|");
    assert_eq!(found, expected, "{script}");
    for piece in [1, 2, 7] {
        assert_eq!(play(scene, script, piece), seen, "{script}\nin pieces of {piece}");
    }
    seen
}

fn check_gates(scene: &Scene, script: &str, expected: &str, gates: &str) {
    let seen = check(scene, script, expected);
    assert_eq!(seen.gates.join("|"), gates, "{script}");
}

fn fail(code: u16) -> Verdict {
    Verdict::Fail(Refusal { reply: Reply::from_sink(code, None, &["No"]).ok(), reason: "test".to_owned() })
}

fn judge(class: Class, next: AfterReply) -> Verdict {
    Verdict::Judge(Judgement { class, next, tag: Some("t".into()) })
}

/// Greeting and EHLO with PIPELINING, and without any extension.
const PIPELINED: &str = "220 mx|>EHLO c.example|250-mx^250 PIPELINING|";
const PLAIN: &str = "220 mx|>EHLO c.example|250 mx|";
const BYE: &str = "|>QUIT|221 bye";
