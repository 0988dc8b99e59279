//! Which segments are worth being emptied: pure, from the account of what is needed.
//!
//! The log is emptied from its front, and only as far as half of it: what came lately is mostly done soon, and then costs
//! nothing. It may hold as much garbage as everything that is needed, and two segments; kept segments may be half garbage. So
//! the spool takes up to three times the bytes that it needs, and each entry that stays is copied a few times in its life.

use std::collections::{BTreeSet, VecDeque};

use crate::entry::QueueId;
use crate::needs::SegmentUse;
use crate::queue::Queue;
use crate::segment::SegmentId;
use crate::settings::Settings;

/// What a kept segment is to be made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Segments that are to be emptied.
    pub(crate) victims: BTreeSet<SegmentId>,
    /// Entries that need them, by segment, so that neighbours stay neighbours.
    pub(crate) survivors: VecDeque<QueueId>,
}

/// Segments of garbage in the log that are not worth any work.
const SLACK_SEGMENTS: u64 = 2;

impl Plan {
    /// None if nothing is worth the work.
    pub(crate) fn of(queue: &Queue, active: SegmentId, settings: &Settings) -> Option<Self> {
        let segments = queue.needs.segments();
        let (log, kept) = sealed(queue, active);
        let needed: u64 = segments.values().map(|used| used.needed).sum();
        let slack = settings.segment_bytes_max.saturating_mul(SLACK_SEGMENTS);
        let mut victims = BTreeSet::new();
        if garbage(&log) > needed.max(slack) {
            victims.extend(front_half(&log));
        }
        if garbage(&kept) > kept.iter().map(|(_, used)| used.needed).sum() {
            let worth = |(_, used): &&Of<'_>| used.needed.saturating_mul(2) < used.length;
            victims.extend(kept.iter().filter(worth).map(|(id, _)| *id));
        }
        victims.extend(small_ones(&kept, settings));
        if victims.is_empty() {
            return Self::of_empty_segments(queue, active);
        }
        let mut seen = BTreeSet::new();
        let survivors = victims.iter().flat_map(|id| queue.dependents(*id));
        let survivors = survivors.filter(|id| seen.insert(*id)).collect();
        Some(Self { victims, survivors })
    }

    /// To delete what nothing needs, without copying anything. None if there is no such segment.
    pub(crate) fn of_empty_segments(queue: &Queue, active: SegmentId) -> Option<Self> {
        let (log, kept) = sealed(queue, active);
        // The newest kept one may be empty: it is there for its checkpoint.
        let before = kept.split_last().map_or(&[][..], |(_, before)| before);
        let empty = |of: &Of<'_>| of.1.needed == 0;
        let plan = Self { victims: BTreeSet::new(), survivors: VecDeque::new() };
        (log.first().is_some_and(empty) || before.iter().any(empty)).then_some(plan)
    }
}

/// The log's segments but the one that is written to, and the kept ones.
fn sealed(queue: &Queue, active: SegmentId) -> (Vec<Of<'_>>, Vec<Of<'_>>) {
    let segments = queue.needs.segments().iter().map(|(id, used)| (*id, used));
    segments.filter(|(id, _)| *id != active).partition(|(id, _)| matches!(id, SegmentId::Log(_)))
}

type Of<'a> = (SegmentId, &'a SegmentUse);

fn garbage(segments: &[Of<'_>]) -> u64 {
    segments.iter().map(|(_, used)| used.length.saturating_sub(used.needed)).sum()
}

/// Segments from the front up to half of the bytes, at least one.
fn front_half<'a>(log: &'a [Of<'a>]) -> impl Iterator<Item = SegmentId> + 'a {
    let half = log.iter().map(|(_, used)| used.length).sum::<u64>() / 2;
    let mut bytes = 0_u64;
    let front = log.iter().take_while(move |(_, used)| {
        let before = bytes;
        bytes = bytes.saturating_add(used.length);
        before == 0 || bytes <= half
    });
    front.map(|(id, _)| *id)
}

/// If there are too many that are not full: the smallest, to be one.
fn small_ones(kept: &[Of<'_>], settings: &Settings) -> Vec<SegmentId> {
    let mut small: Vec<Of<'_>> = kept.to_vec();
    small.retain(|(_, used)| used.needed < settings.segment_bytes_max / 2);
    if small.len() <= settings.kept_segments_max {
        return Vec::new();
    }
    small.sort_by_key(|(_, used)| used.needed);
    small.truncate(settings.kept_segments_max.div_ceil(4).saturating_add(1));
    small.into_iter().map(|(id, _)| id).collect()
}
