//! A dialogue: a file that says what a client sends and what must come back, and the runner of it.
//!
//! A dialogue has a server of its own. Whatever the server says is expected by some line: at the end the client closes its
//! half, and the server must close without another word.

pub mod parse;

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::certificate;
use crate::client::Client;
use crate::peer::Peer;
use crate::server::Server;
use crate::{guests, skip, tree};
use parse::{Dialogue, Step};

/// How long a line may take to come to a peer; as for an observation of the server.
const LINE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The servers that mail goes to.
struct Peers {
    peers: Vec<(String, Peer)>,
    lines: Receiver<String>,
    /// Messages that were looked at, by the peer's name.
    taken: Vec<String>,
}

/// Runs the dialogue of a file in `tests`.
///
/// # Errors
/// With the line at which the server did otherwise.
pub fn check(file: &str) -> Result<()> {
    let path = Path::new("tests").join(file);
    let dialogue = parse::parse(&tree::text(&path)?).with_context(|| file.to_owned())?;
    for tool in dialogue.scene.sinks.iter().filter_map(|sink| guests::tool(&sink.guest)) {
        if skip::tool(tool)?.is_none() {
            return Ok(());
        }
    }
    run(dialogue, file)
}

fn run(mut dialogue: Dialogue, file: &str) -> Result<()> {
    let (sender, lines) = channel();
    let peers = dialogue.scene.start_peers(&sender)?;
    let mut peers = Peers { peers, lines, taken: Vec::new() };
    let mut server = Server::start(&dialogue.scene)?;
    let mut client = Some(Client::connect(server.address())?);
    for (number, step) in &dialogue.steps {
        carry_out(step, (&mut server, &mut peers), &mut client)
            .with_context(|| format!("{file}:{number}"))?;
    }
    hang_up(&mut client).with_context(|| format!("{file}: at the end"))?;
    server.stop()?;
    let listens = dialogue.steps.iter().any(|(_, step)| matches!(step, Step::Heard(_)));
    let surplus: Vec<String> = peers.lines.try_iter().filter(|line| listens && line != "QUIT").collect();
    ensure!(surplus.is_empty(), "{file}: at the end: peers heard this too: {surplus:#?}");
    Ok(())
}

fn carry_out(
    step: &Step,
    (server, peers): (&mut Server, &mut Peers),
    client: &mut Option<Client>,
) -> Result<()> {
    match step {
        Step::Connect => {
            hang_up(client)?;
            *client = Some(Client::connect(server.address())?);
            Ok(())
        }
        Step::Encrypt(name) => {
            let clear = client.take().context("after the server has closed")?;
            *client = Some(clear.encrypt(certificate::client(name, None)?)?);
            Ok(())
        }
        Step::Arrives { address, lines } if address.contains('@') => {
            arrives(&server.delivered(address)?, lines)
        }
        Step::Arrives { address, lines } => arrives(&peers.message(address, server)?, lines),
        Step::Heard(pattern) => peers.hear(pattern),
        Step::Settled { outcome, reason } => server.ended(outcome, reason),
        Step::Nothing => server.settled(),
        Step::Asked(asked) => server.asked(asked),
        Step::Closed => client.take().context("closed already")?.closed(),
        step => speak(step, client.as_mut().context("after the server has closed")?),
    }
}

fn speak(step: &Step, client: &mut Client) -> Result<()> {
    match step {
        Step::Send(bytes) => client.send(bytes),
        Step::Line(pattern) => {
            let line = client.next_line()?;
            ensure!(parse::fits(pattern, &line), "expected {pattern}\n     got {line}");
            Ok(())
        }
        Step::Reply(code) => client.expect(*code).map(drop),
        Step::End => client.end(),
        Step::Connect
        | Step::Encrypt(_)
        | Step::Arrives { .. }
        | Step::Heard(_)
        | Step::Settled { .. }
        | Step::Nothing
        | Step::Asked(_)
        | Step::Closed => Ok(()),
    }
}

impl Peers {
    /// The next line that any of them gets.
    fn hear(&self, pattern: &str) -> Result<()> {
        let line =
            self.lines.recv_timeout(LINE_WAIT_MAX).with_context(|| format!("no peer heard {pattern}"))?;
        ensure!(parse::fits(pattern, &line), "expected {pattern}\n     heard {line}");
        Ok(())
    }

    /// The next message of one of them; its outcome is observed before it is looked for.
    fn message(&mut self, name: &str, server: &mut Server) -> Result<Vec<u8>> {
        let (_, peer) = self.peers.iter().find(|(known, _)| known == name).context("no such peer")?;
        server.ended("relayed", "*")?;
        let at = self.taken.iter().filter(|taken| *taken == name).count();
        self.taken.push(name.to_owned());
        let message = peer.messages().into_iter().nth(at).with_context(|| format!("{name} got no other"))?;
        Ok(message.content)
    }
}

/// A client that closes its half hears nothing that the dialogue did not expect.
fn hang_up(client: &mut Option<Client>) -> Result<()> {
    match client.take() {
        Some(mut client) => client.end().and_then(|()| client.closed()),
        None => Ok(()),
    }
}

fn arrives(message: &[u8], patterns: &[String]) -> Result<()> {
    let text = std::str::from_utf8(message).context("the message is not UTF-8")?;
    let lines = text.strip_suffix("\r\n").context("the message does not end with CRLF")?;
    let lines: Vec<&str> = lines.split("\r\n").collect();
    ensure!(parse::message_fits(patterns, &lines), "another message arrived:\n{text}");
    Ok(())
}
