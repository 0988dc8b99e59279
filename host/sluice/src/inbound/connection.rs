//! One client: bytes from the socket into the pure session, and what the session wants done.
//!
//! The session decides, this loop does. Replies that gathered are one write. An idle session holds no buffer: bytes are
//! read through the stack, and the output's buffer goes when it was written. What happens rarely is boxed, so that the
//! task of a waiting client stays small. Nothing that must finish (the spool write) is raced against the client.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use smtp::{Action, Facts, Notice, Pace, Session, Timestamp};
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Inbound;
use super::accept;
use super::admission;
use super::connections::Place;
use super::content::Arriving;
use super::gates::Gates;
use super::listener::Listener;
use super::patience::Patience;
use super::proxy;
use super::wire::Wire;
use crate::clock;

/// Bytes that one read takes at most. They stand on the stack, so a waiting session has none of them.
const READ_BYTES: usize = 32 * 1024;
/// Bytes that are read before the banner: a few commands tell an early talker.
const EARLY_BYTES: usize = 1024;
/// Longest wait for a client to take the replies that gathered; as long as we wait for its commands (RFC 5321 §4.5.3.2.7).
const WRITE_WAIT_MAX: Duration = Duration::from_mins(5);

/// A client that was let in.
pub(super) struct Arrival {
    pub(super) listener: Arc<Listener>,
    pub(super) socket: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) place: Place,
}

struct Connection {
    /// Given back when the session is over; first, so that a client that sees the socket close finds it free.
    _place: Place,
    inbound: Arc<Inbound>,
    listener: Arc<Listener>,
    wire: Wire,
    session: Session,
    gates: Gates,
    content: Option<Box<Arriving>>,
    began: Timestamp,
    patience: Patience,
    stopping: Stopping,
}

/// Whether the session knows that the server stops.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopping {
    Untold,
    Told,
}

/// What ended a wait for the client.
enum Waited {
    /// So many bytes came.
    Read(io::Result<u64>),
    TimedOut,
    ServerStops,
    ServerEnds,
}

