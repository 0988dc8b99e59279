//! Edits of the content, each as one step.

use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{Error, message};

use crate::Wrong;
use crate::act::expanded;
use crate::say::{number, pair};

/// What the host said, or what is wrong with the step.
type Edited = Result<Result<(), Error>, Wrong>;

/// Carries out an edit; none if the word is another one.
pub(crate) fn edit(word: &str, rest: &str) -> Option<Edited> {
    Some(match word {
        "header" => pair(rest).map(|(name, value)| add(Position::Bottom, name, value)),
        "prepend" => pair(rest).map(|(name, value)| add(Position::Top, name, value)),
        "insert" => insert(rest),
        "replace" => pair(rest).map(|(name, value)| message_draft::replace_header(name, 0, value)),
        "remove" => Ok(message_draft::remove_headers(rest).map(drop)),
        "replace-part" => replace_part(rest),
        "remove-part" => number(rest).map(message_draft::remove_part),
        "attach" => attach(rest),
        "top-text" => Ok(add_text(Position::Top, rest)),
        "bottom-text" => Ok(add_text(Position::Bottom, rest)),
        "rewrite-message" => Ok(message_draft::rewrite_with(lines(rest))),
        "revert" => {
            message_draft::revert();
            Ok(Ok(()))
        }
        "parts" => Ok(add(Position::Bottom, "X-Parts", &message::parts().len().to_string())),
        _ => return None,
    })
}

fn add(at: Position, name: &str, value: &str) -> Result<(), Error> {
    message_draft::add_header(at, name, &expanded(value))
}

/// `INDEX NAME VALUE`.
fn insert(rest: &str) -> Edited {
    let (index, field) = pair(rest)?;
    let (name, value) = pair(field)?;
    Ok(message_draft::insert_header(number(index)?, name, format!(" {value}").as_bytes()))
}

/// `PART TYPE TEXT`.
fn replace_part(rest: &str) -> Edited {
    let (part, rest) = pair(rest)?;
    let (content_type, text) = pair(rest)?;
    Ok(message_draft::replace_part_with(number(part)?, content_type, lines(text)))
}

/// `TYPE NAME TEXT`; what the part's number is stands in `X-Attached`.
fn attach(rest: &str) -> Edited {
    let (content_type, rest) = pair(rest)?;
    let (file_name, text) = pair(rest)?;
    let attached = message_draft::attach_bytes(content_type, Some(file_name), lines(text));
    Ok(attached.and_then(|part| add(Position::Bottom, "X-Attached", &part.to_string())))
}

/// `PLAIN` or `PLAIN | HTML`.
fn add_text(at: Position, rest: &str) -> Result<(), Error> {
    match rest.split_once(" | ") {
        Some((plain, html)) => message_draft::add_text(at, &lines(plain), Some(&lines(html))),
        None => message_draft::add_text(at, &lines(rest), None),
    }
}

/// `/n` stands for a line end.
fn lines(text: &str) -> String {
    text.replace("/n", "\r\n")
}
