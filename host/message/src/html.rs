//! Where a text goes in an HTML body.
//!
//! Promises: never inside a comment, a tag, a script, a style or another element whose text is not shown, so a sender cannot
//! hide what is added there by an element that only looks like the body; one pass, never fails. Leaves out: style sheets,
//! which can hide anything.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memmem};

use crate::draft::Position;

/// Elements whose content is no markup, up to their own end tag.
const RAW: [&[u8]; 9] =
    [b"script", b"style", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes", b"template"];

/// The offset in `html` at which a text is the first, or the last, that is shown.
pub(crate) fn place(html: &[u8], at: Position) -> usize {
    let (mut prologue, mut head_end) = (html.len() - without_mark(html).len(), None);
    let (mut body_begin, mut body_end) = (None, None);
    let mut position = 0;
    let end = loop {
        let tag = match next(html, position) {
            Next::Tag(tag) => tag,
            Next::End(end) => break end,
        };
        position = tag.end;
        match tag.kind {
            Kind::Declaration if is_blank(html, prologue..tag.start) => prologue = tag.end,
            Kind::Begin(name) if is(name, b"html") => head_end = head_end.or(Some(tag.end)),
            Kind::Begin(name) if is(name, b"body") => body_begin = body_begin.or(Some(tag.end)),
            Kind::End(name) if is(name, b"head") && body_begin.is_none() => head_end = Some(tag.end),
            // What stands behind them is shown all the same, so the last one counts.
            Kind::End(name) if is(name, b"body") => body_end = Some(tag.start),
            Kind::End(name) if is(name, b"html") => body_end = body_end.or(Some(tag.start)),
            Kind::Declaration | Kind::Begin(_) | Kind::End(_) => {}
        }
    };
    match at {
        Position::Top => body_begin.or(head_end).unwrap_or(prologue),
        Position::Bottom => body_end.unwrap_or(end),
    }
}

/// The text behind a byte order mark.
fn without_mark(html: &[u8]) -> &[u8] {
    html.strip_prefix("\u{feff}".as_bytes()).unwrap_or(html)
}

fn is_blank(html: &[u8], range: Range<usize>) -> bool {
    html.get(range).is_some_and(|between| between.trim_ascii().is_empty())
}

enum Next<'a> {
    Tag(Tag<'a>),
    /// No more tags: where the text that is shown ends. What opens and never closes hides all behind it.
    End(usize),
}

struct Tag<'a> {
    start: usize,
    end: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// `<!doctype …>`, `<?xml …>`.
    Declaration,
    Begin(&'a [u8]),
    End(&'a [u8]),
}

fn is(name: &[u8], wanted: &[u8]) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// The next tag behind `from`; comments and raw elements are skipped.
fn next(html: &[u8], from: usize) -> Next<'_> {
    let mut position = from;
    loop {
        let rest = html.get(position..).unwrap_or_default();
        let Some(start) = memchr(b'<', rest).map(|at| position + at) else { return Next::End(html.len()) };
        let passed = match html.get(start + 1..).unwrap_or_default() {
            [b'!', b'-', b'-', ..] => comment_end(html, start + 4).map(Passed::Over),
            [b'!' | b'?', ..] => {
                tag_end(html, start + 1).map(|end| Passed::Tag(Tag { start, end, kind: Kind::Declaration }))
            }
            [b'/', letter, ..] if letter.is_ascii_alphabetic() => tag_end(html, start + 2)
                .map(|end| Passed::Tag(Tag { start, end, kind: Kind::End(name_at(html, start + 2)) })),
            [letter, ..] if letter.is_ascii_alphabetic() => begin(html, start),
            _ => Some(Passed::Over(start + 1)),
        };
        match passed {
            None => return Next::End(start),
            Some(Passed::Tag(tag)) => return Next::Tag(tag),
            Some(Passed::Over(end)) => position = end,
        }
    }
}

/// What began with `<` and came to its end.
enum Passed<'a> {
    Over(usize),
    Tag(Tag<'a>),
}

fn begin(html: &[u8], start: usize) -> Option<Passed<'_>> {
    let end = tag_end(html, start + 1)?;
    let name = name_at(html, start + 1);
    if RAW.iter().any(|raw| is(name, raw)) {
        return raw_end(html, end, name).map(Passed::Over);
    }
    Some(Passed::Tag(Tag { start, end, kind: Kind::Begin(name) }))
}

