//! Dialogues through a whole session, with a loop that answers as it is told: test only.
//!
//! Each is held whole, cut at every byte, and byte by byte; replies and contents have to be the same.

use super::{
    Action, Admission, AuthAnswer, BareNewlines, Encryption, Pace, RecipientStanding, Session, Settings,
};
use crate::address::{Domain, Mailbox};
use crate::facts::{Facts, TlsFacts};
use crate::gate::{By, Decision, Dialogue, Gate, Heeded, Input, Refusal, Verdict};
use crate::interest::{Interest, Verbs};
use crate::limits::Limits;
use crate::notice::{Notice, NoticeKind};
use crate::parameters::Parameter;
use crate::reply::{EnhancedStatus, Reply};
use crate::sasl::AuthQuestion;
use crate::{Offers, ParameterVerb, replies};
use bytes::Bytes;
use std::sync::Arc;

/// What is set and who answers.
#[derive(Clone)]
struct Scene {
    settings: Settings,
    interest: Interest,
    verdict: fn(&Gate) -> Verdict,
    notice: fn(&Notice) -> Verdict,
    offers: fn(&mut Offers),
    admission: Admission,
    greeting: Option<String>,
    stored: Reply,
    handshake: Result<(), &'static str>,
    identity: fn(&AuthQuestion) -> AuthAnswer,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            settings: Settings::new(Domain::parse("mx.example").unwrap()),
            interest: Interest::default(),
            verdict: |_| Verdict::Continue,
            notice: |_| Verdict::Continue,
            offers: |_| (),
            admission: Admission::Room,
            greeting: None,
            stored: Reply::new(250, EnhancedStatus::new(2, 0, 0), "Ok, 01J"),
            handshake: Ok(()),
            identity: |_| AuthAnswer::Defer { reply: None, by: By::Host },
        }
    }
}

impl Scene {
    fn with_limits(change: fn(&mut Limits)) -> Self {
        let mut scene = Self::default();
        change(&mut scene.settings.limits);
        scene
    }

    fn with_verdict(verdict: fn(&Gate) -> Verdict) -> Self {
        Self { interest: Interest::everything(), verdict, ..Self::default() }
    }
}

/// One at the defaults.
fn session_of(interest: &Interest) -> Session {
    let facts = Facts::new("01J".to_owned(), "mx".into(), "mx.example".into());
    let mut session = Session::new(Arc::new(Scene::default().settings), facts);
    session.set_interest(interest.clone());
    session
}

/// What was seen from outside.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    replies: Vec<String>,
    contents: Vec<String>,
    /// Gates, notices and other questions, in order, with the replies as they went out.
    trace: Vec<String>,
    recipients: Vec<String>,
}

fn run<'a>(scene: &Scene, chunks: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let facts = Facts::new("01J".to_owned(), "mx".into(), "mx.example".into());
    let mut session = Session::new(Arc::new(scene.settings.clone()), facts);
    session.set_interest(scene.interest.clone());
    let (mut seen, mut content, mut chunks) = (Seen::default(), String::new(), chunks.into_iter());
    loop {
        let action = session.step();
        seen.hear(&session.take_output());
        match action {
            Action::Read { .. } => match chunks.next() {
                Some(chunk) => session.receive(chunk),
                None => session.receive_end(),
            },
            Action::Ask(gate) => {
                seen.trace.push(name(&gate));
                if matches!(gate, Gate::Helo { .. }) {
                    (scene.offers)(session.offers());
                }
                let by = By::Sink("sink".into());
                let verdict = match (&gate, &scene.greeting) {
                    (Gate::Connect, Some(text)) => Verdict::Greet(text.clone()),
                    _ => (scene.verdict)(&gate),
                };
                session.decide(Decision { verdict, by });
            }
            Action::Tell(notice) => {
                seen.trace.push(told(&notice));
                session.decide(Decision { verdict: (scene.notice)(&notice), by: By::Host });
            }
            Action::Resolve(mailbox) => {
                seen.trace.push(format!("resolve {mailbox}"));
                session.judge_recipient(standing(&mailbox));
            }
            Action::Admit { .. } => session.admit(scene.admission),
            Action::Encrypt { .. } => {
                seen.trace.push("handshake".to_owned());
                match scene.handshake {
                    Ok(()) => session.encrypted(tls()),
                    Err(detail) => session.encryption_failed(detail),
                }
            }
            Action::Authenticate(question) => {
                seen.trace.push(format!("{question:?}"));
                session.answer_authentication((scene.identity)(&question));
            }
            Action::BeginContent => content.clear(),
            Action::Content(bytes) => content.push_str(std::str::from_utf8(&bytes).unwrap()),
            Action::Complete => {
                seen.contents.push(std::mem::take(&mut content));
                let recipients = &session.envelope().recipients;
                let line = |recipient: &crate::Recipient| {
                    format!("{} {} {}", recipient.id.0, recipient.address, recipient.original)
                };
                seen.recipients = recipients.iter().map(line).collect();
                session.content_stored(scene.stored.clone());
            }
            Action::AbortContent => seen.trace.push("abort".to_owned()),
            Action::Close => return seen,
        }
    }
}

