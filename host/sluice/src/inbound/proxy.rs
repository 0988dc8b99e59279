//! What a proxy says of its client, read before anything else and from proxies alone that the operator named.
//!
//! Promises that a client is taken for who it is: its address counts for limits, relaying and sinks. A proxy that says nothing,
//! or nonsense, is let go without a word: whoever it speaks for expects another protocol's answer or none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use smtp::proxy::{Endpoints, Header, read};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

use super::Inbound;
use super::connection::Arrival;
use super::listener::turn_away;

/// Longest wait for the whole header. The protocol wants at least 3 seconds; a proxy sends it with its first packet.
const HEADER_WAIT_MAX: Duration = Duration::from_secs(10);

/// The client as a proxy tells of it, and both ends of the proxy; as it came where it came by itself.
pub(super) async fn identified(
    mut arrival: Arrival,
    inbound: &Inbound,
) -> Option<(Arrival, Option<(Endpoints, SocketAddr)>)> {
    let proxy = arrival.remote;
    if !arrival.listener.is_proxy(proxy.ip()) {
        return Some((arrival, None));
    }
    let told = tokio::select! {
        told = endpoints(&mut arrival.socket) => told,
        () = inbound.shutdown.stopping.cancelled() => return None,
    };
    let endpoints = match told {
        Ok(endpoints) => endpoints,
        Err(error) => {
            tracing::info!(listener = &*arrival.listener.name, %proxy, %error, "a proxy was let go");
            return None;
        }
    };
    arrival.remote = endpoints.map_or(proxy, |endpoints| endpoints.client);
    if !arrival.place.belongs_to(arrival.remote.ip()) {
        turn_away((&arrival.listener, inbound), &arrival.socket, arrival.remote);
        return None;
    }
    Some((arrival, endpoints.map(|endpoints| (endpoints, proxy))))
}

/// Reads the header and no byte behind it, which may be a handshake's.
///
/// # Errors
/// When it does not come, or is none; the text is for the log.
async fn endpoints(socket: &mut TcpStream) -> io::Result<Option<Endpoints>> {
    let header = async {
        let mut bytes = Vec::new();
        loop {
            match read(&bytes) {
                Header::Whole(endpoints) => return Ok(endpoints),
                Header::Malformed => return Err(io::Error::other("not a PROXY header")),
                Header::Unfinished(more) => {
                    let begin = bytes.len();
                    bytes.resize(begin + more, 0);
                    socket.read_exact(bytes.get_mut(begin..).unwrap_or_default()).await?;
                }
            }
        }
    };
    let waited = tokio::time::timeout(HEADER_WAIT_MAX, header).await;
    waited.unwrap_or_else(|_| Err(io::Error::other("the PROXY header did not come")))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::{HEADER_WAIT_MAX, endpoints};

    #[tokio::test(start_paused = true)]
    async fn a_header_that_does_not_come_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        proxy.write_all(b"PROXY TCP4 192.0").await.unwrap();
        let began = Instant::now();
        let error = endpoints(&mut socket).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), began.elapsed()),
            ("the PROXY header did not come", HEADER_WAIT_MAX)
        );
    }
}
