//! A case from its first boot to its last start, and the crash at every step of the first one.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spool::disk::Disk;
use spool::{OpenError, Recovery, Settings, Spool};

use super::dice::Dice;
use super::disk::SimDisk;
use super::faults::Step;
use super::model::{Model, Promise};
use super::session::{Session, check_leases, everything, flush};
use super::swallow::{Swallow, Swallowing};
use super::workload::{Case, Ending, Plan};

/// What a run is about: the spool as it is, or with something taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rig {
    pub(crate) promise: Promise,
    pub(crate) swallow: Option<Swallow>,
}

/// What was seen, to show that it was seen at all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) runs: u64,
    pub(crate) starts: u64,
    pub(crate) steps: u64,
    pub(crate) power_losses: u64,
    pub(crate) kills: u64,
    pub(crate) closes: u64,
    pub(crate) faults: u64,
    pub(crate) poisoned: u64,
    pub(crate) refused_starts: u64,
    pub(crate) torn: u64,
    pub(crate) orphans: u64,
    pub(crate) segments_deleted: u64,
    pub(crate) entries_checked: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.starts += other.starts;
        self.steps += other.steps;
        self.power_losses += other.power_losses;
        self.kills += other.kills;
        self.closes += other.closes;
        self.faults += other.faults;
        self.poisoned += other.poisoned;
        self.refused_starts += other.refused_starts;
        self.torn += other.torn;
        self.orphans += other.orphans;
        self.segments_deleted += other.segments_deleted;
        self.entries_checked += other.entries_checked;
    }
}

/// Small enough that twenty ops fill several segments, compact them, and make body files.
fn settings() -> Settings {
    Settings {
        segment_bytes_max: 6_000,
        body_inline_max: 2_000,
        cache_bytes_max: 4_000,
        segment_files_max: 2,
        ..Settings::new(DIRECTORY)
    }
}

/// Two directories above it are to be made, too.
pub(super) const DIRECTORY: &str = "/var/spool/sluice";

/// Runs a case without a crash in its first boot, then with one at each of that boot's steps, or at `stops_max` of them.
pub(crate) async fn crash_everywhere(case: &Case, rig: Rig, stops_max: usize) -> Result<Seen, String> {
    let mut seen = Seen::default();
    let steps = run(case, None, rig, &mut seen).await?;
    let mut stops: Vec<u64> = (1..=steps).collect();
    let mut dice = Dice::new(case.seed);
    while stops.len() > stops_max {
        stops.swap_remove(dice.below(stops.len()));
    }
    for stop in stops {
        run(case, Some(stop), rig, &mut seen).await?;
    }
    Ok(seen)
}

/// The answer is the number of steps of the first boot.
async fn run(case: &Case, stop_at: Option<u64>, rig: Rig, seen: &mut Seen) -> Result<u64, String> {
    seen.runs += 1;
    let mut disk = SimDisk::new(case.seed ^ stop_at.unwrap_or(0));
    let mut model = Model::new(rig.promise);
    let mut first = None;
    for (number, plan) in case.boots.iter().enumerate() {
        let stop_at = if number == 0 { stop_at } else { plan.stop_at };
        disk.plan(stop_at, plan.faults.clone());
        let placed =
            |error| format!("boot {number}, stopped at step {stop_at:?}: {error}\n  after: {}", disk.trace());
        boot(&disk, plan, rig, (&mut model, seen)).await.map_err(placed)?;
        first.get_or_insert(disk.steps().0);
        seen.steps += disk.steps().0;
        seen.faults += disk.struck();
        seen.segments_deleted += u64::try_from(disk.count(Step::Unlink, ".log")).unwrap();
        disk = after(&disk, plan.ending, seen);
    }
    for last in ["last start", "start after an orderly close"] {
        let placed = |error| format!("{last}, stopped at step {stop_at:?}: {error}");
        let (spool, recovery) = start(&disk, rig).await.map_err(|error| placed(error.to_string()))?;
        check(&disk, &spool, (&mut model, seen)).await.map_err(placed)?;
        if last != "last start" && recovery.torn.is_some() {
            return Err(placed("torn, though it was closed in order".to_owned()));
        }
        spool.close().await;
    }
    Ok(first.unwrap_or(0))
}

