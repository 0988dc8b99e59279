//! ESMTP parameters of MAIL and RCPT (RFC 5321 §4.1.1.11).
//!
//! Kept as they came, so that sinks see those that the host does not know; typed views are read from them on demand.
//! Leaves out which ones a session may use: that is [`crate::Offers`].

use crate::replies;
use crate::reply::Reply;
use crate::xtext;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};

/// Keyword and value; the keyword in upper case, since it is compared without case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parameter {
    keyword: Box<str>,
    value: Option<Box<str>>,
}

/// What the host itself reads from MAIL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// RFC 1870: as announced, not yet true.
    pub size: Option<u64>,
    /// RFC 6152.
    pub body: BodyType,
    /// RFC 6531.
    pub smtputf8: Smtputf8,
}

/// RFC 6152 §2; without the parameter it is `SevenBit`, whatever the content then holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum BodyType {
    /// `7BIT`
    #[default]
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
}

/// Whether the client asked for RFC 6531 in this transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Smtputf8 {
    /// Addresses and header are ASCII.
    #[default]
    Absent,
    /// Addresses and header may be UTF-8.
    Asked,
}

/// RFC 3461 §4.3, `RET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DsnReturn {
    /// `HDRS`
    Headers,
    /// `FULL`
    Full,
}

/// RFC 3461 §4.1, one of what `NOTIFY` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyWhen {
    /// When delivered.
    Success,
    /// When failed.
    Failure,
    /// When late.
    Delay,
}

/// RFC 3461 §4.1: the default has nothing set, which means failure and, as the host likes, delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Notify(u8);

impl Parameter {
    /// Reads `KEYWORD` or `KEYWORD=value`; `None` when that is not RFC 5321 §4.1.2's `esmtp-param`, with RFC 6531 §3.3's
    /// characters beyond ASCII in the value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (keyword, value) = match text.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (text, None),
        };
        let is_value = |value: &str| {
            !value.is_empty() && value.bytes().all(|byte| byte > b' ' && byte != b'=' && byte != 0x7f)
        };
        if !is_keyword(keyword) || !value.is_none_or(is_value) {
            return None;
        }
        Some(Self { keyword: keyword.to_ascii_uppercase().into(), value: value.map(Into::into) })
    }

    /// In upper case.
    #[must_use]
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// As it came, still in its own encoding.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

/// RFC 5321 §4.1.1.1 `ehlo-keyword`, the same form as `esmtp-keyword`.
pub(crate) fn is_keyword(text: &str) -> bool {
    text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reads what follows a path: parameters apart by spaces. `None` when one is malformed or comes twice.
pub(crate) fn parse_all(text: &str) -> Option<Vec<Parameter>> {
    let mut parameters = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let parameter = Parameter::parse(word)?;
        if find(&parameters, &parameter.keyword).is_some() {
            return None;
        }
        parameters.push(parameter);
    }
    Some(parameters)
}

/// The parameter of that keyword, given in upper case.
#[must_use]
pub fn find<'a>(parameters: &'a [Parameter], keyword: &str) -> Option<&'a Parameter> {
    parameters.iter().find(|parameter| &*parameter.keyword == keyword)
}

impl MailParameters {
    /// Reads those that the host knows; of those for DSN (RFC 3461 §4.3, §4.4) it checks the values, which stay in the
    /// envelope as they came.
    ///
    /// # Errors
    /// The reply to a value that their RFC does not allow.
    pub fn read(parameters: &[Parameter]) -> Result<Self, Reply> {
        let mut read = Self::default();
        for parameter in parameters {
            match (parameter.keyword(), parameter.value()) {
                ("SIZE", value) => read.size = Some(size(value)?),
                ("BODY", value) => read.body = body(value)?,
                ("SMTPUTF8", None) => read.smtputf8 = Smtputf8::Asked,
                ("SMTPUTF8", Some(_)) => return Err(replies::PARAMETER_VALUE),
                ("RET", value) => {
                    value.and_then(DsnReturn::parse).ok_or(replies::PARAMETER_VALUE)?;
                }
                ("ENVID", value) => {
                    value.and_then(xtext::envelope_id).ok_or(replies::PARAMETER_VALUE)?;
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

/// RFC 1870 §4: up to 20 digits. A number beyond 64 bits is larger than any limit.
fn size(value: Option<&str>) -> Result<u64, Reply> {
    let digits = value.ok_or(replies::PARAMETER_VALUE)?;
    if digits.len() > 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(replies::PARAMETER_VALUE);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn body(value: Option<&str>) -> Result<BodyType, Reply> {
    match value {
        Some(word) if word.eq_ignore_ascii_case("7BIT") => Ok(BodyType::SevenBit),
        Some(word) if word.eq_ignore_ascii_case("8BITMIME") => Ok(BodyType::EightBitMime),
        // RFC 3030's value needs its own extension, which is not offered.
        Some(word) if word.eq_ignore_ascii_case("BINARYMIME") => Err(replies::PARAMETER_UNKNOWN),
        Some(_) | None => Err(replies::PARAMETER_VALUE),
    }
}

impl DsnReturn {
    /// Reads the value of `RET`.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        match value {
            word if word.eq_ignore_ascii_case("HDRS") => Some(Self::Headers),
            word if word.eq_ignore_ascii_case("FULL") => Some(Self::Full),
            _ => None,
        }
    }
}

impl Notify {
    /// `NOTIFY=NEVER`.
    pub const NEVER: Self = Self(8);

    /// Reads the value of `NOTIFY`; `None` when it is not RFC 3461 §4.1's.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(Self::NEVER);
        }
        value.split(',').try_fold(Self::default(), |notify, word| {
            let when = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => NotifyWhen::Success,
                "FAILURE" => NotifyWhen::Failure,
                "DELAY" => NotifyWhen::Delay,
                _ => return None,
            };
            Some(notify.with(when))
        })
    }

    /// The same and `when`; `NEVER` yields to it.
    #[must_use]
    pub fn with(self, when: NotifyWhen) -> Self {
        Self((self.0 & 7) | when.bit())
    }

    /// The same without success, for the members of a list (RFC 3461 §5.2.7.3); who asked for nothing else gets nothing.
    #[must_use]
    pub fn without_success(self) -> Self {
        match self.0 & !NotifyWhen::Success.bit() {
            0 if self.0 != 0 => Self::NEVER,
            left => Self(left),
        }
    }

    /// Whether `when` was asked for by name.
    #[must_use]
    pub fn contains(self, when: NotifyWhen) -> bool {
        self.0 & when.bit() != 0
    }

    /// Whether no DSN at all is wanted.
    #[must_use]
    pub fn is_never(self) -> bool {
        self == Self::NEVER
    }

    /// Whether the client said nothing.
    #[must_use]
    pub fn is_unset(self) -> bool {
        self.0 == 0
    }
}

impl Display for Notify {
    /// The value of `NOTIFY`; nothing when the client said nothing.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return out.write_str("NEVER");
        }
        let words = [
            (NotifyWhen::Success, "SUCCESS"),
            (NotifyWhen::Failure, "FAILURE"),
            (NotifyWhen::Delay, "DELAY"),
        ];
        let said = words.into_iter().filter(|(when, _)| self.contains(*when));
        for (index, (_, word)) in said.enumerate() {
            if index > 0 {
                out.write_str(",")?;
            }
            out.write_str(word)?;
        }
        Ok(())
    }
}

