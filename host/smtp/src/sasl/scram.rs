//! SCRAM-SHA-256 from the server's side (RFC 5802, RFC 7677), without channel binding.
//!
//! Promises that what is kept of a password can't be used to log in elsewhere, and that a proof is compared in the same time
//! whether it is right or not.

use super::credential;
use crate::client::scram_sign as sign;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::{self, Debug, Formatter};

/// Rounds of PBKDF2 for keys that we make. Clients refuse many more ([`SCRAM_ITERATIONS_MAX`] is ours); RFC 7677 §4 asks for at
/// least 4,096, and with 100,000 a phone is not done at once, nor is a thief.
pub const SCRAM_ITERATIONS: u32 = 100_000;
/// Fewest rounds of keys that are taken: RFC 7677 §4.
pub const SCRAM_ITERATIONS_MIN: u32 = crate::client::ITERATIONS_MIN;
/// Most rounds of keys that are taken: what our own client still does.
pub const SCRAM_ITERATIONS_MAX: u32 = crate::client::ITERATIONS_MAX;
/// Bytes of a salt that we make; as many as RFC 7677 §3's example has.
pub const SALT_BYTES: usize = 16;
/// Bytes of a client's nonce: four times ours.
const NONCE_BYTES_MAX: usize = 96;

/// What is kept of a password (RFC 5802 §3): enough to check a proof and to give one, not enough to make the client's.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// The hash of the client's key.
    pub stored: [u8; 32],
    /// What we prove ourselves with.
    pub server: [u8; 32],
}

/// How the keys were made; clients are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramSalt {
    /// Different for each user.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
}

/// One exchange.
pub(crate) struct Scram {
    user: String,
    header: String,
    first_bare: String,
    nonce: String,
    server_first: String,
    keys: Option<ScramKeys>,
}

impl ScramKeys {
    /// Of a password.
    #[must_use]
    pub fn derive(password: &[u8], salt: &ScramSalt) -> Self {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password, &salt.salt, salt.iterations, &mut salted);
        let client = sign(&salted, b"Client Key");
        Self { stored: Sha256::digest(client).into(), server: sign(&salted, b"Server Key") }
    }
}

/// What a user gets to see that does not exist: the same each time, and nothing that a password fits.
#[must_use]
pub fn decoy(secret: &[u8; 32], user: &str) -> (ScramSalt, ScramKeys) {
    let of = |what: &str| sign(secret, format!("{what} {user}").as_bytes());
    let salt = of("salt").iter().copied().take(SALT_BYTES).collect();
    let keys = ScramKeys { stored: of("stored key"), server: of("server key") };
    (ScramSalt { salt, iterations: SCRAM_ITERATIONS }, keys)
}

impl Debug for ScramKeys {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("ScramKeys")
    }
}

impl Debug for Scram {
    /// Nothing of it is for a log.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("Scram")
    }
}

impl Scram {
    /// Reads `n,,n=user,r=nonce`. `y` says that the client could bind the channel and believes that we can't, which is so; `p` asks
    /// for it.
    pub(super) fn first(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let (binding, rest) = message.split_once(',')?;
        let (authorize, bare) = rest.split_once(',')?;
        let mut attributes = bare.split(',');
        let user = attributes.next()?.strip_prefix("n=").and_then(unescaped)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let is_printable = |byte: u8| byte.is_ascii_graphic();
        let fits_nonce = (1..=NONCE_BYTES_MAX).contains(&nonce.len()) && nonce.bytes().all(is_printable);
        let is_self = authorize.is_empty()
            || authorize.strip_prefix("a=").and_then(unescaped).is_some_and(|name| name == user);
        credential(user.as_bytes())?;
        (matches!(binding, "n" | "y") && is_self && fits_nonce).then(|| Self {
            user,
            header: format!("{binding},{authorize},"),
            first_bare: bare.to_owned(),
            nonce: nonce.to_owned(),
            server_first: String::new(),
            keys: None,
        })
    }

