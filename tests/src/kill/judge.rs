//! What was sent beside what lies in the mailboxes: the only judge of a round, and a function of nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::mail::{Known, NAME_FIELD, Sent};

/// A file in a mailbox.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose mailbox, as `ann@b.example`.
    pub mailbox: String,
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What is wrong, a line for each. A round is good when there is nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged, and not in a mailbox that it was for.
    pub lost: Vec<String>,
    /// In a mailbox more than once.
    pub doubled: Vec<String>,
    /// In a mailbox, but not byte for byte as it was sent.
    pub broken: Vec<String>,
    /// Not acknowledged, and there for some of its recipients alone: it was taken by half.
    pub parted: Vec<String>,
    /// In a mailbox that it was not for, or never sent at all.
    pub strange: Vec<String>,
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("broken", &self.broken),
            ("parted", &self.parted),
            ("strange", &self.strange),
        ];
        for (kind, lines) in kinds {
            writeln!(out, "{} {kind}", lines.len())?;
            for line in lines {
                writeln!(out, "  {kind}: {line}")?;
            }
        }
        Ok(())
    }
}

/// Compares what was sent with what was found.
#[must_use]
pub fn judge(sent: &[Sent], found: &[Found]) -> Findings {
    let mut findings = Findings::default();
    let mut copies: BTreeMap<(&str, &str), Vec<&Found>> = BTreeMap::new();
    let by_name: BTreeMap<&str, &Sent> = sent.iter().map(|sent| (sent.name.as_str(), sent)).collect();
    for file in found {
        let known = name_of(&file.bytes).and_then(|name| by_name.get(name));
        match known.filter(|sent| sent.recipients.contains(&file.mailbox)) {
            Some(sent) => {
                copies.entry((&sent.name, &file.mailbox)).or_default().push(file);
                if !is_whole(&file.bytes, sent) {
                    findings.broken.push(format!("{} in {}", sent.name, file.path.display()));
                }
            }
            None => findings.strange.push(file.path.display().to_string()),
        }
    }
    for ((name, mailbox), files) in copies.iter().filter(|(_, files)| files.len() > 1) {
        let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
        findings.doubled.push(format!("{name} for {mailbox}: {}", paths.join(", ")));
    }
    for sent in sent {
        let is_missing = |recipient: &&String| !copies.contains_key(&(&sent.name, recipient));
        let missing: Vec<&str> = sent.recipients.iter().filter(is_missing).map(String::as_str).collect();
        match sent.known {
            Known::Acknowledged => {
                findings.lost.extend(missing.iter().map(|mailbox| format!("{} for {mailbox}", sent.name)));
            }
            Known::Open if !missing.is_empty() && missing.len() < sent.recipients.len() => {
                findings.parted.push(format!("{} is missing for {}", sent.name, missing.join(", ")));
            }
            Known::Open => {}
        }
    }
    findings
}

/// All that lies in the mailboxes under a root, read or unread.
///
/// # Errors
/// If a file cannot be read.
pub fn mailboxes(root: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for domain in folders(root)? {
        for local in folders(&domain)? {
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mailbox = format!("{}@{}", name(&local), name(&domain));
            for place in ["new", "cur"] {
                for path in folders(&local.join(place))? {
                    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
                    found.push(Found { mailbox: mailbox.clone(), path, bytes });
                }
            }
        }
    }
    Ok(found)
}

/// What a folder holds; one that a crash left unmade holds nothing.
pub(super) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (header, rest) = bytes.split_at_checked(end)?;
    Some((std::str::from_utf8(header).ok()?, rest.get(4..)?))
}

fn name_of(bytes: &[u8]) -> Option<&str> {
    let (header, _) = split(bytes)?;
    header.split("\r\n").find_map(|line| line.strip_prefix(NAME_FIELD)?.strip_prefix(": "))
}

/// Its own fields once each, in their order, under the trace fields of the server; and the same body.
fn is_whole(bytes: &[u8], sent: &Sent) -> bool {
    let Some((header, body)) = split(bytes) else { return false };
    let ours: Vec<&str> =
        header.split("\r\n").filter(|line| sent.header.iter().any(|own| own == line)).collect();
    header.starts_with("Return-Path: <zoe@a.example>\r\n")
        && ours == sent.header
        && body == sent.body.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Findings, Found, Known, Sent, judge};

    fn sent(name: &str, known: Known) -> Sent {
        Sent {
            name: name.to_owned(),
            recipients: vec!["ann@b.example".to_owned(), "bea@b.example".to_owned()],
            header: vec![format!("X-Kill-Name: {name}")],
            body: "one\r\ntwo\r\n".to_owned(),
            known,
        }
    }

    fn arrived(sent: &Sent) -> Vec<Found> {
        let found = |mailbox: &String| Found {
            mailbox: mailbox.clone(),
            path: format!("{mailbox}/{}", sent.name).into(),
            bytes: format!("Return-Path: <zoe@a.example>\r\nReceived: x\r\n{}", sent.content()).into_bytes(),
        };
        sent.recipients.iter().map(found).collect()
    }

    fn check(known: Known, spoil: impl Fn(&mut Vec<Found>), expected: [usize; 5]) {
        let all = [sent("m-1", Known::Acknowledged), sent("m-2", known)];
        let mut found = arrived(&all[0]);
        let mut second = arrived(&all[1]);
        spoil(&mut second);
        found.extend(second);
        let Findings { lost, doubled, broken, parted, strange } = judge(&all, &found);
        let counts = [lost.len(), doubled.len(), broken.len(), parted.len(), strange.len()];
        assert_eq!(counts, expected, "lost, doubled, broken, parted, strange");
    }

    #[test]
    fn what_arrived_as_it_was_sent_is_clean() {
        check(Known::Acknowledged, |_| {}, [0; 5]);
        check(Known::Open, |_| {}, [0; 5]);
        check(Known::Open, Vec::clear, [0; 5]);
    }

    #[test]
    fn a_missing_message_is_lost() {
        check(Known::Acknowledged, Vec::clear, [2, 0, 0, 0, 0]);
        check(Known::Acknowledged, |found| found.truncate(1), [1, 0, 0, 0, 0]);
    }

    #[test]
    fn a_second_copy_is_doubled_acknowledged_or_not() {
        let double = |found: &mut Vec<Found>| found.push(found[0].clone());
        check(Known::Acknowledged, double, [0, 1, 0, 0, 0]);
        check(Known::Open, double, [0, 1, 0, 0, 0]);
    }

    #[test]
    fn a_cut_or_changed_message_is_broken() {
        check(Known::Acknowledged, |found| found[0].bytes.truncate(60), [1, 0, 0, 0, 1]);
        let shorten = |found: &mut Vec<Found>| assert!(found[0].bytes.pop().is_some());
        check(Known::Acknowledged, shorten, [0, 0, 1, 0, 0]);
        let again = |found: &mut Vec<Found>| {
            let text = String::from_utf8(found[1].bytes.clone()).unwrap();
            found[1].bytes = text.replace("X-Kill", "X-Kill-Name: m-2\r\nX-Kill").into_bytes();
        };
        check(Known::Open, again, [0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_message_for_some_of_its_recipients_alone_is_parted() {
        check(Known::Open, |found| found.truncate(1), [0, 0, 0, 1, 0]);
    }

    #[test]
    fn a_message_in_a_wrong_mailbox_is_strange() {
        let astray = |found: &mut Vec<Found>| found[0].mailbox = "eve@b.example".to_owned();
        check(Known::Open, astray, [0, 0, 0, 1, 1]);
    }
}
