//! Accepts clients and gives each a task of its own.
//!
//! A client past the connection limits is told 421 and let go. Out of descriptors, the listener waits until a session
//! closes: the sockets that are open keep working, and nothing spins.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smtp::replies;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Inbound;
use super::connection::{self, Arrival};
use super::tls::Tls;

/// Clients that may wait to be accepted. Linux cuts it to net.core.somaxconn (4096); PERFORMANCE wants at least 1024.
pub(crate) const BACKLOG: u32 = 4096;
/// How long to wait for a descriptor when no session closes: others of this process may give some back.
pub(crate) const DESCRIPTOR_WAIT: Duration = Duration::from_millis(500);

/// One place where clients connect.
pub(crate) struct Listener {
    /// Its name in the configuration.
    pub(crate) name: Arc<str>,
    /// Whose it is, if it is a tenant's.
    pub(crate) tenant: Option<Arc<str>>,
    /// What sessions that begin here are told.
    pub(crate) settings: Arc<smtp::Settings>,
    /// Absent where there is no certificate.
    pub(crate) tls: Option<Tls>,
    socket: TcpListener,
}

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the address can't be had.
    pub(crate) fn open(
        name: &str,
        address: SocketAddr,
        tenant: Option<Arc<str>>,
        (settings, tls): (Arc<smtp::Settings>, Option<Tls>),
    ) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { name: Arc::from(name), tenant, settings, tls, socket: socket.listen(BACKLOG)? })
    }

    /// Where it really listens, with the port that the system chose.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether clients begin with a handshake.
    pub(super) fn begins_encrypted(&self) -> bool {
        self.settings.encryption == smtp::Encryption::Implicit
    }

    /// Accepts until the server stops.
    pub(crate) async fn accept(self, inbound: Arc<Inbound>) {
        let listener = Arc::new(self);
        let mut short = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = inbound.shutdown.stopping.cancelled() => return,
                accepted = listener.socket.accept() => accepted,
            };
            match accepted {
                Ok((socket, remote)) => {
                    short = false;
                    admit(&listener, &inbound, socket, remote);
                }
                Err(error) if out_of_descriptors(&error) => {
                    if !short {
                        tracing::error!(listener = &*listener.name, %error, "no client can be accepted until a session closes");
                    }
                    short = true;
                    let _ = tokio::time::timeout(DESCRIPTOR_WAIT, inbound.connections.one_closed()).await;
                }
                // The client went away between the handshake and here.
                Err(error) => {
                    tracing::debug!(listener = &*listener.name, %error, "a client was gone before it was accepted");
                }
            }
        }
    }
}

fn admit(listener: &Arc<Listener>, inbound: &Arc<Inbound>, socket: TcpStream, remote: SocketAddr) {
    let Some(place) = inbound.connections.enter(remote.ip()) else {
        inbound.counters.connections_refused.count();
        tracing::info!(listener = &*listener.name, %remote, "refused: too many connections");
        turn_away(&socket);
        return;
    };
    inbound.counters.sessions.count();
    // Replies are gathered and written whole, so waiting for more to send only delays them.
    let _ = socket.set_nodelay(true);
    let arrival = Arrival { listener: Arc::clone(listener), socket, remote, place };
    inbound.shutdown.sessions.spawn(connection::serve(arrival, Arc::clone(inbound)));
}

/// The send buffer of a fresh socket takes one line without waiting; if not, the client sees the close alone.
fn turn_away(socket: &TcpStream) {
    let mut line = bytes::BytesMut::new();
    replies::CONNECTIONS_TOO_MANY.write_to(&mut line);
    let _ = socket.try_write(&line);
}

fn out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
