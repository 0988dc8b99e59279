//! A whole accepted message of 4 KiB from 20 sessions: without a sink, with the seven typed gates bound, with five such sinks;
//! and what an event adds to the server's CPU, beside a bare wasmtime call.
//!
//! Each server is the real binary in a process of its own, whose CPU alone counts: stages and deliveries with it, the clients
//! without. All run in turns and warm, since a start is slower: its first messages are printed apart. What is not the event's
//! own shows in the syncs and context switches of each message. `peers/run` has the server beside Postfix.

mod bare;
mod calls;
mod echo;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use bare::Bare;
use echo::{Before, Echo};
use mimalloc::MiMalloc;
use serde_json::Value;
use sinks::Limits;
use tests::client::Client;
use tests::measure::{Measured, Rate, middle, report};
use tests::process::Process;
use tests::scene::{Installed, Scene};
use tests::site::Site;

/// As the server's binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ROUNDS: usize = 7;
/// Rounds that warm everything up.
const ROUNDS_BEFORE: usize = 3;
const SESSIONS: u64 = 20;
const MESSAGES: u64 = 100;
/// MAIL, RCPT, DATA, the dot and RSET of each message; the banner and EHLO of each session.
const EVENTS: f64 = 5.0 + 2.0 / MESSAGES as f64;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limits = Limits { concurrent_events_max: 16, ..Limits::default() };
    let guest = tests::guests::component("gates")?;
    if echo::answer(&limits, &guest)? {
        return Ok(());
    }
    let bare = Bare::new(&limits, &guest)?;
    let echoes = [Echo::start(Before::Nothing)?, Echo::start(Before::Call)?];
    let mut exchanges = [Vec::new(), Vec::new()];
    let mut bare_rounds = Vec::new();
    let mut cases = [
        Case::start("accepted message, no sink", 0)?,
        Case::start("accepted message, seven gates", 1)?,
        Case::start("accepted message, five sinks on seven gates", 5)?,
    ];
    for case in &mut cases {
        case.first = Some(case.load()?);
    }
    for round in 0..ROUNDS_BEFORE + ROUNDS {
        let rate = runtime.block_on(bare.calls())?;
        let is_warm = round >= ROUNDS_BEFORE;
        bare_rounds.extend(is_warm.then_some(rate));
        for (echo, rounds) in echoes.iter().zip(&mut exchanges) {
            let rate = echo.exchange(SESSIONS, 5 * MESSAGES)?;
            rounds.extend(is_warm.then_some(rate));
        }
        for case in &mut cases {
            let load = case.load()?;
            case.rounds.extend(is_warm.then_some(load));
        }
    }
    let [none, one, five] = &cases;
    report("bare wasmtime call, fresh instance", &bare_rounds, None)?;
    let [without, with] = &exchanges;
    report("an exchange over a socket", without, None)?;
    report("an exchange with a bare call", with, Some(without))?;
    none.report(None)?;
    one.report(Some(none))?;
    five.report(Some(none))?;
    added(&bare_rounds, (none, one), EVENTS)?;
    added(&bare_rounds, (none, five), 5.0 * EVENTS)?;
    for case in cases {
        case.stop()?;
    }
    calls::report()
}

/// A server with so many installations of the guest that binds the seven gates.
struct Case {
    name: &'static str,
    process: Process,
    site: Site,
    messages: u64,
    first: Option<Load>,
    rounds: Vec<Load>,
}

/// What one load cost.
#[derive(Clone, Copy)]
struct Load {
    rate: Rate,
    /// Context switches of a message.
    switches: f64,
}

impl Case {
    fn start(name: &'static str, sinks: usize) -> Result<Self> {
        let sinks = (0..sinks)
            .map(|number| Installed::parse(&format!("gates as=gates{number}")))
            .collect::<Result<_>>()?;
        let site = Site::lay(&Scene { sinks, ..Scene::default() })?;
        let process = Process::start(Path::new(env!("CARGO_BIN_EXE_sluice-served")), &site)?;
        Ok(Self { name, process, site, messages: 0, first: None, rounds: Vec::new() })
    }

