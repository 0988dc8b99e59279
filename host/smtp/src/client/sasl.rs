//! Proving who we are to a smart host (RFC 4954): PLAIN, LOGIN and SCRAM-SHA-256 as pure exchanges.
//!
//! Promises that a password goes out only in the mechanism that was chosen and never into a log (`Debug` leaves it out), and
//! that an exchange which proves the peer as well is not over before the peer has done so. Leaves out SASLprep (RFC 4013):
//! name and password go out in the UTF-8 that the operator wrote.

use super::scram::{Scram, ScramError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::{self, Debug, Formatter};

/// Name and password at a smart host.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Box<str>,
    password: Box<str>,
}

/// Random bytes for one session, from whoever has chance; never twice the same (RFC 5802 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nonce(pub [u8; 18]);

/// A SASL mechanism, in the order in which we like them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 7677: the password is not shown, and the peer proves that it knows it.
    ScramSha256,
    /// RFC 4616.
    Plain,
    /// As Microsoft does it; a draft that never became an RFC.
    Login,
}

/// Why an exchange cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// The name or password is empty or holds a NUL.
    #[error("the name or password cannot be sent")]
    Credentials,
    /// What stands behind 334 is no base64, or nothing that the mechanism has.
    #[error("the challenge is malformed")]
    Challenge,
    /// See [`ScramError`].
    #[error(transparent)]
    Scram(#[from] ScramError),
    /// 235 before the peer has proved that it knows the password.
    #[error("the peer did not prove itself")]
    NotProved,
}

/// One exchange under way.
#[derive(Debug)]
pub(crate) struct Exchange {
    mechanism: Mechanism,
    credentials: Credentials,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    /// The peer wants the initial response, which had no room in the AUTH line.
    Initial(String),
    /// LOGIN asks for the name.
    User,
    /// LOGIN asks for the password.
    Password,
    Scram(Box<Scram>),
    /// Nothing more is to be said.
    Done,
}

/// Bytes of an AUTH line that may carry the initial response: RFC 4954 §4 has it fit a command line, RFC 5321 §4.5.3.1.4's.
const AUTH_LINE_BYTES_MAX: usize = 512;

impl Credentials {
    /// Checks what no mechanism can carry.
    ///
    /// # Errors
    /// When either is empty or holds a NUL (RFC 4616 §2).
    pub fn new(user: &str, password: &str) -> Result<Self, SaslError> {
        let fits = |text: &str| !text.is_empty() && !text.contains('\0');
        if !fits(user) || !fits(password) {
            return Err(SaslError::Credentials);
        }
        Ok(Self { user: user.into(), password: password.into() })
    }

    /// The name; the password stays inside.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl Debug for Credentials {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Mechanism {
    /// All that we speak, the best first.
    pub const ALL: [Self; 3] = [Self::ScramSha256, Self::Plain, Self::Login];

    /// IANA's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }

    /// Whether whoever listens learns the password.
    #[must_use]
    pub fn shows_password(self) -> bool {
        matches!(self, Self::Plain | Self::Login)
    }
}

impl Exchange {
    /// Begins one; gives the AUTH line without its CRLF.
    pub(crate) fn begin(mechanism: Mechanism, credentials: &Credentials, nonce: Nonce) -> (Self, String) {
        let (initial, turn) = match mechanism {
            Mechanism::Plain => {
                (Some(format!("\0{}\0{}", credentials.user, credentials.password)), Turn::Done)
            }
            Mechanism::Login => (None, Turn::User),
            Mechanism::ScramSha256 => {
                let scram = Scram::new(&credentials.user, &STANDARD.encode(nonce.0));
                (Some(scram.client_first()), Turn::Scram(Box::new(scram)))
            }
        };
        let mut exchange = Self { mechanism, credentials: credentials.clone(), turn };
        let word = mechanism.word();
        let Some(initial) = initial else { return (exchange, format!("AUTH {word}")) };
        let line = format!("AUTH {word} {}", STANDARD.encode(&initial));
        // SCRAM's is always short: names are no longer than a few addresses, and it holds no password.
        if line.len() + 2 > AUTH_LINE_BYTES_MAX && mechanism == Mechanism::Plain {
            exchange.turn = Turn::Initial(initial);
            return (exchange, format!("AUTH {word}"));
        }
        (exchange, line)
    }

