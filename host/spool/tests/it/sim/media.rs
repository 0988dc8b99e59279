//! One file and one directory: what the page cache has, what the medium has, and what a loss of power may make of the
//! difference.
//!
//! The medium takes whole sectors in any order, each as it was after any of the changes since the last sync; one of them may
//! be torn at any byte. The length is another thing that may or may not have got there; what lies inside it and was never
//! written is zeros, or what some other file left there. Names are kept or lost one by one.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::dice::Dice;

/// Bytes that a medium takes at once.
const SECTOR: usize = 512;

/// A file's bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Data {
    /// What a reader sees.
    pub(crate) cache: Vec<u8>,
    media: Vec<u8>,
    pending: Vec<Dirty>,
}

/// Sectors as they were after a change, and the file's length then.
#[derive(Debug, Clone)]
struct Dirty {
    start: usize,
    bytes: Vec<u8>,
    length: usize,
}

impl Data {
    /// A file that is on the medium as it is.
    pub(crate) fn clean(bytes: Vec<u8>) -> Self {
        Self { cache: bytes.clone(), media: bytes, pending: Vec::new() }
    }

    pub(crate) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.cache.resize(self.cache.len().max(end), 0);
        self.cache[offset..end].copy_from_slice(bytes);
        let start = offset - offset % SECTOR;
        let end = end.next_multiple_of(SECTOR).min(self.cache.len());
        let bytes = self.cache[start..end].to_vec();
        self.pending.push(Dirty { start, bytes, length: self.cache.len() });
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        let old = self.cache.len();
        self.cache.resize(length, 0);
        let start = length.min(old) - length.min(old) % SECTOR;
        let mut bytes = self.cache[start..].to_vec();
        bytes.resize(old.max(length) - start, 0);
        self.pending.push(Dirty { start, bytes, length });
    }

    pub(crate) fn sync(&mut self) {
        self.media = self.all();
        self.pending.clear();
    }

    /// A sync that fails: some of it is on the medium, the rest never will be, and the cache takes it for clean.
    pub(crate) fn lose(&mut self, dice: &mut Dice, stale: &[u8]) {
        self.media = self.image(dice, stale);
        self.pending.clear();
    }

    /// What the medium may have when the power goes.
    pub(crate) fn image(&self, dice: &mut Dice, stale: &[u8]) -> Vec<u8> {
        if self.pending.is_empty() {
            return self.media.clone();
        }
        match dice.below(6) {
            0 => self.media.clone(),
            1 => self.all(),
            2 => self.torn(dice),
            3 => self.scattered(dice, stale),
            _ => self.scattered(dice, &[]),
        }
    }

    fn all(&self) -> Vec<u8> {
        let mut image = self.media.clone();
        self.pending.iter().for_each(|dirty| dirty.apply(&mut image));
        image
    }

    /// Some changes in their order, the last of them torn at a byte.
    fn torn(&self, dice: &mut Dice) -> Vec<u8> {
        let mut image = self.media.clone();
        let whole = dice.below(self.pending.len());
        self.pending[..whole].iter().for_each(|dirty| dirty.apply(&mut image));
        let torn = &self.pending[whole];
        overlay(&mut image, torn.start, &torn.bytes[..dice.below(torn.bytes.len() + 1)]);
        image
    }

    /// Each sector as it was at some time; `stale` is what an unwritten one holds.
    fn scattered(&self, dice: &mut Dice, stale: &[u8]) -> Vec<u8> {
        let ends = self.pending.iter().map(|dirty| dirty.start + dirty.bytes.len());
        let longest = ends.chain([self.media.len()]).max().unwrap();
        let mut image = self.media.clone();
        image.extend((self.media.len()..longest).map(|at| stale.get(at).copied().unwrap_or(0)));
        let ages: Vec<usize> =
            (0..longest.div_ceil(SECTOR)).map(|_| dice.below(self.pending.len() + 1)).collect();
        let torn = dice.below(ages.len());
        for (age, dirty) in self.pending.iter().enumerate() {
            for (at, chunk) in dirty.bytes.chunks(SECTOR).enumerate() {
                let sector = dirty.start / SECTOR + at;
                if ages[sector] > age {
                    let count = if sector == torn { dice.below(chunk.len() + 1) } else { chunk.len() };
                    image[sector * SECTOR..][..count].copy_from_slice(&chunk[..count]);
                }
            }
        }
        let length = match dice.below(3) {
            0 => longest,
            1 => self.pending[dice.below(self.pending.len())].length,
            _ => self.media.len() + dice.below(longest - self.media.len() + 1),
        };
        image.truncate(length);
        image
    }
}

impl Dirty {
    fn apply(&self, image: &mut Vec<u8>) {
        overlay(image, self.start, &self.bytes);
        image.resize(self.length, 0);
    }
}

fn overlay(image: &mut Vec<u8>, start: usize, bytes: &[u8]) {
    let end = start + bytes.len();
    image.resize(image.len().max(end), 0);
    image[start..end].copy_from_slice(bytes);
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    /// Index of the file.
    File(usize),
    Directory,
}

/// A directory's names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// What a lookup sees.
    pub(crate) now: BTreeMap<OsString, Node>,
    media: BTreeMap<OsString, Node>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Link(OsString, Node),
    Unlink(OsString),
    Rename { from: OsString, to: OsString, node: Node },
}

impl Names {
    /// A directory that is on the medium as it is.
    pub(crate) fn clean(names: BTreeMap<OsString, Node>) -> Self {
        Self { now: names.clone(), media: names, pending: Vec::new() }
    }

    pub(crate) fn link(&mut self, name: OsString, node: Node) {
        self.change(Change::Link(name, node));
    }

    /// None if there is no such name.
    pub(crate) fn unlink(&mut self, name: OsString) -> Option<()> {
        self.now.get(&name)?;
        self.change(Change::Unlink(name));
        Some(())
    }

    /// None if there is no such name.
    pub(crate) fn rename(&mut self, from: OsString, to: OsString) -> Option<()> {
        let node = *self.now.get(&from)?;
        self.change(Change::Rename { from, to, node });
        Some(())
    }

    pub(crate) fn sync(&mut self) {
        self.media.clone_from(&self.now);
        self.pending.clear();
    }

    /// A sync that fails: some names are on the medium. The others stay pending, since file systems keep them in a journal
    /// and either write it later or stop.
    pub(crate) fn lose(&mut self, dice: &mut Dice) {
        self.media = self.image(dice);
    }

    /// What the medium may have when the power goes.
    pub(crate) fn image(&self, dice: &mut Dice) -> BTreeMap<OsString, Node> {
        let mut image = self.media.clone();
        let count = match dice.below(4) {
            0 => 0,
            1 => dice.below(self.pending.len() + 1),
            _ => self.pending.len(),
        };
        let each = dice.one_in(2);
        for change in &self.pending[..count] {
            if each || dice.one_in(2) {
                change.apply(&mut image);
            }
        }
        image
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.pending.push(change);
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<OsString, Node>) {
        match self {
            Self::Link(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Unlink(name) => drop(names.remove(name)),
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}
