//! The clients of `peers/run`, the same for each server: messages with their latencies, connects, sessions that say nothing.
//!
//! One thread and no pipelining, so that what it takes from the machine is small and the same whoever answers. What it
//! measured is one line of JSON on standard output.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};
use tests::clock::Stopwatch;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Measures an SMTP server on loopback from outside.
#[derive(Debug, Parser)]
enum Options {
    /// Sends messages in some sessions at one time; a message's latency runs from its MAIL to the reply to its dot.
    Messages {
        /// The server's.
        #[arg(long)]
        address: SocketAddr,
        /// At one time.
        #[arg(long)]
        sessions: usize,
        /// In all sessions together.
        #[arg(long)]
        messages: usize,
        /// Of each message.
        #[arg(long)]
        bytes: usize,
    },
    /// Connects and waits for the banner; says QUIT and leaves.
    Connects {
        /// The server's.
        #[arg(long)]
        address: SocketAddr,
        /// In all.
        #[arg(long)]
        count: usize,
        /// In flight at one time.
        #[arg(long)]
        at_once: usize,
    },
    /// Opens sessions that say EHLO and then nothing, until standard input ends.
    Idle {
        /// The server's.
        #[arg(long)]
        address: SocketAddr,
        /// How many.
        #[arg(long)]
        sessions: usize,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let told = match Options::parse() {
        Options::Messages { address, sessions, messages, bytes } => {
            send(address, (sessions, messages), &content(bytes)).await?
        }
        Options::Connects { address, count, at_once } => connect(address, count, at_once).await?,
        Options::Idle { address, sessions } => return idle(address, sessions).await,
    };
    writeln!(std::io::stdout(), "{told}").context("printing")
}

async fn send(
    address: SocketAddr,
    (sessions, messages): (usize, usize),
    content: &Arc<[u8]>,
) -> Result<Value> {
    let watch = Stopwatch::start();
    let mut tasks = JoinSet::new();
    for session in 0..sessions {
        // The first sessions take what does not divide evenly.
        let share = messages / sessions + usize::from(session < messages % sessions);
        tasks.spawn(session_of(address, share, Arc::clone(content)));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done.context("a session died")??);
    }
    Ok(json!({ "seconds": watch.elapsed().as_secs_f64(), "latencies": latencies }))
}

/// Latencies in seconds.
async fn session_of(address: SocketAddr, messages: usize, content: Arc<[u8]>) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    let mut client = Client::greeted(address).await?;
    client.ask(b"EHLO load.example\r\n", 250).await?;
    for _ in 0..messages {
        let watch = Stopwatch::start();
        client.ask(b"MAIL FROM:<ann@a.example>\r\n", 250).await?;
        client.ask(b"RCPT TO:<bob@b.example>\r\n", 250).await?;
        client.ask(b"DATA\r\n", 354).await?;
        client.ask(&content, 250).await?;
        latencies.push(watch.elapsed().as_secs_f64());
    }
    client.ask(b"QUIT\r\n", 221).await?;
    Ok(latencies)
}

async fn connect(address: SocketAddr, count: usize, at_once: usize) -> Result<Value> {
    let places = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    let watch = Stopwatch::start();
    for _ in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        tasks.spawn(async move {
            let mut client = Client::greeted(address).await?;
            drop(place);
            client.stream.write_all(b"QUIT\r\n").await.context("leaving")
        });
    }
    let _all = places.acquire_many(u32::try_from(at_once)?).await?;
    let took = watch.elapsed();
    while let Some(done) = tasks.join_next().await {
        done.context("a client died")??;
    }
    Ok(json!({ "seconds": took.as_secs_f64() }))
}

async fn idle(address: SocketAddr, sessions: usize) -> Result<()> {
    let mut clients = Vec::with_capacity(sessions);
    for _ in 0..sessions {
        let mut client = Client::greeted(address).await?;
        client.ask(b"EHLO load.example\r\n", 250).await?;
        clients.push(client);
    }
    writeln!(std::io::stdout(), "{}", json!({ "open": clients.len() }))?;
    // Nobody polls while this thread waits: clients that say nothing need no reactor.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

struct Client {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Client {
    async fn greeted(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::with_capacity(1024, stream), line: String::new() };
        client.expect(220).await?;
        Ok(client)
    }

    async fn ask(&mut self, bytes: &[u8], code: u16) -> Result<()> {
        self.stream.write_all(bytes).await.context("sending")?;
        self.expect(code).await
    }

    async fn expect(&mut self, code: u16) -> Result<()> {
        let code = code.to_string();
        loop {
            self.line.clear();
            let count = self.stream.read_line(&mut self.line).await.context("waiting for a reply")?;
            ensure!(count > 0, "the server closed where a {code} was due");
            ensure!(self.line.starts_with(&code), "expected {code}, got {}", self.line.trim_end());
            if self.line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// A message of about so many bytes, with its dot.
fn content(bytes: usize) -> Arc<[u8]> {
    let header = "From: ann@a.example\r\nTo: bob@b.example\r\nSubject: load\r\n\r\n";
    let line = format!("{}\r\n", "0123456789abcdef".repeat(4));
    let lines = bytes.saturating_sub(header.len()).div_ceil(line.len());
    Arc::from([header, &line.repeat(lines), ".\r\n"].concat().into_bytes())
}
