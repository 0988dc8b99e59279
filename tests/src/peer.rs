//! A next hop that answers as it is told, and remembers what it was given.
//!
//! It knows no more of SMTP than the order of replies, so that nothing of ours can hide in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificate::Certificate;

/// How long a peer waits for the next line; then the test has failed by other means.
const LINE_WAIT_MAX: Duration = Duration::from_secs(60);

/// What a peer says at a step.
#[derive(Clone, Debug)]
pub enum Answer {
    /// These lines.
    Say(String),
    /// Nothing: it closes.
    Close,
    /// Nothing, and it stays.
    Hang,
    /// Lines of a reply that never ends.
    Endless,
}

/// The answers of a peer by step: `CONNECT`, a verb, `HANDSHAKE` behind STARTTLS, `RCPT` with an address behind it, or `.`; others are positive.
#[derive(Clone, Debug, Default)]
pub struct Script(BTreeMap<String, Answer>);

/// A message as a peer got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What stood behind `MAIL FROM:`.
    pub mail: String,
    /// What stood behind each `RCPT TO:` that was accepted.
    pub recipients: Vec<String>,
    /// Without the stuffed dots and the final one.
    pub content: Vec<u8>,
}

/// Who hears each command line that peers get, as it comes; a connection comes as the peer's name in angle brackets.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The peer's name.
    pub name: String,
    /// Where lines go.
    pub lines: Sender<String>,
}

/// What a peer knows of all its sessions, and who else hears of it.
#[derive(Clone, Debug)]
struct Ears {
    seen: Arc<Mutex<Seen>>,
    by: Option<Listener>,
}

impl Ears {
    fn hear(&self, line: &str) {
        if let Some(by) = &self.by {
            // Nobody may listen any more.
            let _ = by.lines.send(line.to_owned());
        }
    }
}

/// A socket, encrypted or not.
trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A server in a thread of its own, until the process ends.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: usize,
    encrypted: usize,
    messages: Vec<Received>,
}

impl Script {
    /// The same, and this at that step.
    #[must_use]
    pub fn at(mut self, step: &str, answer: Answer) -> Self {
        self.0.insert(step.to_owned(), answer);
        self
    }

    /// The same, with this reply at that step.
    #[must_use]
    pub fn saying(self, step: &str, reply: &str) -> Self {
        self.at(step, Answer::Say(format!("{reply}\r\n")))
    }

    fn answer(&self, step: &str, usual: &str) -> Answer {
        self.0.get(step).cloned().unwrap_or_else(|| Answer::Say(format!("{usual}\r\n")))
    }
}

impl Peer {
    /// Listens on a free port of loopback.
    ///
    /// # Errors
    /// If there is none.
    pub fn start(script: Script) -> Result<Self> {
        Self::start_with(script, None, None)
    }

