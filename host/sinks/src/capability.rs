//! What a sink may be allowed beyond its own event: interfaces of the contract that are linked only where granted, and
//! grants that widen what a context interface does.
//!
//! Effective is what the manifest asks AND the operator grants. Which of them this version serves stands here: one that it
//! doesn't makes the load fail, nothing pretends.

use std::fmt;

use crate::event::Served;

macro_rules! capabilities {
    ($($variant:ident $word:literal $kind:ident $served:ident)+) => {
        /// A capability by its word in manifest, installation file and contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Capability {
            $(#[doc = concat!("`", $word, "`")] $variant,)+
        }

        impl Capability {
            /// Every capability of the contract.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The word that files use; for an interface its name.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Whether a component imports it or the host widens an import that it has anyway.
            pub const fn kind(self) -> CapabilityKind {
                match self { $(Self::$variant => CapabilityKind::$kind,)+ }
            }

            /// Whether this version of the host serves it.
            pub const fn served(self) -> Served {
                match self { $(Self::$variant => Served::$served,)+ }
            }
        }
    };
}

/// How a capability reaches a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapabilityKind {
    /// An interface that the component imports.
    Interface,
    /// A wider use of an interface that is always linked.
    Grant,
}

capabilities! {
    Kv "kv" Interface NotYet
    Tables "tables" Interface NotYet
    Dns "dns" Interface NotYet
    Http "http" Interface NotYet
    Directory "directory" Interface NotYet
    Submit "submit" Interface NotYet
    Forward "forward" Grant Yes
    NextHop "next-hop" Grant Yes
    OutboundVerbs "outbound-verbs" Grant Yes
    Credentials "credentials" Grant Yes
}

impl Capability {
    /// The capability of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|capability| capability.word() == word)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl serde::Serialize for Capability {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> serde::Deserialize<'de> for Capability {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::from_word(&word).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.into_iter().map(Self::word).collect();
            serde::de::Error::custom(format!("`{word}` is no capability; they are: {}", known.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Capability, CapabilityKind};

    #[test]
    fn the_interfaces_are_those_of_the_contract() {
        let capabilities = include_str!("../../../wit/15-capabilities.wit");
        let interfaces: Vec<_> = capabilities
            .lines()
            .filter_map(|line| line.strip_prefix("interface ")?.strip_suffix(" {"))
            .collect();
        let listed: Vec<_> = Capability::ALL
            .into_iter()
            .filter(|capability| capability.kind() == CapabilityKind::Interface)
            .map(Capability::word)
            .collect();
        assert_eq!(listed, interfaces);
    }
}