fn name_at(html: &[u8], start: usize) -> &[u8] {
    let rest = html.get(start..).unwrap_or_default();
    let end = rest.iter().position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'));
    rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
}

/// Behind the `>` of a tag, which may stand in a quoted attribute before.
fn tag_end(html: &[u8], start: usize) -> Option<usize> {
    let mut quote = None;
    let mut before = b' ';
    for (offset, byte) in html.get(start..)?.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if *byte == open => quote = None,
            (None, b'>') => return Some(start + offset + 1),
            // A quote inside a value or name is part of it.
            (None, b'"' | b'\'') if before == b'=' => quote = Some(*byte),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = *byte;
        }
    }
    None
}

/// Behind a comment of which the text begins at `start`. `<!-->` and `<!--->` are whole, and `--!>` ends one.
fn comment_end(html: &[u8], start: usize) -> Option<usize> {
    let text = html.get(start..)?;
    let ends =
        |before: &[u8]| matches!(before, b"" | b"-") || before.ends_with(b"--") || before.ends_with(b"--!");
    let end = memchr_iter(b'>', text).find(|at| ends(text.get(..*at).unwrap_or_default()))?;
    Some(start + end + 1)
}

/// Where the end tag of a raw element begins.
fn raw_end(html: &[u8], start: usize, name: &[u8]) -> Option<usize> {
    let mut position = start;
    loop {
        position += memmem::find(html.get(position..)?, b"</")?;
        let end = name_at(html, position + 2);
        if is(end, name) {
            return Some(position);
        }
        position += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` marks where the text goes.
    fn check(marked: &str, at: Position) {
        let expected = marked.find('|').expect("a mark");
        let html = marked.replace('|', "");
        let found = place(html.as_bytes(), at);
        assert_eq!(found, expected, "{}", html.get(..found).unwrap_or_default());
    }

    #[test]
    fn the_top_is_where_the_body_begins() {
        for marked in [
            "<html><head><title>a</title></head><body bgcolor=\"#fff\">|<p>b",
            "<HTML><BODY\nonload='a > b'>|text</BODY></HTML>",
            "<!DOCTYPE html>|<p>no body tag",
            "<!doctype html><html>|<p>text",
            "<html><head></head>|text",
            "|plain text",
            "|",
            "\u{feff}|text",
            "\u{feff}<!DOCTYPE html>|\r\ntext",
            "|text <!DOCTYPE html>",
            "<?xml version=\"1.0\"?><!DOCTYPE html><html><body>|x",
        ] {
            check(marked, Position::Top);
        }
    }

    #[test]
    fn the_bottom_is_where_the_body_ends() {
        for marked in [
            "<html><body><p>a</p>|</body></html>",
            "<p>a</p>|</html>",
            "text|",
            "<p>a</p> b|",
            "<body>a</body>more|</body>",
        ] {
            check(marked, Position::Bottom);
        }
    }

    #[test]
    fn a_body_that_is_not_shown_is_none() {
        for marked in [
            "<!-- <body> --><body>|x",
            "<!--><body>|x<!-- -->",
            "<!-- a --!><body>|x",
            "<script>'<body>'</script><body>|x",
            "<style><!-- <body> </style><body>|x",
            "<title><body></title></head>|x",
            "<a title='<body>'>b</a><body>|x",
            "<template><body></template><html>|x",
        ] {
            check(marked, Position::Top);
        }
        for marked in [
            "a|</body><!-- </body> -->",
            "a|<!-- never closed",
            "a|<script>never closed",
            "a|<b never=closed",
            "a < b|",
            "a <!-- closed --> b|",
            "<!-- closed -->b|<!-- not",
            "a|</body><script>'</body>'</script>",
        ] {
            check(marked, Position::Bottom);
        }
    }
}
