//! What a session offers in its EHLO reply, and which parameters it takes for it.
//!
//! Promises that sinks can add and hide keywords but never STARTTLS, nothing of the host's own and nothing that the session
//! has used. Leaves out reading a peer's EHLO reply: that is [`crate::client::Peer`].

use crate::parameters::{Parameter, is_keyword};
use std::fmt::Write;
use std::sync::Arc;

/// Keywords that sinks may add to one session; our choice, far above any real server.
pub const OWN_KEYWORDS_MAX: usize = 16;
/// Parameters that sinks may add to one session; our choice.
pub const OWN_PARAMETERS_MAX: usize = 32;
/// Bytes of a keyword: RFC 5321 §4.5.3.1.5's reply line with room for its arguments.
pub const KEYWORD_BYTES_MAX: usize = 64;
/// Bytes of the arguments of a keyword, for the same reason.
pub const ARGUMENTS_BYTES_MAX: usize = 400;

/// The EHLO keywords of one session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offers {
    message_bytes_max: u64,
    offered: u16,
    used: u16,
    /// What stands behind AUTH.
    mechanisms: Option<Arc<str>>,
    /// None as long as no sink offered anything: an idle session pays a word for it.
    own: Option<Box<Own>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Own {
    keywords: Vec<OwnKeyword>,
    parameters: Vec<(ParameterVerb, Box<str>)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OwnKeyword {
    keyword: Box<str>,
    arguments: Option<Box<str>>,
}

/// What the host itself speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// RFC 2920.
    Pipelining,
    /// RFC 1870.
    Size,
    /// RFC 6152.
    EightBitMime,
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 6531.
    Smtputf8,
    /// RFC 3461.
    Dsn,
    /// RFC 3207; offered where [`Offers::with`] says so.
    StartTls,
    /// RFC 4954; offered by [`Offers::with_mechanisms`].
    Auth,
}

/// The commands that carry parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterVerb {
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
}

/// Why an offer cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// STARTTLS, a keyword or parameter of the host's own, or one that the session has used.
    #[error("the keyword is not a sink's to change")]
    NotPermitted,
    /// Not offered, so not to be hidden.
    #[error("the keyword is not offered")]
    NotFound,
    /// Not RFC 5321 §4.1.1.1's form.
    #[error("the keyword or its arguments are malformed")]
    Invalid,
    /// Past [`OWN_KEYWORDS_MAX`] or [`OWN_PARAMETERS_MAX`].
    #[error("too many keywords")]
    Full,
}

/// In the order in which they are shown.
const EXTENSIONS: [Extension; 8] = [
    Extension::Pipelining,
    Extension::Size,
    Extension::EightBitMime,
    Extension::EnhancedStatusCodes,
    Extension::Smtputf8,
    Extension::Dsn,
    Extension::StartTls,
    Extension::Auth,
];

/// What every session has, whatever its listener is like.
const ALWAYS: [Extension; 6] = [
    Extension::Pipelining,
    Extension::Size,
    Extension::EightBitMime,
    Extension::EnhancedStatusCodes,
    Extension::Smtputf8,
    Extension::Dsn,
];

/// Keywords that change what the bytes of a session are. Only a host that does that may offer them.
const NEVER_A_SINKS: [&str; 9] =
    ["STARTTLS", "AUTH", "CHUNKING", "BINARYMIME", "BURL", "XCLIENT", "XFORWARD", "PRDR", "LIMITS"];

/// Parameters that the host reads itself.
const HOST_PARAMETERS: [&str; 8] = ["SIZE", "BODY", "SMTPUTF8", "RET", "ENVID", "NOTIFY", "ORCPT", "AUTH"];

impl Offers {
    /// What the host speaks everywhere, for messages up to this size.
    #[must_use]
    pub fn new(message_bytes_max: u64) -> Self {
        let offered = ALWAYS.iter().fold(0, |all, extension| all | extension.bit());
        Self { message_bytes_max, offered, ..Self::default() }
    }

