//! A trial before an installation may take traffic: one instance, the types of every export, what the sink prepares, what
//! it wants to hear of, and its own test.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use smtp::Mechanism;
use smtp::command::MECHANISM_BYTES_MAX;
use tokio::time::{Instant, timeout_at};
use wasmtime::{AsContextMut, Store};

use crate::binding::{Installation, Verbs};
use crate::call::{Runner, Timing, burnt, enter};
use crate::convert::for_log;
use crate::event::EventKind;
use crate::fault;
use crate::limits::{AGES_MAX, Budget, DETAIL_BYTES_MAX, MECHANISMS_MAX, VERBS_MAX, WORD_BYTES_MAX};
use crate::state::State;
use crate::subject::Subject;
use crate::verdict::{Fault, FaultKind};

/// An installation did not pass its trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The guest faulted in the step.
    #[error("{step}: {fault}")]
    Fault {
        /// An export.
        step: &'static str,
        /// What happened.
        fault: Fault,
    },
    /// The guest said no in the step.
    #[error("{step}: {message}")]
    Refused {
        /// An export.
        step: &'static str,
        /// Its words, bounded.
        message: String,
    },
    /// An export has other types than its event.
    #[error("{0}")]
    Types(wasmtime::Error),
}

/// What a trial learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Verbs that on-inbound-command wants to hear of.
    pub command_verbs: Verbs,
    /// Verbs that on-reply wants to hear of.
    pub reply_verbs: Verbs,
    /// Verbs that on-server-response wants to hear of.
    pub response_verbs: Verbs,
    /// SASL mechanisms that on-auth-step speaks.
    pub mechanisms: Box<[Box<str>]>,
    /// Ages that on-queue-age wants to hear of, youngest first.
    pub ages: Box<[Duration]>,
}

/// The first step, which has no export of its own.
const INSTANTIATE: &str = "instantiation";

/// Everything under the budget of a sink's life, the wall clock of all steps together.
pub(crate) async fn run(runner: &Runner, installation: &Arc<Installation>) -> Result<Trial, TrialError> {
    let budget = Budget::of(EventKind::Prepare.class(), &installation.limits);
    let deadline = Instant::now() + budget.wall_clock;
    let owner = installation.tenant.clone().unwrap_or_else(|| Arc::from("operator"));
    let waiting = runner.permits.acquire(&owner, installation.artifact.needs());
    let Ok(Some(_permit)) = timeout_at(deadline, waiting).await else {
        let fault = Fault { kind: FaultKind::NoPermit, detail: "no place was free for the trial".to_owned() };
        return Err(TrialError::Fault { step: INSTANTIATE, fault });
    };
    let frame = runner.frame(installation, EventKind::Prepare, Timing { deadline, budget });
    let state = State::new(Subject::new(owner, Arc::from("trial")), frame);
    let mut store = runner
        .store(state)
        .map_err(|error| TrialError::Fault { step: INSTANTIATE, fault: fault::of_host(&error) })?;
    let mut step = INSTANTIATE;
    let tried = timeout_at(deadline, steps(&mut store, installation, &mut step)).await;
    let result = match tried {
        Ok(Ok(trial)) => Ok(trial),
        Ok(Err(Stumble::Refused(message))) => {
            Err(TrialError::Refused { step, message: for_log(&message, DETAIL_BYTES_MAX) })
        }
        Ok(Err(Stumble::Types(error))) => Err(TrialError::Types(error)),
        Ok(Err(Stumble::Guest(error))) => {
            let fault = fault::of_guest(&error, store.data(), burnt(&store));
            Err(TrialError::Fault { step, fault })
        }
        Err(_elapsed) => {
            let detail = format!("stopped after {:?}", budget.wall_clock);
            Err(TrialError::Fault { step, fault: Fault { kind: FaultKind::Deadline, detail } })
        }
    };
    if let Some(wasi) = &store.data().wasi {
        wasi.finish();
    }
    result
}

type Words = Box<[Box<str>]>;

/// Why a step did not end well.
enum Stumble {
    Guest(wasmtime::Error),
    Refused(String),
    Types(wasmtime::Error),
}

impl From<wasmtime::Error> for Stumble {
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(error)
    }
}

