//! The server's side of SASL (RFC 4422) as pure exchanges: PLAIN, LOGIN and SCRAM-SHA-256, and what the loop is asked for them.
//!
//! Promises that a password is in one value which no `Debug` prints, and that whoever is not known goes the same way through an
//! exchange as whoever is. Leaves out SASLprep (RFC 4013): names and passwords are compared in the UTF-8 that came.

mod scram;

pub use scram::{
    SALT_BYTES, SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, ScramKeys, ScramSalt, decoy,
};

use crate::client::Mechanism;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use scram::Scram;
use std::fmt::{self, Debug, Formatter};

/// Bytes of a name or a password; far above what people have, far below a line.
pub const CREDENTIAL_BYTES_MAX: usize = 1_024;
/// Bytes of a challenge: what fits RFC 5321 §4.5.3.1.5's reply line in base64.
pub const CHALLENGE_BYTES_MAX: usize = 369;

/// Bytes that are for nobody's eyes.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Bytes);

/// What the loop finds out for an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthQuestion {
    /// PLAIN, LOGIN: is this the user's password? Answered with an identity, or a refusal.
    Password {
        /// How it came.
        mechanism: Mechanism,
        /// As the client wrote it.
        user: String,
        /// The same.
        password: Secret,
    },
    /// SCRAM: what is kept of the user's password? Answered with keys, made-up ones for whom nobody knows.
    Keys {
        /// As the client wrote it.
        user: String,
    },
    /// SCRAM: the client has proved that it knows the password behind the keys. Answered with an identity, or a refusal.
    Proved {
        /// As the client wrote it.
        user: String,
    },
    /// SCRAM: it has not. Answered with a refusal.
    NotProved {
        /// As the client wrote it.
        user: String,
    },
    /// A mechanism of a sink's own.
    Step {
        /// In upper case.
        mechanism: Box<str>,
        /// What the client said; empty where it had no initial response.
        response: Secret,
        /// Empty at first, then what came with the last challenge.
        state: Secret,
    },
}

/// The server's side of one exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    turn: Turn,
}

/// What the exchange waits for.
#[derive(Debug)]
enum Turn {
    /// PLAIN's only message.
    Plain,
    LoginUser,
    LoginPassword {
        user: String,
    },
    ScramFirst,
    /// The loop looks for the keys.
    ScramKeys(Box<Scram>),
    ScramFinal(Box<Scram>),
    /// The client has proved itself, and hears our proof.
    ScramEnd {
        user: String,
    },
    Step {
        mechanism: Box<str>,
        state: Secret,
    },
}

/// What comes of a message of the client.
#[derive(Debug)]
pub(crate) enum Next {
    /// The loop has to know.
    Ask(AuthQuestion),
    /// The client has to say more: 334 and this.
    Challenge(Vec<u8>),
    /// It is none of the mechanism.
    Malformed,
}

impl Secret {
    /// Keeps these.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// For whoever has to see them.
    #[must_use]
    pub fn reveal(&self) -> &Bytes {
        &self.0
    }
}

impl Debug for Secret {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

impl AuthQuestion {
    /// IANA's name of the mechanism, or a sink's word.
    #[must_use]
    pub fn mechanism(&self) -> &str {
        match self {
            Self::Password { mechanism, .. } => mechanism.word(),
            Self::Keys { .. } | Self::Proved { .. } | Self::NotProved { .. } => Mechanism::ScramSha256.word(),
            Self::Step { mechanism, .. } => mechanism,
        }
    }
}

impl Exchange {
    /// One of ours.
    pub(crate) fn new(mechanism: Mechanism) -> Self {
        let turn = match mechanism {
            Mechanism::Plain => Turn::Plain,
            Mechanism::Login => Turn::LoginUser,
            Mechanism::ScramSha256 => Turn::ScramFirst,
        };
        Self { turn }
    }

    /// One of a sink's.
    pub(crate) fn of_sink(mechanism: Box<str>) -> Self {
        Self { turn: Turn::Step { mechanism, state: Secret::default() } }
    }

    /// The AUTH line had no initial response (RFC 4954 §4).
    pub(crate) fn begin(&self) -> Next {
        match &self.turn {
            Turn::LoginUser => Next::Challenge(b"Username:".to_vec()),
            Turn::Step { mechanism, state } => Next::Ask(AuthQuestion::Step {
                mechanism: mechanism.clone(),
                response: Secret::default(),
                state: state.clone(),
            }),
            _ => Next::Challenge(Vec::new()),
        }
    }

