//! Who may log in, and what is kept of their passwords: one file for each tenant, written by `sluice user`.
//!
//! A line is `ADDRESS HASH KEYS [SENDER,…]`: the address that the user logs in with; an Argon2id hash (RFC 9106) for mechanisms
//! that show the password; the keys of SCRAM-SHA-256 (RFC 5803) for the one that does not; and addresses, or `@domain` for all
//! of a domain, that the user may send from beside their own. A file that can't be read or has a fault changes nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smtp::sasl::{
    CREDENTIAL_BYTES_MAX, SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN, ScramKeys, ScramSalt,
};
use smtp::{Domain, Mailbox};

use crate::clock;
use crate::reloaded::{self, FileError, Reloaded};

/// Bytes of a file; a hundred thousand users with room to spare.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The word before SCRAM's keys (RFC 5803 §2).
const SCRAM: &str = "SCRAM-SHA-256";

/// The users of one file.
#[derive(Debug, Default)]
pub(crate) struct Users {
    names: HashMap<String, Arc<User>>,
}

/// A file, and what was last read of it.
pub(crate) type UsersFile = Reloaded<Users>;

/// One user.
#[derive(Debug)]
pub(crate) struct User {
    /// The address that they log in with.
    pub(crate) address: Mailbox,
    hash: String,
    pub(crate) salt: ScramSalt,
    pub(crate) keys: ScramKeys,
    senders: Vec<Sender>,
}

#[derive(Debug, Eq, PartialEq)]
enum Sender {
    Address(String),
    Domain(Domain),
}

/// What names are compared by: case means nothing, in a local-part neither.
pub(crate) fn key(address: &Mailbox) -> String {
    format!("{}@{}", address.local().to_lowercase(), address.domain())
}

/// Reads a file for the first time.
///
/// # Errors
/// When it can't be read, or has a fault.
pub(crate) fn open(path: PathBuf) -> Result<UsersFile, FileError> {
    Reloaded::open(vec![path], |paths| {
        let path = paths.first().map_or(Path::new(""), PathBuf::as_path);
        Users::parse(&reloaded::text(path, FILE_BYTES_MAX)?).map_err(|fault| FileError::content(path, fault))
    })
}

impl Users {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A sentence with the line of the first fault.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut users = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let user = User::parse(line).map_err(|fault| format!("line {number}: {fault}"))?;
            if users.names.insert(key(&user.address), Arc::new(user)).is_some() {
                return Err(format!("line {number}: this user is here twice"));
            }
        }
        Ok(users)
    }

    /// The user of that address.
    pub(crate) fn of(&self, address: &Mailbox) -> Option<&Arc<User>> {
        self.names.get(&key(address))
    }
}

impl User {
    fn parse(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace();
        let mut word =
            |what: &str| words.next().ok_or(format!("expected `ADDRESS HASH KEYS`, and there is no {what}"));
        let (address, hash, keys) = (word("address")?, word("hash")?, word("keys")?);
        let address =
            Mailbox::parse(address).map_err(|error| format!("{address:?} is no address: {error}"))?;
        let parsed = PasswordHash::new(hash).map_err(|_| "the hash is no Argon2 hash".to_owned())?;
        if !parsed.algorithm.as_str().starts_with("argon2") {
            return Err("the hash is no Argon2 hash".to_owned());
        }
        let (salt, keys) = scram(keys).ok_or(format!("the keys are none of {SCRAM}"))?;
        let senders = words.next().unwrap_or_default().split(',').filter(|text| !text.is_empty());
        let senders = senders.map(sender).collect::<Result<_, _>>()?;
        if words.next().is_some() {
            return Err("there is more than an address, a hash, keys and senders".to_owned());
        }
        Ok(Self { address, hash: hash.to_owned(), salt, keys, senders })
    }

    /// The hash in its text.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether mail of this address may be theirs: their own, with or without a word behind the tenant's delimiter, or one that
    /// the file names.
    pub(crate) fn may_send_from(&self, address: &Mailbox, own: &Mailbox) -> bool {
        let own = key(own);
        own == key(&self.address)
            || self.senders.iter().any(|sender| match sender {
                Sender::Address(known) => *known == own || *known == key(address),
                Sender::Domain(domain) => domain == address.domain(),
            })
    }
}

