//! Patterns of the old rule strings: `*` stands for any run of characters, all else for itself, ASCII case ignored.
//!
//! Matching walks the value once for each piece and allocates nothing. There are no classes, no `?` and no escapes,
//! as the old rules had none; outside ASCII the case counts.

use std::fmt;

/// A pattern cut at its `*`, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
}

impl Glob {
    /// Every text is a pattern: without a `*` it matches itself alone.
    pub fn new(text: &str) -> Self {
        Self { text: text.into() }
    }

    /// Whether the whole value fits the pattern.
    pub fn matches(&self, value: &str) -> bool {
        let Some((prefix, rest)) = self.text.split_once('*') else {
            return value.eq_ignore_ascii_case(&self.text);
        };
        let Some(mut value) = strip_prefix(value.as_bytes(), prefix.as_bytes()) else {
            return false;
        };
        let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
        // The leftmost place for each piece leaves the most for those that follow, so no way back is needed.
        for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
            let Some(after) = after_first(value, piece.as_bytes()) else {
                return false;
            };
            value = after;
        }
        ends_with(value, suffix.as_bytes())
    }

    /// Whether anything at all matches: the pattern is made of `*` alone.
    pub fn is_any(&self) -> bool {
        !self.text.is_empty() && self.text.bytes().all(|byte| byte == b'*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn strip_prefix<'a>(value: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn ends_with(value: &[u8], suffix: &[u8]) -> bool {
    let Some(start) = value.len().checked_sub(suffix.len()) else {
        return false;
    };
    value.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}

fn after_first<'a>(value: &'a [u8], piece: &[u8]) -> Option<&'a [u8]> {
    let start = value.windows(piece.len()).position(|window| window.eq_ignore_ascii_case(piece))?;
    value.get(start + piece.len()..)
}

#[cfg(test)]
mod tests {
    use super::Glob;

    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let glob = Glob::new(pattern);
        for value in matching {
            assert!(glob.matches(value), "{pattern} should match {value}");
        }
        for value in other {
            assert!(!glob.matches(value), "{pattern} should not match {value}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run_also_an_empty_one() {
        check("*", &["", "a", "a.b"], &[]);
        check("user*", &["user", "USER1"], &["auser", "use"]);
        check("*user", &["user", "superUser"], &["user1", ""]);
        check("*user*", &["user", "a user b"], &["use r"]);
        check("a*b*c", &["abc", "a1b2c", "abbc"], &["acb", "ab", "a1c"]);
        check("ab*ba", &["abba", "ab-ba"], &["aba", "ab"]);
        check("**x**", &["x", "axb"], &["y"]);
    }

    #[test]
    fn without_a_star_only_the_same_text_matches() {
        check("microsoft.com", &["microsoft.com", "Microsoft.COM"], &["a.microsoft.com", ""]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn pieces_in_the_middle_keep_their_order_and_do_not_overlap() {
        check("*ab*ba*", &["abba", "xabxbax"], &["aba", "baab"]);
        check("*aa*aa", &["aaaa", "aa aa"], &["aaa"]);
    }

    #[test]
    fn only_stars_is_any() {
        assert!(Glob::new("*").is_any());
        assert!(Glob::new("**").is_any());
        assert!(!Glob::new("").is_any());
        assert!(!Glob::new("a*").is_any());
    }
}