    /// One round: all its messages are delivered at its end.
    fn load(&mut self) -> Result<Load> {
        let measured = Measured::of(self.process.id());
        let messages = SESSIONS * MESSAGES;
        send(self.process.address(), MESSAGES)?;
        let Rate { wall, .. } = measured.rate(messages);
        delivered(&mut self.process, messages)?;
        self.messages += messages;
        let switches = measured.used().switches as f64 / messages as f64;
        Ok(Load { rate: Rate { wall, ..measured.rate(messages) }, switches })
    }

    fn report(&self, baseline: Option<&Self>) -> Result<()> {
        let rates = |case: &Self| case.rounds.iter().map(|load| load.rate).collect::<Vec<_>>();
        report(self.name, &rates(self), baseline.map(rates).as_deref())?;
        let mut switches: Vec<f64> = self.rounds.iter().map(|load| load.switches).collect();
        switches.sort_by(f64::total_cmp);
        let first = self.first.context("the first load")?.rate.cpu;
        writeln!(
            std::io::stdout(),
            "    {:.1} context switches a message; the first {} messages {first:.0?} CPU each",
            switches.get(switches.len() / 2).copied().unwrap_or_default(),
            SESSIONS * MESSAGES,
        )
        .context("printing")
    }

    /// Stops in good order, and prints what the spool said at its end.
    fn stop(mut self) -> Result<()> {
        self.process.signal("TERM")?;
        let said = self.process.wait_for(|line| says(line, "spool closed"))?;
        let number = |name: &str| said.get(name).and_then(Value::as_f64).context("a number");
        writeln!(
            std::io::stdout(),
            "{:44} {:.3} syncs of the log, {:.2} records a message",
            self.name,
            number("syncs")? / self.messages as f64,
            number("records")? / self.messages as f64,
        )?;
        ensure!(self.process.ended()?.success(), "the server did not end well");
        ensure!(
            u64::try_from(self.site.mailbox("bob@b.example")?.len())? == self.messages,
            "mail is missing"
        );
        Ok(())
    }
}

/// What one event adds to a message's CPU.
fn added(bare: &[Rate], (none, some): (&Case, &Case), events: f64) -> Result<()> {
    let cpu = |case: &Case| middle(&case.rounds.iter().map(|load| load.rate).collect::<Vec<_>>()).1;
    let added = cpu(some).saturating_sub(cpu(none)).div_f64(events).as_secs_f64() * 1e6;
    let bare = middle(bare).1.as_secs_f64() * 1e6;
    writeln!(
        std::io::stdout(),
        "{:44} {added:.2} us CPU added by each of {events:.1} events; bare call {bare:.2} us: {:.2}x, or {:.2}x and 3 us",
        some.name,
        added / bare,
        (added - 3.0) / bare,
    )
    .context("printing")
}

/// So many messages from each session.
fn send(server: SocketAddr, messages: u64) -> Result<()> {
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    let content = ["Subject: hi\r\n\r\n", &line.repeat(64)].concat();
    thread::scope(|scope| -> Result<()> {
        let session = || session(server, content.as_bytes(), messages);
        let sessions: Vec<_> = (0..SESSIONS).map(|_| scope.spawn(session)).collect();
        sessions
            .into_iter()
            .try_for_each(|session| session.join().map_err(|_| anyhow::anyhow!("a session died"))?)
    })
}

fn session(server: SocketAddr, content: &[u8], messages: u64) -> Result<()> {
    let mut client = Client::greeted(server)?;
    client.ask("EHLO a.example", 250)?;
    for _ in 0..messages {
        let reply = client.deliver("ann@a.example", "bob@b.example", content)?;
        ensure!(reply.iter().all(|line| line.starts_with("250")), "{reply:?}");
        client.ask("RSET", 250)?;
    }
    client.ask("QUIT", 221).map(drop)
}

/// Waits until so many more have reached their mailbox.
fn delivered(process: &mut Process, messages: u64) -> Result<()> {
    let mut arrived = 0;
    process
        .wait_for(|line| {
            arrived += u64::from(says(line, "delivered"));
            arrived == messages
        })
        .map(drop)
}

fn says(line: &Value, what: &str) -> bool {
    line.get("message").is_some_and(|message| message == what)
}
