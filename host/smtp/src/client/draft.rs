//! What sinks stage at a gate: parameters of the command that comes next, and verbs of their own before it.
//!
//! Promises that whatever is staged is one command line of legal form: parameters are edited as values, a verb is none that
//! the host knows, and no argument holds a line of its own. Applied when the gate is decided; a clone put back drops it.

use crate::command::{VERB_BYTES_MAX, is_verb_open_to_sinks};
use crate::parameters::Parameter;
use bytes::Bytes;

/// Parameters of one command; our choice, far above any real one.
pub const PARAMETERS_MAX: usize = 32;
/// Bytes of a parameter, keyword and value: RFC 3461 §5.4's ORCPT is the longest known, with 500.
pub const PARAMETER_BYTES_MAX: usize = 512;
/// Bytes of the argument of a sink's verb: RFC 5321 §4.5.3.1.4's line without verb, space and CRLF.
pub const ARGUMENT_BYTES_MAX: usize = 477;

/// Staged edits of what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    verb: &'static str,
    scope: Scope,
    parameters: Vec<Parameter>,
    pub(crate) first: Vec<OwnCommand>,
    /// Verbs that may still be staged in this session.
    verbs_left: u32,
    payload_bytes_max: usize,
}

/// What a gate lets its sinks edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Nothing can be sent, or not by sinks.
    Nothing,
    Parameters,
    Verbs,
    Both,
}

/// A sink's own verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnCommand {
    pub(crate) verb: Box<str>,
    pub(crate) argument: Box<str>,
    pub(crate) payload: Option<Bytes>,
}

/// Why something cannot be staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// A verb or parameter of the host's, or this gate has none of it.
    #[error("not a sink's to send here")]
    NotPermitted,
    /// Not RFC 5321 §4.1's form, or too long.
    #[error("malformed")]
    Invalid,
    /// There is no such parameter.
    #[error("not found")]
    NotFound,
    /// Past a limit.
    #[error("too many")]
    Full,
}

/// What the client makes from the content, so that it is true.
pub(crate) const OURS: [&str; 4] = ["SIZE", "BODY", "SMTPUTF8", "AUTH"];

impl Draft {
    pub(crate) fn new(verb: &'static str, scope: Scope, parameters: Vec<Parameter>) -> Self {
        Self { verb, scope, parameters, first: Vec::new(), verbs_left: 0, payload_bytes_max: 0 }
    }

    pub(crate) fn with_verbs(self, verbs_left: u32, payload_bytes_max: usize) -> Self {
        Self { verbs_left, payload_bytes_max, ..self }
    }

    /// The command that comes next; empty behind a reply, which decides that first.
    #[must_use]
    pub fn verb(&self) -> &str {
        self.verb
    }

