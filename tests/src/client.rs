//! A client that says exactly the bytes it is told to, and reads whole lines.
//!
//! It knows nothing of SMTP beyond how a reply's last line looks, so that nothing of ours can hide in it.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConnection, StreamOwned};

/// How long an answer may take: above the longest budget that a sink has, far below what a person would wait for.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// The longest line that the server may send us: RFC 5321 §4.5.3.1.5 has 512, and a sink's 400 stand below.
const LINE_BYTES_MAX: u64 = 512;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Wire>,
}

/// What bytes go through.
#[derive(Debug)]
enum Wire {
    Clear(TcpStream),
    Encrypted(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.read(buffer),
            Self::Encrypted(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Clear(stream) => stream.write(bytes),
            Self::Encrypted(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Clear(stream) => stream.flush(),
            Self::Encrypted(stream) => stream.flush(),
        }
    }
}

impl Client {
    /// Connects, and reads nothing yet.
    ///
    /// # Errors
    /// If the server does not listen.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(Wire::Clear(stream)) })
    }

    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// If there is none.
    pub fn greeted(address: SocketAddr) -> Result<Self> {
        let mut client = Self::connect(address)?;
        client.expect(220)?;
        Ok(client)
    }

    /// Makes a handshake, on an open socket or behind STARTTLS.
    ///
    /// # Errors
    /// If it fails, or something in clear is still to be read.
    pub fn encrypt(self, connection: ClientConnection) -> Result<Self> {
        ensure!(self.stream.buffer().is_empty(), "the server said more in clear");
        let Wire::Clear(socket) = self.stream.into_inner() else { bail!("encrypted already") };
        let mut stream = Box::new(StreamOwned::new(connection, socket));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("the handshake")?;
        }
        Ok(Self { stream: BufReader::new(Wire::Encrypted(stream)) })
    }

    /// The certificate that the server showed; none in clear.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        match self.stream.get_ref() {
            Wire::Clear(_) => None,
            Wire::Encrypted(stream) => Some(stream.conn.peer_certificates()?.first()?.clone().into_owned()),
        }
    }

    /// Sends these bytes and nothing else.
    ///
    /// # Errors
    /// If the server has closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.get_mut().write_all(bytes).context("sending")
    }

    /// Sends a line with its CRLF.
    ///
    /// # Errors
    /// If the server has closed.
    pub fn line(&mut self, line: &str) -> Result<()> {
        self.send(format!("{line}\r\n").as_bytes())
    }

    /// Sends a line and reads the whole reply.
    ///
    /// # Errors
    /// If no reply comes.
    pub fn command(&mut self, line: &str) -> Result<Vec<String>> {
        self.line(line)?;
        self.reply().with_context(|| format!("after {line}"))
    }

    /// Sends a line; the reply must have this code. Answers the reply's lines.
    ///
    /// # Errors
    /// If the reply has another code, or none comes.
    pub fn ask(&mut self, line: &str, code: u16) -> Result<Vec<String>> {
        self.line(line)?;
        self.expect(code).with_context(|| format!("after {line}"))
    }

    /// Reads a whole reply that must have this code.
    ///
    /// # Errors
    /// If it has another, or none comes.
    pub fn expect(&mut self, code: u16) -> Result<Vec<String>> {
        let reply = self.reply()?;
        let fits = reply.iter().all(|line| line.starts_with(&code.to_string()));
        ensure!(fits, "expected {code}, got {}", reply.join(" / "));
        Ok(reply)
    }

    /// Reads all lines of one reply.
    ///
    /// # Errors
    /// If a line has no code, or none comes.
    pub fn reply(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.next_line()?;
            let is_last = line.get(3..4).unwrap_or(" ") == " ";
            lines.push(line);
            if is_last {
                return Ok(lines);
            }
        }
    }

    /// Reads one line of the server, without its CRLF.
    ///
    /// # Errors
    /// If the server closes, takes too long, or ends the line with something else than CRLF.
    pub fn next_line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .context("waiting for a line")?;
        ensure!(!line.is_empty(), "the server closed");
        let Some(text) = line.strip_suffix(b"\r\n") else {
            bail!("a line without its CRLF: {:?}", String::from_utf8_lossy(&line));
        };
        String::from_utf8(text.to_vec()).context("a line that is not UTF-8")
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// If the socket is gone already.
    pub fn end(&mut self) -> Result<()> {
        let socket = match self.stream.get_mut() {
            Wire::Clear(socket) => socket,
            Wire::Encrypted(stream) => {
                stream.conn.send_close_notify();
                stream.flush()?;
                &mut stream.sock
            }
        };
        socket.shutdown(Shutdown::Write).context("closing our half")
    }

    /// Waits until the server closes; it must say nothing before.
    ///
    /// # Errors
    /// If it says something, or does not close.
    pub fn closed(&mut self) -> Result<()> {
        let mut rest = Vec::new();
        match self.stream.by_ref().take(4096).read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error).context("waiting for the server to close"),
        }
        ensure!(rest.is_empty(), "the server said more: {:?}", String::from_utf8_lossy(&rest));
        Ok(())
    }

    /// A whole transaction for one recipient; `content` has CRLF lines and needs no dot-stuffing. Answers the reply to the dot.
    ///
    /// # Errors
    /// If a command before the dot is refused.
    pub fn deliver(&mut self, from: &str, recipient: &str, content: &[u8]) -> Result<Vec<String>> {
        self.ask(&format!("MAIL FROM:<{from}>"), 250)?;
        self.ask(&format!("RCPT TO:<{recipient}>"), 250)?;
        self.ask("DATA", 354)?;
        self.send(content)?;
        self.command(".")
    }
}
