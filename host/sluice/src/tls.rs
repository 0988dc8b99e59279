//! What a handshake came to, in the words that sinks read, whichever side of it we were.

use rustls::{CommonState, ProtocolVersion, SupportedCipherSuite};

/// The version, as `TLSv1.3`, and the cipher suite by its name in IANA's registry.
pub(crate) fn agreed(connection: &CommonState) -> (String, String) {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLSv1.3",
    };
    (version.to_owned(), connection.negotiated_cipher_suite().map(registered).unwrap_or_default())
}

/// IANA's names don't say twice for which version a suite is, as those of rustls do.
fn registered(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

#[cfg(test)]
mod tests {
    use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;

    use super::registered;

    #[test]
    fn suites_have_the_names_of_the_registry() {
        let names: Vec<String> = ALL_CIPHER_SUITES.iter().copied().map(registered).collect();
        assert!(names.iter().all(|name| name.starts_with("TLS_")), "{names:?}");
        assert!(names.iter().any(|name| name == "TLS_AES_128_GCM_SHA256"), "{names:?}");
    }
}