impl NotifyWhen {
    fn bit(self) -> u8 {
        match self {
            Self::Success => 1,
            Self::Failure => 2,
            Self::Delay => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<(&str, Option<&str>)>) {
        let parsed = Parameter::parse(input);
        let found = parsed.as_ref().map(|parameter| (parameter.keyword(), parameter.value()));
        assert_eq!(found, expected, "{input:?}");
    }

    #[test]
    fn members_of_a_list_report_no_success() {
        let read = |value: &str| Notify::parse(value).unwrap();
        assert_eq!(read("SUCCESS,FAILURE").without_success(), read("FAILURE"));
        assert_eq!(read("SUCCESS").without_success(), Notify::NEVER);
        assert_eq!(Notify::NEVER.without_success(), Notify::NEVER);
        assert!(Notify::default().without_success().is_unset());
    }

    fn read(input: &str, expected: &Result<MailParameters, Reply>) {
        let parameters = parse_all(input).unwrap();
        assert_eq!(&MailParameters::read(&parameters), expected, "{input:?}");
    }

    #[test]
    fn a_parameter_stays_as_it_came() {
        check("size=10", Some(("SIZE", Some("10"))));
        check("X-Own=a+2Bb", Some(("X-OWN", Some("a+2Bb"))));
        check("SMTPUTF8", Some(("SMTPUTF8", None)));
        check("X=", None);
        check("=x", None);
        check("-X=1", None);
        check("X=a=b", None);
        check("X=a\u{7f}", None);
    }

    #[test]
    fn a_parameter_comes_once() {
        assert_eq!(parse_all(" A=1  B ").map(|all| all.len()), Some(2));
        assert_eq!(parse_all("A=1 a=2"), None);
    }

    #[test]
    fn known_values_are_typed() {
        let body = BodyType::EightBitMime;
        let full = MailParameters { size: Some(7), body, smtputf8: Smtputf8::Asked };
        read("SIZE=7 BODY=8bitmime SMTPUTF8 X=1", &Ok(full));
        let huge = MailParameters { size: Some(u64::MAX), ..MailParameters::default() };
        read("SIZE=99999999999999999999", &Ok(huge));
        read("SIZE=999999999999999999999", &Err(replies::PARAMETER_VALUE));
        read("SIZE=-1", &Err(replies::PARAMETER_VALUE));
        read("SIZE", &Err(replies::PARAMETER_VALUE));
        read("BODY=BINARYMIME", &Err(replies::PARAMETER_UNKNOWN));
        read("BODY=9BIT", &Err(replies::PARAMETER_VALUE));
        read("SMTPUTF8=1", &Err(replies::PARAMETER_VALUE));
        read("RET=hdrs ENVID=a+20b", &Ok(MailParameters::default()));
        read("RET", &Err(replies::PARAMETER_VALUE));
        read("RET=SOME", &Err(replies::PARAMETER_VALUE));
        read("ENVID", &Err(replies::PARAMETER_VALUE));
        read("ENVID=a+0A", &Err(replies::PARAMETER_VALUE));
    }

    #[test]
    fn notify_says_when() {
        let both = Notify::parse("success,FAILURE").unwrap();
        assert!(both.contains(NotifyWhen::Success) && both.contains(NotifyWhen::Failure));
        assert!(!both.contains(NotifyWhen::Delay) && !both.is_never() && !both.is_unset());
        assert!(Notify::parse("never").unwrap().is_never());
        assert_eq!(Notify::parse("NEVER,DELAY"), None);
        assert!(Notify::default().is_unset());
        for text in ["NEVER", "SUCCESS", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"] {
            assert_eq!(Notify::parse(text).unwrap().to_string(), text);
        }
    }
}
