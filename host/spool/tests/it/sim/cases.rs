//! Cases that broke the promise once, by their names. The random workloads found them.

use spool::{CommitError, OpenError, Recovery, Spool};

use super::disk::SimDisk;
use super::faults::{Fault, Kind, Step};
use super::run::{Seen, crash_everywhere, start};
use super::session::flush;
use super::workload::{Case, Ending, Op, Plan, Rest, Wish};
use super::{RIG, runtime};
use crate::scene::{entry, ids};

async fn open(disk: &SimDisk) -> Result<(Spool, Recovery), OpenError> {
    start(disk, RIG).await
}

/// Ends what ran on a disk that is off.
async fn end(spool: Spool) {
    spool.close().await;
    flush().await;
}

/// What a start finds.
async fn found(disk: &SimDisk) -> Vec<u128> {
    let (spool, _) = open(disk).await.unwrap();
    let found = ids(&spool);
    disk.turn_off();
    end(spool).await;
    found
}

/// A disk on which a server stopped at a step, somewhere between making the spool and its second accept.
async fn stopped_at(seed: u64, step: u64) -> (SimDisk, Vec<u128>) {
    let disk = SimDisk::new(seed);
    disk.plan(Some(step), Vec::new());
    let mut acknowledged = Vec::new();
    if let Ok((spool, _)) = open(&disk).await {
        for number in 1..=2 {
            if spool.accept(vec![entry(number, "body")]).await.is_ok() {
                acknowledged.push(number);
            }
        }
        disk.turn_off();
        end(spool).await;
    }
    (disk, acknowledged)
}

#[test]
fn a_read_error_at_a_start_is_an_error_and_never_a_torn_tail() {
    runtime().block_on(async {
        let (disk, acknowledged) = stopped_at(1, u64::MAX).await;
        for from in 1.. {
            let again = disk.after_kill();
            again.plan(None, vec![Fault { from, kind: Kind::Broken(Step::Read) }]);
            match open(&again).await {
                Err(OpenError::Access { .. }) => {}
                Err(error) => panic!("read {from}: {error}"),
                Ok((spool, recovery)) => {
                    assert_eq!((ids(&spool), recovery.torn), (acknowledged.clone(), None), "read {from}");
                    end(spool).await;
                    if again.struck() == 0 {
                        return;
                    }
                }
            }
        }
    });
}

#[test]
fn what_a_start_found_after_a_kill_outlives_a_loss_of_power() {
    runtime().block_on(async {
        for (step, seed) in (1..30).flat_map(|step| (0..12).map(move |seed| (step, seed))) {
            let (disk, acknowledged) = stopped_at(seed, step).await;
            let disk = disk.after_kill();
            let (spool, _) = open(&disk).await.unwrap();
            let mut known = ids(&spool);
            assert!(acknowledged.iter().all(|number| known.contains(number)), "step {step}, seed {seed}");
            if seed % 2 == 0 {
                spool.accept(vec![entry(3, "behind")]).await.unwrap();
                known.push(3);
            }
            let after = disk.after_power_loss();
            end(spool).await;
            assert_eq!(found(&after).await, known, "step {step}, seed {seed}");
        }
    });
}

#[test]
fn a_record_whose_sync_failed_leaves_no_hole_under_the_ones_behind_it() {
    runtime().block_on(async {
        for seed in 0..100 {
            let disk = SimDisk::new(seed);
            let (spool, _) = open(&disk).await.unwrap();
            spool.accept(vec![entry(1, "body")]).await.unwrap();
            disk.plan(None, vec![Fault { from: 0, kind: Kind::Broken(Step::Sync) }]);
            assert_eq!(spool.accept(vec![entry(2, "body")]).await, Err(CommitError::Poisoned));
            let disk = disk.after_kill();
            end(spool).await;
            let (spool, _) = open(&disk).await.unwrap();
            assert_eq!(ids(&spool), [1, 2], "the page cache has it");
            spool.accept(vec![entry(3, "behind")]).await.unwrap();
            let after = disk.after_power_loss();
            end(spool).await;
            assert_eq!(found(&after).await, [1, 2, 3], "seed {seed}");
        }
    });
}

#[test]
fn what_a_full_disk_refused_does_not_come_back_without_its_body() {
    let accept = |length| Wish::Accept { length, shares: 1, rest: Rest::Active };
    // The first is synced alone; of the other two, one fits.
    let ops = vec![Op::Commit(vec![accept(10), accept(2_500), accept(1_400)]), Op::Abandon(2_500)];
    runtime().block_on(async {
        let mut seen = Seen::default();
        for (from, seed) in (20..34).flat_map(|from| (0..12).map(move |seed| (from, seed))) {
            let faults = vec![Fault { from, kind: Kind::Full(6) }];
            let plan = Plan { ops: ops.clone(), faults, stop_at: None, ending: Ending::PowerLoss };
            let case = Case { boots: vec![plan], seed };
            seen +=
                crash_everywhere(&case, RIG, 0).await.unwrap_or_else(|error| panic!("{error} in {case:?}"));
        }
        assert!(seen.faults > 0);
    });
}
