//! The condition of a binding (EVENTS rule 10): the rule strings of the old SMTP service as they were, and newer fields.
//!
//! `ehlo=*.x.com;mail from=user*;rcpt to=*@y.org`: conditions between semicolons, all must hold, ASCII case is ignored, `*`
//! stands for any run of characters. An address pattern without `@` is one for the local-part, or for the whole address.
//! Newer fields take the same patterns, where a comma separates what else would do: `listener=mx*,inner`, `tenant=acme`,
//! `cidr=10.0.0.0/8,2001:db8::/32`, `verb=XTAG`, `direction=inbound`, `ingress=smtp`, `authenticated=yes`, `tls=no`,
//! `size>=10M` (also `<=`, `>`, `<`), `header subject=*invoice*`. A pattern can't contain a semicolon, as the old ones
//! could not.
//!
//! Matching allocates nothing. It says nothing about which event is on: `Rule::check` does, once, at load.

use std::fmt;

use crate::event::EventKind;
use crate::known::{Field, Known};

mod address;
mod condition;
mod parse;

use condition::{Condition, Test};

/// Bytes of one rule. Ours; the old service kept rules in a metabase property of a few hundred bytes.
pub const RULE_BYTES_MAX: usize = 4096;
/// Conditions of one rule, so that matching stays within microseconds. Ours.
pub const RULE_CONDITIONS_MAX: usize = 32;

/// Conditions that must all hold before a binding is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    text: Box<str>,
    conditions: Box<[Condition]>,
}

/// What is wrong with a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct RuleError {
    /// Counts characters from 1.
    pub column: usize,
    /// A sentence for the one who wrote the rule.
    pub problem: String,
}

impl Rule {
    /// Reads a rule string.
    ///
    /// # Errors
    /// Names the column and what was expected there.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > RULE_BYTES_MAX {
            let problem = format!("the rule has {} bytes, {RULE_BYTES_MAX} are allowed", text.len());
            return Err(RuleError { column: 1, problem });
        }
        let mut conditions = Vec::new();
        let mut offset = 0;
        for piece in text.split(';') {
            let is_last = offset + piece.len() == text.len();
            // The old tools left a semicolon at the end; one in the middle hides a condition that was forgotten.
            if !(piece.trim().is_empty() && is_last && !conditions.is_empty()) {
                if conditions.len() == RULE_CONDITIONS_MAX {
                    let problem = format!("more than {RULE_CONDITIONS_MAX} conditions");
                    return Err(RuleError { column: parse::column(text, offset), problem });
                }
                conditions.push(parse::condition(text, piece, offset)?);
            }
            offset += piece.len() + 1;
        }
        Ok(Self { text: text.into(), conditions: conditions.into() })
    }

    /// Whether the event can ever know what the rule asks about.
    ///
    /// # Errors
    /// Names the first field that it can't.
    pub fn check(&self, event: EventKind) -> Result<(), RuleError> {
        let Some(unknown) = self.conditions.iter().find(|condition| !condition.test.field().known_in(event))
        else {
            return Ok(());
        };
        let known: Vec<_> =
            Field::ALL.into_iter().filter(|field| field.known_in(event)).map(Field::word).collect();
        let problem = format!(
            "{} can never know `{}`; a rule of it may use: {}",
            event.name(),
            unknown.test.field(),
            known.join(", ")
        );
        Err(RuleError { column: unknown.column, problem })
    }

    /// Whether all conditions hold for what is known now.
    pub fn matches(&self, event: EventKind, known: &dyn Known) -> bool {
        let is_about_verb = match event {
            EventKind::InboundCommand | EventKind::Reply => {
                known.command().is_some_and(|command| self.names_verb(command.verb))
            }
            _ => true,
        };
        is_about_verb && self.conditions.iter().all(|condition| condition.test.holds(event, known))
    }

    /// Whether the binding of on-inbound-command or on-reply is about this verb. `verb` names verbs; without it the old
    /// fields do: `ehlo` the greetings, `mail from` MAIL, `rcpt to` RCPT; a rule with neither is about every verb.
    pub fn names_verb(&self, verb: &str) -> bool {
        let tests = || self.conditions.iter().map(|condition| &condition.test);
        if tests().any(|test| matches!(test, Test::Verb(_))) {
            return tests().all(|test| test.field() != Field::Verb || test.is_about(verb));
        }
        let mut old = tests().filter(|test| test.is_old()).peekable();
        old.peek().is_none() || old.any(|test| test.is_about(verb))
    }

    /// The rule as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
