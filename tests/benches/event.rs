//! One event in a fresh instance beside a bare wasmtime call with the same configuration and the same guest; and an event
//! that nobody binds.

mod bare;

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bare::Bare;
use mimalloc::MiMalloc;
use sinks::folder::Folder;
use sinks::{Event, EventKind, Limits, Sinks, Snapshot, Subject};
use sluice::clock::SystemClock;
use smtp::{Domain, Facts, Gate, Mailbox};
use tests::measure::{Measured, Rate, report};
use tests::scene::Scene;
use tests::site::Site;

/// As the server's binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ROUNDS: usize = 7;
const EVENTS: u64 = 5000;
const LOOK_UPS: u64 = 1_000_000;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let site = Site::lay(&Scene::with_sink("gates")?)?;
    let limits = Limits { concurrent_events_max: 16, ..Limits::default() };
    let sinks = Sinks::new(&limits, Arc::new(SystemClock), Arc::new(Nobody))?;
    Folder::new(site.path("sinks"), sinks.clone(), limits.clone()).scan().await;
    let snapshot = sinks.registry();
    ensure!(Sinks::wants(&snapshot, EventKind::RcptTo, Some("b")), "the guest did not load");
    let bare = Bare::new(&limits, &tests::guests::component("gates")?)?;
    let (mut bare_rounds, mut rounds, mut unbound) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (of_bare, of_sinks) = (bare.calls().await?, events(&sinks, &snapshot).await?);
        // The first round warms everything up.
        if round > 0 {
            bare_rounds.push(of_bare);
            rounds.push(of_sinks);
            unbound.push(look_ups());
        }
    }
    report("bare wasmtime call, fresh instance", &bare_rounds, None)?;
    report("on-rcpt-to, fresh instance", &rounds, Some(&bare_rounds))?;
    report("an event that nobody binds", &unbound, None)
}

async fn events(sinks: &Sinks, snapshot: &Snapshot) -> Result<Rate> {
    let mut subject = Subject::new("b".into(), "bench".into());
    subject.facts = Some(Arc::new(Facts::new("session".to_owned(), "smtp".into(), "mx.b.example".into())));
    subject.envelope = Some(Arc::default());
    let recipient = Mailbox::parse("bob@b.example").context("an address")?;
    let measured = Measured::start();
    for _ in 0..EVENTS {
        let gate = Gate::RcptTo { recipient: recipient.clone(), parameters: Vec::new() };
        let outcome = sinks.fire(snapshot, Event::Gate(gate), &mut subject).await;
        ensure!(
            outcome.calls.len() == 1 && outcome.calls.iter().all(|call| call.fault.is_none()),
            "{outcome:?}"
        );
    }
    Ok(measured.rate(EVENTS))
}

fn look_ups() -> Rate {
    let empty = Snapshot::default();
    let measured = Measured::start();
    for _ in 0..LOOK_UPS {
        black_box(Sinks::wants(black_box(&empty), EventKind::RcptTo, Some("b")));
    }
    measured.rate(LOOK_UPS)
}

/// Nobody owns anything.
#[derive(Debug)]
struct Nobody;

impl sinks::Domains for Nobody {
    fn owns(&self, _tenant: &str, _domain: &Domain) -> bool {
        false
    }
}
