//! What `sluice dev` prints: the message before and after as a unified diff, and each call of a sink in a table.
//!
//! Pure: values in, text out. Colours are for terminals; the text says the same without them. What a message or a sink
//! wrote is never let loose on the terminal: control characters are shown as such.

use std::fmt::Write as _;
use std::time::Duration;

use similar::TextDiff;

/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// Whether the reader sees colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    /// A terminal.
    Some,
    /// A file, a pipe, or somebody who set `NO_COLOR`.
    None,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) event: &'static str,
    pub(super) sink: String,
    pub(super) verdict: &'static str,
    pub(super) fuel: u64,
    pub(super) took: Duration,
    /// What went wrong, if something did.
    pub(super) fault: Option<String>,
}

/// A unified diff; removed lines begin with `-`, added ones with `+`.
pub(super) fn difference(before: &[u8], after: &[u8], colours: Colours) -> String {
    let (before, after) = (readable(before), readable(after));
    let diff = TextDiff::from_lines(&before, &after);
    let text =
        diff.unified_diff().context_radius(CONTEXT_LINES).header("as sent", "as it arrived").to_string();
    text.lines().fold(String::new(), |mut shown, line| {
        let colour = match line.bytes().next() {
            Some(b'-') => "31",
            Some(b'+') => "32",
            Some(b'@') => "36",
            _ => "0",
        };
        shown.push_str(&coloured(line, colour, colours));
        shown.push('\n');
        shown
    })
}

/// The table of the calls, aligned, with a line of titles; empty without calls.
pub(super) fn table(rows: &[Row], colours: Colours) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut cells = vec![["EVENT", "SINK", "VERDICT", "FUEL", "TIME"].map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        let milliseconds = format!("{:.2} ms", row.took.as_secs_f64() * 1000.0);
        [row.event.to_owned(), printable(&row.sink), row.verdict.to_owned(), grouped(row.fuel), milliseconds]
    }));
    let mut widths = [0; 5];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let faults = std::iter::once(None).chain(rows.iter().map(|row| row.fault.as_deref()));
    let [event_width, sink_width, verdict_width, fuel_width, time_width] = widths;
    let mut text = String::new();
    for ([event, sink, verdict, fuel, time], fault) in cells.iter().zip(faults) {
        let _ = write!(
            text,
            "{event:event_width$}  {sink:sink_width$}  {verdict:verdict_width$}  {fuel:>fuel_width$}  {time:>time_width$}"
        );
        if let Some(fault) = fault {
            let _ = write!(text, "  {}", coloured(&printable(fault), "31", colours));
        }
        text.push('\n');
    }
    text
}

/// A line in this colour (ECMA-48 §8.3.117), if colours are seen.
pub(super) fn coloured(line: &str, colour: &str, colours: Colours) -> String {
    match colours {
        Colours::Some if colour != "0" => format!("\x1b[{colour}m{line}\x1b[0m"),
        Colours::Some | Colours::None => line.to_owned(),
    }
}

/// One line in which nothing moves the cursor.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// Several lines in which nothing else moves the cursor.
pub(super) fn lines(text: &str) -> String {
    readable(text.as_bytes())
}

/// The lines of a message, each without what a terminal would obey.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let harmless = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
    text.chars().map(|character| if harmless(character) { character } else { '\u{fffd}' }).collect()
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Colours, Duration, Row, difference, grouped, table};

    fn row(fault: Option<&str>) -> Row {
        Row {
            event: "on-end-of-data",
            sink: "a".to_owned(),
            verdict: "continue",
            fuel: 12_345,
            took: Duration::from_micros(210),
            fault: fault.map(str::to_owned),
        }
    }

    #[test]
    fn removed_lines_begin_with_minus_and_added_ones_with_plus() {
        let shown = difference(b"Subject: a\r\n\r\nb\r\n", b"Subject: [x] a\r\n\r\nb\r\n", Colours::None);
        assert!(shown.contains("\n-Subject: a\n+Subject: [x] a\n"), "{shown}");
    }

    #[test]
    fn a_message_cannot_steer_the_terminal() {
        let shown = difference(b"a\r\n", b"\x1b[2Jb\xff\r\n", Colours::None);
        assert!(shown.contains("+\u{fffd}[2Jb\u{fffd}\n"), "{shown}");
    }

    #[test]
    fn colours_are_for_those_who_see_them() {
        assert!(difference(b"a\r\n", b"b\r\n", Colours::Some).contains("\x1b[31m-a\x1b[0m\n"));
        assert!(!difference(b"a\r\n", b"b\r\n", Colours::None).contains('\x1b'));
    }

    #[test]
    fn columns_are_aligned_and_a_fault_stands_behind_its_call() {
        let expected = "EVENT           SINK  VERDICT     FUEL     TIME\n\
                        on-end-of-data  a     continue  12,345  0.21 ms\n\
                        on-end-of-data  a     continue  12,345  0.21 ms  fuel: spent\n";
        assert_eq!(table(&[row(None), row(Some("fuel: spent"))], Colours::None), expected);
        assert_eq!(table(&[], Colours::None), "");
    }

    #[test]
    fn digits_are_grouped() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