async fn steps(
    store: &mut Store<State>,
    installation: &Installation,
    step: &mut &'static str,
) -> Result<Trial, Stumble> {
    let artifact = &installation.artifact;
    let exports = &artifact.exports;
    let budget = store.data().call.budget;
    let instance = &artifact.instance.instantiate_async(&mut *store).await?;
    exports.check(store.as_context_mut(), instance).map_err(Stumble::Types)?;
    if let Some(indices) = &exports.on_prepare {
        *step = EventKind::Prepare.name();
        let guest = indices.load(&mut *store, instance)?;
        guest.call_handle(&mut *store).await?.map_err(Stumble::Refused)?;
    }
    let mut trial = Trial::default();
    enter(store, EventKind::SelfTest, budget)?;
    if let Some(indices) = &exports.on_inbound_command {
        *step = EventKind::InboundCommand.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.command_verbs = verbs(guest.call_verbs(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_reply {
        *step = EventKind::Reply.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.reply_verbs = verbs(guest.call_verbs(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_server_response {
        *step = EventKind::ServerResponse.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.response_verbs = verbs(guest.call_verbs(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_auth_step {
        *step = EventKind::AuthStep.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.mechanisms = mechanisms(guest.call_mechanisms(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_queue_age {
        *step = EventKind::QueueAge.name();
        let guest = indices.load(&mut *store, instance)?;
        trial.ages = ages(guest.call_ages(&mut *store).await?)?;
    }
    if let Some(indices) = &exports.on_self_test {
        *step = EventKind::SelfTest.name();
        let guest = indices.load(&mut *store, instance)?;
        guest.call_handle(&mut *store).await?.map_err(Stumble::Refused)?;
    }
    Ok(trial)
}

/// Upper case and bounded; what is no verb would never be asked about.
fn verbs(named: Vec<String>) -> Result<Verbs, Stumble> {
    if named.is_empty() {
        return Ok(Verbs::Every);
    }
    let is_verb = |verb: &str| {
        !verb.is_empty() && verb.len() <= WORD_BYTES_MAX && verb.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if named.len() > VERBS_MAX || !named.iter().all(|verb| is_verb(verb)) {
        return Err(Stumble::Refused(format!(
            "verbs: up to {VERBS_MAX} words of up to {WORD_BYTES_MAX} bytes"
        )));
    }
    Ok(Verbs::These(named.into_iter().map(|verb| verb.to_ascii_uppercase().into()).collect()))
}

/// Upper case; a name as RFC 4422 §3.1 has it, and none that the host speaks itself: it would never be asked.
fn mechanisms(named: Vec<String>) -> Result<Words, Stumble> {
    let is_name = |name: &String| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MECHANISM_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_legal)
    };
    let is_ours = |name: &String| Mechanism::ALL.iter().any(|ours| ours.word().eq_ignore_ascii_case(name));
    if named.is_empty()
        || named.len() > MECHANISMS_MAX
        || !named.iter().all(is_name)
        || named.iter().any(is_ours)
    {
        return Err(Stumble::Refused(format!(
            "mechanisms: 1 to {MECHANISMS_MAX} names of up to {MECHANISM_BYTES_MAX} letters, digits, - and _, none of the host's own"
        )));
    }
    Ok(named.into_iter().map(|name| name.to_ascii_uppercase().into()).collect())
}

/// In order, each once; a sink that named none would never be asked.
fn ages(named: Vec<u32>) -> Result<Box<[Duration]>, Stumble> {
    if named.is_empty() || named.len() > AGES_MAX || named.contains(&0) {
        return Err(Stumble::Refused(format!("ages: 1 to {AGES_MAX} numbers of seconds above 0")));
    }
    let named: BTreeSet<u32> = named.into_iter().collect();
    Ok(named.into_iter().map(|seconds| Duration::from_secs(seconds.into())).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Stumble, TrialError, ages, mechanisms, verbs};
    use crate::binding::Verbs;
    use crate::guests::Stand;
    use crate::limits::{AGES_MAX, DETAIL_BYTES_MAX, HANDLES_MAX, MECHANISMS_MAX, VERBS_MAX, WORD_BYTES_MAX};
    use crate::verdict::FaultKind;

    #[test]
    fn verbs_end_at_their_number_and_at_their_bytes() {
        let many = |number: usize, length: usize| verbs(vec!["x".repeat(length); number]);
        let Ok(Verbs::These(these)) = many(VERBS_MAX, WORD_BYTES_MAX) else { panic!("as many as may be") };
        assert!(these.iter().all(|verb| verb.len() == WORD_BYTES_MAX && verb.starts_with('X')));
        for (number, length) in [(VERBS_MAX + 1, 1), (1, WORD_BYTES_MAX + 1), (1, 0)] {
            assert!(matches!(many(number, length), Err(Stumble::Refused(_))), "{number} of {length}");
        }
    }

    #[test]
    fn mechanisms_end_at_their_number_and_are_none_of_the_hosts() {
        let named = |names: &[&str]| mechanisms(names.iter().map(ToString::to_string).collect());
        let Ok(two) = named(&["xoauth2", "OAUTHBEARER"]) else { panic!("two") };
        assert_eq!(*two, ["XOAUTH2".into(), "OAUTHBEARER".into()]);
        for wrong in
            [&[][..], &["plain"], &["X Y"], &[""], &["X12345678901234567890"], &["X"; MECHANISMS_MAX + 1]]
        {
            assert!(matches!(named(wrong), Err(Stumble::Refused(_))), "{wrong:?}");
        }
    }

    #[test]
    fn ages_end_at_their_number_and_stand_in_order() {
        let count = u32::try_from(AGES_MAX).unwrap();
        let Ok(named) = ages((1..=count).rev().collect()) else { panic!("as many as may be") };
        assert!(named.len() == AGES_MAX && named.is_sorted());
        for wrong in [vec![], vec![0], (1..=count + 1).collect()] {
            assert!(matches!(ages(wrong), Err(Stumble::Refused(_))));
        }
    }

    /// A sink whose self-test is this function of its core module, which can make handles of a resource with `$new`.
    fn self_test(body: &str) -> Vec<u8> {
        let text = format!(
            r#"(component
                (type $resource (resource (rep i32)))
                (core func $new (canon resource.new $resource))
                (core module $module
                    (import "host" "new" (func $new (param i32) (result i32)))
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
                    (func (export "test") (result i32) (local $n i32) {body}))
                (core instance $guest (instantiate $module
                    (with "host" (instance (export "new" (func $new))))))
                (alias core export $guest "memory" (core memory $memory))
                (core func $realloc (alias core export $guest "realloc"))
                (func $test (result (result (error string)))
                    (canon lift (core func $guest "test") (memory $memory) (realloc $realloc)))
                (instance $life (export "handle" (func $test)))
                (export "sluice:sink/on-self-test@0.1.0" (instance $life)))"#
        );
        wat::parse_str(text).unwrap()
    }

    async fn tried(component: &[u8]) -> Result<(), TrialError> {
        let stand = Stand::new();
        let installation = Arc::new(stand.installation("acme/tried", component));
        stand.sinks.trial(&installation).await.map(drop)
    }

    #[tokio::test]
    async fn handles_end_at_their_number() {
        let making = |number: usize| {
            self_test(&format!(
                "(loop
                    (drop (call $new (i32.const 7)))
                    (local.set $n (i32.add (local.get $n) (i32.const 1)))
                    (br_if 0 (i32.lt_u (local.get $n) (i32.const {number}))))
                (i32.const 1024)"
            ))
        };
        tried(&making(HANDLES_MAX)).await.unwrap();
        let error = tried(&making(HANDLES_MAX + 1)).await.unwrap_err();
        let TrialError::Fault { fault, .. } = error else { panic!("{error}") };
        assert_eq!(fault.kind, FaultKind::Trap, "{fault}");
    }

    #[tokio::test]
    async fn what_a_guest_says_of_its_self_test_ends_at_its_bytes() {
        // An error whose text is a KiB of zeros: case, pointer, length.
        let body = "(i32.store (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 8192))
            (i32.store (i32.const 1032) (i32.const 1024)) (i32.const 1024)";
        let error = tried(&self_test(body)).await.unwrap_err();
        let TrialError::Refused { message, .. } = error else { panic!("{error}") };
        assert_eq!(message.len(), DETAIL_BYTES_MAX);
    }
}
