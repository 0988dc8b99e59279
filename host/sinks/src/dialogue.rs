//! A dialogue of `on-inbound-command` is with one sink: the state that the session gives back names the binding.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use smtp::{Dialogue, Gate, Secret, Verdict};

use crate::event::Event;
use crate::provider::{Answer, LoginAnswer};

/// The state is not one that was given out here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Torn;

/// Takes the binding's name off the state; `None` for a command or a login that begins.
pub(crate) fn open(event: &mut Event) -> Result<Option<Arc<str>>, Torn> {
    match event {
        Event::Gate(Gate::InboundCommand { state, .. }) => open_state(state),
        Event::AuthStep { state, .. } => {
            let mut inner = state.reveal().clone();
            let id = open_state(&mut inner)?;
            *state = Secret::new(inner);
            Ok(id)
        }
        _ => Ok(None),
    }
}

fn open_state(state: &mut Bytes) -> Result<Option<Arc<str>>, Torn> {
    if state.is_empty() {
        return Ok(None);
    }
    let length = state.first_chunk().map(|length| u16::from_be_bytes(*length)).ok_or(Torn)?;
    let end = 2 + usize::from(length);
    let id = state.get(2..end).and_then(|id| std::str::from_utf8(id).ok()).map(Arc::from).ok_or(Torn)?;
    *state = state.slice(end..);
    Ok(Some(id))
}

/// Puts the binding's name before the state.
pub(crate) fn close(verdict: Verdict, binding: &Arc<str>) -> Verdict {
    match verdict {
        Verdict::More(dialogue) => {
            Verdict::More(Dialogue { state: close_state(&dialogue.state, binding), ..dialogue })
        }
        verdict => verdict,
    }
}

/// The same of a login.
pub(crate) fn close_login(answer: Answer, binding: &Arc<str>) -> Answer {
    match answer {
        Answer::Login(LoginAnswer::Challenge { data, state }) => {
            let state = Secret::new(close_state(state.reveal(), binding));
            Answer::Login(LoginAnswer::Challenge { data, state })
        }
        answer => answer,
    }
}

/// A name that is too long for its length is no name of ours; the state then comes back as it is, and is refused.
fn close_state(state: &Bytes, binding: &Arc<str>) -> Bytes {
    let Ok(length) = u16::try_from(binding.len()) else { return state.clone() };
    let mut named = BytesMut::with_capacity(2 + binding.len() + state.len());
    named.put_u16(length);
    named.put_slice(binding.as_bytes());
    named.put_slice(state);
    named.freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use smtp::{Dialogue, Gate, Input, Reply, Verdict};

    use super::{Torn, close, open};
    use crate::event::Event;

    fn command(state: Bytes) -> Event {
        Event::Gate(Gate::InboundCommand {
            verb: "XFOO".to_owned(),
            argument: String::new(),
            input: Bytes::new(),
            state,
        })
    }

    #[test]
    fn a_state_comes_back_to_the_binding_that_gave_it() {
        for state in ["", "so far"] {
            let dialogue =
                Dialogue { reply: Reply::bare(354, "go"), input: Input::Line, state: state.into() };
            let id: Arc<str> = "acme/xfoo".into();
            let Verdict::More(dialogue) = close(Verdict::More(dialogue), &id) else { panic!("more") };
            let mut event = command(dialogue.state);
            assert_eq!(open(&mut event), Ok(Some(id)));
            assert_eq!(event, command(state.into()));
        }
    }

    #[test]
    fn a_state_of_nobody_is_refused() {
        for torn in [&b"\0"[..], b"\0\x09short", b"\0\x01\xff"] {
            assert_eq!(open(&mut command(Bytes::copy_from_slice(torn))), Err(Torn));
        }
        assert_eq!(open(&mut command(Bytes::new())), Ok(None));
    }
}
