//! Every bound of this crate, once: name, unit, default and where it comes from.
//!
//! They are constants, not settings: each guards the process against hostile content or a hostile sink, and none of
//! them is reached by mail that people write.

/// Bytes of one header section that are indexed. Postfix stops at 100 KiB, Exchange Online at 256 KiB; a mebibyte is
/// also what [`crate::Content::stored`] keeps in memory of a message on disk.
pub const HEADER_SECTION_BYTES_MAX: usize = 1024 * 1024;

/// Fields of one header section that are indexed. A mailing list with thirty hops has about 200.
pub const HEADER_FIELDS_MAX: usize = 10_000;

/// Containers (multipart, message/rfc822) inside one another that are opened. Real mail stays below ten; forwarding
/// chains reach twenty. The bound keeps the number of open boundaries, and so the work for each line, small.
pub const NESTING_MAX: usize = 64;

/// Parts of one message, the raw message and every container counted. A digest of a busy list has some hundreds.
pub const PARTS_MAX: usize = 10_000;

/// Messages in base64 or quoted-printable inside one another that are decoded to be looked into. RFC 2046 §5.2.1
/// forbids even the first; each level is a copy in memory.
pub const NESTED_ENCODINGS_MAX: usize = 3;

/// Bytes of a Content-Type or Content-Disposition value that are parsed; the parser is quadratic in its parameters.
pub const PARAMETERS_BYTES_MAX: usize = 16 * 1024;

/// Bytes of one RFC 2047 encoded word that are tried before it counts as plain text. RFC 2047 §2 allows 75; writers
/// that ignore this stay below a line.
pub const ENCODED_WORD_BYTES_MAX: usize = 1024;

/// Broken encoded words in an address field; above it they lose their meaning, because the address parser looks to the
/// end of the field for the end of each.
pub const BROKEN_WORDS_MAX: usize = 100;

/// Mailboxes taken from the fields of one name. RFC 5321 §4.5.3.1.8 asks for 100 recipients; lists write thousands.
pub const MAILBOXES_MAX: usize = 10_000;

/// Bytes that one read hands out (WIT `read-part`: at most 1 MiB a call); a longer read is cut short.
pub const READ_BYTES_MAX: usize = 1024 * 1024;

/// Bytes loaded at once when a stored body is read through without being kept.
pub const LOAD_BYTES_MAX: u64 = 1024 * 1024;

/// Literals of one `find`.
pub const LITERALS_MAX: usize = 1_000;

/// Bytes of all literals of one `find` together: the automaton takes some hundred bytes for each.
pub const LITERALS_BYTES_MAX: usize = 64 * 1024;

/// Hits that one `find` reports.
pub const FOUND_MAX: u32 = 10_000;

/// Regular expressions of one `match-any`.
pub const EXPRESSIONS_MAX: usize = 64;

/// Bytes of one regular expression.
pub const EXPRESSION_BYTES_MAX: usize = 4 * 1024;

/// Bytes of the compiled program of all expressions of a call together: a hundred Unicode word classes.
pub const EXPRESSION_PROGRAM_BYTES_MAX: usize = 1024 * 1024;

/// Groups inside one another in a regular expression: what its parser may need of the stack.
pub const EXPRESSION_NESTING_MAX: u32 = 50;

/// Bytes of automaton states that the expressions may make while they run over one text. Ordinary ones need some KiB; one
/// that makes ever new states, `(a?){2000}a{2000}`, took 80 s for a MiB without this bound, and 0.1 s with it.
pub const EXPRESSION_STATES_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Program states times bytes of text where the automaton cannot be used: a Unicode word boundary in a text that is not
/// ASCII. At some nanoseconds for each it is about a second, and it cannot be interrupted.
pub const EXPRESSION_STEPS_MAX: usize = 128 * 1024 * 1024;

/// Bytes of text that `match-any` looks at; a longer part is refused, not searched in part.
pub const MATCH_TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a field name that a sink writes. The longest registered one has 35.
pub const FIELD_NAME_BYTES_MAX: usize = 100;

/// Bytes of a field value that a sink writes, before folding and encoding. ARC sets of big senders reach 8 KiB.
pub const FIELD_VALUE_BYTES_MAX: usize = 64 * 1024;

/// Edits since the last savepoint, so of one call of a sink.
pub const EDITS_MAX: u32 = 1_000;

/// Bytes that the edits since the last savepoint write into the header section.
pub const EDIT_BYTES_MAX: usize = 256 * 1024;

/// Bytes that the edits since the last savepoint write into the body. A call holds as much in blobs at most.
pub const BODY_EDIT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a file name that a sink writes: what file systems take.
pub const FILE_NAME_BYTES_MAX: usize = 255;

/// Bytes of a text that `add-text` adds, plain and HTML each. Disclaimers of lawyers reach 8 KiB.
pub const ADDED_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a text body that `add-text` changes. A longer one is wrapped: it is a file, whatever it says.
pub const TEXT_BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Text bodies of one message that `add-text` changes; a message with more is wrapped as a whole. A letter has two.
pub const TEXT_BODIES_MAX: usize = 16;

/// Bytes of a line that is folded where it can be (RFC 5322 §2.1.1 SHOULD).
pub const LINE_BYTES_PREFERRED: usize = 78;

/// Bytes of a line in quoted-printable or base64, without its CRLF (RFC 2045 §6.7, §6.8).
pub const ENCODED_LINE_BYTES_MAX: usize = 76;

/// Bytes of a line without its CRLF (RFC 5322 §2.1.1 MUST).
pub const LINE_BYTES_MAX: usize = 998;