fn sender(text: &str) -> Result<Sender, String> {
    let wrong = || format!("{text:?} is neither an address nor `@domain`");
    match text.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).map(Sender::Domain).map_err(|_| wrong()),
        None => Mailbox::parse(text).map(|address| Sender::Address(key(&address))).map_err(|_| wrong()),
    }
}

/// `SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER`.
fn scram(text: &str) -> Option<(ScramSalt, ScramKeys)> {
    let (made, keys) = text.strip_prefix(SCRAM)?.strip_prefix('$')?.split_once('$')?;
    let (iterations, salt) = made.split_once(':')?;
    let iterations = iterations.parse().ok()?;
    let (stored, server) = keys.split_once(':')?;
    let key = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
    let salt = ScramSalt { salt: STANDARD.decode(salt).ok()?, iterations };
    let fits = (SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(&iterations) && !salt.salt.is_empty();
    fits.then_some((salt, ScramKeys { stored: key(stored)?, server: key(server)? }))
}

/// What is kept of a password: hash and keys, as they stand in a line.
///
/// # Errors
/// A sentence, when nobody could log in with it.
pub(crate) fn kept(password: &str) -> Result<String, String> {
    if password.is_empty() || password.len() > CREDENTIAL_BYTES_MAX || password.contains('\0') {
        return Err(format!("a password has 1 to {CREDENTIAL_BYTES_MAX} bytes and no NUL"));
    }
    let hash = hash(password)?;
    let salt = ScramSalt { salt: clock::random_bytes::<16>().to_vec(), iterations: SCRAM_ITERATIONS };
    let keys = ScramKeys::derive(password.as_bytes(), &salt);
    let text = |bytes: &[u8]| STANDARD.encode(bytes);
    let mut line = hash;
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        " {SCRAM}${}:{}${}:{}",
        salt.iterations,
        text(&salt.salt),
        text(&keys.stored),
        text(&keys.server)
    );
    Ok(line)
}

/// An Argon2id hash with the parameters that RFC 9106's authors call the least (19 MiB, twice over), as OWASP has them.
///
/// # Errors
/// A sentence, when there is no memory for it.
pub(crate) fn hash(password: &str) -> Result<String, String> {
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &clock::random_bytes::<16>())
        .map(|hash| hash.to_string())
        .map_err(|error| format!("the password can't be hashed: {error}"))
}

