//! SCRAM-SHA-256 from the client's side (RFC 5802, RFC 7677), without channel binding.
//!
//! Promises that the peer's proof is checked before anything counts as done, and that a peer can ask for no more work than
//! [`ITERATIONS_MAX`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::fmt::{self, Debug, Formatter};

/// Rounds of PBKDF2 that a peer may ask for at least: RFC 7677 §4.
pub const ITERATIONS_MIN: u32 = 4_096;
/// And at most; our choice. Each is two blocks of SHA-256, so this is about a tenth of a second.
pub const ITERATIONS_MAX: u32 = 250_000;

/// Why the peer's part of the exchange is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScramError {
    /// Not RFC 5802 §7's form.
    #[error("the message is malformed")]
    Malformed,
    /// It does not begin with ours, or adds nothing.
    #[error("the nonce is not an extension of ours")]
    Nonce,
    /// Below [`ITERATIONS_MIN`] or above [`ITERATIONS_MAX`].
    #[error("the number of iterations is out of bounds")]
    Iterations,
    /// `e=` instead of a proof.
    #[error("the peer refuses the proof")]
    Refused,
    /// The peer does not know the password.
    #[error("the proof of the peer is wrong")]
    Proof,
}

/// One exchange.
pub(crate) struct Scram {
    first_bare: String,
    nonce: String,
    stage: Stage,
}

enum Stage {
    First,
    Final { signature: [u8; 32] },
    Proved,
}

impl Scram {
    /// For a name and a nonce of printable characters without comma.
    pub(crate) fn new(user: &str, nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self { first_bare: format!("n={user},r={nonce}"), nonce: nonce.to_owned(), stage: Stage::First }
    }

    pub(crate) fn client_first(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Answers the peer's next message.
    pub(crate) fn answer(&mut self, password: &str, message: &[u8]) -> Result<String, ScramError> {
        let message = std::str::from_utf8(message).map_err(|_| ScramError::Malformed)?;
        match std::mem::replace(&mut self.stage, Stage::First) {
            Stage::First => self.client_final(password, message),
            Stage::Final { signature } => {
                if message.starts_with("e=") {
                    return Err(ScramError::Refused);
                }
                let proof = message.strip_prefix("v=").ok_or(ScramError::Malformed)?;
                let proof = STANDARD.decode(proof).map_err(|_| ScramError::Malformed)?;
                if proof != signature {
                    return Err(ScramError::Proof);
                }
                self.stage = Stage::Proved;
                Ok(String::new())
            }
            Stage::Proved => Err(ScramError::Malformed),
        }
    }

    pub(crate) fn is_proved(&self) -> bool {
        matches!(self.stage, Stage::Proved)
    }

    fn client_final(&mut self, password: &str, server_first: &str) -> Result<String, ScramError> {
        let mut attributes = server_first.split(',');
        let mut attribute = |name: &str| {
            attributes.next().and_then(|text| text.strip_prefix(name)).ok_or(ScramError::Malformed)
        };
        let (nonce, salt, iterations) = (attribute("r=")?, attribute("s=")?, attribute("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramError::Nonce);
        }
        let salt = STANDARD.decode(salt).map_err(|_| ScramError::Malformed)?;
        let iterations: u32 = iterations.parse().map_err(|_| ScramError::Iterations)?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&iterations) {
            return Err(ScramError::Iterations);
        }
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), &salt, iterations, &mut salted);
        let client_key = sign(&salted, b"Client Key");
        let server_key = sign(&salted, b"Server Key");
        // "biws" is "n,,": no channel binding.
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.first_bare);
        let client_signature = sign(&Sha256::digest(client_key).into(), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(client_signature).map(|(key, sign)| key ^ sign).collect();
        self.stage = Stage::Final { signature: sign(&server_key, signed.as_bytes()) };
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }
}

/// HMAC-SHA-256.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104 §2)")]
pub(crate) fn sign(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of 32 bytes fits");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

impl Debug for Scram {
    /// Nothing of it is for a log.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("Scram").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    fn scram() -> Scram {
        Scram::new("user", "rOprNGfwEbeRWgbNEkqO")
    }

    fn refused(message: &str, expected: ScramError) {
        assert_eq!(scram().answer("pencil", message.as_bytes()), Err(expected), "{message}");
    }

    #[test]
    fn the_example_of_rfc_7677_holds() {
        let mut scram = scram();
        assert_eq!(scram.client_first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let answer = scram.answer("pencil", SERVER_FIRST.as_bytes()).unwrap();
        let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer, expected);
        let proof = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.answer("pencil", proof), Ok(String::new()));
        assert!(scram.is_proved());
    }

    #[test]
    fn a_peer_that_does_not_know_the_password_is_found_out() {
        let mut scram = scram();
        scram.answer("pencil", SERVER_FIRST.as_bytes()).unwrap();
        let proof = b"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(scram.answer("pencil", proof), Err(ScramError::Proof));
        assert!(!scram.is_proved());
    }

    #[test]
    fn a_peer_cannot_ask_for_endless_work_or_a_weak_key() {
        let with = |iterations: &str| SERVER_FIRST.replace("4096", iterations);
        refused(&with(&(ITERATIONS_MIN - 1).to_string()), ScramError::Iterations);
        refused(&with(&(ITERATIONS_MAX + 1).to_string()), ScramError::Iterations);
        assert!(scram().answer("pencil", with(&ITERATIONS_MAX.to_string()).as_bytes()).is_ok());
        refused(&with("99999999999"), ScramError::Iterations);
        refused(&with("-1"), ScramError::Iterations);
        refused("r=other,s=QQ==,i=4096", ScramError::Nonce);
        refused("r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=4096", ScramError::Nonce);
        refused("r=rOprNGfwEbeRWgbNEkqOx,i=4096", ScramError::Malformed);
        refused("m=x,r=rOprNGfwEbeRWgbNEkqOx", ScramError::Malformed);
        refused("", ScramError::Malformed);
    }

    #[test]
    fn a_name_is_escaped() {
        assert_eq!(Scram::new("a=b,c", "n").client_first(), "n,,n=a=3Db=2Cc,r=n");
    }
}
