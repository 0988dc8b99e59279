//! A text that a sink adds to the bodies of a message, made fit for them.
//!
//! Promises: CRLF at the end of every line, none longer than a transport takes, no control character; the HTML is ASCII, so it
//! means the same in every charset that contains ASCII. Leaves out: where it goes (the module `text_body`).

use std::borrow::Cow;

use crate::encode;
use crate::error::MessageError;
use crate::field;
use crate::limits::{ADDED_TEXT_BYTES_MAX, LINE_BYTES_MAX};
use crate::plan::boundary;

/// A text in both forms.
pub(crate) struct Addition {
    plain: String,
    html: String,
    /// What a part of its own consists of.
    forms: Forms,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forms {
    Plain,
    Both,
}

impl Addition {
    /// Where no HTML is given, it is made of the plain text.
    pub(crate) fn new(plain: &str, html: Option<&str>) -> Result<Self, MessageError> {
        let plain = lines(plain)?;
        let (html, forms) = match html {
            Some(html) => (ascii(&lines(html)?), Forms::Both),
            None => (ascii(&from_plain(&plain)), Forms::Plain),
        };
        Ok(Self { plain: fitting(&plain)?, html: fitting(&html)?, forms })
    }

    /// As it goes into an HTML body.
    pub(crate) fn html(&self) -> &str {
        &self.html
    }

    /// As it goes into a plain text body.
    pub(crate) fn plain(&self) -> &str {
        &self.plain
    }

    /// The same for a body in format=flowed (RFC 3676 §4.2, §4.4): no line flows into the next, and none looks quoted.
    pub(crate) fn flowed(&self) -> String {
        let mut text = String::with_capacity(self.plain.len() + 16);
        for line in self.plain.lines() {
            let line = if line == "-- " { line } else { line.trim_end_matches(' ') };
            if line.starts_with([' ', '>']) || line.starts_with("From ") {
                text.push(' ');
            }
            text.push_str(line);
            text.push_str("\r\n");
        }
        text
    }

    /// As a part of its own, for beside what may not be changed.
    pub(crate) fn entity(&self) -> Vec<u8> {
        let plain = text_entity("text/plain", &self.plain);
        if self.forms == Forms::Plain {
            return plain;
        }
        let html = text_entity("text/html", &self.html);
        let boundary = boundary(&[&plain, &html]);
        let delimiter = format!("--{boundary}");
        let content_type = format!(" multipart/alternative;\r\n boundary=\"{boundary}\"");
        let head = field::as_it_is("Content-Type", content_type.as_bytes());
        let (begin, next, end) =
            (format!("\r\n{delimiter}\r\n"), format!("\r\n{delimiter}\r\n"), format!("\r\n{delimiter}--"));
        [&head.bytes, begin.as_bytes(), &plain, next.as_bytes(), &html, end.as_bytes()].concat()
    }
}

fn text_entity(content_type: &str, text: &str) -> Vec<u8> {
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    let written = encode::text(&bytes::Bytes::copy_from_slice(text.as_bytes()));
    let head = format!(
        "Content-Type: {content_type}; charset={charset}\r\nContent-Transfer-Encoding: {}\r\n\
         Content-Disposition: inline\r\n\r\n",
        written.encoding,
    );
    [head.as_bytes(), &written.body].concat()
}

/// A text as lines that end with CRLF.
fn lines(text: &str) -> Result<String, MessageError> {
    if text.len() > ADDED_TEXT_BYTES_MAX {
        return Err(MessageError::TooLarge("ADDED_TEXT_BYTES_MAX"));
    }
    if text.trim().is_empty() {
        return Err(MessageError::invalid("the text is empty"));
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.chars().any(|character| character.is_control() && !matches!(character, '\t' | '\n')) {
        return Err(MessageError::invalid("the text has a control character"));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.split('\n').fold(String::with_capacity(text.len() + 2), |all, line| all + line + "\r\n"))
}

/// Lines that are too long are broken at a space, which means the same in HTML and little in a plain text.
fn fitting(text: &str) -> Result<String, MessageError> {
    // A stuffed space and a soft line end have to fit, too.
    let room = LINE_BYTES_MAX - 2;
    if text.lines().all(|line| line.len() <= room) {
        return Ok(text.to_owned());
    }
    let mut broken = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        let mut rest = line;
        while rest.len() > room {
            let start = rest.get(..rest.floor_char_boundary(room)).unwrap_or_default();
            let Some(at) = start.rfind(' ').filter(|at| *at > 0) else {
                return Err(MessageError::TooLarge("LINE_BYTES_MAX"));
            };
            broken.push_str(rest.get(..at).unwrap_or_default());
            broken.push_str("\r\n");
            rest = rest.get(at + 1..).unwrap_or_default();
        }
        broken.push_str(rest);
        broken.push_str("\r\n");
    }
    Ok(broken)
}

/// Character references for what is not ASCII.
fn ascii(html: &str) -> String {
    let reference = |character: char| {
        if character.is_ascii() {
            Cow::Owned(character.to_string())
        } else {
            format!("&#{};", u32::from(character)).into()
        }
    };
    if html.is_ascii() { html.to_owned() } else { html.chars().map(reference).collect() }
}

fn from_plain(plain: &str) -> String {
    let escaped = plain.trim_end().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!("<div>{}</div>\r\n", escaped.replace("\r\n", "<br>\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addition(plain: &str, html: Option<&str>) -> Addition {
        Addition::new(plain, html).expect("a good text")
    }

    #[test]
    fn lines_end_with_crlf_however_they_came() {
        assert_eq!(addition("a\nb\r\n\rc", None).plain(), "a\r\nb\r\n\r\nc\r\n");
        assert_eq!(addition("a\n", None).plain(), "a\r\n");
    }

    #[test]
    fn html_is_ascii_and_made_of_the_plain_text_where_none_is_given() {
        assert_eq!(
            addition("1 < 2 & \u{fc}\n\u{20ac}", None).html(),
            "<div>1 &lt; 2 &amp; &#252;<br>\r\n&#8364;</div>\r\n"
        );
        assert_eq!(addition("x", Some("<p>\u{fc}</p>")).html(), "<p>&#252;</p>\r\n");
    }

    #[test]
    fn flowed_lines_neither_flow_nor_look_quoted() {
        let text = addition("one  \n> two\n three\nFrom me\n-- \nfour", None);
        assert_eq!(text.flowed(), "one\r\n > two\r\n  three\r\n From me\r\n-- \r\nfour\r\n");
    }

    #[test]
    fn long_lines_are_broken_at_a_space() {
        let words = "word ".repeat(400);
        let text = addition(words.trim_end(), None);
        assert!(
            text.plain().lines().all(|line| line.len() < LINE_BYTES_MAX) && text.plain().lines().count() == 3
        );
        let error = Addition::new(&"x".repeat(LINE_BYTES_MAX), None).err();
        assert_eq!(error, Some(MessageError::TooLarge("LINE_BYTES_MAX")));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for (text, expected) in [
            ("", MessageError::invalid("the text is empty")),
            (" \r\n", MessageError::invalid("the text is empty")),
            ("a\0", MessageError::invalid("the text has a control character")),
            (&"a b ".repeat(ADDED_TEXT_BYTES_MAX / 4 + 1), MessageError::TooLarge("ADDED_TEXT_BYTES_MAX")),
        ] {
            assert_eq!(Addition::new(text, None).err(), Some(expected.clone()));
            assert_eq!(Addition::new("ok", Some(text)).err(), Some(expected));
        }
        addition(&"a b ".repeat(ADDED_TEXT_BYTES_MAX / 4), None);
    }
}
