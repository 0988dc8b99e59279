//! Accepts clients and gives each a task of its own.
//!
//! A client past the connection limits is told 421 and let go. Out of descriptors, the listener waits until a session
//! closes: the sockets that are open keep working, and nothing spins.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sinks::network::Network;
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
    /// What holds here.
    pub(crate) terms: Terms,
    socket: TcpListener,
}

/// What holds for the clients of a listener.
pub(crate) struct Terms {
    /// Whose it is, if it is a tenant's.
    pub(crate) tenant: Option<Arc<str>>,
    /// What sessions that begin here are told.
    pub(crate) settings: Arc<smtp::Settings>,
    /// Absent where there is no certificate.
    pub(crate) tls: Option<Tls>,
    /// Who tells whom they speak for.
    pub(crate) proxies: Vec<Network>,
}

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// When the address can't be had.
    pub(crate) fn open(name: &str, address: SocketAddr, terms: Terms) -> io::Result<Self> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self { name: Arc::from(name), terms, socket: socket.listen(BACKLOG)? })
    }

    /// Where it really listens, with the port that the system chose.
    ///
    /// # Errors
    /// When the system does not say.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Whether this is a proxy, which tells whom it speaks for.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        self.terms.proxies.iter().any(|network| network.contains(address))
    }

    /// Whether clients begin with a handshake.
    pub(super) fn begins_encrypted(&self) -> bool {
        self.terms.settings.encryption == smtp::Encryption::Implicit
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
    let place = if listener.is_proxy(remote.ip()) {
        inbound.connections.enter_unknown()
    } else {
        inbound.connections.enter(remote.ip())
    };
    let Some(place) = place else { return turn_away((listener, inbound), &socket, remote) };
    inbound.counters.sessions.count();
    // Replies are gathered and written whole, so waiting for more to send only delays them.
    let _ = socket.set_nodelay(true);
    let arrival = Arrival { listener: Arc::clone(listener), socket, remote, place };
    inbound.shutdown.sessions.spawn(connection::serve(arrival, Arc::clone(inbound)));
}

/// The send buffer of a fresh socket takes one line without waiting; if not, the client sees the close alone.
pub(super) fn turn_away((listener, inbound): (&Listener, &Inbound), socket: &TcpStream, remote: SocketAddr) {
    inbound.counters.connections_refused.count();
    tracing::info!(listener = &*listener.name, %remote, "refused: too many connections");
    if listener.begins_encrypted() {
        return;
    }
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
