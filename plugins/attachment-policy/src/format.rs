//! File formats by their first bytes.

/// Marks at the very start, by the name that the setting `formats` uses.
const MARKS: [(&str, &[u8]); 15] = [
    ("elf", b"\x7fELF"),
    ("java-class", b"\xca\xfe\xba\xbe\x00\x00\x00"),
    ("mach-o", b"\xcf\xfa\xed\xfe"),
    ("mach-o", b"\xce\xfa\xed\xfe"),
    ("mach-o", b"\xfe\xed\xfa\xcf"),
    ("mach-o", b"\xfe\xed\xfa\xce"),
    // Several architectures in one file: the mark of a Java class, then a count that no class version is as low as.
    ("mach-o", b"\xca\xfe\xba\xbe\x00\x00\x00\x02"),
    ("mach-o", b"\xca\xfe\xba\xbe\x00\x00\x00\x01"),
    ("rar", b"Rar!\x1a\x07"),
    ("seven-zip", b"7z\xbc\xaf\x27\x1c"),
    ("windows-executable", b"MZ"),
    // Size of the header, then the class identifier of links.
    ("windows-shortcut", b"\x4c\x00\x00\x00\x01\x14\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"),
    ("zip", b"PK\x03\x04"),
    ("zip", b"PK\x05\x06"),
    ("zip", b"PK\x07\x08"),
];

/// Bytes that tell a format: the longest mark, and the part of a Windows program's header that tells it from a text.
pub(crate) const START_BYTES_MAX: u32 = 64;

/// Whether these first bytes are of that format. Of an unknown name nothing is.
pub(crate) fn starts(bytes: &[u8], format: &str) -> bool {
    // A text may start with "MZ". A program has its second header's offset in bytes 60 to 63, whose last is 0 below 16 MiB.
    let can_be_text = format == "windows-executable" && !bytes.contains(&0);
    !can_be_text && MARKS.iter().any(|(name, mark)| *name == format && bytes.starts_with(mark))
}
