//! One command line, read (RFC 5321 §4.1).
//!
//! Promises a typed command or the reply to what is none; verbs and parameters that the host does not know are kept for
//! sinks. Lenient in two points that real clients need: white space before the CRLF (RFC 5321 §4.1.1), and one space between
//! the colon and the path of MAIL and RCPT, which §3.3 forbids and much software sends. Leaves out what is allowed when.

use crate::address::AddressError;
use crate::facts::Greeting;
use crate::parameters::{Parameter, Smtputf8, parse_all};
use crate::path::{ForwardPath, ReversePath};
use crate::replies;
use crate::reply::Reply;
use crate::sasl::Secret;
use bytes::Bytes;

/// Bytes of a verb; RFC 5321 §2.4 has four letters, extensions up to eight, sinks may like more.
pub const VERB_BYTES_MAX: usize = 32;
/// Bytes of the name of a SASL mechanism: RFC 4422 §3.1.
pub const MECHANISM_BYTES_MAX: usize = 20;
/// Bytes of a HELO name: those of a domain (RFC 5321 §4.5.3.1.2).
pub const HELO_NAME_BYTES_MAX: usize = 255;

/// A command with legal syntax.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// HELO, EHLO, LHLO.
    Greet {
        /// Which of them.
        greeting: Greeting,
        /// What the client calls itself: printable, but neither a domain nor true for certain.
        name: Box<str>,
    },
    /// MAIL.
    Mail {
        /// Where a DSN goes.
        reverse_path: ReversePath,
        /// As they came.
        parameters: Vec<Parameter>,
        /// Whether the path holds more than ASCII.
        needs: Smtputf8,
    },
    /// RCPT.
    Rcpt {
        /// To whom.
        forward_path: ForwardPath,
        /// As they came.
        parameters: Vec<Parameter>,
        /// Whether the path holds more than ASCII.
        needs: Smtputf8,
    },
    /// DATA.
    Data,
    /// RSET.
    Reset,
    /// NOOP; its argument means nothing.
    Noop,
    /// HELP.
    Help,
    /// VRFY.
    Verify,
    /// EXPN.
    Expand,
    /// QUIT.
    Quit,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth {
        /// In upper case.
        mechanism: Box<str>,
        /// In base64, as it came.
        initial: Option<Secret>,
    },
    /// A verb that belongs to the host, though it does not serve it yet: BDAT.
    NotServed(&'static str),
    /// A verb that the host does not know, in upper case.
    Unknown(Box<str>),
}

/// A line that is no command, and what it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    /// As far as there was one.
    pub verb: &'static str,
    /// What is wrong.
    pub reply: Reply,
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// The reply to a line that is none.
    pub fn parse(line: &str) -> Result<Self, CommandError> {
        let (verb, argument) = split(line);
        if !is_verb(verb) || line.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(CommandError { verb: "", reply: replies::LINE_MALFORMED });
        }
        let argument = argument.trim_ascii_end();
        let known = KNOWN.iter().find(|known| known.eq_ignore_ascii_case(verb));
        let Some(verb) = known.copied() else { return Ok(Self::Unknown(verb.to_ascii_uppercase().into())) };
        let command = match verb {
            "HELO" => greet(Greeting::Helo, argument),
            "EHLO" => greet(Greeting::Ehlo, argument),
            "LHLO" => greet(Greeting::Lhlo, argument),
            "MAIL" => mail(argument),
            "RCPT" => rcpt(argument),
            "DATA" => bare(Self::Data, argument),
            "RSET" => bare(Self::Reset, argument),
            "QUIT" => bare(Self::Quit, argument),
            "STARTTLS" => bare(Self::StartTls, argument),
            "AUTH" => auth(argument),
            "VRFY" => with_argument(Self::Verify, argument),
            "EXPN" => with_argument(Self::Expand, argument),
            "NOOP" => Ok(Self::Noop),
            "HELP" => Ok(Self::Help),
            _ => Ok(Self::NotServed(verb)),
        };
        command.map_err(|reply| CommandError { verb, reply })
    }

    /// In upper case.
    #[must_use]
    pub fn verb(&self) -> &str {
        match self {
            Self::Unknown(verb) => verb,
            _ => self.known_verb(),
        }
    }

    /// The verb, empty for those that the host does not know.
    pub(crate) fn known_verb(&self) -> &'static str {
        match self {
            Self::Greet { greeting: Greeting::Helo, .. } => "HELO",
            Self::Greet { greeting: Greeting::Ehlo, .. } => "EHLO",
            Self::Greet { greeting: Greeting::Lhlo, .. } => "LHLO",
            Self::Mail { .. } => "MAIL",
            Self::Rcpt { .. } => "RCPT",
            Self::Data => "DATA",
            Self::Reset => "RSET",
            Self::Noop => "NOOP",
            Self::Help => "HELP",
            Self::Verify => "VRFY",
            Self::Expand => "EXPN",
            Self::Quit => "QUIT",
            Self::StartTls => "STARTTLS",
            Self::Auth { .. } => "AUTH",
            Self::NotServed(verb) => verb,
            Self::Unknown(_) => "",
        }
    }

    /// What sinks see of the line that this was read from: all behind the verb and a space; of AUTH the mechanism alone,
    /// since what follows may be a password.
    #[must_use]
    pub fn argument<'a>(&self, line: &'a str) -> &'a str {
        let (_, argument) = split(line);
        match self {
            Self::Auth { .. } => argument.trim_ascii_start().split(' ').next().unwrap_or_default(),
            _ => argument,
        }
    }

    /// Whether a sink may answer it or go on with a dialogue of its own (the contract's `on-inbound-command`).
    #[must_use]
    pub fn is_open_to_sinks(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Help | Self::Verify | Self::Expand | Self::Noop)
    }

    /// Whether it brings no message nearer.
    pub(crate) fn is_idle(&self) -> bool {
        let idle = matches!(self, Self::Help | Self::Verify | Self::Expand | Self::Noop | Self::Reset);
        idle || matches!(self, Self::Greet { .. })
    }
}

