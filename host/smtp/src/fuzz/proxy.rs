//! PROXY headers of anybody.

use crate::proxy::{Header, V2_BYTES_MAX, read};

/// Whoever reads as much as is asked for comes to an end within the bound, and what was whole or malformed does not change its
/// meaning by how it was read.
pub fn proxy(bytes: &[u8]) {
    let mut length = 0;
    let end = loop {
        let Some(so_far) = bytes.get(..length) else { return };
        match read(so_far) {
            Header::Unfinished(more) => {
                assert!(more > 0, "nothing is asked for");
                length += more;
                assert!(length <= V2_BYTES_MAX, "the header does not end");
            }
            end => break end,
        }
    };
    for cut in 0..length {
        let earlier = bytes.get(..cut).map(read);
        let is_open = matches!(earlier, Some(Header::Unfinished(more)) if cut + more <= length);
        assert!(
            is_open || (earlier == Some(Header::Malformed) && end == Header::Malformed),
            "{earlier:?} at {cut}"
        );
    }
}
