//! Digests of bytes that a sink asks for (WIT `digest`). SHA-1 and MD5 are there to look files up in lists, not to trust.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A digest that the contract names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// 32 bytes.
    Sha256,
    /// 20 bytes.
    Sha1,
    /// 16 bytes.
    Md5,
}

impl Algorithm {
    /// From the word of the contract.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "sha256" => Some(Self::Sha256),
            "sha1" => Some(Self::Sha1),
            "md5" => Some(Self::Md5),
            _ => None,
        }
    }
}

/// A digest under way.
pub(crate) enum Digesting {
    Sha256(Sha256),
    Sha1(Sha1),
    Md5(Md5),
}

impl Digesting {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(state) => state.update(bytes),
            Self::Sha1(state) => state.update(bytes),
            Self::Md5(state) => state.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(state) => state.finalize().to_vec(),
            Self::Sha1(state) => state.finalize().to_vec(),
            Self::Md5(state) => state.finalize().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: &str) {
        let mut digesting = Digesting::new(Algorithm::parse(word).expect("a known word"));
        digesting.update(b"a");
        digesting.update(b"bc");
        let hexadecimal: String = digesting.finish().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hexadecimal, expected, "{word}");
    }

    #[test]
    fn digests_are_those_of_the_published_vectors() {
        check("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check("md5", "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(Algorithm::parse("SHA256"), None);
    }
}
