//! The contract's prose, in lines.

use wit_parser::Docs;

/// What is said of a name, as one paragraph, without the rules that part the contract's files.
pub(crate) fn said(docs: &Docs) -> Option<String> {
    let lines = docs.contents.as_deref()?.lines().filter(|line| !line.starts_with("---"));
    Some(lines.collect::<Vec<_>>().join(" ").trim().to_owned()).filter(|said| !said.is_empty())
}

/// Words in lines of so many columns; a paragraph of the contract stays one.
pub(crate) fn wrapped(said: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in said.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= columns => {
                line.push_str(if line.is_empty() { "" } else { " " });
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{Docs, said, wrapped};

    #[test]
    fn a_rule_between_parts_is_not_said() {
        let docs = |text: &str| Docs { contents: Some(text.to_owned()) };
        assert_eq!(
            said(&docs("------ inbound\nA client\nconnected.")).as_deref(),
            Some("A client connected.")
        );
        assert_eq!(said(&docs("------ inbound")), None);
    }

    #[test]
    fn a_line_ends_before_its_last_column() {
        assert_eq!(wrapped("one two\nthree", 7), ["one two", "three"]);
    }
}