/// Whether a sink may answer a command of this verb itself, rather than only refuse it: those that the host does not know,
/// and those that tell a client nothing that the host must keep.
#[must_use]
pub fn is_verb_open_to_sinks(verb: &str) -> bool {
    !KNOWN.contains(&verb) || matches!(verb, "HELP" | "VRFY" | "EXPN" | "NOOP")
}

const KNOWN: [&str; 15] = [
    "MAIL", "RCPT", "DATA", "EHLO", "HELO", "QUIT", "RSET", "NOOP", "VRFY", "EXPN", "HELP", "AUTH",
    "STARTTLS", "BDAT", "LHLO",
];

fn split(line: &str) -> (&str, &str) {
    line.split_once(' ').unwrap_or((line.trim_ascii_end(), ""))
}

fn is_verb(text: &str) -> bool {
    (1..=VERB_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn bare(command: Command, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(replies::ARGUMENT_SURPLUS) }
}

fn with_argument(command: Command, argument: &str) -> Result<Command, Reply> {
    if argument.is_empty() { Err(replies::ARGUMENT_MISSING) } else { Ok(command) }
}

/// RFC 5321 §4.1.4: a name that is no domain is no reason to refuse; one that is not a single printable word is no name.
fn greet(greeting: Greeting, argument: &str) -> Result<Command, Reply> {
    let name = argument.trim_ascii_start();
    let is_name =
        (1..=HELO_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(Command::Greet { greeting, name: name.into() }) } else { Err(replies::GREETING_ARGUMENT) }
}

/// RFC 4954 §4. A mechanism's name is RFC 4422 §3.1's.
fn auth(argument: &str) -> Result<Command, Reply> {
    let argument = argument.trim_ascii_start();
    let (mechanism, initial) =
        argument.split_once(' ').map_or((argument, None), |(mechanism, initial)| (mechanism, Some(initial)));
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = (1..=MECHANISM_BYTES_MAX).contains(&mechanism.len()) && mechanism.bytes().all(is_legal);
    if !is_name {
        return Err(replies::MECHANISM_ARGUMENT);
    }
    let initial = initial.map(|initial| Secret::new(Bytes::copy_from_slice(initial.as_bytes())));
    Ok(Command::Auth { mechanism: mechanism.to_ascii_uppercase().into(), initial })
}

fn mail(argument: &str) -> Result<Command, Reply> {
    let path = path_text(argument, "FROM:").ok_or(replies::REVERSE_PATH_ARGUMENT)?;
    let (reverse_path, rest) = ReversePath::parse(path).map_err(|error| match error {
        AddressError::Path => replies::REVERSE_PATH_ARGUMENT,
        other => length_or(other, replies::REVERSE_PATH_MALFORMED),
    })?;
    let needs = needs(path, rest);
    Ok(Command::Mail { reverse_path, parameters: parameters(rest, replies::REVERSE_PATH_ARGUMENT)?, needs })
}

fn rcpt(argument: &str) -> Result<Command, Reply> {
    let path = path_text(argument, "TO:").ok_or(replies::RECIPIENT_ARGUMENT)?;
    let (forward_path, rest) = ForwardPath::parse(path).map_err(|error| match error {
        AddressError::Path => replies::RECIPIENT_ARGUMENT,
        other => length_or(other, replies::RECIPIENT_MALFORMED),
    })?;
    let needs = needs(path, rest);
    Ok(Command::Rcpt { forward_path, parameters: parameters(rest, replies::RECIPIENT_ARGUMENT)?, needs })
}

fn path_text<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let (found, path) = argument.split_at_checked(keyword.len())?;
    found.eq_ignore_ascii_case(keyword).then(|| path.strip_prefix(' ').unwrap_or(path))
}

fn length_or(error: AddressError, otherwise: Reply) -> Reply {
    match error {
        AddressError::LocalPartTooLong | AddressError::DomainTooLong | AddressError::PathTooLong => {
            replies::ADDRESS_TOO_LONG
        }
        _ => otherwise,
    }
}