    /// As they will be sent.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(crate) fn into_parameters(self) -> Vec<Parameter> {
        self.parameters
    }

    /// Adds a parameter or gives it another value, whatever the peer offers: sinks know extensions that we do not.
    ///
    /// # Errors
    /// When it is the host's own, malformed, or one too many.
    pub fn set_parameter(&mut self, keyword: &str, value: Option<&str>) -> Result<(), DraftError> {
        let text = value.map_or_else(|| keyword.to_owned(), |value| format!("{keyword}={value}"));
        let parameter = Parameter::parse(&text).filter(|parameter| {
            text.len() <= PARAMETER_BYTES_MAX && text.is_ascii() && parameter.value() == value
        });
        let parameter = parameter.ok_or(DraftError::Invalid)?;
        self.may_edit(parameter.keyword())?;
        let count = self.parameters.len();
        match self.parameters.iter_mut().find(|known| known.keyword() == parameter.keyword()) {
            Some(known) => *known = parameter,
            None if count >= PARAMETERS_MAX => return Err(DraftError::Full),
            None => self.parameters.push(parameter),
        }
        Ok(())
    }

    /// Takes a parameter away.
    ///
    /// # Errors
    /// When it is the host's own, or not there.
    pub fn remove_parameter(&mut self, keyword: &str) -> Result<(), DraftError> {
        let keyword = keyword.to_ascii_uppercase();
        self.may_edit(&keyword)?;
        let before = self.parameters.len();
        self.parameters.retain(|known| known.keyword() != keyword);
        if self.parameters.len() == before { Err(DraftError::NotFound) } else { Ok(()) }
    }

    /// Sends a verb that the host does not know before what comes next. The payload follows as it is once the peer answered
    /// 3xx, and never otherwise.
    ///
    /// # Errors
    /// When verbs cannot be sent here, it is the host's own, malformed, or one too many.
    pub fn send_first(
        &mut self,
        verb: &str,
        argument: &str,
        payload: Option<Bytes>,
    ) -> Result<(), DraftError> {
        if !matches!(self.scope, Scope::Verbs | Scope::Both) {
            return Err(DraftError::NotPermitted);
        }
        let verb = verb.to_ascii_uppercase();
        let is_verb =
            (1..=VERB_BYTES_MAX).contains(&verb.len()) && verb.bytes().all(|byte| byte.is_ascii_graphic());
        let is_argument =
            argument.len() <= ARGUMENT_BYTES_MAX && argument.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let fits = payload.as_ref().is_none_or(|payload| payload.len() <= self.payload_bytes_max);
        if !is_verb || !is_argument || !fits {
            return Err(DraftError::Invalid);
        }
        if !is_verb_open_to_sinks(&verb) {
            return Err(DraftError::NotPermitted);
        }
        self.verbs_left = self.verbs_left.checked_sub(1).ok_or(DraftError::Full)?;
        self.first.push(OwnCommand { verb: verb.into(), argument: argument.into(), payload });
        Ok(())
    }

    fn may_edit(&self, keyword: &str) -> Result<(), DraftError> {
        let has_parameters = matches!(self.scope, Scope::Parameters | Scope::Both);
        if has_parameters && !OURS.contains(&keyword) { Ok(()) } else { Err(DraftError::NotPermitted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> Draft {
        Draft::new("MAIL", Scope::Both, Vec::new()).with_verbs(2, 10)
    }

    #[test]
    fn parameters_are_values_and_never_lines() {
        let set = |keyword: &str, value: Option<&str>| draft().set_parameter(keyword, value);
        assert_eq!(set("XFOO", Some("a+2Bb")), Ok(()));
        assert_eq!(set("XFOO", Some("a\r\nDATA")), Err(DraftError::Invalid));
        assert_eq!(set("X Y", None), Err(DraftError::Invalid));
        assert_eq!(set("X=1", Some("2")), Err(DraftError::Invalid));
        assert_eq!(set("X=1", None), Err(DraftError::Invalid));
        assert_eq!(set("size", Some("1")), Err(DraftError::NotPermitted));
        assert_eq!(set("XFOO", Some(&"x".repeat(PARAMETER_BYTES_MAX - 5))), Ok(()));
        assert_eq!(set("XFOO", Some(&"x".repeat(PARAMETER_BYTES_MAX - 4))), Err(DraftError::Invalid));
        let mut full = draft();
        for number in 0..PARAMETERS_MAX {
            full.set_parameter(&format!("X{number}"), None).unwrap();
        }
        assert_eq!(full.set_parameter("Y", None), Err(DraftError::Full));
        assert_eq!(full.set_parameter("x0", Some("1")), Ok(()));
        assert_eq!(
            (full.remove_parameter("X0"), full.remove_parameter("X0")),
            (Ok(()), Err(DraftError::NotFound))
        );
    }

    #[test]
    fn a_verb_of_ones_own_is_one_line() {
        let send = |verb: &str, argument: &str, payload| draft().send_first(verb, argument, payload);
        assert_eq!(send("xfoo", "a b", None), Ok(()));
        assert_eq!(send("XFOO", "a\r\nRSET", None), Err(DraftError::Invalid));
        assert_eq!(send("X FOO", "", None), Err(DraftError::Invalid));
        assert_eq!(send("data", "", None), Err(DraftError::NotPermitted));
        assert_eq!(send("XFOO", "", Some(Bytes::from_static(&[0; 10]))), Ok(()));
        assert_eq!(send("XFOO", "", Some(Bytes::from_static(&[0; 11]))), Err(DraftError::Invalid));
        let long = "x".repeat(ARGUMENT_BYTES_MAX + 1);
        assert_eq!((send("X", &long[1..], None), send("X", &long, None)), (Ok(()), Err(DraftError::Invalid)));
        let mut full = draft();
        full.send_first("A", "", None).and_then(|()| full.send_first("B", "", None)).unwrap();
        assert_eq!(full.send_first("C", "", None), Err(DraftError::Full));
        let mut closed = Draft::new("RCPT", Scope::Parameters, Vec::new()).with_verbs(2, 10);
        assert_eq!(closed.send_first("A", "", None), Err(DraftError::NotPermitted));
    }
}
