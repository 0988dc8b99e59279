//! How values that JSON has no form for are written into a record's metadata: bytes as base64, scores as text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes that are base64 in metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binary(pub Bytes);

impl Binary {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// Scores as text: JSON would write NaN and the infinities as null, and a record that doesn't read back is lost mail.
pub(crate) mod scores {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(map: &BTreeMap<String, f64>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(map.iter().map(|(name, score)| (name, score.to_string())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, f64>, D::Error> {
        let texts = BTreeMap::<String, String>::deserialize(from)?;
        let parsed = texts.into_iter().map(|(name, text)| Ok((name, text.parse()?)));
        parsed.collect::<Result<_, std::num::ParseFloatError>>().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::entry::{Scores, Variables};

    #[test]
    fn every_score_reads_back() {
        for score in [0.1, -0.0, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            let scores = Scores([("operator.spam".to_owned(), score)].into());
            let text = serde_json::to_string(&scores).unwrap();
            let back: Scores = serde_json::from_str(&text).unwrap();
            assert_eq!(back.0["operator.spam"].to_bits(), score.to_bits(), "{text}");
        }
    }

    #[test]
    fn any_bytes_read_back() {
        let mut variables = Variables::default();
        variables.insert("external-tag", "seen", (0..=255).collect::<Vec<u8>>().into());
        let text = serde_json::to_string(&variables).unwrap();
        assert_eq!(serde_json::from_str::<Variables>(&text).unwrap(), variables);
    }
}
