//! What the server adds to a message of its own users, and takes away (RFC 6409 §8).
//!
//! Promises to add only what is missing, and that nobody learns from a Bcc field who else got the message. Leaves everything
//! else as the client wrote it.

use crate::content::Content;
use crate::draft::{Draft, Position};
use crate::error::MessageError;
use crate::headers::Field;
use crate::trace::date;

/// Where and when a message was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted<'a> {
    /// Milliseconds since 1970.
    pub at: u64,
    /// Never given twice; the left side of a Message-ID.
    pub id: &'a str,
    /// The server's name; its right side.
    pub host_name: &'a str,
}

/// Completes a draft of that content: Date (§8.2) and Message-ID (§8.3) where there is none, Bcc away (RFC 5322 §3.6.3).
///
/// # Errors
/// When the header section is beyond a bound, so that it can't be told what is in it.
pub fn complete(draft: &mut Draft, content: &Content, submitted: Submitted<'_>) -> Result<(), MessageError> {
    let has = |name: &str| {
        let is_named = |field: Field<'_>| field.name.eq_ignore_ascii_case(name);
        content.headers().iter(content.head()).any(is_named)
    };
    draft.remove_headers("Bcc")?;
    if !has("Date") {
        draft.add_header(Position::Bottom, "Date", &date(submitted.at))?;
    }
    if !has("Message-ID") {
        let id = format!("<{}@{}>", submitted.id, submitted.host_name);
        draft.add_header(Position::Bottom, "Message-ID", &id)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Piece;
    use bytes::Bytes;

    fn check(message: &'static str, expected: &str) {
        let message = message.replace('|', "\r\n");
        let content = Content::new(Bytes::from(message));
        let mut draft = Draft::new(content.clone());
        let submitted = Submitted { at: 0, id: "01J", host_name: "mx.example" };
        complete(&mut draft, &content, submitted).unwrap();
        let mut found = Vec::new();
        for piece in draft.pieces() {
            match piece {
                Piece::Original(range) => found.extend(content.read(range).unwrap()),
                Piece::Bytes(bytes) => found.extend(bytes),
            }
        }
        assert_eq!(String::from_utf8(found).unwrap().replace("\r\n", "|"), expected);
    }

    #[test]
    fn what_is_missing_is_added_and_a_bcc_is_taken_away() {
        let date = "Date: Thu, 1 Jan 1970 00:00:00 +0000|";
        let id = "Message-ID: <01J@mx.example>|";
        check("Subject: hi||Hello.|", &format!("Subject: hi|{date}{id}|Hello.|"));
        check(
            "date: then|BCC: a@b.example|Bcc: c|Subject: hi||Bcc: x|",
            &format!("date: then|Subject: hi|{id}|Bcc: x|"),
        );
        let whole = "Message-Id: <1@a.example>|Date: then|Resent-Bcc: x||Hello.|";
        check(whole, whole);
    }
}