    /// The same, and this.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.offered |= extension.bit();
        self
    }

    /// The same, and AUTH with these mechanisms.
    #[must_use]
    pub fn with_mechanisms(mut self, mechanisms: Arc<str>) -> Self {
        self.mechanisms = Some(mechanisms);
        self.with(Extension::Auth)
    }

    /// Nothing: a session that greeted with HELO.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a keyword of a sink's own, or gives one of them other arguments.
    ///
    /// # Errors
    /// When it is not a sink's to offer, malformed, or one too many.
    pub fn offer(&mut self, keyword: &str, arguments: Option<&str>) -> Result<(), OfferError> {
        if !is_keyword(keyword) || keyword.len() > KEYWORD_BYTES_MAX || !arguments.is_none_or(are_arguments) {
            return Err(OfferError::Invalid);
        }
        let keyword = keyword.to_ascii_uppercase();
        if NEVER_A_SINKS.contains(&keyword.as_str()) || Extension::of_keyword(&keyword).is_some() {
            return Err(OfferError::NotPermitted);
        }
        let own = self.own.get_or_insert_default();
        let arguments = arguments.map(Into::into);
        if let Some(known) = own.keywords.iter_mut().find(|known| *known.keyword == *keyword) {
            known.arguments = arguments;
            return Ok(());
        }
        if own.keywords.len() >= OWN_KEYWORDS_MAX {
            return Err(OfferError::Full);
        }
        own.keywords.push(OwnKeyword { keyword: keyword.into(), arguments });
        Ok(())
    }

    /// Takes a parameter that the host would answer 555.
    ///
    /// # Errors
    /// When it is the host's own, malformed, or one too many.
    pub fn offer_parameter(&mut self, verb: ParameterVerb, keyword: &str) -> Result<(), OfferError> {
        if !is_keyword(keyword) || keyword.len() > KEYWORD_BYTES_MAX {
            return Err(OfferError::Invalid);
        }
        let keyword = keyword.to_ascii_uppercase();
        if HOST_PARAMETERS.contains(&keyword.as_str()) {
            return Err(OfferError::NotPermitted);
        }
        let own = self.own.get_or_insert_default();
        if own.parameters.iter().any(|(at, known)| *at == verb && **known == *keyword) {
            return Ok(());
        }
        if own.parameters.len() >= OWN_PARAMETERS_MAX {
            return Err(OfferError::Full);
        }
        own.parameters.push((verb, keyword.into()));
        Ok(())
    }

    /// Takes a keyword out of the reply, and its parameters with it.
    ///
    /// # Errors
    /// When it is STARTTLS, in use already, or not offered.
    pub fn hide(&mut self, keyword: &str) -> Result<(), OfferError> {
        if keyword.eq_ignore_ascii_case("STARTTLS") {
            return Err(OfferError::NotPermitted);
        }
        if let Some(extension) = Extension::of_keyword(keyword) {
            if self.used & extension.bit() != 0 {
                return Err(OfferError::NotPermitted);
            }
            if !self.has(extension) {
                return Err(OfferError::NotFound);
            }
            self.offered &= !extension.bit();
            return Ok(());
        }
        let own = self.own.as_mut().ok_or(OfferError::NotFound)?;
        let before = own.keywords.len();
        own.keywords.retain(|known| !known.keyword.eq_ignore_ascii_case(keyword));
        if own.keywords.len() == before { Err(OfferError::NotFound) } else { Ok(()) }
    }

    /// Starts anew for another greeting; what the session has used stays fixed.
    pub(crate) fn renew(&mut self, mut fresh: Self) {
        fresh.used = self.used;
        *self = fresh;
    }

    /// From here on nobody may hide it.
    pub(crate) fn mark_used(&mut self, extension: Extension) {
        self.used |= extension.bit();
    }

    /// Whether the host's extension is in force.
    #[must_use]
    pub fn has(&self, extension: Extension) -> bool {
        self.offered & extension.bit() != 0
    }

    /// Whether a parameter is taken, rather than answered 555 (RFC 5321 §4.1.1.11).
    #[must_use]
    pub fn takes(&self, verb: ParameterVerb, parameter: &Parameter) -> bool {
        let own = match (verb, parameter.keyword()) {
            (ParameterVerb::Mail, "SIZE") => Some(Extension::Size),
            (ParameterVerb::Mail, "BODY") => Some(Extension::EightBitMime),
            (ParameterVerb::Mail, "SMTPUTF8") => Some(Extension::Smtputf8),
            (ParameterVerb::Mail, "AUTH") => Some(Extension::Auth),
            (ParameterVerb::Mail, "RET" | "ENVID") | (ParameterVerb::Rcpt, "NOTIFY" | "ORCPT") => {
                Some(Extension::Dsn)
            }
            _ => None,
        };
        if let Some(extension) = own {
            return self.has(extension);
        }
        self.own.as_ref().is_some_and(|own| {
            own.parameters.iter().any(|(at, known)| *at == verb && **known == *parameter.keyword())
        })
    }

    /// The keywords, without arguments, in the order of the reply.
    #[must_use]
    pub fn keywords(&self) -> Vec<&str> {
        let host = EXTENSIONS.into_iter().filter(|extension| self.has(*extension)).map(Extension::keyword);
        let mut keywords: Vec<&str> = host.collect();
        keywords.extend(self.own.iter().flat_map(|own| &own.keywords).map(|own| &*own.keyword));
        keywords
    }

    /// Each line of the reply behind its first one, led by LF.
    pub(crate) fn write_lines(&self, out: &mut String) {
        for extension in EXTENSIONS.into_iter().filter(|extension| self.has(*extension)) {
            out.push('\n');
            out.push_str(extension.keyword());
            if extension == Extension::Size {
                // Writing to a String cannot fail.
                let _ = write!(out, " {}", self.message_bytes_max);
            }
            if let (Extension::Auth, Some(mechanisms)) = (extension, &self.mechanisms) {
                let _ = write!(out, " {mechanisms}");
            }
        }
        for OwnKeyword { keyword, arguments } in self.own.iter().flat_map(|own| &own.keywords) {
            out.push('\n');
            out.push_str(keyword);
            if let Some(arguments) = arguments {
                out.push(' ');
                out.push_str(arguments);
            }
        }
    }
}