/// Serves one client until either side is done.
pub(super) async fn serve(arrival: Arrival, inbound: Arc<Inbound>) {
    let Some((arrival, proxied)) = Box::pin(proxy::identified(arrival, &inbound)).await else { return };
    let Arrival { listener, socket, remote, place } = arrival;
    let mut facts =
        Facts::new(clock::fresh_id().to_string(), Arc::clone(&listener.name), Arc::clone(&inbound.host_name));
    facts.protocol = listener.terms.settings.protocol;
    facts.local = proxied.map_or_else(|| socket.local_addr().ok(), |(endpoints, _)| Some(endpoints.server));
    facts.remote = Some(remote);
    facts.proxy = proxied.map(|(_, proxy)| proxy);
    facts.connections = place.of_address;
    tracing::debug!(session = facts.session_id, listener = &*listener.name, %remote, "session begins");
    let mut session = Session::new(Arc::clone(&listener.terms.settings), facts);
    let gates = Gates::begin(&inbound, listener.terms.tenant.clone());
    session.set_interest(gates.interest(&inbound));
    let mut connection = Connection {
        inbound,
        listener,
        wire: Wire::Clear(socket),
        session,
        gates,
        content: None,
        began: clock::now(),
        patience: Patience::default(),
        stopping: Stopping::Untold,
        _place: place,
    };
    if let Err(error) = connection.run().await {
        tracing::debug!(session = connection.session.facts().session_id, %error, "the connection broke");
    }
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        self.read_early();
        loop {
            match self.session.step() {
                Action::Read { wait_max, pace } => self.read(wait_max, pace).await?,
                Action::Ask(gate) => Box::pin(self.ask(gate)).await,
                Action::Tell(notice) => Box::pin(self.tell(notice)).await?,
                Action::Resolve(mailbox) => {
                    let standing = self.gates.standing(&self.inbound, &self.session, &mailbox);
                    self.session.judge_recipient(standing);
                }
                Action::Admit { announced } => self.admit(announced),
                Action::Encrypt { wait_max } => Box::pin(self.encrypt(wait_max)).await?,
                Action::Authenticate(question) => {
                    let answer =
                        Box::pin(self.gates.authenticate(&self.inbound, &mut self.session, question)).await;
                    self.session.answer_authentication(answer);
                }
                Action::BeginContent => {
                    self.flush().await?;
                    self.content = Some(Box::new(Arriving::new(&self.inbound)));
                }
                Action::Content(bytes) => {
                    if let Some(content) = &mut self.content {
                        content.append(bytes).await;
                    }
                }
                Action::Complete => Box::pin(self.complete()).await,
                Action::AbortContent => {
                    self.content = None;
                    self.gates.drop_content();
                }
                Action::Close => return self.close().await,
            }
        }
    }

    async fn read(&mut self, wait_max: Duration, pace: Pace) -> io::Result<()> {
        if let Err(error) = self.flush().await {
            self.session.fail();
            tracing::debug!(session = self.session.facts().session_id, %error, "a reply was not taken");
            return Ok(());
        }
        let wait = self.patience.wait(wait_max);
        let began = Instant::now();
        let waited = self.wait(wait).await;
        self.patience.spend(began.elapsed());
        match waited {
            Waited::Read(Ok(bytes)) => {
                self.patience.earn(bytes, (pace, wait_max));
                Ok(())
            }
            Waited::Read(Err(error)) => {
                tracing::debug!(session = self.session.facts().session_id, %error, "the client is gone");
                self.session.fail();
                Ok(())
            }
            Waited::TimedOut => {
                self.session.time_out();
                Ok(())
            }
            Waited::ServerStops => {
                self.stopping = Stopping::Told;
                self.session.shut_down();
                Ok(())
            }
            Waited::ServerEnds => Err(io::Error::other("the server's drain time is over")),
        }
    }

    async fn wait(&mut self, wait_max: Duration) -> Waited {
        let shutdown = &self.inbound.shutdown;
        // A client that never stops sending is always readable, so this is asked first.
        if shutdown.stopping.is_cancelled() {
            if shutdown.ending.is_cancelled() {
                return Waited::ServerEnds;
            }
            if self.stopping == Stopping::Untold {
                return Waited::ServerStops;
            }
        }
        tokio::select! {
            biased;
            read = tokio::time::timeout(wait_max, read_some(&mut self.wire, &mut self.session)) => {
                read.map_or(Waited::TimedOut, Waited::Read)
            }
            () = shutdown.stopping.cancelled(), if self.stopping == Stopping::Untold => Waited::ServerStops,
            () = shutdown.ending.cancelled() => Waited::ServerEnds,
        }
    }

    /// Writes what gathered in one go.
    async fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        self.patience.renew();
        tokio::select! {
            biased;
            written = tokio::time::timeout(WRITE_WAIT_MAX, self.wire.write(&output)) => written?,
            () = self.inbound.shutdown.ending.cancelled() => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The handshake, within its wait. What the client says in clear is read no more.
    async fn encrypt(&mut self, wait_max: Duration) -> io::Result<()> {
        self.flush().await?;
        let (Some(tls), Some(socket)) = (&self.listener.terms.tls, self.wire.take_clear()) else {
            self.session.encryption_failed("there is no certificate");
            return Ok(());
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(wait_max, tls.handshake(socket)) => shaken,
            () = self.inbound.shutdown.ending.cancelled() => return Err(io::ErrorKind::TimedOut.into()),
        };
        self.patience.renew();
        match shaken {
            Ok(Ok((stream, facts))) => {
                self.wire = Wire::Encrypted(stream);
                self.gates.forget_clear();
                self.session.encrypted(facts);
            }
            Ok(Err(error)) => self.session.encryption_failed(&error.to_string()),
            Err(_) => self.session.encryption_failed("the handshake took too long"),
        }
        Ok(())
    }

    /// Reads what came before the banner; encrypted clients begin with a handshake, which is not for us to read.
    fn read_early(&mut self) {
        if let (Wire::Clear(socket), false) = (&self.wire, self.listener.begins_encrypted()) {
            read_early(socket, &mut self.session);
        }
    }

    /// The sinks are asked on this task: no hop to another thread.
    async fn ask(&mut self, gate: smtp::Gate) {
        let decision = match self.content.take() {
            // The content is whole: it becomes the draft that sinks read and edit.
            Some(arriving) if matches!(gate, smtp::Gate::EndOfData) => {
                match arriving.finish(&self.inbound, self.session.facts().protocol).await {
                    Ok(arrived) => self.gates.end_of_data(&self.inbound, &mut self.session, arrived).await,
                    Err(reply) => refused(reply),
                }
            }
            content => {
                self.content = content;
                let is_before_banner = matches!(gate, smtp::Gate::Connect);
                let decision = self.gates.ask(&self.inbound, &mut self.session, gate).await;
                if is_before_banner {
                    self.read_early();
                }
                decision
            }
        };
        if let smtp::Heeded::Ignored(why) = self.session.decide(decision) {
            tracing::warn!(session = self.session.facts().session_id, why, "a verdict was not heeded");
        }
    }

    async fn tell(&mut self, mut notice: Notice) -> io::Result<()> {
        // A notice that a sink hears is told behind the reply that led to it: the client does not wait for the sink.
        let heard = self.gates.wants_notice(kind_of(&notice));
        let written = if heard { self.flush().await } else { Ok(()) };
        if let Notice::Violation { kind, detail } = &notice {
            let (session, remote) = (self.session.facts().session_id.as_str(), self.session.facts().remote);
            let remote = remote.map(tracing::field::display);
            tracing::info!(session, remote, violation = kind.word(), detail, "violation");
        }
        if let Notice::Rejected { verb, by, reply } = &notice {
            let (session, remote) = (self.session.facts().session_id.as_str(), self.session.facts().remote);
            let remote = remote.map(tracing::field::display);
            tracing::info!(session, remote, verb, by = by.word(), %reply, "refused");
        }
        if let Notice::Disconnect { totals, .. } = &mut notice {
            totals.lasted = clock::now().since(self.began).unwrap_or_default();
        }
        let decision = self.gates.tell(&self.inbound, &mut self.session, notice).await;
        let _ = self.session.decide(decision);
        if written.is_err() {
            self.session.fail();
        }
        Ok(())
    }

    fn admit(&mut self, announced: Option<u64>) {
        let session_id = self.session.facts().session_id.as_str();
        let admission = if self.gates.may_send_as(&self.inbound, &self.session) {
            admission::mail(&self.inbound, session_id, announced)
        } else {
            smtp::Admission::NotYours
        };
        self.session.admit(admission);
        // A transaction keeps the sinks that it began with.
        self.gates.begin_transaction(&self.inbound);
        self.session.set_interest(self.gates.interest(&self.inbound));
    }

    async fn complete(&mut self) {
        let content = self.content.take();
        let accept::Accepted { reply, apart } =
            self.gates.accept(&self.inbound, &self.session, content).await;
        self.session.refuse_apart(apart);
        self.session.content_stored(reply);
    }

    async fn close(&mut self) -> io::Result<()> {
        self.flush().await?;
        tokio::time::timeout(WRITE_WAIT_MAX, self.wire.close()).await?
    }
}