    /// A message of the client, decoded.
    pub(crate) fn respond(&mut self, response: Bytes) -> Next {
        match std::mem::replace(&mut self.turn, Turn::Plain) {
            Turn::Plain => plain(&response).map_or(Next::Malformed, Next::Ask),
            Turn::LoginUser => match credential(&response) {
                Some(user) => {
                    self.turn = Turn::LoginPassword { user };
                    Next::Challenge(b"Password:".to_vec())
                }
                None => Next::Malformed,
            },
            Turn::LoginPassword { user } => match credential(&response) {
                Some(_) => Next::Ask(AuthQuestion::Password {
                    mechanism: Mechanism::Login,
                    user,
                    password: Secret::new(response),
                }),
                None => Next::Malformed,
            },
            Turn::ScramFirst => match Scram::first(&response) {
                Some(scram) => {
                    let user = scram.user().to_owned();
                    self.turn = Turn::ScramKeys(Box::new(scram));
                    Next::Ask(AuthQuestion::Keys { user })
                }
                None => Next::Malformed,
            },
            Turn::ScramKeys(_) => Next::Malformed,
            Turn::ScramFinal(scram) => {
                let user = scram.user().to_owned();
                match scram.prove(&response) {
                    Some(Some(signature)) => {
                        self.turn = Turn::ScramEnd { user };
                        Next::Challenge(signature.into_bytes())
                    }
                    Some(None) => Next::Ask(AuthQuestion::NotProved { user }),
                    None => Next::Malformed,
                }
            }
            Turn::ScramEnd { user } if response.is_empty() => Next::Ask(AuthQuestion::Proved { user }),
            Turn::ScramEnd { .. } => Next::Malformed,
            Turn::Step { mechanism, state } => {
                Next::Ask(AuthQuestion::Step { mechanism, response: Secret::new(response), state })
            }
        }
    }

    /// What the loop keeps of the user's password; none if it was not asked.
    pub(crate) fn keys(&mut self, keys: &ScramKeys, salt: &ScramSalt, nonce: [u8; 18]) -> Option<Vec<u8>> {
        let Turn::ScramKeys(mut scram) = std::mem::replace(&mut self.turn, Turn::Plain) else { return None };
        let challenge = scram.challenge(keys.clone(), salt, &STANDARD.encode(nonce));
        self.turn = Turn::ScramFinal(scram);
        Some(challenge.into_bytes())
    }

    /// The sink wants to hear more.
    pub(crate) fn go_on(&mut self, mechanism: Box<str>, state: Secret) {
        self.turn = Turn::Step { mechanism, state };
    }
}

/// RFC 4616 §2: an identity to act as, a name, a password. Nobody acts as another here.
fn plain(message: &[u8]) -> Option<AuthQuestion> {
    let mut parts = message.split(|byte| *byte == 0);
    let (Some(authorize), Some(user), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let name = credential(user)?;
    credential(password)?;
    let is_self = authorize.is_empty() || authorize == user;
    is_self.then(|| AuthQuestion::Password {
        mechanism: Mechanism::Plain,
        user: name,
        password: Secret::new(Bytes::copy_from_slice(password)),
    })
}

/// UTF-8, not empty, not endless, no NUL.
fn credential(bytes: &[u8]) -> Option<String> {
    let fits = (1..=CREDENTIAL_BYTES_MAX).contains(&bytes.len()) && !bytes.contains(&0);
    if fits { std::str::from_utf8(bytes).ok().map(ToOwned::to_owned) } else { None }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::client::scram_sign as sign;
    use sha2::{Digest, Sha256};

    /// What a client sends that knows the password.
    pub(crate) fn client_proof(password: &[u8], salt: &ScramSalt, signed: &[u8]) -> Vec<u8> {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt.salt, salt.iterations, &mut salted);
        let key = sign(&salted, b"Client Key");
        let signature = sign(&Sha256::digest(key).into(), signed);
        key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect()
    }

    fn check(messages: &[&[u8]], mechanism: Mechanism, expected: &str) {
        let mut exchange = Exchange::new(mechanism);
        let mut last = exchange.begin();
        for message in messages {
            last = exchange.respond(Bytes::copy_from_slice(message));
        }
        let found = match last {
            Next::Ask(AuthQuestion::Password { user, password, .. }) => {
                format!("{user} {}", String::from_utf8_lossy(password.reveal()))
            }
            Next::Ask(other) => format!("{other:?}"),
            Next::Challenge(challenge) => format!("334 {}", String::from_utf8_lossy(&challenge)),
            Next::Malformed => "malformed".to_owned(),
        };
        assert_eq!(found, expected, "{messages:?}");
    }

    #[test]
    fn plain_is_three_parts_and_nobody_acts_as_another() {
        check(&[], Mechanism::Plain, "334 ");
        check(&[b"\0jo\0pencil"], Mechanism::Plain, "jo pencil");
        check(&[b"jo\0jo\0pencil"], Mechanism::Plain, "jo pencil");
        for wrong in [
            &b"ann\0jo\0pencil"[..],
            b"",
            b"jo",
            b"\0jo",
            b"\0jo\0",
            b"\0\0pencil",
            b"\0jo\0a\0b",
            b"\0\xff\0a",
        ] {
            check(&[wrong], Mechanism::Plain, "malformed");
        }
        let long = [b"\0jo\0", &[b'x'; CREDENTIAL_BYTES_MAX + 1][..]].concat();
        check(&[&long], Mechanism::Plain, "malformed");
    }

    #[test]
    fn login_asks_twice() {
        check(&[], Mechanism::Login, "334 Username:");
        check(&[b"jo"], Mechanism::Login, "334 Password:");
        check(&[b"jo", b"pencil"], Mechanism::Login, "jo pencil");
        check(&[b""], Mechanism::Login, "malformed");
        check(&[b"jo", b""], Mechanism::Login, "malformed");
        check(&[b"jo", b"\0"], Mechanism::Login, "malformed");
    }

    #[test]
    fn no_debug_prints_a_password() {
        let question = plain(b"\0jo\0pencil").unwrap();
        assert!(!format!("{question:?}").contains("pencil"));
    }
}
