//! The message that `sluice dev` sends when it is given none: an ordinary one from outside, with a text and a file.

use anyhow::Context;
use std::path::Path;

/// Lines of the sample. Addresses are of RFC 2606, the date is fixed: the same message each time.
const SAMPLE: &str = "\
From: Ann Lee <ann@example.net>
To: Bob <bob@example.org>
Subject: Minutes of Monday's meeting
Date: Mon, 06 Jul 2026 09:30:00 +0200
Message-ID: <minutes-1@example.net>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=\"part\"

--part
Content-Type: text/plain; charset=utf-8

Hello Bob,

the minutes are attached. Please tell me until Friday if something is missing.

Ann
--part
Content-Type: text/csv; name=\"minutes.csv\"
Content-Disposition: attachment; filename=\"minutes.csv\"

topic,decision
budget,agreed
--part--
";

/// The message of a file, or the sample; lines end with CRLF, the last one too.
///
/// # Errors
/// When the file can't be read.
pub(super) fn content(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let bytes = match file {
        None => SAMPLE.as_bytes().to_vec(),
        Some(file) => std::fs::read(file).with_context(|| format!("{} can't be read", file.display()))?,
    };
    Ok(with_crlf(&bytes))
}

/// Files of messages are stored with either line ending; on the wire there is one.
fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        content.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        content.extend_from_slice(b"\r\n");
    }
    content
}

#[cfg(test)]
mod tests {
    use super::with_crlf;

    #[test]
    fn every_line_ends_with_crlf_once() {
        assert_eq!(with_crlf(b"a\nb\r\n\nc"), b"a\r\nb\r\n\r\nc\r\n");
        assert_eq!(with_crlf(b""), b"");
    }
}