/// The machine for the next boot.
fn after(disk: &SimDisk, ending: Ending, seen: &mut Seen) -> SimDisk {
    match ending {
        Ending::Close if !disk.is_off() => {
            seen.closes += 1;
            disk.after_kill()
        }
        Ending::Kill => {
            seen.kills += 1;
            disk.after_kill()
        }
        Ending::Close | Ending::PowerLoss => {
            seen.power_losses += 1;
            disk.after_power_loss()
        }
    }
}

/// One boot: start, check, work, end.
async fn boot(
    disk: &SimDisk,
    plan: &Plan,
    rig: Rig,
    (model, seen): (&mut Model, &mut Seen),
) -> Result<(), String> {
    let before = log_lengths(disk);
    let (spool, recovery) = match start(disk, rig).await {
        // It went off in a step of which nothing depends: an index.
        Ok((spool, _)) if disk.is_off() => {
            spool.close().await;
            flush().await;
            return Ok(());
        }
        Ok(started) => started,
        Err(_) if disk.is_off() => return Ok(()),
        Err(OpenError::Access { .. }) if disk.struck() > 0 => {
            seen.refused_starts += 1;
            return Ok(());
        }
        Err(error) => return Err(error.to_string()),
    };
    seen.orphans += u64::try_from(recovery.orphans).unwrap();
    seen.torn += u64::from(recovery.torn.is_some());
    check_torn(&recovery, &before, &log_lengths(disk))?;
    disk.pause();
    check(disk, &spool, (model, seen)).await?;
    disk.resume();
    let mut session = Session::new(spool.clone(), disk.clone(), model);
    for op in &plan.ops {
        session.perform(op).await?;
        if !session.goes_on() {
            break;
        }
    }
    if spool.poisoned() && !disk.is_off() {
        seen.poisoned += 1;
        session.check_poisoned().await?;
    }
    if plan.ending != Ending::Close {
        disk.turn_off();
    }
    drop(session);
    // Ends the committer's thread. Where the machine is off, it does nothing else.
    spool.close().await;
    flush().await;
    Ok(())
}

pub(super) async fn start(disk: &SimDisk, rig: Rig) -> Result<(Spool, Recovery), OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let disk = match rig.swallow {
        Some(what) => Arc::new(Swallowing { disk, what }),
        None => disk,
    };
    Spool::open_on(settings(), disk).await
}

/// A start has what was promised, and nothing else lies around.
async fn check(disk: &SimDisk, spool: &Spool, (model, seen): (&mut Model, &mut Seen)) -> Result<(), String> {
    seen.starts += 1;
    let found = everything(spool)?;
    seen.entries_checked += u64::try_from(found.len()).unwrap();
    model.check(&found)?;
    check_leases(spool, &found)?;
    let bodies = disk.files(&Path::new(DIRECTORY).join("bodies")).len();
    if bodies != spool.counts().bodies {
        return Err(format!("{bodies} body files, of which {} are needed", spool.counts().bodies));
    }
    Ok(())
}

fn log_lengths(disk: &SimDisk) -> BTreeMap<PathBuf, usize> {
    let files = disk.files(&Path::new(DIRECTORY).join("segments"));
    files.into_iter().map(|(path, bytes)| (path, bytes.len())).collect()
}

/// What was cut off is reported, to the byte.
fn check_torn(
    recovery: &Recovery,
    before: &BTreeMap<PathBuf, usize>,
    after: &BTreeMap<PathBuf, usize>,
) -> Result<(), String> {
    let cut = before.iter().find_map(|(path, length)| {
        let left = *after.get(path)?;
        (left < *length).then(|| (path.clone(), left, length - left))
    });
    let reported = recovery.torn.as_ref().map(|torn| {
        let number = |number: u64| usize::try_from(number).unwrap();
        (torn.path.clone(), number(torn.offset), number(torn.bytes))
    });
    if cut == reported { Ok(()) } else { Err(format!("{cut:?} was cut, {reported:?} was reported")) }
}