    /// The same, and somebody listens to what it gets.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start_heard(script: Script, certificate: Option<&Certificate>, by: Listener) -> Result<Self> {
        Self::start_with(script, certificate.map(Certificate::server).transpose()?, Some(by))
    }

    /// The same, and it offers STARTTLS.
    ///
    /// # Errors
    /// If there is no port.
    pub fn start_with_tls(script: Script, certificate: &Certificate) -> Result<Self> {
        Self::start_with(script, Some(certificate.server()?), None)
    }

    fn start_with(script: Script, tls: Option<Arc<ServerConfig>>, by: Option<Listener>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let peer = Self { address: listener.local_addr()?, seen: Arc::default() };
        let ears = Ears { seen: Arc::clone(&peer.seen), by };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, ears, tls) = (script.clone(), ears.clone(), tls.clone());
                lock(&ears.seen).connections += 1;
                std::thread::spawn(move || {
                    // A session that breaks off is what many tests are about.
                    let _ = serve(stream, tls, &script, &ears);
                });
            }
        });
        Ok(peer)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often somebody connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.seen).connections
    }

    /// Handshakes that were finished.
    #[must_use]
    pub fn encrypted(&self) -> usize {
        lock(&self.seen).encrypted
    }

    /// Messages whose last dot it read, whatever it answered.
    #[must_use]
    pub fn messages(&self) -> Vec<Received> {
        lock(&self.seen).messages.clone()
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, mut tls: Option<Arc<ServerConfig>>, script: &Script, ears: &Ears) -> Result<()> {
    ears.hear(&format!("<{}>", ears.by.as_ref().map_or("", |by| &by.name)));
    stream.set_read_timeout(Some(LINE_WAIT_MAX))?;
    let mut clear = Some(stream.try_clone()?);
    let mut wire: BufReader<Box<dyn Wire>> = BufReader::new(Box::new(stream));
    say(&mut wire, &script.answer("CONNECT", "220 peer.example ready"))?;
    let mut message = Received::default();
    loop {
        let line = text_line(&mut wire)?;
        ears.hear(&line);
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" | "LHLO" => {
                let offers = if tls.is_some() { "250-STARTTLS\r\n" } else { "" };
                let usual = format!("250-peer.example\r\n{offers}250-PIPELINING\r\n250 8BITMIME");
                say(&mut wire, &script.answer("EHLO", &usual))?;
            }
            "STARTTLS" => {
                let (config, stream) = tls.take().zip(clear.take()).context("STARTTLS was not offered")?;
                say(&mut wire, &script.answer("STARTTLS", "220 2.0.0 Go on"))?;
                if let Some(answer) = script.0.get("HANDSHAKE") {
                    say(&mut wire, answer)?;
                }
                let mut encrypted = StreamOwned::new(ServerConnection::new(config)?, stream);
                encrypted.conn.complete_io(&mut encrypted.sock)?;
                lock(&ears.seen).encrypted += 1;
                wire = BufReader::new(Box::new(encrypted));
            }
            "MAIL" => {
                message = Received { mail: behind(&line, "FROM:"), ..Received::default() };
                say(&mut wire, &script.answer("MAIL", "250 2.1.0 Ok"))?;
            }
            "RCPT" => {
                let recipient = behind(&line, "TO:");
                let usual = script.answer("RCPT", "250 2.1.5 Ok");
                let address = recipient.trim_matches(['<', '>']);
                let answer = script.0.get(&format!("RCPT {address}")).cloned().unwrap_or(usual);
                if matches!(&answer, Answer::Say(reply) if reply.starts_with('2')) {
                    message.recipients.push(recipient);
                }
                say(&mut wire, &answer)?;
            }
            "DATA" => {
                let answer = script.answer("DATA", "354 Go on");
                say(&mut wire, &answer)?;
                if matches!(&answer, Answer::Say(reply) if reply.starts_with('3')) {
                    message.content = content(&mut wire)?;
                    ears.hear(".");
                    lock(&ears.seen).messages.push(message.clone());
                    say(&mut wire, &script.answer(".", "250 2.0.0 Taken"))?;
                }
            }
            "QUIT" => return say(&mut wire, &Answer::Say("221 2.0.0 Bye\r\n".to_owned())),
            other => say(&mut wire, &script.answer(other, "250 2.0.0 Ok"))?,
        }
    }
}

fn say(wire: &mut BufReader<Box<dyn Wire>>, answer: &Answer) -> Result<()> {
    match answer {
        Answer::Say(reply) => {
            wire.get_mut().write_all(reply.as_bytes())?;
            Ok(wire.get_mut().flush()?)
        }
        Answer::Close => anyhow::bail!("closed"),
        Answer::Hang => {
            // Until the other side gives up.
            std::io::copy(wire, &mut std::io::sink())?;
            anyhow::bail!("hung")
        }
        Answer::Endless => loop {
            wire.get_mut().write_all(b"250-and so on, and so on, and so on, and so on, and so on\r\n")?;
        },
    }
}

fn behind(line: &str, word: &str) -> String {
    line.split_once(word).map_or("", |(_, rest)| rest).trim().to_owned()
}

fn text_line(reader: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    anyhow::ensure!(reader.read_line(&mut line)? > 0, "closed");
    Ok(line.strip_suffix("\r\n").context("a command line without CRLF")?.to_owned())
}

fn content(reader: &mut impl BufRead) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let mut line = Vec::new();
        anyhow::ensure!(reader.read_until(b'\n', &mut line)? > 0, "closed");
        anyhow::ensure!(line.ends_with(b"\r\n"), "a bare LF went out");
        if line == b".\r\n" {
            return Ok(content);
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
