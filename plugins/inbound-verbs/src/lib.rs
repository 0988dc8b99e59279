//! A verb of its own: `XNOTE` leaves a note on the next message of the session.
//!
//! Without an argument it asks for a line, with a number for so many octets. The note waits in a variable of the session
//! and goes into a header field, which no message can bring along.

use std::str;

use sluice_sdk::message_draft::{self, Position};
use sluice_sdk::{Error, ehlo, on_inbound_command::Answer, session, settings};

const VERB: &str = "XNOTE";
/// Octets of a note: it becomes one header field, whose lines RFC 5322 §2.1.1 keeps below 998. Ours.
const NOTE_BYTES_MAX: u32 = 900;
const VARIABLE: &str = "note";
const FIELD_DEFAULT: &str = "X-Note";

#[sluice_sdk::on_helo]
fn offer(greeting: &str) -> Result<(), Error> {
    if greeting.eq_ignore_ascii_case("HELO") { Ok(()) } else { ehlo::offer(VERB, None) }
}

#[sluice_sdk::on_inbound_command("XNOTE")]
fn note(_verb: &str, argument: &str, input: &[u8], state: &[u8]) -> Result<Answer, Error> {
    if state.is_empty() {
        return Ok(ask(argument));
    }
    match judge(input) {
        Err(answer) => Ok(answer),
        Ok(note) => {
            session::set_variable(VARIABLE, note.as_bytes())?;
            Ok(Answer::reply(250, "2.0.0 Noted for the next message"))
        }
    }
}

#[sluice_sdk::on_end_of_data]
fn attach() -> Result<(), Error> {
    let field = settings::get("field").unwrap_or_else(|| FIELD_DEFAULT.to_owned());
    message_draft::remove_headers(&field)?;
    let noted = session::get_variable(VARIABLE).filter(|note| !note.is_empty());
    let Some(note) = noted.as_deref().and_then(|note| str::from_utf8(note).ok()) else { return Ok(()) };
    message_draft::add_header(Position::Bottom, &field, note)?;
    session::set_variable(VARIABLE, &[])
}

/// The question: a line, or so many octets.
fn ask(argument: &str) -> Answer {
    match argument.trim() {
        "" => Answer::ask_line(354, "Your note, please: one line", b"line"),
        count => match count.parse() {
            Ok(count @ 1..=NOTE_BYTES_MAX) => {
                Answer::ask_octets(354, &format!("Your note, please: {count} octets"), count, b"octets")
            }
            _ => Answer::reply(
                501,
                &format!("5.5.4 XNOTE takes a number from 1 to {NOTE_BYTES_MAX}, or nothing"),
            ),
        },
    }
}

/// The note as one line of text, or what is wrong with it.
fn judge(input: &[u8]) -> Result<String, Answer> {
    if input.len() > usize::try_from(NOTE_BYTES_MAX).unwrap_or(usize::MAX) {
        return Err(Answer::reply(501, &format!("5.5.4 A note has at most {NOTE_BYTES_MAX} octets")));
    }
    let text = str::from_utf8(input).map_err(|_| Answer::reply(501, "5.5.4 A note is UTF-8"))?;
    let words: Vec<&str> = text
        .split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() { Err(Answer::reply(501, "5.5.4 A note has words")) } else { Ok(words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &str) {
        assert_eq!(judge(input).as_deref(), Ok(expected));
    }

    fn check_refused(input: &[u8], expected: &str) {
        let Err(Answer::Answer(reply)) = judge(input) else { panic!("taken: {input:?}") };
        assert_eq!(reply.to_string(), expected);
    }

    #[test]
    fn a_note_becomes_one_line() {
        check("approved\r\n by  Zoë\0".as_bytes(), "approved by Zoë");
    }

    #[test]
    fn a_note_has_words_of_utf8_and_a_limit() {
        check_refused(b" \r\n", "501 5.5.4 A note has words");
        check_refused(b"\xff", "501 5.5.4 A note is UTF-8");
        check(&[b'a'; 900], &"a".repeat(900));
        check_refused(&[b'a'; 901], "501 5.5.4 A note has at most 900 octets");
    }

    #[test]
    fn an_argument_is_a_count_within_the_limit() {
        assert!(matches!(ask(" "), Answer::More(_)) && matches!(ask("900"), Answer::More(_)));
        for wrong in ["0", "901", "-1", "1 2", "all"] {
            assert!(matches!(ask(wrong), Answer::Answer(_)), "{wrong}");
        }
    }
}
