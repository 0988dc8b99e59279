//! From a mailbox to the folder that holds it.
//!
//! Local-parts come from outside and may hold any byte; a folder's name may not. Bytes outside a short list are written
//! `%XX`, a leading dot too, so no mailbox can name its parent, a hidden folder, or another mailbox.

use std::fmt::Write as _;
use std::path::PathBuf;

use smtp::Mailbox;

/// The longest name of a folder on the usual file systems.
const NAME_BYTES_MAX: usize = 255;

/// The form of a mailbox's folder, as `{domain}/{local}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    segments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Tenant,
    Domain,
    Local,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let segments = text.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        let has = |piece: &Piece| segments.iter().flatten().any(|found| found == piece);
        if !has(&Piece::Local) || !(has(&Piece::Domain) || has(&Piece::Tenant)) {
            return Err(
                "needs {local}, and {domain} or {tenant}: else two mailboxes share a folder.".to_owned()
            );
        }
        Ok(Self { segments })
    }

    /// The folder of a mailbox, relative to the root; none where a name would be too long for the disk.
    #[must_use]
    pub fn folder(&self, tenant: &str, mailbox: &Mailbox) -> Option<PathBuf> {
        let mut path = PathBuf::new();
        for pieces in &self.segments {
            let mut name = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(text) => name.push_str(text),
                    Piece::Tenant => encode(tenant, &mut name),
                    Piece::Domain => encode(&mailbox.domain().to_string(), &mut name),
                    Piece::Local => encode(mailbox.local(), &mut name),
                }
            }
            if name.len() > NAME_BYTES_MAX {
                return None;
            }
            path.push(name);
        }
        Some(path)
    }
}

fn segment(text: &str) -> Result<Vec<Piece>, String> {
    if text.is_empty() || text == "." || text == ".." {
        return Err(format!("{text:?} can't be a folder's name."));
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("has { without }.")?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        pieces.push(match name {
            "tenant" => Piece::Tenant,
            "domain" => Piece::Domain,
            "local" => Piece::Local,
            other => {
                return Err(format!("there is no {{{other}}}; use {{tenant}}, {{domain}} and {{local}}."));
            }
        });
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// ASCII letters become small: mailboxes are compared without regard to case, so they share a folder.
fn encode(text: &str, name: &mut String) {
    for (at, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_+=".contains(&byte) || (byte == b'.' && at > 0);
        if plain {
            name.push(char::from(byte.to_ascii_lowercase()));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use smtp::Mailbox;

    use super::{NAME_BYTES_MAX, Pattern};

    #[track_caller]
    fn check(address: &str, expected: &str) {
        let pattern = Pattern::parse("{tenant}/{domain}/{local}").unwrap();
        let folder = pattern.folder("t", &Mailbox::parse(address).unwrap()).unwrap();
        assert_eq!(folder, Path::new(expected));
    }

    #[test]
    fn a_plain_mailbox_is_its_own_name() {
        check("ann.lee+x@a.example", "t/a.example/ann.lee+x");
    }

    #[test]
    fn case_makes_no_second_mailbox() {
        check("ANN@A.example", "t/a.example/ann");
    }

    #[test]
    fn no_local_part_leaves_its_folder() {
        check("\"../../etc\"@a.example", "t/a.example/%2E.%2F..%2Fetc");
        check("\"..\"@a.example", "t/a.example/%2E.");
        check("\"a%2Fb\"@a.example", "t/a.example/a%252fb");
    }

    #[test]
    fn a_name_that_no_file_system_takes_is_no_folder() {
        let pattern = Pattern::parse("{domain}/{local}").unwrap();
        // A byte that is escaped takes three.
        let folder = |letters: usize| {
            pattern.folder("t", &Mailbox::parse(&format!("\"{} \"@a.example", "a".repeat(letters))).unwrap())
        };
        assert!(folder(NAME_BYTES_MAX - 3).is_some());
        assert_eq!(folder(NAME_BYTES_MAX - 2), None);
    }

    #[test]
    fn a_pattern_that_would_mix_mailboxes_is_refused() {
        for wrong in [
            "{local}",
            "{domain}",
            "/{domain}/{local}",
            "../{domain}/{local}",
            "{domain}/{user}",
            "{domain}/{local",
        ] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
