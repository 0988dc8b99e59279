//! The client against [`crate::Session`] in memory: what one believes, the other has done, wherever the bytes are cut.

use super::*;
use crate::gate as server;
use crate::session as server_side;
use crate::{Envelope, Facts, Session};
use proptest::prelude::*;

/// Both sides' choices and the cuts between them, the same for the same seed.
struct Chooser(u32);

impl Chooser {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 >> 8
    }

    fn is_one_in(&mut self, count: u32) -> bool {
        self.next().is_multiple_of(count)
    }
}

/// Recipients, and a content.
type Stored = (Vec<String>, Vec<u8>);

/// A server with its mailbox.
struct Server {
    session: Session,
    content: Vec<u8>,
    /// Recipients and content of what was answered 250.
    stored: Vec<Stored>,
    /// Extensions that it hides, and one in how many gates refuses.
    hidden: u32,
    refusals: u32,
}

const KEYWORDS: [&str; 5] = ["PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8"];

impl Server {
    fn new(hidden: u32, refusals: u32) -> Self {
        let settings = server_side::Settings::new(Domain::parse("mx.example").unwrap());
        let facts = Facts::new("01J".to_owned(), "mx".into(), "mx.example".into());
        let session = Session::new(Arc::new(settings), facts);
        Self { session, content: Vec::new(), stored: Vec::new(), hidden, refusals }
    }

    /// Until it waits or is over.
    fn run(&mut self, chooser: &mut Chooser) -> server_side::Action {
        loop {
            match self.session.step() {
                server_side::Action::Ask(gate) => {
                    if matches!(gate, server::Gate::Helo { .. }) {
                        let hidden =
                            KEYWORDS.iter().enumerate().filter(|(bit, _)| self.hidden >> bit & 1 == 1);
                        // Behind HELO there is nothing to hide.
                        for (_, keyword) in hidden {
                            let _ = self.session.offers().hide(keyword);
                        }
                    }
                    let verdict = self.verdict(&gate, chooser);
                    self.session.decide(server::Decision { verdict, by: By::Host });
                }
                server_side::Action::Resolve(_) => {
                    self.session.judge_recipient(server_side::RecipientStanding::Accepted);
                }
                server_side::Action::Admit { .. } => self.session.admit(server_side::Admission::Room),
                server_side::Action::BeginContent => self.content.clear(),
                server_side::Action::Content(bytes) => self.content.extend_from_slice(&bytes),
                server_side::Action::Complete => {
                    let refuses = self.refusals > 0 && chooser.is_one_in(self.refusals);
                    if refuses {
                        self.session.content_stored(replies::STORAGE_UNAVAILABLE);
                        continue;
                    }
                    let envelope: &Envelope = self.session.envelope();
                    let to = envelope.recipients.iter().map(|one| one.address.to_string()).collect();
                    self.stored.push((to, std::mem::take(&mut self.content)));
                    self.session.content_stored(replies::CONTENT_ACCEPTED);
                }
                server_side::Action::AbortContent | server_side::Action::Tell(_) => {}
                wait => return wait,
            }
        }
    }

    fn verdict(&self, gate: &server::Gate, chooser: &mut Chooser) -> server::Verdict {
        if self.refusals == 0 || matches!(gate, server::Gate::Connect) || !chooser.is_one_in(self.refusals) {
            return server::Verdict::Continue;
        }
        match chooser.next() % 5 {
            0 | 1 => server::Verdict::Defer(Refusal::default()),
            2 | 3 => server::Verdict::Reject(Refusal::default()),
            _ => server::Verdict::Disconnect(None),
        }
    }
}

/// Carries bytes between both, `cut` says how many at once.
fn converse(
    scene: &Scene,
    mut server: Server,
    chooser: &mut Chooser,
    mut cut: impl FnMut(&mut Chooser) -> usize,
) -> (Seen, Server) {
    let mut one = Loop::new(scene);
    let (mut up, mut down) = (Vec::new(), Vec::new());
    let mut is_closed = false;
    for _ in 0..1_000_000 {
        let action = one.run();
        up.extend_from_slice(&one.client.take_output());
        if action == Action::Close {
            return (one.finish(), server);
        }
        if down.is_empty() && !is_closed {
            let length = up.len().min(cut(chooser));
            let bytes: Vec<u8> = up.drain(..length).collect();
            server.session.receive(&bytes);
            is_closed = server.run(chooser) == server_side::Action::Close;
            down.extend_from_slice(&server.session.take_output());
        }
        let length = down.len().min(cut(chooser));
        let bytes: Vec<u8> = down.drain(..length).collect();
        one.client.receive(&bytes);
        if down.is_empty() && is_closed {
            one.client.receive_end();
        }
    }
    panic!("they never come to an end");
}

