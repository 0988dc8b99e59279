//! Every bound of this crate, each with its unit, its default and where the default comes from.

use std::time::Duration;

use crate::event::Class;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Bytes that one call writes with `log.write`, and as many by standard output; what is over is dropped and said once.
/// Ours: 100 lines of a terminal.
pub const LOG_BYTES_MAX: usize = 16 * 1024;
/// Bytes that a line counts for at least: what we write around it is longer than many a line. So one call makes at most 256
/// lines. Ours.
pub const LOG_LINE_BYTES_MIN: usize = 64;
/// Bytes of the reason why a sink was not loaded: it may list names that the component made up. Ours: a screen.
pub const REASON_BYTES_MAX: usize = 2_000;
/// Bytes of guest text in a fault's detail, in our log and in a trace. Ours: one screen line.
pub const DETAIL_BYTES_MAX: usize = 400;
/// Bytes that `random.bytes` gives in one call; the contract's number.
pub const RANDOM_BYTES_MAX: u32 = 4096;
/// Bytes that WASI's random gives in one call. RUNTIME.
pub const WASI_RANDOM_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of one write to standard output; what WASI's own `blocking-write-and-flush` takes.
pub const WASI_WRITE_BYTES_MAX: usize = 4096;
/// Streams, pollables and the like that a guest may hold of WASI. RUNTIME.
pub const WASI_RESOURCES_MAX: usize = 256;
/// Handles that a component may hold. RUNTIME.
pub const HANDLES_MAX: usize = 1024;
/// Fuel between two yields, so that a guest that works leaves its thread to others: some 100 us. RUNTIME.
pub const YIELD_FUEL: u64 = 1_000_000;
/// Bytes that one read of a part, of the raw message or of a blob gives; the contract's number.
pub const READ_BYTES_MAX: u32 = 1024 * 1024;
/// Blobs of one call. Ours: more than any message that a sink would build by parts needs.
pub const BLOBS_MAX: usize = 64;
/// Bytes of all blobs of one call. Ours: a 50 MiB message once, with room for its parts.
pub const BLOB_BYTES_MAX: u64 = 64 * MIB;
/// Keys of one installation in one message or one session. Ours: variables are a memory, not a store.
pub const VARIABLES_MAX: usize = 64;
/// Bytes of one variable's key. Ours.
pub const VARIABLE_KEY_BYTES_MAX: usize = 128;
/// Bytes of all variables of one installation in one message or session; they are written with every stage. Ours.
pub const VARIABLE_BYTES_MAX: usize = 16 * 1024;
/// Scores of one message that its tenant sets, and as many that the operator does. Ours: SpamAssassin-like systems have tens of classes, not hundreds.
pub const SCORES_MAX: usize = 64;
/// Bytes of a word that a sink makes up. Ours: it becomes a label.
pub const WORD_BYTES_MAX: usize = 64;
/// Bytes of the state that a deferring stage or a dialogue of `more` keeps. Ours: it is in the durable record.
pub const STATE_BYTES_MAX: usize = 64 * 1024;
/// Octets that one `more` may ask for. Ours: the read must fit in memory with the session.
pub const DIALOGUE_OCTETS_MAX: u32 = 1024 * 1024;
/// Samples of metrics that one call may give. Ours: a call counts a few things, not each byte.
pub const METRIC_SAMPLES_MAX: usize = 64;
/// Verbs that a sink may name. Ours.
pub const VERBS_MAX: usize = 64;
/// SASL mechanisms that on-auth-step may name; far more than anybody speaks.
pub const MECHANISMS_MAX: usize = 8;
/// Ages of a message that a sink may name. Ours: a warning, a reminder, and room.
pub const AGES_MAX: usize = 16;
/// Recipients that a rewrite or a redirect of one recipient may become. Ours: an alias, not a mailing list.
pub const REDIRECT_MAX: usize = 100;
/// Members that a sink may name for one list. Ours: a mailing list is in the hundreds; larger ones have a list manager.
pub const EXPAND_MAX: usize = 1_000;
/// Hosts that a sink may name for one domain, and addresses of each. Ours: as many as DNS answers fit in one packet.
pub const CANDIDATES_MAX: usize = 32;
/// Siblings that the forks of one event may make. Ours.
pub const SIBLINGS_MAX: usize = 32;
/// Longest pause of `session.tarpit`, all of one event together. Ours: half of the shortest client timeout of RFC 5321
/// §4.5.3.2 is minutes, but a held socket costs.
pub const TARPIT_MAX: Duration = Duration::from_secs(30);
/// Longest pause of a deferred stage. RFC 5321 §4.5.4.1: give-up time is at least 4-5 days.
pub const STAGE_WAIT_MAX: Duration = Duration::from_secs(4 * 24 * 3600);
/// Longest time from now to the expiry that a sink sets: a message must not stay for ever. Ours: six times the schedule's
/// five days (RFC 5321 §4.5.4.1).
pub const EXPIRY_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Pause before a stage is asked again after a fault. RFC 5321 §4.5.4.1 retries after 30 minutes at most often; a fault
/// is ours to mend, so sooner.
pub const FAULT_WAIT: Duration = Duration::from_secs(300);
/// Faults of one message, binding and digest in a row before the message is held (EVENTS, "Classes, budgets, faults").
pub const STAGE_FAULTS_MAX: u32 = 5;
/// Decisions for single recipients in one message and event: a redirect makes a new recipient, which can be redirected.
/// Ours: twice [`RECIPIENTS_MAX`].
pub const DISPOSITIONS_MAX: usize = 2 * RECIPIENTS_MAX;
/// Recipients of one message, its forks included, that a sink can bring it to. Ours: ten times RFC 5321 §4.5.3.1.8's minimum for a client.
pub const RECIPIENTS_MAX: usize = 1_000;
/// Size of a message whose bytes are all in memory, so that reading them may stay on the guest's fiber. The spool keeps
/// up to 1 MiB of a body in memory.
pub const INLINE_BYTES_MAX: u64 = MIB;
/// Wall clock that a host call leaves the guest to decide with, if a tenth of its budget is less (EVENTS).
pub const DECISION_TIME_MIN: Duration = Duration::from_millis(50);

