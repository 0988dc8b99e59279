//! One concept, one word: what the glossary says not to say, and names that aren't whole words.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use tests::tree;

use super::none;

/// Words that the glossary replaces, with the word to use; only those that have no second, honest meaning in the code.
const REPLACED: [(&str, &str); 15] = [
    ("hook", "event"),
    ("callback", "event"),
    ("milter", "sink"),
    ("plugin", "sink"),
    ("softfail", "defer"),
    ("tempfail", "defer"),
    ("permfail", "reject"),
    ("bounce", "reject, expire, fail or send a DSN"),
    ("ndr", "DSN"),
    ("courier", "delivery agent"),
    ("throttle", "quota or limit"),
    ("gas", "fuel"),
    ("wizer", "pre-initialise"),
    ("job", "entry"),
    ("upstream", "next hop"),
];

/// Names that a crate of somebody else or the language gives, in which a replaced word may stand.
const FOREIGN: [&str; 5] = ["plugins", "wasmtime_wizer", "wasmtime-wizer", "set_hook", "take_hook"];

/// Lower-case words of a line: split at everything that is no letter, and at humps.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for letter in line.chars() {
        let starts = !letter.is_alphabetic() || (letter.is_uppercase() && after_lower);
        if starts && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphabetic()) {
            word.extend(letter.to_lowercase());
        }
        after_lower = letter.is_lowercase();
    }
    words
}

/// The word to use for a replaced one, singular or plural.
fn replacement(word: &str) -> Option<&'static str> {
    let is_it = |old: &str| word == old || word.strip_suffix('s') == Some(old);
    REPLACED.iter().find(|(old, _)| is_it(old)).map(|(_, new)| *new)
}

/// This file must say the words that it forbids.
fn is_ours(path: &Path) -> bool {
    !path.ends_with("it/tidy/words.rs") && !path.starts_with("fuzz")
}

#[test]
fn the_code_speaks_the_glossary() -> Result<()> {
    let mut findings = Vec::new();
    let sources = tree::files()?.into_iter().filter(|path| is_ours(path));
    for path in
        sources.filter(|path| path.extension().is_some_and(|ending| ending == "rs" || ending == "wit"))
    {
        for (number, line) in tree::text(&path)?.lines().enumerate() {
            let ours = FOREIGN.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
            for word in words(&ours) {
                if let Some(new) = replacement(&word)
                    .filter(|_| !(word == "bounce" && path.extension().is_some_and(|ending| ending == "wit")))
                {
                    findings.push(format!("{}:{}: {word}: say {new}", path.display(), number + 1));
                }
            }
        }
    }
    none(&findings, "against the glossary")
}

#[test]
fn a_function_does_not_begin_with_get() -> Result<()> {
    let mut contract = BTreeSet::new();
    for path in tree::files_in("wit", ".wit")? {
        contract.extend(
            tree::text(&path)?
                .split([' ', ':'])
                .filter(|word| word.starts_with("get-"))
                .map(|word| word.replace('-', "_")),
        );
    }
    let mut findings = Vec::new();
    for path in tree::files_in("", ".rs")? {
        for (number, line) in tree::text(&path)?.lines().enumerate() {
            let Some((_, after)) = line.split_once("fn get_") else { continue };
            let name = format!(
                "get_{}",
                after
                    .split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .next()
                    .unwrap_or_default()
            );
            if !contract.contains(&name) && !path.ends_with("it/tidy/words.rs") {
                findings.push(format!("{}:{}: {name}", path.display(), number + 1));
            }
        }
    }
    none(&findings, "no `get_`")
}

#[test]
fn a_line_is_cut_into_words_at_humps_and_signs() {
    assert_eq!(words("on_hook: HookList<JobId>"), ["on", "hook", "hook", "list", "job", "id", ""]);
    assert_eq!(replacement("hooks"), Some("event"));
    assert_eq!(replacement("hooked"), None);
}
