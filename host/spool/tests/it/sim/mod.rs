//! The spool's promise on a simulated disk: what was acknowledged is there and whole, what was not is whole or absent,
//! wherever it stops and whatever the disk did.
//!
//! A case is a random workload over up to three boots (accepts with shares, stages with edits and outboxes, attempts, ends,
//! large bodies, compaction), with faults of the disk. It runs once to its end, and once more with a crash at each step of
//! its first boot; each crash is a loss of power, with one of the images that the medium may then hold, or the death of
//! the process alone. After every start all that is in the spool is compared with what callers were told. Nothing is left
//! to the scheduler, so a case is reproduced by its values alone.
//!
//! The control runs are the same with something taken out. They must fail; their counterexamples are printed.
//!
//! | variable | meaning | default |
//! | --- | --- | --- |
//! | `SPOOL_SIM_CASES` | workloads | 60 |
//! | `SPOOL_SIM_STOPS` | crashes for each, at most | 25 |
//! | `SPOOL_SIM_SEED` | where the random workloads begin | 1 |
//!
//! A long run: `SPOOL_SIM_CASES=3000 SPOOL_SIM_STOPS=1000 SPOOL_SIM_SEED=7 cargo test -p spool --test it sim::`

mod cases;
mod dice;
mod disk;
mod faults;
mod file;
mod machine;
mod media;
mod model;
mod request;
mod rot;
mod run;
mod session;
mod swallow;
mod workload;

use std::cell::RefCell;
use std::io::Write;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use tokio::runtime::{Builder, Runtime};

use model::Promise;
use rot::{Rotten, flip_bits};
use run::{Rig, Seen, crash_everywhere};
use swallow::Swallow;
use workload::{Case, case};

/// The spool as it is.
const RIG: Rig = Rig { promise: Promise::Acknowledged, swallow: None };

/// One thread for what is done off the reactor, so that its order is the order in which it was asked for.
fn runtime() -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap()
}

/// Runs a property over random cases.
fn explore(rig: Rig, config: Config) -> (Result<(), TestError<Case>>, Seen) {
    let runtime = runtime();
    let stops = setting("SPOOL_SIM_STOPS", 25);
    let seen = RefCell::new(Seen::default());
    let result = TestRunner::new(config).run(&case(), |case| {
        let run = runtime.block_on(crash_everywhere(&case, rig, usize::try_from(stops).unwrap()));
        *seen.borrow_mut() += run.map_err(TestCaseError::fail)?;
        Ok(())
    });
    (result, seen.into_inner())
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(setting("SPOOL_SIM_SEED", 1)),
        failure_persistence: None,
        max_shrink_time: 30_000,
        max_shrink_iters: 500,
        ..Config::default()
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

/// Fails with the shrunk counterexample.
fn hold(result: Result<(), TestError<Case>>) {
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, case)) => {
            panic!("SPOOL_SIM_SEED={}: {reason}\n  in {case:?}", setting("SPOOL_SIM_SEED", 1));
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// Past the capture of the test harness: what a control run found is part of its outcome.
fn say(text: &str) {
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

#[test]
fn what_was_acknowledged_survives_a_crash_at_every_step() {
    let cases = u32::try_from(setting("SPOOL_SIM_CASES", 60)).unwrap();
    let (result, seen) = explore(RIG, config(cases));
    say(&format!("simulated disk: {cases} cases, {seen:?}\n"));
    hold(result);
    let reached = [seen.power_losses, seen.kills, seen.closes, seen.faults, seen.poisoned];
    assert!(reached.iter().all(|count| *count > 0), "a kind of ending is never reached");
    let reached = [seen.refused_starts, seen.torn, seen.orphans, seen.segments_deleted];
    assert!(reached.iter().all(|count| *count > 0), "a part of recovery or compaction is never reached");
}

#[test]
fn rot_is_named_and_never_less_mail() {
    let cases = u32::try_from(setting("SPOOL_SIM_CASES", 60)).unwrap();
    let runtime = runtime();
    let seen = RefCell::new(Rotten::default());
    let result = TestRunner::new(config(cases)).run(&case(), |case| {
        let flips = runtime.block_on(flip_bits(&case, 20, &mut seen.borrow_mut()));
        flips.map_err(TestCaseError::fail)
    });
    let seen = seen.into_inner();
    say(&format!("bit rot: {cases} cases, {seen:?}\n"));
    hold(result);
    let reached = [seen.refused, seen.unreadable, seen.torn, seen.harmless];
    assert!(reached.iter().all(|count| *count > 0), "an outcome is never reached");
}

/// Without what is taken out, mail must be lost, and the same checks must say so.
fn control(what: &str, promise: Promise, swallow: Option<Swallow>) {
    let quick = Config { max_shrink_time: 4_000, max_shrink_iters: 200, ..config(200) };
    let (result, seen) = explore(Rig { promise, swallow }, quick);
    match result {
        Err(TestError::Fail(reason, case)) => {
            say(&format!("control, {what}: {} runs, then\n  {reason}\n  in {case:?}\n", seen.runs));
        }
        other => panic!("{what}: nothing was lost, so the simulation shows nothing ({other:?})"),
    }
}

#[test]
fn control_without_the_sync_of_the_log_mail_is_lost() {
    control("no sync of the log", Promise::Acknowledged, Some(Swallow::Log));
}

#[test]
fn control_without_the_sync_of_bodies_mail_is_lost() {
    control("no sync of bodies", Promise::Acknowledged, Some(Swallow::Bodies));
}

#[test]
fn control_without_the_sync_of_directories_mail_is_lost() {
    control("no sync of directories", Promise::Acknowledged, Some(Swallow::Names));
}

#[test]
fn control_with_250_before_the_sync_mail_is_lost() {
    control("250 before the sync", Promise::Submitted, None);
}
