//! Whom an address means in the end: its aliases followed, duplicates merged, loops found.
//!
//! Pure. Bounded in depth and in number, whatever the tables say. An alias that names itself means the mailbox of that name,
//! so that `ann: ann, bob@example.org` keeps a copy.

use std::collections::HashSet;
use std::sync::Arc;

use smtp::{Mailbox, Reply, Target, replies};

use super::aliases::{Alias, AliasTarget};

/// Aliases of aliases; Sendmail's default of `MaxAliasRecursion`.
pub(crate) const DEPTH_MAX: usize = 10;
/// Addresses that one recipient may mean, those on the way counted; Postfix's `virtual_alias_expansion_limit`.
pub(crate) const MEMBERS_MAX: usize = 1_000;

/// One that an address means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Member {
    pub(super) address: Mailbox,
    pub(super) target: Target,
}

/// Why an address means nobody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum ExpandError {
    /// It comes back to itself.
    #[error("its aliases go in circles: {0} leads back to itself")]
    Loop(Mailbox),
    /// Too many aliases of aliases.
    #[error("its aliases are nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Too many members.
    #[error("its aliases mean more than {MEMBERS_MAX} addresses")]
    TooMany,
    /// A name that can't stand before the domain.
    #[error("{0:?} is no local-part")]
    NoLocalPart(String),
}

impl ExpandError {
    /// What the sender is told (RFC 3463 §3.5: 5.4.6 is a routing loop).
    pub(super) fn reply(&self) -> Reply {
        match self {
            Self::Loop(_) | Self::TooDeep => replies::ALIAS_LOOP,
            Self::TooMany => replies::ALIAS_MEMBERS_TOO_MANY,
            Self::NoLocalPart(_) => replies::MAILBOX_UNKNOWN,
        }
    }
}

/// The table of other names.
pub(super) type AliasOf<'a> = &'a dyn Fn(&Mailbox) -> Option<Arc<Alias>>;

/// Follows aliases.
struct Expansion<'a> {
    alias_of: AliasOf<'a>,
    path: Vec<String>,
    /// Members and the aliases on the way to them.
    seen: HashSet<String>,
    merged: HashSet<String>,
    members: Vec<Member>,
}

/// Whom the targets mean that stand for `from`.
///
/// # Errors
/// When they go in circles, or mean too many.
pub(super) fn expand(
    from: &Mailbox,
    targets: &[AliasTarget],
    alias_of: AliasOf<'_>,
) -> Result<Vec<Member>, ExpandError> {
    let (seen, merged) = (HashSet::new(), HashSet::new());
    let mut expansion = Expansion { alias_of, path: Vec::new(), seen, merged, members: Vec::new() };
    expansion.descend(from, targets)?;
    Ok(expansion.members)
}

impl Expansion<'_> {
    fn descend(&mut self, from: &Mailbox, targets: &[AliasTarget]) -> Result<(), ExpandError> {
        if self.path.len() >= DEPTH_MAX {
            return Err(ExpandError::TooDeep);
        }
        self.path.push(name(from));
        for target in targets {
            let address = match target {
                AliasTarget::Address(address) => address.clone(),
                AliasTarget::Local(local) => Mailbox::new(local, from.domain().clone())
                    .map_err(|_| ExpandError::NoLocalPart(local.clone()))?,
            };
            self.follow(address)?;
        }
        self.path.pop();
        Ok(())
    }

    fn follow(&mut self, address: Mailbox) -> Result<(), ExpandError> {
        let known = name(&address);
        if self.path.last() == Some(&known) {
            return self.add(known, Member { address, target: Target::Mailbox(None) });
        }
        if self.path.contains(&known) {
            return Err(ExpandError::Loop(address));
        }
        match (self.alias_of)(&address) {
            None => self.add(known, Member { address, target: Target::ByDomain }),
            Some(_) if self.seen.contains(&known) => Ok(()),
            Some(alias) => {
                self.count(known)?;
                self.descend(&address, &alias.targets)
            }
        }
    }

    fn add(&mut self, known: String, member: Member) -> Result<(), ExpandError> {
        if !self.merged.insert(known.clone()) {
            return Ok(());
        }
        self.count(known)?;
        self.members.push(member);
        Ok(())
    }

    fn count(&mut self, known: String) -> Result<(), ExpandError> {
        self.seen.insert(known);
        if self.seen.len() > MEMBERS_MAX { Err(ExpandError::TooMany) } else { Ok(()) }
    }
}

/// One spelling of an address, as our own mailboxes are compared.
pub(super) fn name(mailbox: &Mailbox) -> String {
    format!("{}@{}", mailbox.local().to_ascii_lowercase(), mailbox.domain())
}

#[cfg(test)]
mod tests {
    use smtp::Mailbox;

    use super::super::aliases::Aliases;
    use super::{DEPTH_MAX, ExpandError, MEMBERS_MAX, expand};

    fn members(text: &str) -> Result<Vec<String>, ExpandError> {
        let aliases = Aliases::parse(text).unwrap();
        let start = Mailbox::parse("start@b.example").unwrap();
        let alias_of = |mailbox: &Mailbox| {
            let is_ours = mailbox.domain().as_str() == "b.example";
            aliases.of(mailbox.local()).filter(|_| is_ours).cloned()
        };
        let found = expand(&start, &alias_of(&start).unwrap().targets, &alias_of)?;
        Ok(found.iter().map(|member| member.address.to_string()).collect())
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(members(text).unwrap(), expected);
    }

    #[test]
    fn aliases_of_aliases_are_followed_and_duplicates_merged() {
        check(
            "start: a, b, ann\na: ann, x@elsewhere.example\nb: ANN, a\n",
            &["ann@b.example", "x@elsewhere.example"],
        );
    }

    #[test]
    fn a_name_that_names_itself_means_its_mailbox() {
        check("start: start, x@elsewhere.example\n", &["start@b.example", "x@elsewhere.example"]);
    }

    #[test]
    fn a_name_of_another_domain_is_not_ours_to_follow() {
        check("start: start@elsewhere.example\n", &["start@elsewhere.example"]);
    }

    #[test]
    fn a_circle_is_found() {
        let start = Mailbox::parse("start@b.example").unwrap();
        assert_eq!(
            members("start: a\na: b\nb: START\n"),
            Err(ExpandError::Loop(Mailbox::parse("START@b.example").unwrap()))
        );
        assert_eq!(ExpandError::Loop(start).reply().to_string().get(..9), Some("550 5.4.6"));
    }

    #[test]
    fn depth_and_number_end() {
        let nested = |depth: usize| {
            let mut text = "start: n1\n".to_owned();
            for level in 1..depth {
                text.push_str(&format!("n{level}: n{}\n", level + 1));
            }
            members(&text)
        };
        assert_eq!(nested(DEPTH_MAX).unwrap(), [format!("n{DEPTH_MAX}@b.example")]);
        assert_eq!(nested(DEPTH_MAX + 1), Err(ExpandError::TooDeep));
        let wide = |count: usize| {
            let of =
                |from: &str, count| (0..count).map(|at| format!("{from}{at}")).collect::<Vec<_>>().join(",");
            members(&format!("start: {}, more\nmore: {}\n", of("a", count - 500), of("b", 500)))
        };
        // The name `more` counts too.
        assert_eq!(wide(MEMBERS_MAX - 1).unwrap().len(), MEMBERS_MAX - 1);
        assert_eq!(wide(MEMBERS_MAX), Err(ExpandError::TooMany));
    }
}