/// Limits of the engine as a whole.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Calls at the same time: the pool's size. Default 256: 1.3 TiB of address space, within 42 bits, and 30 KiB a
    /// call of real memory.
    pub concurrent_events_max: u32,
    /// Largest memory that any installation may be given. Default 256 MiB (RUNTIME, "Config").
    pub memory_bytes_max: u64,
    /// Wall clock of all bindings of a gate together. Default 15 s (EVENTS).
    pub gate_wall_clock: Duration,
    /// The same at the dot. Default 30 s (EVENTS).
    pub dot_wall_clock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent_events_max: 256,
            memory_bytes_max: 256 * MIB,
            gate_wall_clock: Duration::from_secs(15),
            dot_wall_clock: Duration::from_secs(30),
        }
    }
}

/// What an installation's limits say instead of the class's defaults; `None` leaves the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Fuel of one call.
    pub fuel: Option<u64>,
    /// Wall clock of one call.
    pub wall_clock: Option<Duration>,
    /// Bytes of all memories of one call.
    pub memory_bytes: Option<u64>,
    /// Bytes that one host call may copy.
    pub host_call_bytes: Option<u64>,
}

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Deterministic work, of the guest and of the host for it.
    pub fuel: u64,
    /// Time from the start of the call, waiting for permits included.
    pub wall_clock: Duration,
    /// Bytes of all memories together. Default 64 MiB: what the largest language runtime needs, twice (TOOLCHAINS).
    pub memory_bytes: u64,
    /// Bytes that one host call may copy. Default 4 MiB (RUNTIME, "Store").
    pub host_call_bytes: u64,
}

impl Budget {
    /// The class's default (EVENTS, "Classes, budgets, faults") with an installation's overrides.
    pub fn of(class: Class, overrides: &Overrides) -> Self {
        let (fuel, wall_clock) = match class {
            Class::Gate | Class::Provider => (500_000_000, Duration::from_secs(5)),
            Class::Stage | Class::Observer | Class::Life => (5_000_000_000, Duration::from_secs(60)),
            Class::Notice => (100_000_000, Duration::from_secs(1)),
        };
        Self {
            fuel: overrides.fuel.unwrap_or(fuel),
            wall_clock: overrides.wall_clock.unwrap_or(wall_clock),
            memory_bytes: overrides.memory_bytes.unwrap_or(64 * MIB),
            host_call_bytes: overrides.host_call_bytes.unwrap_or(4 * MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Budget, Overrides};
    use crate::event::Class;

    #[test]
    fn an_installation_overrides_what_it_names_and_keeps_the_rest() {
        let overrides = Overrides { fuel: Some(7), ..Overrides::default() };
        let budget = Budget::of(Class::Notice, &overrides);
        assert_eq!((budget.fuel, budget.wall_clock), (7, Duration::from_secs(1)));
    }
}