/// RFC 5321 §4.1.1.1 `ehlo-param`: printable ASCII, apart by single spaces.
fn are_arguments(text: &str) -> bool {
    text.len() <= ARGUMENTS_BYTES_MAX
        && text.split(' ').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic()))
}

impl Extension {
    /// As EHLO shows it.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Pipelining => "PIPELINING",
            Self::Size => "SIZE",
            Self::EightBitMime => "8BITMIME",
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES",
            Self::Smtputf8 => "SMTPUTF8",
            Self::Dsn => "DSN",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
        }
    }

    fn of_keyword(keyword: &str) -> Option<Self> {
        EXTENSIONS.into_iter().find(|extension| extension.keyword().eq_ignore_ascii_case(keyword))
    }

    fn bit(self) -> u16 {
        match self {
            Self::Pipelining => 1,
            Self::Size => 2,
            Self::EightBitMime => 4,
            Self::EnhancedStatusCodes => 8,
            Self::Smtputf8 => 16,
            Self::StartTls => 32,
            Self::Auth => 64,
            Self::Dsn => 128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut Offers) -> Result<(), OfferError>, expected: Result<&str, OfferError>) {
        let mut offers = Offers::new(1_000);
        let changed = change(&mut offers).map(|()| {
            let mut lines = String::new();
            offers.write_lines(&mut lines);
            lines.replace('\n', "|")
        });
        assert_eq!(changed, expected.map(ToOwned::to_owned));
    }

    #[test]
    fn sinks_add_and_hide_keywords() {
        let all = "|PIPELINING|SIZE 1000|8BITMIME|ENHANCEDSTATUSCODES|SMTPUTF8|DSN";
        check(|_| Ok(()), Ok(all));
        check(|offers| offers.offer("xfoo", Some("a b")), Ok(&format!("{all}|XFOO a b")));
        check(
            |offers| offers.offer("X1", None).and_then(|()| offers.offer("x1", Some("2"))),
            Ok(&format!("{all}|X1 2")),
        );
        check(|offers| offers.hide("size"), Ok("|PIPELINING|8BITMIME|ENHANCEDSTATUSCODES|SMTPUTF8|DSN"));
        check(|offers| offers.offer("X1", None).and_then(|()| offers.hide("X1")), Ok(all));
    }

    #[test]
    fn what_is_the_hosts_stays_the_hosts() {
        check(|offers| offers.offer("starttls", None), Err(OfferError::NotPermitted));
        check(|offers| offers.offer("SIZE", Some("1")), Err(OfferError::NotPermitted));
        check(|offers| offers.hide("StartTLS"), Err(OfferError::NotPermitted));
        check(|offers| offers.hide("XFOO"), Err(OfferError::NotFound));
        check(|offers| offers.hide("SIZE").and_then(|()| offers.hide("SIZE")), Err(OfferError::NotFound));
        check(|offers| offers.offer_parameter(ParameterVerb::Mail, "size"), Err(OfferError::NotPermitted));
        check(|offers| offers.offer_parameter(ParameterVerb::Rcpt, "orcpt"), Err(OfferError::NotPermitted));
        let used = |offers: &mut Offers| {
            offers.mark_used(Extension::Smtputf8);
            offers.renew(Offers::new(1));
            offers.hide("SMTPUTF8")
        };
        check(used, Err(OfferError::NotPermitted));
    }

    #[test]
    fn an_offer_cannot_write_a_line_of_its_own() {
        check(|offers| offers.offer("X\r\n250 Y", None), Err(OfferError::Invalid));
        check(|offers| offers.offer("X", Some("a\r\nb")), Err(OfferError::Invalid));
        check(|offers| offers.offer("X", Some("a  b")), Err(OfferError::Invalid));
        check(|offers| offers.offer(&"X".repeat(KEYWORD_BYTES_MAX + 1), None), Err(OfferError::Invalid));
        check(
            |offers| offers.offer("X", Some(&"a".repeat(ARGUMENTS_BYTES_MAX + 1))),
            Err(OfferError::Invalid),
        );
    }

    #[test]
    fn offers_are_bounded() {
        let keywords = |offers: &mut Offers| {
            (0..=OWN_KEYWORDS_MAX).try_for_each(|n| offers.offer(&format!("X{n}"), None))
        };
        check(keywords, Err(OfferError::Full));
        let verb = ParameterVerb::Rcpt;
        let parameters = |offers: &mut Offers| {
            (0..=OWN_PARAMETERS_MAX).try_for_each(|n| offers.offer_parameter(verb, &format!("X{n}")))
        };
        check(parameters, Err(OfferError::Full));
    }

    #[test]
    fn a_parameter_is_taken_where_it_was_offered() {
        let mut offers = Offers::new(1);
        let own = Parameter::parse("XOWN=1").unwrap();
        let size = Parameter::parse("SIZE=1").unwrap();
        assert!(!offers.takes(ParameterVerb::Rcpt, &own));
        offers.offer_parameter(ParameterVerb::Rcpt, "xown").unwrap();
        assert!(offers.takes(ParameterVerb::Rcpt, &own) && !offers.takes(ParameterVerb::Mail, &own));
        assert!(offers.takes(ParameterVerb::Mail, &size) && !offers.takes(ParameterVerb::Rcpt, &size));
        assert!(!Offers::none().takes(ParameterVerb::Mail, &size));
    }
}
