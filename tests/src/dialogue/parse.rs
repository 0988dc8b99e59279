//! The format of a dialogue file, so plain that a mail administrator reads it without this page.
//!
//! | line | means |
//! | --- | --- |
//! | `# text` | a comment |
//! | `-- sink NAME key=value …` | install a guest of `tests/guests` or a sink of `plugins/`; see [`crate::scene::Installed`] |
//! | `-- peer NAME STEP=ANSWER …` | a server that mail goes to, at the end of the route NAME; see [`crate::scene::PeerPlan`] |
//! | `-- config KEY=VALUE` | another value in the server's configuration, as TOML |
//! | `C: text` | send the text and CRLF; lines that follow one another leave in one piece |
//! | `C\| text` | send the bytes of the text, with `\r` `\n` `\t` `\0` `\\` `\xHH`, and no CRLF |
//! | `S: text` | the next line of the server; `*` matches any run of characters |
//! | `S: 250 **` | a whole reply with this code, however many lines it has |
//! | `-- certificate NAME` | the server has one for that name |
//! | `-- encrypt NAME` | the client makes a TLS handshake and asks for that name |
//! | `-- end` | the client sends nothing more |
//! | `-- closed` | the server closes and has said nothing more |
//! | `-- connect` | another connection, in place of this one |
//! | `=> messages/x.eml ADDRESS` | what arrives next for the address is like this file of `tests` |
//! | `=> ADDRESS`, then `=\| text` | the same, with its lines here; `*` as in `S:`, a line `**` is any number of lines |
//! | `=> nothing` | everything accepted so far is settled, and nothing more has arrived |
//! | `P: text` | the next command line that a peer gets; `<NAME>` is a connection to it, `.` the end of a message |
//! | `=> NAME`, then `=\| text` | the next message that this peer got and took |
//! | `-- settled OUTCOME text` | a recipient of an entry, or all of it, ended so (`relayed`, `deferred`, `failed`), for a reason like this |
//! | `-- asked NAME EVENT WORD` | the installation was asked about the event, and its verdict or fault has this word |
//!
//! In texts that are sent, `{x*70}` stands for 70 times `x`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::scene::{Installed, PeerPlan, Scene};
use crate::tree;

/// A dialogue file, read.
#[derive(Debug)]
pub struct Dialogue {
    /// What is set up before the first connection.
    pub scene: Scene,
    /// What happens, each step with the number of its line.
    pub steps: Vec<(usize, Step)>,
}

/// One step of a dialogue.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes of the client that leave in one piece.
    Send(Vec<u8>),
    /// The next line of the server.
    Line(String),
    /// A whole reply with this code.
    Reply(u16),
    /// The client's half closes.
    End,
    /// The server closes in silence.
    Closed,
    /// A fresh connection.
    Connect,
    /// A handshake, in which the client asks for this name.
    Encrypt(String),
    /// A line comes to a peer.
    Heard(String),
    /// A recipient's end.
    Settled {
        /// The word.
        outcome: String,
        /// A pattern.
        reason: String,
    },
    /// A message arrives.
    Arrives {
        /// The recipient, or the peer.
        address: String,
        /// Its lines, with `*` for what varies.
        lines: Vec<String>,
    },
    /// Nothing more arrives.
    Nothing,
    /// A sink was asked.
    Asked(Asked),
}

/// That a sink was asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its name.
    pub installation: String,
    /// About what.
    pub event: String,
    /// The word of its verdict, or of its fault.
    pub word: String,
}

/// Reads a dialogue.
///
/// # Errors
/// With the number of the line that is none of the above.
pub fn parse(text: &str) -> Result<Dialogue> {
    let mut dialogue = Dialogue { scene: Scene::default(), steps: Vec::new() };
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        dialogue.take(number, line).with_context(|| format!("line {number}: {line}"))?;
    }
    ensure!(!dialogue.steps.is_empty(), "a dialogue in which nothing happens");
    Ok(dialogue)
}

impl Dialogue {
    fn take(&mut self, number: usize, line: &str) -> Result<()> {
        if let Some(directive) = line.strip_prefix("-- ") {
            return self.direct(number, directive);
        }
        let (mark, text) = line.split_at_checked(2).context("too short")?;
        let text = text.strip_prefix(' ').unwrap_or(text);
        match mark {
            "C:" => self.send(number, [repeated(text)?.as_bytes(), b"\r\n"].concat()),
            "C|" => self.send(number, unescaped(&repeated(text)?)?),
            "S:" => self.steps.push((number, expected(text)?)),
            "P:" => self.steps.push((number, Step::Heard(text.to_owned()))),
            "=>" => self.steps.push((number, arrival(text)?)),
            "=|" => match self.steps.last_mut() {
                Some((_, Step::Arrives { lines, .. })) => lines.push(text.to_owned()),
                _ => bail!("a line of a message that did not arrive"),
            },
            _ => bail!("neither C: S: P: => -- nor #"),
        }
        Ok(())
    }

    /// Lines that follow one another leave together.
    fn send(&mut self, number: usize, bytes: Vec<u8>) {
        match self.steps.last_mut() {
            Some((_, Step::Send(before))) => before.extend(bytes),
            _ => self.steps.push((number, Step::Send(bytes))),
        }
    }

