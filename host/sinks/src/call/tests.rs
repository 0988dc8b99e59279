//! Guests that misbehave: each gets its fault's answer, changes nothing, and leaves the next call alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use smtp::{Envelope, Gate, Mailbox, Verdict};

use crate::event::{Event, EventKind};
use crate::guests::{Stand, asked, case, component, faults, handle, plain, subject};
use crate::limits::{Limits, Overrides};
use crate::verdict::{self, FaultKind, Outcome};

const DATA: EventKind = EventKind::Data;

async fn fire(component: &[u8], limits: Overrides) -> Outcome {
    let mut stand = Stand::new();
    let mut installation = stand.installation("acme/bad", component);
    installation.limits = limits;
    stand.bind_installation(installation, DATA);
    stand.fire(Event::Gate(Gate::Data), &mut subject()).await
}

/// The sink faults so, and its binding's default answers 451.
async fn check_fault(component: Vec<u8>, limits: Overrides, expected: FaultKind) {
    let outcome = fire(&component, limits).await;
    assert_eq!(faults(&outcome), [expected], "{:?}", outcome.calls);
    let verdict::Verdict::Gate(Verdict::Defer(refusal)) = &outcome.verdict else {
        panic!("{:?}", outcome.verdict);
    };
    assert_eq!(refusal.reason, "sink-fault");
}

#[tokio::test]
async fn a_sink_that_spins_runs_out_of_fuel() {
    let spin = plain(DATA, "(loop (br 0)) (unreachable)");
    let few = Overrides { fuel: Some(10_000_000), ..Overrides::default() };
    check_fault(spin, few, FaultKind::OutOfFuel).await;
}

#[tokio::test]
async fn a_sink_that_spins_past_its_wall_clock_is_stopped() {
    let spin = plain(DATA, "(loop (br 0)) (unreachable)");
    let limits = Overrides {
        fuel: Some(u64::MAX / 2),
        wall_clock: Some(Duration::from_millis(30)),
        ..Overrides::default()
    };
    check_fault(spin, limits, FaultKind::Deadline).await;
}

#[tokio::test]
async fn a_sink_that_traps_is_a_trap() {
    check_fault(plain(DATA, "unreachable"), Overrides::default(), FaultKind::Trap).await;
}

#[tokio::test]
async fn a_sink_that_recurses_for_ever_traps_too() {
    let core = format!("(func $deep (call $deep)) {}", handle(DATA, "(call $deep) (unreachable)"));
    check_fault(component(DATA, "", &core), Overrides::default(), FaultKind::Trap).await;
}

#[tokio::test]
async fn a_sink_that_grows_is_over_memory() {
    let grow = plain(DATA, "(loop (drop (memory.grow (i32.const 16))) (br 0)) (unreachable)");
    let limits = Overrides { memory_bytes: Some(4 << 20), ..Overrides::default() };
    check_fault(grow, limits, FaultKind::OverMemory).await;
}

#[tokio::test]
async fn a_memory_that_starts_over_the_limit_is_over_memory() {
    let limits = Overrides { memory_bytes: Some(65_536), ..Overrides::default() };
    check_fault(plain(DATA, case::CONTINUE), limits, FaultKind::OverMemory).await;
}

#[tokio::test]
async fn a_rejection_with_a_positive_reply_is_an_illegal_verdict() {
    // option<reply> is some, and its code is 250.
    let body = "(i32.store8 (i32.const 1028) (i32.const 1)) (i32.store16 (i32.const 1032) (i32.const 250))
                (call $verdict (i32.const 3))";
    check_fault(plain(DATA, body), Overrides::default(), FaultKind::IllegalVerdict).await;
}

#[tokio::test]
async fn a_case_that_does_not_exist_is_a_trap() {
    check_fault(plain(DATA, "(call $verdict (i32.const 9))"), Overrides::default(), FaultKind::Trap).await;
}

