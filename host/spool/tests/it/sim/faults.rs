//! What goes wrong while the machine runs: each fault waits for the first step that it can strike, from a step on.

use proptest::prelude::{Strategy, prop_oneof};

/// One step through [`spool::disk::Disk`] that changes something, or a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    MakeDirectory,
    Create,
    Write,
    Sync,
    SyncNames,
    Rename,
    Unlink,
    Truncate,
    Read,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// No room for so many steps: writes are cut short, then refused.
    Full(u64),
    /// EIO, with nothing or some of it done; a sync loses what it should have kept, and the pages count as clean.
    Broken(Step),
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Not before this step (this read) of its boot.
    pub(crate) from: u64,
    pub(crate) kind: Kind,
}

pub(crate) fn fault() -> impl Strategy<Value = Fault> {
    use Step::{Create, Read, Rename, Sync, SyncNames, Truncate, Unlink, Write};
    let broken = proptest::sample::select(vec![
        Create, Write, Write, Sync, Sync, Sync, SyncNames, SyncNames, Rename, Unlink, Truncate, Read, Read,
    ]);
    let kind = prop_oneof![2 => (1..12_u64).prop_map(Kind::Full), 5 => broken.prop_map(Kind::Broken)];
    // Some during the start, which has few steps.
    let from = prop_oneof![1 => 0..14_u64, 3 => 14..40_u64, 3 => 40..150_u64];
    (from, kind).prop_map(|(from, kind)| Fault { from, kind })
}

/// What strikes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    Full,
    Broken,
}

/// The faults of one boot that are still to come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
    full_until: u64,
    pub(crate) paused: bool,
    /// Those that struck.
    pub(crate) struck: u64,
}

impl Faults {
    pub(crate) fn new(waiting: Vec<Fault>) -> Self {
        Self { waiting, ..Self::default() }
    }

    /// What becomes of a step with this number.
    pub(crate) fn strike(&mut self, step: Step, number: u64) -> Option<Strike> {
        if self.paused {
            return None;
        }
        let strikes = |fault: &Fault| match fault.kind {
            Kind::Full(_) => fault.from <= number && matches!(step, Step::Write | Step::Create),
            Kind::Broken(broken) => fault.from <= number && broken == step,
        };
        if let Some(at) = self.waiting.iter().position(strikes) {
            self.struck += 1;
            match self.waiting.remove(at).kind {
                Kind::Broken(_) => return Some(Strike::Broken),
                Kind::Full(steps) => self.full_until = number + steps,
            }
        }
        let full = number < self.full_until && matches!(step, Step::Write | Step::Create);
        full.then_some(Strike::Full)
    }
}
