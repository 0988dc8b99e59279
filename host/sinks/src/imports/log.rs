//! `log`: the sink's words in the server's log, bounded for each call.

use std::fmt::Write;

use crate::bindings::sluice::sink::log::{Field, Host, Level};
use crate::convert::for_log;
use crate::limits::{LOG_BYTES_MAX, LOG_LINE_BYTES_MIN};
use crate::state::State;

impl Host for State {
    async fn write(&mut self, level: Level, text: String, fields: Vec<Field>) -> wasmtime::Result<()> {
        self.toll(&[&text, &fields]).await?;
        if self.log_bytes_left == 0 {
            return Ok(());
        }
        let line = line(&text, &fields, self.log_bytes_left);
        // What was cut counts too, so that the end is reached, and so does a line that says nothing: it is a line.
        let given =
            fields.iter().map(|field| field.key.len() + field.value.len()).sum::<usize>() + text.len();
        let taken = line.len().max(given).max(LOG_LINE_BYTES_MIN);
        self.log_bytes_left = self.log_bytes_left.saturating_sub(taken);
        let (sink, event) = (self.owner(), self.call.event.name());
        match level {
            Level::Trace => tracing::trace!(target: "sinks::log", %sink, event, "{line}"),
            Level::Debug => tracing::debug!(target: "sinks::log", %sink, event, "{line}"),
            Level::Info => tracing::info!(target: "sinks::log", %sink, event, "{line}"),
            Level::Warn => tracing::warn!(target: "sinks::log", %sink, event, "{line}"),
            Level::Error => tracing::error!(target: "sinks::log", %sink, event, "{line}"),
        }
        if self.log_bytes_left == 0 {
            tracing::warn!(sink = %self.owner(), event, limit = LOG_BYTES_MAX, "log of the sink cut");
        }
        Ok(())
    }
}

/// Text and fields on one line of at most so many bytes.
fn line(text: &str, fields: &[Field], bytes_max: usize) -> String {
    let mut line = for_log(text, bytes_max);
    for Field { key, value } in fields {
        let left = bytes_max.saturating_sub(line.len());
        if left == 0 {
            break;
        }
        // Writing to a String cannot fail.
        let _ = write!(line, " {}={:?}", for_log(key, left), for_log(value, left));
    }
    // Quotation marks and escapes made it longer.
    line.truncate(line.floor_char_boundary(bytes_max));
    line
}

#[cfg(test)]
mod tests {
    use super::line;
    use crate::bindings::sluice::sink::log::Field;

    fn check(text: &str, fields: &[(&str, &str)], bytes_max: usize, expected: &str) {
        let field =
            |(key, value): &(&str, &str)| Field { key: (*key).to_owned(), value: (*value).to_owned() };
        let fields: Vec<_> = fields.iter().map(field).collect();
        assert_eq!(line(text, &fields, bytes_max), expected);
    }

    #[test]
    fn a_line_has_its_fields_and_ends_at_its_bound() {
        check(
            "scored",
            &[("spam", "3.5"), ("why", "a \"b\"\r\n")],
            100,
            r#"scored spam="3.5" why="a \"b\"  ""#,
        );
        check("scored", &[("spam", "3.5")], 10, "scored spa");
        check("ü", &[], 1, "");
        check("", &vec![("", ""); 10_000], 16, r#" ="" ="" ="" ="""#);
        check("", &[("", "\u{200b}\u{200b}")], 8, r#" ="\u{20"#);
    }
}
