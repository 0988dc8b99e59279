//! The two files of an entry, as `sluice spool export` writes them and `sluice spool import` reads them.
//!
//! `ID.eml` is the message as it stands in the spool (RFC 5322). `ID.json` is its envelope and all else that is known of it;
//! it is written last, so an entry without it is not there:
//!
//! ```json
//! {
//!   "format": "sluice-entry",
//!   "version": 1,
//!   "content": { "bytes": 1234, "crc32": 305419896 },
//!   "entry": {
//!     "id": "01JBQ…", "parent": "01JBP…", "maker": "footer", "ingress": "smtp", "arrived": 1700000000000,
//!     "facts": { "session_id": "01JBQ…", "listener": "smtp", "helo_name": "mx.example", … },
//!     "tenant": "example",
//!     "envelope": {
//!       "reverse_path": …, "parameters": [ … ], "priority": 0, "expires": null,
//!       "recipients": [ { "id": 0, "address": "bob@b.example", "original": "bob@b.example", "notify": …,
//!                         "state": "Pending", "parameters": [ … ], "attempts": 0, "last_reply": null } ]
//!     },
//!     "version": 2, "variables": { "installation": { "key": "base64" } }, "scores": { "operator.spam": "4.5" },
//!     "stage": { "stage": "submission" }, "due": 1700000000000,
//!     "state": { "held": { "reason": "…", "binding": "…", "until": 1700000000000 } }
//!   }
//! }
//! ```
//!
//! Times are milliseconds since 1970 in UTC. `stage` is the one that runs next, with `resume` where it was left in its middle
//! and `route` where the next hop is known; `state` is `"active"`, `quarantined` or `held`; `entry.version` counts the edits
//! of the content. What is absent was never known. The fields are those of [`spool::Entry`] without its content; a version
//! that this server doesn't know is refused. The sum finds what was changed by accident, and is no signature.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use spool::{Entry, QueueId, StoredContent};

const FORMAT: &str = "sluice-entry";
const VERSION: u64 = 1;

/// Bytes of an envelope: more than a record of the spool holds (`record_bytes_max`, 48 MiB).
const ENVELOPE_BYTES_MAX: u64 = 64 << 20;

/// What is said of the message beside it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct ContentFacts {
    /// Its length.
    pub(super) bytes: u64,
    /// Its sum (that of zip and gzip).
    pub(super) crc32: u32,
}

/// An entry without its content, and what its content must be.
#[derive(Debug)]
pub(super) struct Envelope {
    /// The content in it says nothing.
    pub(super) entry: Entry,
    pub(super) content: ContentFacts,
}

impl Envelope {
    /// The text of a file; the same entry has the same text.
    ///
    /// # Errors
    /// When it has no form in JSON.
    pub(super) fn to_text(&self) -> anyhow::Result<String> {
        let mut entry = serde_json::to_value(&self.entry)?;
        if let Value::Object(fields) = &mut entry {
            fields.remove("content");
        }
        let file = serde_json::json!({
            "format": FORMAT, "version": VERSION, "content": self.content, "entry": entry,
        });
        Ok(serde_json::to_string_pretty(&file)? + "\n")
    }

    /// Reads the file of an entry, which somebody wrote, perhaps elsewhere, perhaps later.
    ///
    /// # Errors
    /// When it is not what it must be.
    pub(super) fn read(path: &Path, id: QueueId) -> anyhow::Result<Self> {
        let mut text = Vec::new();
        let file = File::open(path).context("the envelope cannot be opened")?;
        let bytes = file.take(ENVELOPE_BYTES_MAX.saturating_add(1)).read_to_end(&mut text);
        let bytes = bytes.context("the envelope cannot be read")?;
        ensure!(
            u64::try_from(bytes).is_ok_and(|bytes| bytes <= ENVELOPE_BYTES_MAX),
            "the envelope is longer than {ENVELOPE_BYTES_MAX} bytes"
        );
        let envelope = Self::parse(&text).with_context(|| format!("{} is no good", path.display()))?;
        ensure!(envelope.entry.id == id, "{} is that of entry {}", path.display(), envelope.entry.id);
        Ok(envelope)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut file: Value = serde_json::from_slice(bytes).context("it is no JSON")?;
        ensure!(file.get("format").and_then(Value::as_str) == Some(FORMAT), "it is no envelope of an entry");
        match file.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(other) => {
                bail!("its version is {other}, this server reads {VERSION}; import it with a newer one")
            }
            None => bail!("its version is missing"),
        }
        let content = file.get("content").cloned().context("`content` is missing")?;
        let content = serde_json::from_value(content).context("`content` cannot be read")?;
        let mut entry = file.get_mut("entry").map(Value::take).context("`entry` is missing")?;
        let fields = entry.as_object_mut().context("`entry` is no object")?;
        fields.insert("content".to_owned(), serde_json::to_value(StoredContent::default())?);
        let entry: Entry = serde_json::from_value(entry).context("`entry` cannot be read")?;
        Ok(Self { entry, content })
    }
}

/// The two files of an entry.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) message: PathBuf,
    pub(super) envelope: PathBuf,
}

impl Files {
    pub(super) fn of(folder: &Path, id: QueueId) -> Self {
        Self { message: folder.join(format!("{id}.eml")), envelope: folder.join(format!("{id}.json")) }
    }
}

/// Sums a content while it is read.
#[derive(Debug, Default)]
pub(super) struct Sum {
    bytes: u64,
    crc32: crc32fast::Hasher,
}

impl Sum {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.crc32.update(bytes);
    }

    pub(super) fn facts(self) -> ContentFacts {
        ContentFacts { bytes: self.bytes, crc32: self.crc32.finalize() }
    }
}

/// The next bytes of a file, at most a MiB; empty at its end.
///
/// # Errors
/// What the system says.
pub(super) fn block(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    file.take(u64::try_from(BLOCK_BYTES).unwrap_or(u64::MAX)).read_to_end(&mut block)?;
    Ok(block)
}

const BLOCK_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::Envelope;

    fn check(text: &str, expected: &str) {
        let error = format!("{:#}", Envelope::parse(text.as_bytes()).unwrap_err());
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn what_is_no_envelope_is_refused_in_a_sentence() {
        check("", "it is no JSON");
        check("[1]", "it is no envelope of an entry");
        check(r#"{"format": "sluice-entry"}"#, "its version is missing");
        check(r#"{"format": "sluice-entry", "version": 2}"#, "its version is 2, this server reads 1");
        check(r#"{"format": "sluice-entry", "version": 1}"#, "`content` is missing");
        let content = r#"{"format": "sluice-entry", "version": 1, "content": {"bytes": 1, "crc32": 1}"#;
        check(&format!("{content}}}"), "`entry` is missing");
        check(&format!("{content}, \"entry\": 7}}"), "`entry` is no object");
        check(&format!("{content}, \"entry\": {{\"id\": \"x\"}}}}"), "`entry` cannot be read");
    }
}
