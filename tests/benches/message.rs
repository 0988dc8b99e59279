//! A whole accepted message of 4 KiB from 20 sessions: without a sink, with the seven typed gates bound, with five such sinks.
//!
//! The server and its clients are one process here, so the CPU is of both; the server alone beside Postfix is `peers/run`.

use std::thread;

use anyhow::{Result, ensure};
use tests::client::Client;
use tests::measure::{Measured, Rate, report};
use tests::scene::{Installed, Scene};
use tests::server::Server;

const ROUNDS: usize = 5;
const SESSIONS: u64 = 20;
const MESSAGES: u64 = 50;

fn main() -> Result<()> {
    let none = Server::start(&Scene::default())?;
    let one = Server::start(&scene(1)?)?;
    let five = Server::start(&scene(5)?)?;
    let mut rounds: [Vec<Rate>; 3] = Default::default();
    for round in 0..=ROUNDS {
        for (server, rates) in [&none, &one, &five].into_iter().zip(&mut rounds) {
            let rate = load(server)?;
            // The first round warms everything up.
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let [bare, one_rates, five_rates] = rounds;
    report("accepted message, no sink", &bare, None)?;
    report("accepted message, seven gates", &one_rates, Some(&bare))?;
    report("accepted message, five sinks on seven gates", &five_rates, Some(&bare))?;
    [none, one, five].into_iter().try_for_each(Server::stop)
}

/// So many installations of the guest that binds the seven gates.
fn scene(sinks: usize) -> Result<Scene> {
    let sinks = (0..sinks)
        .map(|number| Installed::parse(&format!("gates as=gates{number}")))
        .collect::<Result<_>>()?;
    Ok(Scene { sinks, ..Scene::default() })
}

fn load(server: &Server) -> Result<Rate> {
    let content = [
        "Subject: hi\r\n\r\n",
        &"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n".repeat(64),
    ]
    .concat();
    let measured = Measured::start();
    thread::scope(|scope| -> Result<()> {
        let sessions: Vec<_> =
            (0..SESSIONS).map(|_| scope.spawn(|| session(server, content.as_bytes()))).collect();
        sessions
            .into_iter()
            .try_for_each(|session| session.join().map_err(|_| anyhow::anyhow!("a session died"))?)
    })?;
    Ok(measured.rate(SESSIONS * MESSAGES))
}

fn session(server: &Server, content: &[u8]) -> Result<()> {
    let mut client = Client::greeted(server.address())?;
    client.ask("EHLO a.example", 250)?;
    for _ in 0..MESSAGES {
        let reply = client.deliver("ann@a.example", "bob@b.example", content)?;
        ensure!(reply.iter().all(|line| line.starts_with("250")), "{reply:?}");
        client.ask("RSET", 250)?;
    }
    client.ask("QUIT", 221).map(drop)
}