const LOG: &str = r#"(import "sluice:sink/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn a_host_call_that_copies_too_much_is_a_fault_of_its_own() {
    // A text of one MiB, where half of that is allowed.
    let body = "(drop (memory.grow (i32.const 32)))
                (call $log (i32.const 2) (i32.const 65536) (i32.const 1048576) (i32.const 0) (i32.const 0))
                (call $verdict (i32.const 0))";
    let guest = component(DATA, "import sluice:sink/log@0.1.0;", &format!("{LOG} {}", handle(DATA, body)));
    let limits = Overrides { host_call_bytes: Some(512 << 10), ..Overrides::default() };
    check_fault(guest, limits, FaultKind::HostCallBytes).await;
}

#[tokio::test]
async fn work_of_the_host_by_the_byte_burns_the_guests_fuel() {
    // Ten texts of 64 KiB cost as much fuel, whatever the log keeps of them.
    let body = "(local $n i32)
                (loop
                    (call $log (i32.const 0) (i32.const 0) (i32.const 65536) (i32.const 0) (i32.const 0))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const 10))))
                (call $verdict (i32.const 0))";
    let guest = component(DATA, "import sluice:sink/log@0.1.0;", &format!("{LOG} {}", handle(DATA, body)));
    let enough = fire(&guest, Overrides::default()).await;
    assert!((655_360..700_000).contains(&enough.calls[0].fuel), "{:?}", enough.calls);
    let few = Overrides { fuel: Some(400_000), ..Overrides::default() };
    check_fault(guest, few, FaultKind::OutOfFuel).await;
}

const METRICS: &str = r#"(import "sluice:sink/metrics@0.1.0" "count" (func $count (param i32 i32 i32)))"#;

#[tokio::test]
async fn work_of_the_host_gives_the_thread_to_others() {
    // Fifty names of a MiB, which the host copies and checks: the guest itself burns a few hundred of fuel.
    let body = "(local $n i32)
                (drop (memory.grow (i32.const 32)))
                (loop
                    (call $count (i32.const 0) (i32.const 1048576) (i32.const 1))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const 50))))
                (call $verdict (i32.const 0))";
    let core = format!("{METRICS} {}", handle(DATA, body));
    let guest = component(DATA, "import sluice:sink/metrics@0.1.0;", &core);
    let turns = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&turns);
    let others = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let outcome = fire(&guest, Overrides::default()).await;
    others.abort();
    assert_eq!(faults(&outcome), []);
    assert!(turns.load(Ordering::Relaxed) >= 50, "{turns:?}");
    let few = Overrides { fuel: Some(10 << 20), ..Overrides::default() };
    check_fault(guest, few, FaultKind::OutOfFuel).await;
}

#[tokio::test]
async fn random_bytes_of_wasi_burn_fuel_too() {
    let core = format!(
        r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32))) {}"#,
        handle(
            DATA,
            "(loop (global.set $heap (i32.const 65536))
                (call $random (i64.const 32768) (i32.const 256)) (br 0)) (unreachable)"
        )
    );
    let import = "import wasi:random/random@0.2.6;";
    let few = Overrides { fuel: Some(10 << 20), ..Overrides::default() };
    check_fault(component(DATA, import, &core), few, FaultKind::OutOfFuel).await;
}

/// Counts the lines of sinks.
struct Lines(Arc<AtomicU32>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target() == "sinks::log" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_line_that_says_nothing_is_a_line_of_the_log_too() {
    let body = "(local $n i32)
                (loop
                    (call $log (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const 1000))))
                (call $verdict (i32.const 0))";
    let guest = component(DATA, "import sluice:sink/log@0.1.0;", &format!("{LOG} {}", handle(DATA, body)));
    let lines = Arc::new(AtomicU32::new(0));
    let _guard = tracing::subscriber::set_default(Lines(Arc::clone(&lines)));
    assert_eq!(faults(&fire(&guest, Overrides::default()).await), []);
    assert_eq!(lines.load(Ordering::Relaxed), 256);
}

