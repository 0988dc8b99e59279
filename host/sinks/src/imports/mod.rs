//! The imports that are always linked, one WIT interface a file: each reads the call's state, checks what the event allows
//! (`access`), and stages edits in the sink's own copy of the subject.
//!
//! A function that makes no sense in the event that is on answers none, an empty list, or `not-permitted`.

mod blob;
mod clock;
mod command_draft;
mod ehlo;
mod envelope;
mod envelope_draft;
mod event;
mod log;
mod message;
mod message_draft;
mod metrics;
mod original;
mod random;
mod remote;
mod session;
mod settings;

pub(crate) use blob::Blobs;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::sluice::sink;
use crate::bindings::sluice::sink::types::Error;
use crate::state::State;
use crate::subject::QuotaError;

/// What an import answers, inside of what may trap.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl sink::types::Host for State {}
impl sink::gate::Host for State {}
impl sink::notice::Host for State {}
impl sink::stage::Host for State {}

/// Links every context interface.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    fn same(state: &mut State) -> &mut State {
        state
    }
    macro_rules! link {
        ($($interface:ident)+) => {
            $(sink::$interface::add_to_linker::<State, HasSelf<State>>(linker, same)?;)+
        };
    }
    link! {
        types event log metrics settings clock random blob session ehlo envelope envelope_draft message message_draft
        remote command_draft original gate notice stage
    }
    Ok(())
}

impl From<QuotaError> for Error {
    fn from(error: QuotaError) -> Self {
        match error {
            QuotaError::TooLarge => Self::TooLarge,
            QuotaError::Exceeded => Self::QuotaExceeded,
        }
    }
}

#[cfg(test)]
mod tests;