/// The content as it has to arrive: every line ended by CRLF, by the simplest reading.
fn mended(content: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(content.to_vec()).unwrap();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let ended = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
    ended.replace('\n', "\r\n").into_bytes()
}

fn messages() -> Vec<(Message, Vec<u8>)> {
    vec![
        message("a@c.example", "", &["r0@b.example", "r1@b.example"], b"Subject: 1\r\n\r\n.\r\n..\r\nHi\r\n"),
        message("", "", &["r2@b.example"], b"\n.\n\r.\r\r\n.\r\nQUIT"),
        message("\"a b\"@c.example", "", &["\"x>y\"@b.example"], b""),
    ]
}

#[test]
fn both_sides_agree_wherever_the_bytes_are_cut() {
    let scene = Scene::of(messages());
    let (whole, server) = converse(&scene, Server::new(0, 0), &mut Chooser(1), |_| usize::MAX);
    assert_eq!(whole.outcomes, ["0 ok 250", "1 ok 250", "0 ok 250", "0 ok 250"]);
    assert_eq!(whole.ending, "quit");
    let contents: Vec<_> = messages().iter().map(|(_, content)| mended(content)).collect();
    assert_eq!(server.stored.iter().map(|(_, content)| content.clone()).collect::<Vec<_>>(), contents);
    for cut in 1..200 {
        let (seen, again) = converse(&scene, Server::new(0, 0), &mut Chooser(1), |_| cut);
        assert_eq!(
            (seen, again.stored),
            (Seen { ..clone(&whole) }, server.stored.clone()),
            "in pieces of {cut}"
        );
    }
}

fn clone(seen: &Seen) -> Seen {
    Seen {
        outcomes: seen.outcomes.clone(),
        ending: seen.ending.clone(),
        gates: seen.gates.clone(),
        ignored: seen.ignored,
    }
}

fn contents() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("\r\n"),
            Just("\n"),
            Just("\r"),
            Just("."),
            Just("x"),
            Just("é"),
            Just("MAIL FROM:<>")
        ],
        0..30,
    )
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_the_client_calls_delivered_is_what_the_server_stored(
        seed in 1_u32..,
        hidden in 0_u32..32,
        refusals in 0_u32..8,
        to in proptest::collection::vec(0_usize..4, 1..4),
        texts in proptest::collection::vec(contents(), 1..4),
        asks in any::<bool>(),
    ) {
        let mut scene = Scene { encoded: Some(b"encoded\r\n"), ..Scene::default() };
        if asks {
            scene.interest = Interest::everything();
        }
        scene.messages = texts.iter().enumerate().map(|(number, text)| {
            let to: Vec<String> = to.iter().enumerate().map(|(index, name)| format!("m{number}-{index}-{name}@b.example")).collect();
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            message("a@c.example", "", &to, text.as_bytes())
        }).collect();
        let mut chooser = Chooser(seed | 1);
        let (seen, server) = converse(&scene, Server::new(hidden, refusals), &mut chooser, |chooser| {
            1 + usize::try_from(chooser.next() % 40).unwrap()
        });
        let mut believed = Vec::new();
        let addresses = scene.messages.iter().flat_map(|(message, content)| message.envelope.recipients.iter().map(move |one| (one.address.to_string(), content.clone())));
        prop_assert!(seen.outcomes.len() <= texts.len() * to.len() && seen.outcomes.len() % to.len() == 0);
        for (outcome, (address, content)) in seen.outcomes.iter().zip(addresses) {
            prop_assert!(!outcome.contains("maybe") || seen.ending != "quit", "{outcome} {}", seen.ending);
            if outcome.contains(" ok ") {
                believed.push((address, content));
            }
        }
        let stored = || server.stored.iter().flat_map(|(to, content)| to.iter().map(move |to| (to, content)));
        prop_assert_eq!(believed.len(), stored().count());
        for ((address, content), (to, stored)) in believed.iter().zip(stored()) {
            // Without 8BITMIME: hidden, or behind HELO, when EHLO was refused.
            let may_be_encoded = !content.is_ascii() && (hidden & 4 != 0 || refusals > 0);
            prop_assert_eq!(address, to);
            prop_assert!(*stored == mended(content) || (may_be_encoded && stored == b"encoded\r\n"), "{content:?} {stored:?}");
        }
    }
}
