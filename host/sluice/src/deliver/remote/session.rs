//! One connection to another server: the loop around `smtp::client`, which decides everything.
//!
//! Promises that every wait has the deadline that the client gives, and that a server that stops cuts only sessions that have
//! sent nothing of a message yet: such an attempt was none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use smtp::client::{
    Action, Cause, Client, Credentials, Ending, Interest, Message, Next, Nonce, Outcome, Peer, SessionError,
    Settings,
};
use smtp::{Route, Timestamp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::body::{Body, Encoding};
use super::gates::Gates;
use super::resolve::Target;
use super::tls::{Tls, Trust};
use crate::clock;
use spool::Lease;

/// Bytes that one read takes; a reply rarely has more.
const READ_BYTES: usize = 2048;
/// Waits for the peer to take commands, where the client names no deadline of its own (RFC 5321 §4.5.3.2.2).
const WRITE_WAIT_MAX: Duration = Duration::from_secs(300);

/// A session that is open, between two messages.
pub(super) struct Session {
    link: Link,
    client: Client,
    /// The host at its other end.
    pub(super) target: Target,
    /// What it was opened for.
    pub(super) route: Route,
    /// Messages that went through it.
    pub(super) messages: u32,
    gates: Gates,
    /// A sink did not want the peer that the handshake showed.
    refused: Option<Ending>,
}

/// What a session needs beyond its socket.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) settings: Arc<Settings>,
    pub(super) login: Option<Arc<Credentials>>,
    pub(super) trust: Trust,
    /// How much TLS the route asks for; for the sinks.
    pub(super) policy: smtp::TlsPolicy,
    pub(super) tls: Arc<Tls>,
    /// Cancelled when the server stops.
    pub(super) stopping: CancellationToken,
}

/// The socket with what reads and writes it.
struct Link {
    stream: Stream,
    terms: Terms,
    exposure: Exposure,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Broken, or in the middle of a handshake that was not finished.
    Gone,
}

/// Whether the peer may have a message of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Exposure {
    None,
    Content,
}

/// How far the loop came.
enum Stop {
    Ready,
    Outcome(Outcome),
    Over,
}

/// Why a session did not open.
pub(super) enum Unopened {
    /// As the client tells.
    Ended(Ending),
    /// The server stops.
    Stopping,
}

/// What became of a message.
pub(super) enum Sent {
    /// For each recipient.
    Outcome(Outcome),
    /// The session was over before anything of it was sent.
    Nothing(Ending),
    /// The server stops, and nothing of its content was sent.
    Stopping,
}

impl Session {
    /// From the greeting to the moment where a message may go.
    ///
    /// # Errors
    /// Why there is no session.
    pub(super) async fn open(
        stream: TcpStream,
        target: Target,
        route: Route,
        (terms, gates, interest): (Terms, Gates, Interest),
    ) -> Result<Self, Unopened> {
        let mut client = Client::new(Arc::clone(&terms.settings));
        client.set_interest(interest);
        if let Some(credentials) = &terms.login {
            client = client.with_login(Arc::clone(credentials), nonce());
        }
        let link = Link { stream: Stream::Clear(stream), terms, exposure: Exposure::None };
        let mut session = Self { link, client, target, route, messages: 0, gates, refused: None };
        match session.run(None).await {
            Stop::Ready => Ok(session),
            Stop::Outcome(_) | Stop::Over if session.link.is_stopping() => Err(Unopened::Stopping),
            Stop::Outcome(_) | Stop::Over => Err(Unopened::Ended(session.ending())),
        }
    }

    /// What the other server offers.
    pub(super) fn peer(&self) -> &Peer {
        self.client.peer()
    }