    /// Answers the text of a 334; gives the line without its CRLF.
    pub(crate) fn challenge(&mut self, text: &str) -> Result<String, SaslError> {
        let challenge = STANDARD.decode(text.trim_ascii()).map_err(|_| SaslError::Challenge);
        let answer = match std::mem::replace(&mut self.turn, Turn::Done) {
            Turn::Initial(initial) => initial,
            // Its challenges are "Username:" and "Password:", or whatever else the server likes to write.
            Turn::User => {
                self.turn = Turn::Password;
                self.credentials.user.to_string()
            }
            Turn::Password => self.credentials.password.to_string(),
            Turn::Scram(mut scram) => {
                let answer = scram.answer(self.credentials.password(), &challenge?)?;
                self.turn = Turn::Scram(scram);
                answer
            }
            Turn::Done => return Err(SaslError::Challenge),
        };
        Ok(STANDARD.encode(answer))
    }

    /// The peer said 235: whether that may be believed.
    pub(crate) fn succeed(&self) -> Result<(), SaslError> {
        match (self.mechanism, &self.turn) {
            (Mechanism::ScramSha256, Turn::Scram(scram)) if scram.is_proved() => Ok(()),
            (Mechanism::ScramSha256, _) => Err(SaslError::NotProved),
            (Mechanism::Plain | Mechanism::Login, Turn::Done) => Ok(()),
            (Mechanism::Plain | Mechanism::Login, _) => Err(SaslError::Challenge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mechanism: Mechanism, password: &str) -> (Exchange, String) {
        let credentials = Credentials::new("user", password).unwrap();
        Exchange::begin(mechanism, &credentials, Nonce([0; 18]))
    }

    #[test]
    fn plain_is_one_line() {
        let (exchange, line) = begin(Mechanism::Plain, "pencil");
        assert_eq!(line, "AUTH PLAIN AHVzZXIAcGVuY2ls");
        assert_eq!(exchange.succeed(), Ok(()));
    }

    #[test]
    fn a_long_password_waits_for_its_challenge() {
        let password = "p".repeat(400);
        let (mut exchange, line) = begin(Mechanism::Plain, &password);
        assert_eq!(line, "AUTH PLAIN");
        assert_eq!(exchange.succeed(), Err(SaslError::Challenge));
        let answer = exchange.challenge("").unwrap();
        assert_eq!(STANDARD.decode(answer).unwrap(), format!("\0user\0{password}").as_bytes());
        assert_eq!(exchange.challenge(""), Err(SaslError::Challenge));
    }

    #[test]
    fn plain_is_one_line_as_long_as_it_fits_a_command_line() {
        let room = AUTH_LINE_BYTES_MAX - "AUTH PLAIN \r\n".len();
        let longest = room / 4 * 3 - "\0user\0".len();
        let (exchange, line) = begin(Mechanism::Plain, &"p".repeat(longest));
        assert!(line.len() + 2 <= AUTH_LINE_BYTES_MAX && exchange.succeed().is_ok(), "{}", line.len());
        assert_eq!(begin(Mechanism::Plain, &"p".repeat(longest + 1)).1, "AUTH PLAIN");
    }

    #[test]
    fn login_answers_two_questions_and_no_third() {
        let (mut exchange, line) = begin(Mechanism::Login, "pencil");
        assert_eq!(line, "AUTH LOGIN");
        assert_eq!(exchange.challenge("VXNlcm5hbWU6").unwrap(), "dXNlcg==");
        assert_eq!(exchange.challenge("whatever it is").unwrap(), "cGVuY2ls");
        assert_eq!(exchange.challenge("VXNlcm5hbWU6"), Err(SaslError::Challenge));
    }

    #[test]
    fn nothing_prints_a_password() {
        let (exchange, _) = begin(Mechanism::Login, "pencil");
        assert!(!format!("{exchange:?}").contains("pencil"));
        assert_eq!(Credentials::new("a", "b\0c"), Err(SaslError::Credentials));
        assert_eq!(Credentials::new("", "b"), Err(SaslError::Credentials));
    }

    #[test]
    fn a_235_before_the_peers_proof_is_no_success() {
        let (mut exchange, line) = begin(Mechanism::ScramSha256, "pencil");
        assert!(line.starts_with("AUTH SCRAM-SHA-256 "));
        assert_eq!(exchange.succeed(), Err(SaslError::NotProved));
        assert!(exchange.challenge("%%%").is_err());
        assert_eq!(exchange.succeed(), Err(SaslError::NotProved));
    }
}