impl Seen {
    fn hear(&mut self, output: &[u8]) {
        let text = std::str::from_utf8(output).unwrap();
        for line in text.split_terminator("\r\n") {
            self.trace.push(line.get(..9).unwrap_or(line).trim_end().to_owned());
            self.replies.push(line.to_owned());
        }
    }
}

fn tls() -> TlsFacts {
    TlsFacts {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS13_AES_128_GCM_SHA256".to_owned(),
        server_name: None,
        client_certificate: None,
        client_verified: false,
    }
}

fn standing(mailbox: &Mailbox) -> RecipientStanding {
    match (mailbox.local(), mailbox.domain().as_str()) {
        ("nobody", _) => RecipientStanding::UnknownMailbox,
        ("later", _) => RecipientStanding::Undecided,
        ("queued", _) => RecipientStanding::QueueFull,
        ("apart", _) => RecipientStanding::Apart,
        ("full", _) => RecipientStanding::TransactionFull(replies::RECIPIENTS_TOO_MANY),
        (_, "b.example" | "mx.example") => RecipientStanding::Accepted,
        _ => RecipientStanding::Foreign,
    }
}

fn name(gate: &Gate) -> String {
    match gate {
        Gate::Helo { name, .. } => format!("helo {name}"),
        Gate::RcptTo { recipient, .. } => format!("rcpt-to {recipient}"),
        Gate::InboundCommand { verb, argument, input, state } => {
            let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
            format!("command {verb} [{argument}] [{}] [{}]", text(input), text(state))
        }
        Gate::Reply { verb, reply } => format!("reply {verb} {}", reply.code()),
        other => format!("{:?}", other.kind()),
    }
}

fn told(notice: &Notice) -> String {
    match notice {
        Notice::Violation { kind, .. } => kind.word().to_owned(),
        Notice::Rejected { verb, by, reply } => format!("rejected {verb} {} {}", by.word(), reply.code()),
        Notice::TransactionEnd { outcome } => outcome.word().to_owned(),
        Notice::Disconnect { cause, totals } => {
            format!("{} {} {}", cause.word(), totals.messages, totals.refused)
        }
    }
}

/// `|` stands for CRLF; each reply has to begin as expected.
fn check(scene: &Scene, input: &str, expected: &str) -> Seen {
    let input = input.replace('|', "\r\n");
    let seen = run(scene, [input.as_bytes()]);
    let expected: Vec<&str> = expected.split('|').collect();
    let fits = seen.replies.iter().zip(&expected).all(|(reply, start)| reply.starts_with(start));
    assert!(fits && seen.replies.len() == expected.len(), "{input:?}\n{:#?}\n{expected:#?}", seen.replies);
    let outside = |seen: Seen| (seen.replies, seen.contents, seen.recipients);
    let whole = outside(run(scene, [input.as_bytes()]));
    for cut in 1..input.len() {
        let (first, second) = input.as_bytes().split_at(cut);
        assert_eq!(outside(run(scene, [first, second])), whole, "cut at {cut}");
    }
    assert_eq!(outside(run(scene, input.as_bytes().chunks(1))), whole, "byte by byte");
    seen
}

fn check_trace(scene: &Scene, input: &str, expected: &str) {
    let input = input.replace('|', "\r\n");
    let seen = run(scene, input.split_inclusive('\n').map(str::as_bytes));
    assert_eq!(seen.trace.join("|"), expected, "{input:?}");
}

fn refuse(verdict: fn(Refusal) -> Verdict, code: u16) -> Verdict {
    let reply = Reply::from_sink(code, None, &["No"]).ok();
    verdict(Refusal { reply, reason: "test".to_owned() })
}

const BEGIN: &str = "HELO c.example|MAIL FROM:<a@c.example>|RCPT TO:<r@b.example>|";
const BEGUN: &str = "220|250 mx|250 2.1.0|250 2.1.5";

mod authentication;
mod encryption;
mod limits;
mod order;
mod plain;
mod verdicts;