    /// Sends a message of an entry. Behind it the session may [`Session::go_on`] to another.
    pub(super) async fn send(&mut self, (lease, message): (&Lease, Message), body: &mut Body) -> Sent {
        self.link.exposure = Exposure::None;
        match self.gates.take_up(lease).await {
            Ok(interest) => self.client.set_interest(interest),
            Err(error) => {
                tracing::error!(entry = %lease.id, %error, "a content can't be read for the sinks that ask");
                return Sent::Nothing(Ending {
                    cause: Some(Cause::Session(SessionError::Content)),
                    ..ended()
                });
            }
        }
        if self.client.send(message).is_err() {
            return Sent::Nothing(self.ending());
        }
        self.messages = self.messages.saturating_add(1);
        let stop = self.run(Some(body)).await;
        self.gates.put_down();
        let outcome = match stop {
            Stop::Outcome(outcome) => outcome,
            Stop::Ready | Stop::Over => return Sent::Nothing(self.ending()),
        };
        if self.link.is_stopping() && self.link.exposure == Exposure::None {
            return Sent::Stopping;
        }
        Sent::Outcome(outcome)
    }

    /// Goes on to where the next message may go; None where there will be no other.
    pub(super) async fn go_on(mut self) -> Option<Self> {
        self.link.exposure = Exposure::None;
        match self.run(None).await {
            Stop::Ready => Some(self),
            Stop::Outcome(_) | Stop::Over => None,
        }
    }

    /// Waits for another message; the session comes back with it unless the peer says or closes anything meanwhile.
    pub(super) async fn rest(
        mut self,
        wait: Duration,
        next: oneshot::Receiver<Lease>,
    ) -> (Option<Self>, Option<Lease>) {
        let stopping = self.link.terms.stopping.clone();
        let mut buffer = [0; READ_BYTES];
        tokio::select! {
            biased;
            lease = next => (Some(self), lease.ok()),
            _ = self.link.stream.read(&mut buffer) => (None, None),
            () = stopping.cancelled() => (Some(self), None),
            () = tokio::time::sleep(wait) => (Some(self), None),
        }
    }

    /// QUIT, politely.
    pub(super) async fn quit(mut self) {
        self.client.quit();
        self.run(None).await;
    }

    /// Why it ended; a session that can't say has broken.
    fn ending(&self) -> Ending {
        self.refused.clone().or_else(|| self.client.ending().cloned()).unwrap_or_else(ended)
    }

    async fn run(&mut self, mut body: Option<&mut Body>) -> Stop {
        loop {
            let action = self.client.step(clock::now());
            let output = self.client.take_output();
            if !output.is_empty() {
                self.link.write(&mut self.client, &output, deadline_of(&action)).await;
            }
            match action {
                Action::Ready => return Stop::Ready,
                Action::Outcome(outcome) => return Stop::Outcome(outcome),
                Action::Close => {
                    self.link.stream.close().await;
                    return Stop::Over;
                }
                Action::Read { deadline } => self.link.read(&mut self.client, deadline).await,
                Action::StartTls { deadline } => {
                    self.link.handshake(&mut self.client, &self.target, deadline).await;
                    self.judge_peer().await;
                }
                Action::Ask(gate) => Box::pin(self.gates.ask(&mut self.client, gate)).await,
                Action::DownEncode => encode(&mut self.client, body.as_deref_mut()).await,
                Action::SendContent { range, .. } => {
                    self.link.exposure = Exposure::Content;
                    self.link.read_early(&mut self.client);
                    match body.as_deref() {
                        Some(body) => match body.read(range).await {
                            Ok(bytes) => self.client.content(&bytes),
                            Err(error) => {
                                tracing::error!(%error, "a content can't be read while it is sent");
                                self.client.content_unavailable();
                            }
                        },
                        None => self.client.content_unavailable(),
                    }
                }
            }
        }
    }
}

impl Session {
    /// Asks about the peer's certificate; one that is not wanted hears nothing more of us.
    async fn judge_peer(&mut self) {
        let Some(facts) = self.client.tls().cloned().filter(|_| self.gates.wants_tls()) else { return };
        let asked = (self.link.terms.policy, self.link.stream.chain());
        if let Some(ending) = Box::pin(self.gates.judge_tls(&facts, asked)).await {
            self.refused = Some(ending);
            self.client.fail();
        }
    }
}

impl Link {
    async fn write(&mut self, client: &mut Client, output: &Bytes, deadline: Option<Timestamp>) {
        let wait = deadline.map_or(WRITE_WAIT_MAX, |deadline| clock::now().until(deadline));
        match tokio::time::timeout(wait, self.stream.write(output)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => client.fail(),
            Err(_) => client.time_out(),
        }
    }