fn kind_of(notice: &Notice) -> sinks::EventKind {
    match notice {
        Notice::Violation { .. } => sinks::EventKind::Violation,
        Notice::Rejected { .. } => sinks::EventKind::Rejected,
        Notice::TransactionEnd { .. } => sinks::EventKind::TransactionEnd,
        Notice::Disconnect { .. } => sinks::EventKind::Disconnect,
    }
}

/// A refusal of the host's own, as the session takes it.
fn refused(reply: smtp::Reply) -> smtp::Decision {
    let is_permanent = reply.is_permanent();
    let refusal = smtp::Refusal { reply: Some(reply), reason: String::new() };
    let verdict = if is_permanent { smtp::Verdict::Reject(refusal) } else { smtp::Verdict::Defer(refusal) };
    smtp::Decision { verdict, by: smtp::By::Host }
}

/// Waits until there is something to read and reads it, up to one buffer; answers how much that was. The buffer stands on
/// the stack of one poll and is not filled beforehand. A buffer that was not filled up tells the runtime that nothing is left,
/// so the next wait costs no second system call.
async fn read_some(wire: &mut Wire, session: &mut Session) -> io::Result<u64> {
    poll_fn(|context| {
        let mut buffer = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut buffer);
        ready!(wire.poll_read(context, &mut read))?;
        match read.filled() {
            [] => session.receive_end(),
            bytes => session.receive(bytes),
        }
        Poll::Ready(Ok(u64::try_from(read.filled().len()).unwrap_or(u64::MAX)))
    })
    .await
}

/// Reads what came before the banner, without waiting: a client that waits for its turn has sent nothing (RFC 5321 §4.3.1).
/// Asks the system itself, since the runtime does not know yet whether a fresh socket is readable. An error or an end is
/// found again at the first ordinary read.
fn read_early(socket: &TcpStream, session: &mut Session) {
    let mut buffer = [0; EARLY_BYTES];
    if let Ok(count) = rustix::io::read(socket, &mut buffer) {
        session.receive(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    /// PERFORMANCE allows an idle session 8 KiB in all: the task, the session's state and what the system's socket adds.
    const TASK_BYTES_MAX: usize = 4 * 1024;

    fn future_bytes<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[tokio::test]
    async fn what_came_before_the_banner_is_read_without_waiting() {
        use tokio::io::AsyncWriteExt as _;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let host_name = smtp::Domain::parse("mx.example").unwrap();
        let facts = smtp::Facts::new("1".to_owned(), "smtp".into(), "mx.example".into());
        let mut session = smtp::Session::new(smtp::Settings::new(host_name).into(), facts);
        super::read_early(&socket, &mut session);
        assert_eq!(session.totals().received, 0);
        client.write_all(b"EHLO a.example\r\n").await.unwrap();
        socket.readable().await.unwrap();
        super::read_early(&socket, &mut session);
        assert_eq!(session.totals().received, 16);
    }

    #[test]
    fn the_task_of_a_waiting_client_is_small() {
        let bytes = future_bytes(super::serve);
        assert!(bytes <= TASK_BYTES_MAX, "{bytes}");
    }
}
