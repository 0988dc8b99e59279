//! The socket of a client, in clear or encrypted.
//!
//! Promises that a reply which was written has left us, as far as a socket can tell, and that a socket whose handshake failed
//! is never written to in clear.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What bytes go through.
pub(super) enum Wire {
    /// The socket itself.
    Clear(TcpStream),
    /// Behind a handshake. Boxed, so that a client in clear pays a word for it.
    Encrypted(Box<TlsStream<TcpStream>>),
    /// The handshake is under way, or failed: nothing can be said or heard.
    Gone,
}

impl Wire {
    /// Writes all of it; in clear the usual reply fits the socket's buffer and takes one system call. The caller bounds the
    /// wait.
    ///
    /// # Errors
    /// When the client is gone.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Clear(socket) => write_clear(socket, bytes).await,
            Self::Encrypted(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Says that nothing more follows, so that the client can tell the end from a cut (RFC 8446 §6.1). The caller bounds the
    /// wait.
    ///
    /// # Errors
    /// When the client is gone.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Encrypted(stream) => stream.shutdown().await,
            Self::Clear(_) | Self::Gone => Ok(()),
        }
    }

    /// Reads what is there.
    pub(super) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// The socket, for a handshake; [`Wire::Gone`] stays in its place.
    pub(super) fn take_clear(&mut self) -> Option<TcpStream> {
        match std::mem::replace(self, Self::Gone) {
            Self::Clear(socket) => Some(socket),
            other => {
                *self = other;
                None
            }
        }
    }
}

async fn write_clear(socket: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match socket.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
