//! Reading our small TOML files with errors that say where: `line 3, column 9: …`, in one line.

use std::fmt;
use std::ops::Range;

use serde::de::DeserializeOwned;

/// Bytes of a manifest or installation file. Ours: a hundred settings with descriptions take a tenth of it.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Line and column, counted from 1; none where the file as a whole is meant.
    pub place: Option<Place>,
    /// A sentence for the one who wrote the file.
    pub problem: String,
}

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Lines end with a line feed.
    pub line: usize,
    /// In characters.
    pub column: usize,
}

impl DocumentError {
    /// An error at a span of the text.
    pub(crate) fn at(text: &str, span: Range<usize>, problem: impl Into<String>) -> Self {
        Self { place: Some(place(text, span.start)), problem: problem.into() }
    }

    /// An error of the whole file.
    pub(crate) fn whole(problem: impl Into<String>) -> Self {
        Self { place: None, problem: problem.into() }
    }
}

impl std::error::Error for DocumentError {}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(Place { line, column }) => {
                write!(formatter, "line {line}, column {column}: {}", self.problem)
            }
            None => formatter.write_str(&self.problem),
        }
    }
}

/// Reads a whole document.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let problem = format!("the file has {} bytes, {DOCUMENT_BYTES_MAX} are allowed", text.len());
        return Err(DocumentError::whole(problem));
    }
    toml::from_str(text).map_err(|error| {
        let problem = error.message().lines().collect::<Vec<_>>().join("; ");
        match error.span() {
            Some(span) => DocumentError::at(text, span, problem),
            None => DocumentError::whole(problem),
        }
    })
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    Place { line, column }
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT_BYTES_MAX, read};

    fn check(text: &str, expected: &str) {
        let error = read::<std::collections::BTreeMap<String, u8>>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_error_names_line_and_column_in_one_line() {
        check("a = 1\nb = 'x'\n", "line 2, column 5: invalid type: string \"x\"");
        check("a = 1\n\nü = \n", "line 3, column");
        check("a = 1\na = 2\n", "line 2, column 1: duplicate key");
    }

    #[test]
    fn a_document_is_bounded() {
        let comment = format!("#{}", "a".repeat(DOCUMENT_BYTES_MAX));
        check(&comment, "262144 are allowed");
    }
}