fn needs(path: &str, rest: &str) -> Smtputf8 {
    let path = path.get(..path.len() - rest.len()).unwrap_or(path);
    if path.is_ascii() { Smtputf8::Absent } else { Smtputf8::Asked }
}

fn parameters(rest: &str, syntax: Reply) -> Result<Vec<Parameter>, Reply> {
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(syntax);
    }
    parse_all(rest).ok_or(replies::PARAMETER_MALFORMED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match Command::parse(line) {
            Ok(Command::Greet { greeting, name }) => format!("{} {name}", greeting.word()),
            Ok(Command::Mail { reverse_path, parameters, needs }) => {
                format!("mail {reverse_path} {} {needs:?}", parameters.len())
            }
            Ok(Command::Rcpt { forward_path, parameters, needs }) => {
                format!("rcpt {forward_path} {} {needs:?}", parameters.len())
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{}: {}", error.verb, error.reply.code()),
        };
        assert_eq!(found, expected, "{line:?}");
    }

    #[test]
    fn verbs_have_no_case_and_white_space_at_the_end_is_nothing() {
        check("data", "Data");
        check("DaTa  \t", "Data");
        check("RSET", "Reset");
        check("quit ", "Quit");
        check("NOOP what ever", "Noop");
        check("help me", "Help");
        check("VRFY jo", "Verify");
        check("EXPN staff", "Expand");
        check("ehlo client.example", "ehlo client.example");
        check("HELO [192.0.2.1]", "helo [192.0.2.1]");
        check("starttls", "StartTls");
        check("auth plain", "Auth { mechanism: \"PLAIN\", initial: None }");
        check("AUTH PLAIN AHVzZXIAcGVuY2ls", "Auth { mechanism: \"PLAIN\", initial: Some(Secret) }");
        check("bdat 3", "NotServed(\"BDAT\")");
        check("lhlo client.example", "lhlo client.example");
        check("xfoo bar", "Unknown(\"XFOO\")");
    }

    #[test]
    fn mail_and_rcpt_are_typed() {
        check("MAIL FROM:<a@b.example> SIZE=1 X-Y", "mail <a@b.example> 2 Absent");
        check("mail from: <>", "mail <> 0 Absent");
        check("MAIL FROM:<jörg@b.example> SMTPUTF8", "mail <jörg@b.example> 1 Asked");
        check("MAIL FROM:<a@b.example> X=ö", "mail <a@b.example> 1 Absent");
        check("RCPT TO:<postMASTER>", "rcpt <postmaster> 0 Absent");
        check("RCPT TO:<a@bücher.example>", "rcpt <a@xn--bcher-kva.example> 0 Asked");
        check("RCPT TO: <@x.example:a@b.example>", "rcpt <a@b.example> 0 Absent");
    }

    #[test]
    fn what_is_no_command_has_its_reply() {
        check("", ": 500");
        check(" NOOP", ": 500");
        check("\u{16}\u{3}\u{1}", ": 500");
        check("NOOP \0", ": 500");
        check(&"X".repeat(VERB_BYTES_MAX + 1), ": 500");
        check("EHLO", "EHLO: 501");
        check("EHLO a b", "EHLO: 501");
        check("EHLO bücher.example", "EHLO: 501");
        check(&format!("EHLO {}", "x".repeat(HELO_NAME_BYTES_MAX + 1)), "EHLO: 501");
        check("DATA now", "DATA: 501");
        check("STARTTLS now", "STARTTLS: 501");
        check("AUTH", "AUTH: 501");
        check("AUTH PLAIN/1 x", "AUTH: 501");
        check(&format!("AUTH {}", "X".repeat(MECHANISM_BYTES_MAX + 1)), "AUTH: 501");
        check("RSET x", "RSET: 501");
        check("QUIT x", "QUIT: 501");
        check("VRFY", "VRFY: 501");
        check("MAIL", "MAIL: 501");
        check("MAIL TO:<a@b.example>", "MAIL: 501");
        check("MAIL FROM:a@b.example", "MAIL: 501");
        check("MAIL FROM:  <a@b.example>", "MAIL: 501");
        check("MAIL FROM:<a@b.example>SIZE=1", "MAIL: 501");
        check("MAIL FROM:<a@b.example> SIZE=", "MAIL: 501");
        check("RCPT TO:<>", "RCPT: 501");
        check("RCPT TO:<a@b..example>", "RCPT: 501");
    }

    #[test]
    fn sinks_see_the_argument_as_it_came_but_no_password() {
        let argument = |line: &'static str| Command::parse(line).unwrap().argument(line);
        assert_eq!(argument("XFOO  Bar baz "), " Bar baz ");
        assert_eq!(argument("XFOO"), "");
        assert_eq!(argument("AUTH PLAIN AGpvAHNlY3JldA=="), "PLAIN");
        assert_eq!(argument("auth  PLAIN AGpvAHNlY3JldA=="), "PLAIN");
    }
}
