//! A dialogue: a file that says what a client sends and what must come back, and the runner of it.
//!
//! A dialogue has a server of its own. Whatever the server says is expected by some line: at the end the client closes its
//! half, and the server must close without another word.

pub mod parse;

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::certificate;
use crate::client::Client;
use crate::server::Server;
use crate::tree;
use parse::{Dialogue, Step};

/// Runs the dialogue of a file in `tests`.
///
/// # Errors
/// With the line at which the server did otherwise.
pub fn check(file: &str) -> Result<()> {
    let path = Path::new("tests").join(file);
    let dialogue = parse::parse(&tree::text(&path)?).with_context(|| file.to_owned())?;
    run(&dialogue, file)
}

fn run(dialogue: &Dialogue, file: &str) -> Result<()> {
    let mut server = Server::start(&dialogue.scene)?;
    let mut client = Some(Client::connect(server.address())?);
    for (number, step) in &dialogue.steps {
        carry_out(step, &mut server, &mut client).with_context(|| format!("{file}:{number}"))?;
    }
    hang_up(&mut client).with_context(|| format!("{file}: at the end"))?;
    server.stop()
}

fn carry_out(step: &Step, server: &mut Server, client: &mut Option<Client>) -> Result<()> {
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
        Step::Arrives { address, lines } => arrives(&server.delivered(address)?, lines),
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
        | Step::Nothing
        | Step::Asked(_)
        | Step::Closed => Ok(()),
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
