//! Other names of mailboxes, from a file that is read again when it changes.
//!
//! Lines `name: target, target`; `name list: target` for a list, whose members the reports of the list's own recipient don't
//! reach; the name `@` for all that nothing else takes. A target is an address, or a local-part of the same domain. A line
//! that begins with a space goes on with the one before. A file that can't be read or has a fault changes nothing: the last
//! good one holds, and the log says why.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use smtp::Mailbox;
use smtp::address::LOCAL_PART_BYTES_MAX;

use super::expand::MEMBERS_MAX;
use crate::reloaded::{self, FileError, Reloaded};

/// Bytes of a file; a hundred thousand names with room to spare, and nothing that memory would mind.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a name stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Alias {
    /// What the reports of the recipient are told.
    pub(crate) kind: AliasKind,
    /// Whom it means, at most [`MEMBERS_MAX`].
    pub(crate) targets: Vec<AliasTarget>,
}

/// What becomes of the recipient whose name it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AliasKind {
    /// The targets take its place, with its NOTIFY and ORCPT (RFC 3461 §5.2.7.2).
    Forward,
    /// It is expanded, and the sender is told no more of the members' successes (RFC 3461 §5.2.7.3).
    List,
}

/// One that an alias means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AliasTarget {
    /// Of the same domain.
    Local(String),
    /// Of any domain.
    Address(Mailbox),
}

/// The names of one file.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    /// By local-part in lower case.
    names: HashMap<String, Arc<Alias>>,
    catch_all: Option<Arc<Alias>>,
}

/// A file, and what was last read of it.
pub(crate) type AliasFile = Reloaded<Aliases>;

impl Aliases {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence with the line of the first fault.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let goes_on = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match lines.last_mut().filter(|_| goes_on) {
                Some((_, before)) => {
                    before.push(' ');
                    before.push_str(line);
                }
                None => lines.push((number, line.to_owned())),
            }
        }
        let mut aliases = Self::default();
        for (number, line) in &lines {
            aliases.add(line).map_err(|fault| format!("line {number}: {fault}"))?;
        }
        Ok(aliases)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (head, targets) =
            line.split_once(':').ok_or("expected `name: target, target`, and there is no colon")?;
        let (name, kind) = match head.trim().rsplit_once(char::is_whitespace) {
            Some((name, "list")) => (name.trim_end(), AliasKind::List),
            _ => (head.trim(), AliasKind::Forward),
        };
        let targets = targets.split(',').map(|text| target(text.trim())).collect::<Result<Vec<_>, _>>()?;
        if targets.len() > MEMBERS_MAX {
            return Err(format!("{} targets, where at most {MEMBERS_MAX} are allowed", targets.len()));
        }
        let alias = Arc::new(Alias { kind, targets });
        if name == "@" {
            return match self.catch_all.replace(alias) {
                None => Ok(()),
                Some(_) => Err("`@` is here twice".to_owned()),
            };
        }
        let name = local_part(name)?.to_ascii_lowercase();
        match self.names.insert(name.clone(), alias) {
            None => Ok(()),
            Some(_) => Err(format!("{name:?} is here twice: write its targets into one line")),
        }
    }

    /// What a local-part stands for, if it is a name of the file.
    pub(crate) fn of(&self, local: &str) -> Option<&Arc<Alias>> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(&local.to_ascii_lowercase())
    }

    /// What all stand for that nothing else takes.
    pub(crate) fn catch_all(&self) -> Option<&Arc<Alias>> {
        self.catch_all.as_ref()
    }
}

fn target(text: &str) -> Result<AliasTarget, String> {
    if text.is_empty() {
        return Err("a target is missing".to_owned());
    }
    if text.contains('@') {
        return Mailbox::parse(text)
            .map(AliasTarget::Address)
            .map_err(|error| format!("{text:?} is no address: {error}"));
    }
    local_part(text).map(|local| AliasTarget::Local(local.to_owned()))
}

fn local_part(text: &str) -> Result<&str, String> {
    let is_legal = |character: char| {
        !character.is_control() && !character.is_whitespace() && !"@:,\"<>()\\|;".contains(character)
    };
    if text.is_empty() || text.len() > LOCAL_PART_BYTES_MAX || !text.chars().all(is_legal) {
        return Err(format!("{text:?} is neither a local-part nor an address"));
    }
    Ok(text)
}

/// Reads a file for the first time.
///
/// # Errors
/// When it can't be read, or has a fault.
pub(crate) fn open(path: PathBuf) -> Result<AliasFile, FileError> {
    Reloaded::open(vec![path], |paths| {
        let path = paths.first().map_or(Path::new(""), PathBuf::as_path);
        let text = reloaded::text(path, FILE_BYTES_MAX)?;
        Aliases::parse(&text).map_err(|fault| FileError::content(path, fault))
    })
}

#[cfg(test)]
mod tests {
    use super::{AliasKind, AliasTarget, Aliases, FILE_BYTES_MAX, MEMBERS_MAX, open};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Aliases::parse(text).unwrap_err(), expected);
    }

    #[test]
    fn names_are_found_without_regard_to_case_and_lines_go_on() {
        let text = "# ours\nSales: ann,\n  bob@b.example\nall list: ann\n@: ann\n";
        let aliases = Aliases::parse(text).unwrap();
        let sales = aliases.of("sALES").unwrap();
        let bob = AliasTarget::Address(smtp::Mailbox::parse("bob@b.example").unwrap());
        assert_eq!(
            (sales.kind, &sales.targets[..]),
            (AliasKind::Forward, &[AliasTarget::Local("ann".to_owned()), bob][..])
        );
        assert_eq!(aliases.of("all").unwrap().kind, AliasKind::List);
        assert!(aliases.catch_all().is_some() && aliases.of("nobody").is_none());
    }

    #[test]
    fn a_fault_is_named_with_its_line() {
        check("a: b\nc\n", "line 2: expected `name: target, target`, and there is no colon");
        check("a: b,,c\n", "line 1: a target is missing");
        check("a: b\n\nA: c\n", "line 3: \"a\" is here twice: write its targets into one line");
        check("@: b\n@: c\n", "line 2: `@` is here twice");
        check("a: |/bin/sh\n", "line 1: \"|/bin/sh\" is neither a local-part nor an address");
        check("a b: c\n", "line 1: \"a b\" is neither a local-part nor an address");
        assert!(Aliases::parse("a: b@-\n").unwrap_err().starts_with("line 1: \"b@-\" is no address"));
    }

    #[test]
    fn an_alias_has_a_most_of_targets() {
        let of = |count: usize| Aliases::parse(&format!("a: {}", vec!["b"; count].join(",")));
        of(MEMBERS_MAX).unwrap();
        assert_eq!(of(MEMBERS_MAX + 1).unwrap_err(), "line 1: 1001 targets, where at most 1000 are allowed");
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aliases");
        std::fs::write(&path, "a: b\n").unwrap();
        let file = open(path.clone()).unwrap();
        std::fs::write(&path, "other: b, c\n").unwrap();
        file.look();
        assert!(file.live().of("a").is_none() && file.live().of("other").is_some());
        std::fs::write(&path, "no colon here\n").unwrap();
        file.look();
        std::fs::remove_file(&path).unwrap();
        file.look();
        assert!(file.live().of("other").is_some());
    }

    #[test]
    fn a_file_that_is_too_long_or_absent_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("aliases");
        assert!(open(path.clone()).unwrap_err().to_string().contains("can't be read"));
        std::fs::write(&path, "#\n".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() / 2 + 1)).unwrap();
        assert!(open(path).unwrap_err().to_string().contains("longer than 16777216 bytes"));
    }
}
