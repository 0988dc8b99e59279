//! Regular expressions of a sink: which of them match a text.
//!
//! Promises: no look-around and no back-references, time linear in the text with a small factor, whatever the sink sends.
//! The factor is the reason for not using `regex` itself: where its automaton makes ever new states it goes on with a
//! machine that takes the whole program for each byte. We give up instead, and say so; the answer stays a function of
//! expressions and text alone, so it is the same on every machine.

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson::pikevm::{self, PikeVM};
use regex_automata::nfa::thompson::{self, NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Input, MatchErrorKind, MatchKind, PatternSet};

use crate::error::MessageError;
use crate::limits::{
    EXPRESSION_BYTES_MAX, EXPRESSION_NESTING_MAX, EXPRESSION_PROGRAM_BYTES_MAX, EXPRESSION_STATES_BYTES_MAX,
    EXPRESSION_STEPS_MAX, EXPRESSIONS_MAX,
};

/// How often the states may be thrown away and made anew, each time up to a share of [`EXPRESSION_STATES_BYTES_MAX`].
const STATE_ROUNDS: usize = 4;

/// Compiled expressions.
pub(crate) struct Expressions {
    program: NFA,
    automaton: DFA,
}

impl Expressions {
    /// # Errors
    /// When an expression is not valid, or a bound is reached.
    pub(crate) fn compile<E: AsRef<str>>(all: &[E]) -> Result<Self, MessageError> {
        if all.len() > EXPRESSIONS_MAX {
            return Err(MessageError::TooLarge("EXPRESSIONS_MAX"));
        }
        let syntax = syntax::Config::new().nest_limit(EXPRESSION_NESTING_MAX);
        let mut parsed = Vec::with_capacity(all.len());
        for expression in all {
            let expression = expression.as_ref();
            if expression.len() > EXPRESSION_BYTES_MAX {
                return Err(MessageError::TooLarge("EXPRESSION_BYTES_MAX"));
            }
            let tree = syntax::parse_with(expression, &syntax);
            parsed.push(tree.map_err(|error| MessageError::InvalidArgument(error.to_string()))?);
        }
        let config = thompson::Config::new()
            .nfa_size_limit(Some(EXPRESSION_PROGRAM_BYTES_MAX))
            .which_captures(WhichCaptures::None);
        // The trees are valid, so only the size can be wrong.
        let program = thompson::Compiler::new().configure(config).build_many_from_hir(&parsed);
        let program = program.map_err(|_| MessageError::TooLarge("EXPRESSION_PROGRAM_BYTES_MAX"))?;
        let config = DFA::config()
            .match_kind(MatchKind::All)
            .unicode_word_boundary(true)
            .cache_capacity(EXPRESSION_STATES_BYTES_MAX / STATE_ROUNDS)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(STATE_ROUNDS - 1));
        let automaton = DFA::builder().configure(config).build_from_nfa(program.clone());
        let automaton = automaton.map_err(|_| MessageError::TooLarge("EXPRESSION_PROGRAM_BYTES_MAX"))?;
        Ok(Self { program, automaton })
    }

    /// The numbers of those that match somewhere in the text, in order.
    ///
    /// # Errors
    /// When they cannot be run over this text within the bounds.
    pub(crate) fn matching(&self, text: &str) -> Result<Vec<u32>, MessageError> {
        let mut found = PatternSet::new(self.program.pattern_len());
        let mut states = Cache::new(&self.automaton);
        let input = Input::new(text);
        if let Err(error) = self.automaton.try_which_overlapping_matches(&mut states, &input, &mut found) {
            match error.kind() {
                MatchErrorKind::Quit { .. } => self.step_through(text, &mut found)?,
                _ => return Err(MessageError::TooLarge("EXPRESSION_STATES_BYTES_MAX")),
            }
        }
        Ok(found.iter().map(|pattern| pattern.as_u32()).collect())
    }

    /// The slow machine, for what the automaton cannot do.
    fn step_through(&self, text: &str, found: &mut PatternSet) -> Result<(), MessageError> {
        if self.program.states().len().saturating_mul(text.len()) > EXPRESSION_STEPS_MAX {
            return Err(MessageError::TooLarge("EXPRESSION_STEPS_MAX"));
        }
        let config = pikevm::Config::new().match_kind(MatchKind::All);
        let machine = PikeVM::builder().configure(config).build_from_nfa(self.program.clone());
        let machine = machine.map_err(|_| MessageError::TooLarge("EXPRESSION_PROGRAM_BYTES_MAX"))?;
        machine.which_overlapping_matches(&mut machine.create_cache(), &Input::new(text), found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(all: &[&str], text: &str, expected: Result<&[u32], MessageError>) {
        let found = Expressions::compile(all).and_then(|compiled| compiled.matching(text));
        assert_eq!(found, expected.map(<[u32]>::to_vec), "{all:?}");
    }

    #[test]
    fn those_that_match_anywhere_are_told() {
        check(&["b+", "^b", "c$", "x|a", ""], "abc", Ok(&[0, 2, 3, 4]));
        check(&["(?i)GRÜ.E", r"\bgrü", r"grü\b"], "die grüße", Ok(&[0, 1]));
        check(&[r"\bviagra\b"], "buy viagra now", Ok(&[0]));
        check(&[], "abc", Ok(&[]));
        check(&["a"], "", Ok(&[]));
    }

    #[test]
    fn expressions_that_would_take_too_long_are_given_up() {
        let text = "a".repeat(1024 * 1024);
        check(&["(a?){2000}a{2000}q"], &text, Err(MessageError::TooLarge("EXPRESSION_STATES_BYTES_MAX")));
        let letters = text + "ü";
        check(&[r"\b\w{9}\b"], &letters, Err(MessageError::TooLarge("EXPRESSION_STEPS_MAX")));
    }

    fn check_invalid(all: &[String], expected: &str) {
        let found = Expressions::compile(all).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(found.contains(expected), "{found:?}");
    }

    #[test]
    fn expressions_are_bounded_in_number_and_size() {
        check_invalid(&vec!["a".to_owned(); EXPRESSIONS_MAX + 1], "EXPRESSIONS_MAX");
        check_invalid(&["a".repeat(EXPRESSION_BYTES_MAX + 1)], "EXPRESSION_BYTES_MAX");
        check_invalid(&[r"\w{1000}".to_owned()], "EXPRESSION_PROGRAM_BYTES_MAX");
        let nested = |groups: usize| "(".repeat(groups) + &")".repeat(groups);
        let deepest = usize::try_from(EXPRESSION_NESTING_MAX).expect("a few");
        assert!(Expressions::compile(&[nested(deepest)]).is_ok());
        check_invalid(&[nested(deepest + 1)], "nest");
        check_invalid(&[r"(a)\1".to_owned()], "backreferences are not supported");
        check_invalid(&["(?=a)".to_owned()], "look-around");
    }

    #[test]
    fn the_largest_program_is_compiled_on_a_small_stack() {
        let work = || {
            let nested = "(?:a|".repeat(15) + "b" + &")*".repeat(15);
            let all = vec![nested + &"[^a]".repeat(900); EXPRESSIONS_MAX];
            Expressions::compile(&all).and_then(|compiled| compiled.matching("aab"))
        };
        let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(work).expect("a thread");
        let expected = Err(MessageError::TooLarge("EXPRESSION_PROGRAM_BYTES_MAX"));
        assert_eq!(thread.join().expect("no overflow"), expected);
    }
}