#[tokio::test]
async fn fuel_is_the_same_every_time() {
    let body = "(local $n i32)
                (loop
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const 1000))))
                (call $verdict (i32.const 0))";
    let guest = plain(DATA, body);
    let first = fire(&guest, Overrides::default()).await;
    let second = fire(&guest, Overrides::default()).await;
    assert!(first.calls[0].fuel > 4_000);
    assert_eq!(first.calls[0].fuel, second.calls[0].fuel);
}

#[tokio::test]
async fn a_fault_leaves_the_next_call_alone() {
    let mut stand = Stand::new();
    stand.bind("acme/a-trap", DATA, &plain(DATA, "unreachable"));
    stand.bind("acme/b-fine", DATA, &plain(DATA, case::CONTINUE));
    for _ in 0..20 {
        let outcome = stand.fire(Event::Gate(Gate::Data), &mut subject()).await;
        assert_eq!(asked(&outcome), ["acme/a-trap", "acme/b-fine"]);
        assert_eq!(faults(&outcome), [FaultKind::Trap]);
    }
}

#[tokio::test]
async fn every_call_finds_a_fresh_memory() {
    // Answers `done` if the memory was used before.
    let body = "(if (i32.load (i32.const 2048)) (then (return (call $verdict (i32.const 1)))))
                (i32.store (i32.const 2048) (i32.const 1)) (call $verdict (i32.const 0))";
    let mut stand = Stand::new();
    stand.bind("acme/once", DATA, &plain(DATA, body));
    for _ in 0..8 {
        let outcome = stand.fire(Event::Gate(Gate::Data), &mut subject()).await;
        assert_eq!(outcome.calls[0].verdict, "continue");
    }
}

#[tokio::test]
async fn who_gets_no_place_before_the_deadline_is_told_so() {
    let mut stand = Stand::with(&Limits {
        concurrent_events_max: 1,
        gate_wall_clock: Duration::from_millis(300),
        ..Limits::default()
    });
    let mut spin = stand.installation("acme/spin", &plain(DATA, "(loop (br 0)) (unreachable)"));
    spin.limits = Overrides { fuel: Some(u64::MAX / 2), ..Overrides::default() };
    stand.bind_installation(spin, DATA);
    let mut wait = stand.installation("acme/wait", &mail_from_guest());
    wait.limits = Overrides { wall_clock: Some(Duration::from_millis(10)), ..Overrides::default() };
    stand.bind_installation(wait, EventKind::MailFrom);
    let (mut one, mut other) = (subject(), subject());
    other.envelope = Some(Arc::new(Envelope::default()));
    let spinning = stand.fire(Event::Gate(Gate::Data), &mut one);
    let waiting = stand.fire(Event::Gate(Gate::MailFrom), &mut other);
    let (spinning, waiting) = tokio::join!(spinning, waiting);
    assert_eq!(faults(&spinning), [FaultKind::Deadline]);
    assert_eq!(faults(&waiting), [FaultKind::NoPermit]);
}

fn mail_from_guest() -> Vec<u8> {
    let core = r#"(func (export "sluice:sink/on-mail-from@0.1.0#handle")
        (param i32 i32 i32 i32 i32 i32 i32) (result i32) (call $verdict (i32.const 0)))"#;
    component(EventKind::MailFrom, "", core)
}

#[tokio::test]
async fn a_claim_outside_of_the_tenants_domains_is_an_illegal_verdict() {
    let core = r#"(func (export "sluice:sink/on-rcpt-to@0.1.0#handle")
        (param i32 i32 i32 i32 i32 i32) (result i32) (call $verdict (i32.const 2)))"#;
    let mut stand = Stand::new();
    stand.bind("acme/claim", EventKind::RcptTo, &component(EventKind::RcptTo, "", core));
    for (address, expected) in [("a@acme.example", "claim"), ("a@other.example", "defer")] {
        let recipient = Mailbox::parse(address).unwrap();
        let event = Event::Gate(Gate::RcptTo { recipient, parameters: Vec::new() });
        let outcome = stand.fire(event, &mut subject()).await;
        assert_eq!(outcome.calls[0].verdict, expected);
    }
}
