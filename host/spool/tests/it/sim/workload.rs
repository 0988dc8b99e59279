//! Random workloads: what is asked of the spool, what goes wrong meanwhile, and how each boot ends.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::faults::{Fault, fault};

/// All that a run depends on.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) boots: Vec<Plan>,
    /// Chooses short writes, crash images, salts.
    pub(crate) seed: u64,
}

/// One boot.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) ops: Vec<Op>,
    pub(crate) faults: Vec<Fault>,
    /// The step in which it ends, if the work isn't done before.
    pub(crate) stop_at: Option<u64>,
    pub(crate) ending: Ending,
}

/// How a boot ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// In order. If it stops before that, the power was lost.
    Close,
    /// The process dies; the page cache stays.
    Kill,
    PowerLoss,
}

/// What is done at a time.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    /// Records that are submitted together; all but the first are one batch.
    Commit(Vec<Wish>),
    /// A body that no entry comes to refer to.
    Abandon(usize),
}

/// A record. `which` chooses among the entries that are there.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Accept { length: usize, shares: usize, rest: Rest },
    Stage { which: usize, edit: Edit, outbox: Vec<Outgoing>, rest: Rest },
    Attempt { which: usize, outbox: Vec<Outgoing> },
    Done { which: usize, outbox: Vec<Outgoing> },
}

/// Whether an entry moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Active,
    Quarantined,
    Held,
}

/// What a stage does to the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    None,
    Prepend(usize),
    Halve,
    Replace(usize),
}

/// A new entry in an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    /// With bytes of its own.
    Fresh(usize),
    /// With the first half of the subject's bytes.
    Half,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    // The later boots are shrunk first.
    let boots = (vec(plan(6, stop_at()), 0..3), plan(20, Just(None)));
    let boots = boots.prop_map(|(mut boots, first)| {
        boots.insert(0, first);
        boots
    });
    (boots, any::<u64>()).prop_map(|(boots, seed)| Case { boots, seed })
}

fn plan(ops_max: usize, stop_at: impl Strategy<Value = Option<u64>>) -> impl Strategy<Value = Plan> {
    let faults = prop_oneof![1 => Just(Vec::new()), 1 => vec(fault(), 1..3)];
    let ending = prop_oneof![1 => Just(Ending::Close), 2 => Just(Ending::Kill), 3 => Just(Ending::PowerLoss)];
    let plan = (vec(op(), 1..=ops_max), faults, stop_at, ending);
    plan.prop_map(|(ops, faults, stop_at, ending)| Plan { ops, faults, stop_at, ending })
}

/// A third of the later crashes come during the start.
fn stop_at() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        1 => Just(None),
        1 => (1..10_u64).prop_map(Some),
        1 => (10..60_u64).prop_map(Some),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => vec(wish(), 1).prop_map(Op::Commit),
        6 => vec(wish(), 2..5).prop_map(Op::Commit),
        1 => length().prop_map(Op::Abandon),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    let accept = (length(), 1..4_usize, rest());
    let stage = (any::<usize>(), edit(), outbox(), rest());
    prop_oneof![
        4 => accept.prop_map(|(length, shares, rest)| Wish::Accept { length, shares, rest }),
        2 => stage.prop_map(|(which, edit, outbox, rest)| Wish::Stage { which, edit, outbox, rest }),
        1 => (any::<usize>(), outbox()).prop_map(|(which, outbox)| Wish::Attempt { which, outbox }),
        4 => (any::<usize>(), outbox()).prop_map(|(which, outbox)| Wish::Done { which, outbox }),
    ]
}

/// In the record, in a file, in a file of two blocks.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![30 => 0..1500_usize, 15 => 2_001..7_000_usize, 1 => Just(300_000)]
}

fn rest() -> impl Strategy<Value = Rest> {
    prop_oneof![6 => Just(Rest::Active), 1 => Just(Rest::Quarantined), 1 => Just(Rest::Held)]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        2 => Just(Edit::None),
        2 => (1..200_usize).prop_map(Edit::Prepend),
        1 => Just(Edit::Halve),
        1 => length().prop_map(Edit::Replace),
    ]
}

fn outbox() -> impl Strategy<Value = Vec<Outgoing>> {
    let outgoing = prop_oneof![(0..600_usize).prop_map(Outgoing::Fresh), Just(Outgoing::Half)];
    prop_oneof![3 => Just(Vec::new()), 1 => vec(outgoing, 1..3)]
}