    async fn read(&mut self, client: &mut Client, deadline: Timestamp) {
        let mut buffer = [0; READ_BYTES];
        let wait = clock::now().until(deadline);
        let may_be_cut = self.exposure == Exposure::None;
        let came = tokio::select! {
            biased;
            came = tokio::time::timeout(wait, self.stream.read(&mut buffer)) => came,
            () = self.terms.stopping.cancelled(), if may_be_cut => return client.fail(),
        };
        match came {
            Ok(Ok(0)) => client.receive_end(),
            Ok(Ok(length)) => client.receive(buffer.get(..length).unwrap_or_default()),
            Ok(Err(_)) => client.fail(),
            Err(_) => client.time_out(),
        }
    }

    /// A peer that refuses in the middle of the content may stop reading: its answer is looked for without waiting.
    fn read_early(&mut self, client: &mut Client) {
        let mut buffer = [0; READ_BYTES];
        match self.stream.read(&mut buffer).now_or_never() {
            None => {}
            Some(Ok(0)) => client.receive_end(),
            Some(Ok(length)) => client.receive(buffer.get(..length).unwrap_or_default()),
            Some(Err(_)) => client.fail(),
        }
    }

    async fn handshake(&mut self, client: &mut Client, target: &Target, deadline: Timestamp) {
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return client.tls_failed();
        };
        let shaking = self.terms.tls.handshake(stream, &target.name, self.terms.trust);
        match tokio::time::timeout(clock::now().until(deadline), shaking).await {
            Ok(Ok((stream, facts))) => {
                self.stream = Stream::Tls(Box::new(stream));
                client.tls_established(facts);
            }
            Ok(Err(error)) => {
                tracing::info!(host = %target.name, address = %target.address, %error, "TLS handshake failed");
                client.tls_failed();
            }
            Err(_) => client.tls_failed(),
        }
    }

    fn is_stopping(&self) -> bool {
        self.terms.stopping.is_cancelled()
    }
}

impl Stream {
    /// The certificates that the peer showed, its own first.
    fn chain(&self) -> Vec<Bytes> {
        let Self::Tls(stream) = self else { return Vec::new() };
        let (_, connection) = stream.get_ref();
        let certificates = connection.peer_certificates().unwrap_or_default();
        certificates.iter().map(|certificate| Bytes::copy_from_slice(certificate)).collect()
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer).await,
            Self::Tls(stream) => stream.read(buffer).await,
            Self::Gone => Ok(0),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// With close_notify where there is TLS, so far as it goes out without waiting.
    async fn close(&mut self) {
        if let Self::Tls(stream) = self {
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
        *self = Self::Gone;
    }
}

/// How a session ended that can't say it.
fn ended() -> Ending {
    Ending { cause: Some(Cause::Session(SessionError::Failed)), next: Next::Close, wait: None }
}

async fn encode(client: &mut Client, body: Option<&mut Body>) {
    let Some(body) = body else { return client.content_unavailable() };
    match body.encode().await {
        Ok(Encoding::Done(facts)) => client.content_encoded(facts),
        Ok(Encoding::Refused) => client.content_not_encodable(),
        Err(error) => {
            tracing::error!(%error, "a content can't be read to be encoded");
            client.content_unavailable();
        }
    }
}

fn deadline_of(action: &Action) -> Option<Timestamp> {
    match action {
        Action::Read { deadline } | Action::StartTls { deadline } | Action::SendContent { deadline, .. } => {
            Some(*deadline)
        }
        Action::Ask(_) | Action::Ready | Action::DownEncode | Action::Outcome(_) | Action::Close => None,
    }
}

/// Two ids have 160 random bits between them; 144 are taken.
fn nonce() -> Nonce {
    let [first, second] = [clock::fresh_id(), clock::fresh_id()].map(|id| id.random().to_be_bytes());
    let mut bytes = [0; 18];
    for (into, from) in bytes.iter_mut().zip(first.iter().rev().take(9).chain(second.iter().rev().take(9))) {
        *into = *from;
    }
    Nonce(bytes)
}
