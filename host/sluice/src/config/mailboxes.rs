//! Which local-parts of a tenant's domains have a mailbox, and what parts a mailbox from a word of its user's.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::sample::{Shape, Shaped};

/// Which local-parts of a tenant's domains have a mailbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mailboxes {
    /// Every local-part.
    Any,
    /// These, compared without regard to ASCII case.
    Listed(BTreeSet<String>),
}

/// What every domain takes mail for: `postmaster` by RFC 5321 §4.5.1, `abuse` by RFC 2142 §4.
pub const ALWAYS: [&str; 2] = ["postmaster", "abuse"];

impl Mailboxes {
    /// Whether a local-part has a mailbox; those of [`ALWAYS`] have.
    #[must_use]
    pub fn contains(&self, local: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(names) => {
                ALWAYS.iter().any(|name| name.eq_ignore_ascii_case(local))
                    || names.iter().any(|name| name.eq_ignore_ascii_case(local))
            }
        }
    }
}

impl Serialize for Mailboxes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Listed(names) => serializer.collect_seq(names),
        }
    }
}

impl<'de> Deserialize<'de> for Mailboxes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Mailboxes;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("\"any\" or a list of local-parts")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Mailboxes, E> {
                match text {
                    "any" => Ok(Mailboxes::Any),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Mailboxes, A::Error> {
                let mut names = BTreeSet::new();
                while let Some(name) = list.next_element::<String>()? {
                    names.insert(name);
                }
                Ok(Mailboxes::Listed(names))
            }
        }
        deserializer.deserialize_any(Form)
    }
}

/// Parts a mailbox from a word of its user's.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
pub enum Delimiter {
    /// `+`, as nearly everybody has it.
    #[serde(rename = "+")]
    Plus,
    /// `-`, as qmail has it.
    #[serde(rename = "-")]
    Hyphen,
    /// `=`.
    #[serde(rename = "=")]
    Equals,
    /// `.`.
    #[serde(rename = ".")]
    Dot,
    /// `_`.
    #[serde(rename = "_")]
    Underscore,
    /// `#`.
    #[serde(rename = "#")]
    Hash,
}

impl Delimiter {
    /// The mailbox's part of a local-part, where there is a word behind it; what begins with the delimiter has none.
    #[must_use]
    pub fn mailbox(self, local: &str) -> Option<&str> {
        let character = match self {
            Self::Plus => '+',
            Self::Hyphen => '-',
            Self::Equals => '=',
            Self::Dot => '.',
            Self::Underscore => '_',
            Self::Hash => '#',
        };
        local.split_once(character).map(|(mailbox, _)| mailbox).filter(|mailbox| !mailbox.is_empty())
    }
}

impl Shaped for Option<Delimiter> {
    fn shape() -> Shape {
        Shape::Optional("\"+\"")
    }
}

impl Shaped for Mailboxes {
    fn shape() -> Shape {
        Shape::Value
    }
}

#[cfg(test)]
mod tests {
    use super::Delimiter;

    #[track_caller]
    fn check(local: &str, expected: Option<&str>) {
        assert_eq!(Delimiter::Plus.mailbox(local), expected);
    }

    #[test]
    fn a_mailbox_stands_before_the_first_delimiter() {
        check("ann+news+2", Some("ann"));
        check("ann", None);
        check("+news", None);
    }
}
