//! Bit rot at rest: a start refuses and names the file, or all mail is there and the damaged one says so when it is read.
//! Never a start with less mail, never other bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use spool::{OpenError, Recovery, Spool};

use super::RIG;
use super::dice::Dice;
use super::disk::SimDisk;
use super::model::{Model, State};
use super::run::{DIRECTORY, start};
use super::session::{Session, flush, state};
use super::workload::{Case, Ending};

/// What came of the flipped bits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rotten {
    pub(crate) refused: u64,
    pub(crate) unreadable: u64,
    pub(crate) torn: u64,
    pub(crate) harmless: u64,
}

/// Does the work of a case's first boot, and then starts with one flipped bit, `count` times.
pub(crate) async fn flip_bits(case: &Case, count: usize, seen: &mut Rotten) -> Result<(), String> {
    let disk = SimDisk::new(case.seed);
    let mut model = Model::new(RIG.promise);
    let mut before = model.clone();
    let (spool, _) = start(&disk, RIG).await.map_err(|error| error.to_string())?;
    let mut session = Session::new(spool.clone(), disk.clone(), &mut model);
    let mut last = Vec::new();
    for op in &case.boots[0].ops {
        let now = session.model.clone();
        session.perform(op).await?;
        if !session.last.is_empty() {
            (before, last) = (now, std::mem::take(&mut session.last));
        }
    }
    // What a crash tore and what rotted look alike in the last batch, unless a seal stands behind it.
    let disk = if case.boots[0].ending == Ending::Close {
        before = session.model.clone();
        disk
    } else {
        last.into_iter().for_each(|effects| before.doubt(effects));
        disk.after_kill()
    };
    drop(session);
    spool.close().await;
    flush().await;
    let mut dice = Dice::new(case.seed);
    for _ in 0..count {
        let rotten = disk.after_kill();
        let (path, bit) = flip(&rotten, &mut dice);
        let whole = check(&rotten, &path, (&model, &before), seen).await;
        whole.map_err(|error| format!("bit {bit} of {} flipped: {error}", path.display()))?;
    }
    Ok(())
}

/// Flips a bit of a segment, an index or a body.
fn flip(disk: &SimDisk, dice: &mut Dice) -> (PathBuf, usize) {
    let folder = |name| disk.files(&Path::new(DIRECTORY).join(name));
    let files: Vec<_> =
        folder("segments").into_iter().chain(folder("index")).chain(folder("bodies")).collect();
    let (path, bytes) = files[dice.below(files.len())].clone();
    let bit = dice.below(bytes.len() * 8);
    disk.rot(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
    (path, bit)
}

async fn check(
    disk: &SimDisk,
    path: &Path,
    (model, before): (&Model, &Model),
    seen: &mut Rotten,
) -> Result<(), String> {
    let (spool, recovery) = match start(disk, RIG).await {
        Ok(started) => started,
        // A record that says which segments are gone may be what rotted: then the first of those is missing.
        Err(OpenError::Missing { .. }) => {
            seen.refused += 1;
            return Ok(());
        }
        Err(error) => {
            seen.refused += 1;
            let text = error.to_string();
            let names = text.contains(&path.display().to_string());
            return if names { Ok(()) } else { Err(format!("refused without its name: {text}")) };
        }
    };
    let read = read(&spool, &recovery, path, (model, before), seen);
    spool.close().await;
    flush().await;
    read
}

/// Everything is there as it was, or says that it is damaged and where.
fn read(
    spool: &Spool,
    recovery: &Recovery,
    path: &Path,
    (model, before): (&Model, &Model),
    seen: &mut Rotten,
) -> Result<(), String> {
    let mut expected = if recovery.torn.is_some() { before.clone() } else { model.clone() };
    let mut found: BTreeMap<u128, State> = BTreeMap::new();
    let mut unreadable = 0_u32;
    for summary in spool.list(None, usize::MAX) {
        let number = summary.id.number();
        let entry = spool.entry(summary.id).map_err(|error| format!("entry {number}: {error}"));
        match entry.and_then(|entry| state(spool, &entry)) {
            Ok(state) => drop(found.insert(number, state)),
            Err(error) if error.contains(&path.display().to_string()) => {
                unreadable += 1;
                found.extend(expected.known().get(&number).map(|state| (number, state.clone())));
            }
            Err(error) => return Err(error),
        }
    }
    match (unreadable, &recovery.torn) {
        (1.., _) => seen.unreadable += 1,
        (0, Some(_)) => seen.torn += 1,
        (0, None) => seen.harmless += 1,
    }
    expected.check(&found)
}