/// Whether this is the password behind a hash. Takes as long as the hash was made to take: never on a thread of the runtime.
pub(crate) fn is_password(hash: &str, password: &[u8]) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// What a file becomes.
pub(crate) enum Edit<'a> {
    /// A new user, with what is kept of their password.
    Add(&'a str),
    /// Another password.
    Change(&'a str),
    /// No such user.
    Remove,
}

/// The text with one line changed; comments and other lines stay.
///
/// # Errors
/// A sentence, when the user is there already, or is not.
pub(crate) fn edited(text: &str, address: &Mailbox, edit: &Edit<'_>) -> Result<String, String> {
    Users::parse(text)?;
    let is_theirs = |line: &str| {
        let name = line.split_ascii_whitespace().next().filter(|name| !name.starts_with('#'));
        name.and_then(|name| Mailbox::parse(name).ok()).is_some_and(|name| key(&name) == key(address))
    };
    let is_there = text.lines().any(is_theirs);
    if matches!(edit, Edit::Add(_)) == is_there {
        return Err(if is_there {
            format!("{address} is here already")
        } else {
            format!("there is no {address}")
        });
    }
    let mut lines = String::new();
    for line in text.lines() {
        let senders = line.split_ascii_whitespace().nth(3).map(|senders| format!(" {senders}"));
        match edit {
            Edit::Change(kept) if is_theirs(line) => {
                let _ = writeln!(lines, "{address} {kept}{}", senders.unwrap_or_default());
            }
            Edit::Remove if is_theirs(line) => {}
            Edit::Add(_) | Edit::Change(_) | Edit::Remove => {
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    if let Edit::Add(kept) = edit {
        let _ = writeln!(lines, "{address} {kept}");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use smtp::Mailbox;

    use super::{Edit, Users, edited, is_password, kept};

    fn mailbox(text: &str) -> Mailbox {
        Mailbox::parse(text).unwrap()
    }

    #[test]
    fn a_user_is_added_changed_and_removed_and_other_lines_stay() {
        let (ann, bob) = (mailbox("Ann@b.example"), mailbox("bob@b.example"));
        let (first, second) = (kept("pencil").unwrap(), kept("eraser").unwrap());
        let text = edited("# ours\n", &ann, &Edit::Add(&first)).unwrap();
        let text = edited(&text, &bob, &Edit::Add(&first)).unwrap();
        assert_eq!(
            edited(&text, &mailbox("aNN@B.example"), &Edit::Add(&first)).unwrap_err(),
            "aNN@b.example is here already"
        );
        let text = text.replacen(&first, &format!("{first} @d.example"), 1);
        let text = edited(&text, &ann, &Edit::Change(&second)).unwrap();
        let users = Users::parse(&text).unwrap();
        let user = users.of(&mailbox("ann@B.EXAMPLE")).unwrap();
        assert!(is_password(user.hash(), b"eraser") && !is_password(user.hash(), b"pencil"));
        assert!(user.may_send_from(&mailbox("x@d.example"), &mailbox("x@d.example")));
        let text = edited(&text, &ann, &Edit::Remove).unwrap();
        let users = Users::parse(&text).unwrap();
        assert!(text.starts_with("# ours\nbob@b.example $argon2id$") && users.of(&ann).is_none());
        assert_eq!(edited(&text, &ann, &Edit::Remove).unwrap_err(), "there is no Ann@b.example");
    }

    #[test]
    fn a_user_sends_from_their_own_addresses_alone() {
        let kept = kept("pencil").unwrap();
        let users = Users::parse(&format!("ann@b.example {kept} sales@b.example,@d.example\n")).unwrap();
        let ann = users.of(&mailbox("ann@b.example")).unwrap();
        let may = |address: &str, own: &str| ann.may_send_from(&mailbox(address), &mailbox(own));
        assert!(may("ANN@b.example", "ANN@b.example") && may("ann+x@b.example", "ann@b.example"));
        assert!(may("sales@b.example", "sales@b.example") && may("any@d.example", "any@d.example"));
        assert!(!may("bob@b.example", "bob@b.example") && !may("ann@x.example", "ann@x.example"));
    }

    #[test]
    fn a_fault_is_named_with_its_line_and_without_what_is_kept() {
        let kept = kept("pencil").unwrap();
        let told = |text: &str| Users::parse(text).unwrap_err();
        assert_eq!(told("\nann\n"), "line 2: expected `ADDRESS HASH KEYS`, and there is no hash");
        assert!(told(&format!("ann {kept}")).starts_with("line 1: \"ann\" is no address"));
        assert_eq!(told("ann@b.example secret SCRAM"), "line 1: the hash is no Argon2 hash");
        let hash = kept.split(' ').next().unwrap();
        assert_eq!(
            told(&format!("ann@b.example {hash} secret")),
            "line 1: the keys are none of SCRAM-SHA-256"
        );
        assert_eq!(
            told(&format!("a@b.example {kept}\nA@b.example {kept}")),
            "line 2: this user is here twice"
        );
        assert!(told(&format!("a@b.example {kept} x")).contains("\"x\" is neither an address nor `@domain`"));
        assert!(told(&format!("a@b.example {kept} @d.example x")).contains("there is more than"));
    }

    #[test]
    fn nothing_prints_what_is_kept() {
        let line = format!("ann@b.example {}", kept("pencil").unwrap());
        let users = Users::parse(&line).unwrap();
        let user = users.of(&mailbox("ann@b.example")).unwrap();
        assert!(format!("{:?}", user.keys).len() < 20);
        kept("").unwrap_err();
        kept(&"x".repeat(2000)).unwrap_err();
    }
}