    fn direct(&mut self, number: usize, directive: &str) -> Result<()> {
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        match word {
            "end" => self.steps.push((number, Step::End)),
            "closed" => self.steps.push((number, Step::Closed)),
            "connect" => self.steps.push((number, Step::Connect)),
            "asked" => self.steps.push((number, asked(rest)?)),
            "encrypt" => self.steps.push((number, Step::Encrypt(rest.to_owned()))),
            "certificate" => self.scene.certificates.push(rest.to_owned()),
            "settled" => {
                let (outcome, reason) = rest.split_once(' ').context("-- settled OUTCOME text")?;
                let (outcome, reason) = (outcome.to_owned(), reason.to_owned());
                self.steps.push((number, Step::Settled { outcome, reason }));
            }
            "peer" => self.scene.peers.push(PeerPlan::parse(rest)?),
            "sink" => self.scene.sinks.push(Installed::parse(rest)?),
            "config" => {
                let (key, value) = rest.split_once('=').context("config KEY=VALUE")?;
                self.scene.config.push((key.to_owned(), value.parse().context("not a TOML value")?));
            }
            _ => bail!("unknown directive"),
        }
        Ok(())
    }
}

fn expected(text: &str) -> Result<Step> {
    Ok(match text.strip_suffix(" **") {
        Some(code) => Step::Reply(code.parse().context("not a code")?),
        None => Step::Line(text.to_owned()),
    })
}

fn arrival(text: &str) -> Result<Step> {
    if text == "nothing" {
        return Ok(Step::Nothing);
    }
    let Some((file, address)) = text.split_once(' ') else {
        return Ok(Step::Arrives { address: text.to_owned(), lines: Vec::new() });
    };
    let expected = tree::text(&Path::new("tests").join(file))?;
    Ok(Step::Arrives { address: address.to_owned(), lines: expected.lines().map(str::to_owned).collect() })
}

fn asked(text: &str) -> Result<Step> {
    let mut words = text.split(' ').map(str::to_owned);
    let mut next = || words.next().context("-- asked NAME EVENT WORD");
    Ok(Step::Asked(Asked { installation: next()?, event: next()?, word: next()? }))
}

/// Writes `{x*70}` out.
fn repeated(text: &str) -> Result<String> {
    let Some((before, rest)) = text.split_once('{') else { return Ok(text.to_owned()) };
    let (inside, after) = rest.split_once('}').context("`{` without `}`")?;
    let (unit, times) = inside.rsplit_once('*').context("{TEXT*TIMES}")?;
    Ok([before, &unit.repeat(times.parse().context("not a number")?), &repeated(after)?].concat())
}

/// Turns the escapes of a `C|` line into bytes.
fn unescaped(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            bytes.extend(letter.to_string().as_bytes());
            continue;
        }
        bytes.push(match letters.next().context("`\\` at the end")? {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' => b'\\',
            'x' => {
                let digits: String = letters.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).context("\\xHH")?
            }
            other => bail!("unknown escape \\{other}"),
        });
    }
    Ok(bytes)
}

/// Whether `line` fits `pattern`, in which each `*` matches any run of characters.
#[must_use]
pub fn fits(pattern: &str, line: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether a message has these lines: each line fits its pattern, and a pattern `**` fits any number of lines.
#[must_use]
pub fn message_fits(patterns: &[String], lines: &[&str]) -> bool {
    let Some((first, others)) = patterns.split_first() else { return lines.is_empty() };
    if first == "**" {
        return (0..=lines.len())
            .any(|skipped| lines.get(skipped..).is_some_and(|rest| message_fits(others, rest)));
    }
    let Some((line, rest)) = lines.split_first() else { return false };
    fits(first, line) && message_fits(others, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Step> {
        parse(text).unwrap().steps.into_iter().map(|(_, step)| step).collect()
    }

    #[test]
    fn a_star_matches_any_run() {
        let check = |pattern, line, expected| assert_eq!(fits(pattern, line), expected, "{pattern} / {line}");
        check("250 2.1.0 *", "250 2.1.0 OK", true);
        check("250 2.1.0 *", "250 2.1.5 OK", false);
        check("220 * ESMTP*", "220 mx.b.example ESMTP", true);
        check("*b*b", "ab", false);
        check("250 OK", "250 OK now", false);
    }

    #[test]
    fn two_stars_match_any_number_of_lines() {
        let patterns: Vec<String> = ["a*", "**", "z"].map(str::to_owned).into();
        assert!(message_fits(&patterns, &["ab", "z"]) && message_fits(&patterns, &["a", "x", "y", "z"]));
        assert!(!message_fits(&patterns, &["ab", "z", "more"]) && !message_fits(&patterns, &["b", "z"]));
    }

    #[test]
    fn client_lines_that_follow_one_another_are_one_piece() {
        let expected =
            vec![Step::Send(b"RSET\r\nNOOP\r\n".to_vec()), Step::Line("250 *".into()), Step::Reply(250)];
        assert_eq!(steps("C: RSET\nC: NOOP\nS: 250 *\nS: 250 **"), expected);
    }

    #[test]
    fn raw_bytes_and_repetitions_are_written_out() {
        assert_eq!(steps("C| a\\r\\x00{ab*2}\\n"), vec![Step::Send(b"a\r\0abab\n".to_vec())]);
    }

    #[test]
    fn a_line_that_means_nothing_is_refused_with_its_number() {
        let error = parse("C: NOOP\nX: what").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