    /// As the client wrote it.
    pub(super) fn user(&self) -> &str {
        &self.user
    }

    /// The server-first-message.
    pub(super) fn challenge(&mut self, keys: ScramKeys, salt: &ScramSalt, nonce: &str) -> String {
        self.nonce.push_str(nonce);
        self.keys = Some(keys);
        let (salt, iterations) = (STANDARD.encode(&salt.salt), salt.iterations);
        self.server_first = format!("r={},s={salt},i={iterations}", self.nonce);
        self.server_first.clone()
    }

    /// Reads `c=…,r=…,p=…`: our proof if the client's is right, nothing in it if it is not; none if it is no such message.
    pub(super) fn prove(self, message: &[u8]) -> Option<Option<String>> {
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let header = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if header != self.header.as_bytes() || nonce != self.nonce {
            return None;
        }
        let proof: [u8; 32] = STANDARD.decode(proof).ok()?.try_into().ok()?;
        let keys = self.keys?;
        let signed = format!("{},{},{without_proof}", self.first_bare, self.server_first);
        let signature = sign(&keys.stored, signed.as_bytes());
        let mut client = [0; 32];
        for (key, (proof, signature)) in client.iter_mut().zip(proof.into_iter().zip(signature)) {
            *key = proof ^ signature;
        }
        let is_right = is_same(&Sha256::digest(client).into(), &keys.stored);
        let ours = || format!("v={}", STANDARD.encode(sign(&keys.server, signed.as_bytes())));
        Some(is_right.then(ours))
    }
}

/// Looks at every byte, whatever the first ones are.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other)) == 0
}

/// RFC 5802 §5.1: `=2C` is a comma, `=3D` an equals sign, and no other `=` is legal.
fn unescaped(text: &str) -> Option<String> {
    let mut name = String::new();
    let mut parts = text.split('=');
    name.push_str(parts.next()?);
    for part in parts {
        let (character, rest) = match part.get(..2)? {
            "2C" => (',', part.get(2..)?),
            "3D" => ('=', part.get(2..)?),
            _ => return None,
        };
        name.push(character);
        name.push_str(rest);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn challenged() -> Scram {
        let salt = ScramSalt { salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), iterations: 4096 };
        let mut scram = Scram::first(FIRST).unwrap();
        let challenge = scram.challenge(ScramKeys::derive(b"pencil", &salt), &salt, NONCE);
        let expected =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(challenge, expected);
        scram
    }

    #[test]
    fn the_example_of_rfc_7677_holds() {
        let proof = challenged().prove(FINAL.as_bytes());
        assert_eq!(proof.flatten().as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn a_wrong_proof_and_no_proof_are_told_apart() {
        let prove = |message: &str| challenged().prove(message.as_bytes());
        assert_eq!(prove(&FINAL.replace("dHzb", "dHzc")), Some(None));
        for wrong in [
            FINAL.replace("biws", "eSws"),
            FINAL.replace("rOpr", "rOps"),
            FINAL.replace(",p=", ",q="),
            FINAL.replace("dHzb", "dH"),
            String::new(),
        ] {
            assert_eq!(prove(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_first_message_names_a_user_and_no_other() {
        let user = |message: &str| Scram::first(message.as_bytes()).map(|scram| scram.user().to_owned());
        assert_eq!(user("y,,n=a=3Db=2Cc,r=x").as_deref(), Some("a=b,c"));
        assert_eq!(user("n,a=jo,n=jo,r=x").as_deref(), Some("jo"));
        let long = format!("n,,n=jo,r={}", "x".repeat(NONCE_BYTES_MAX + 1));
        for wrong in [
            "n,a=ann,n=jo,r=x",
            "p=tls-exporter,,n=jo,r=x",
            "n,,n=j=o,r=x",
            "n,,n=,r=x",
            "n,,n=jo,r=",
            "n,,m=x,n=jo,r=x",
            "",
            &long,
        ] {
            assert_eq!(user(wrong), None, "{wrong}");
        }
    }
}
