//! TLS towards other servers: with any certificate, or with one that verifies.
//!
//! Opportunistic TLS (RFC 7435) keeps out who only listens; a certificate that nobody can check would only lead to sending in
//! clear. Where a route requires TLS the certificate has to be that of the host's name, signed by a CA that we trust.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use smtp::{Domain, TlsFacts};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tls;

/// The CAs that Debian and most others keep; read only where TLS is required.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Whose certificate is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Trust {
    /// Anybody's.
    Any,
    /// The host's own.
    Verified,
}

/// Makes handshakes.
pub(super) struct Tls {
    any: TlsConnector,
    /// Made when it is first needed: a route of the configuration needs it at the start, one of a sink's later or never.
    verified: OnceLock<TlsConnector>,
    ca_file: PathBuf,
}

impl Tls {
    /// Reads the CAs where a route needs them now: of `ca_file`, else of the system.
    ///
    /// # Errors
    /// When there are none, or the file can't be read.
    pub(super) fn new(trust: Trust, ca_file: Option<&PathBuf>) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let any = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(Arc::clone(&provider))))
            .with_no_client_auth();
        let ca_file = ca_file.cloned().unwrap_or_else(|| PathBuf::from(SYSTEM_CA_FILE));
        let tls = Self { any: TlsConnector::from(Arc::new(any)), verified: OnceLock::new(), ca_file };
        if trust == Trust::Verified {
            tls.verified()?;
        }
        Ok(tls)
    }

    /// With the CAs; where they can't be read nothing is sent, and the next handshake looks again.
    fn verified(&self) -> anyhow::Result<&TlsConnector> {
        if let Some(made) = self.verified.get() {
            return Ok(made);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(&self.ca_file)?)
            .with_no_client_auth();
        Ok(self.verified.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }

    /// A handshake with a host. The caller bounds the wait.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        name: &Domain,
        trust: Trust,
    ) -> anyhow::Result<(TlsStream<TcpStream>, TlsFacts)> {
        let connector = match trust {
            Trust::Any => &self.any,
            Trust::Verified => self.verified()?,
        };
        let server_name = match name.literal_address() {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(name.as_str().to_owned()).context("no name for a certificate")?,
        };
        let stream = connector.connect(server_name, stream).await?;
        let (_, connection) = stream.get_ref();
        let (version, cipher) = tls::agreed(connection);
        let facts = TlsFacts {
            version,
            cipher,
            server_name: Some(name.as_str().to_owned()),
            client_certificate: None,
            client_verified: false,
        };
        Ok((stream, facts))
    }
}

fn roots(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file)
        .with_context(|| format!("the CAs in {} can't be read", file.display()))?;
    for certificate in certificates {
        let certificate =
            certificate.with_context(|| format!("{} holds something else than PEM", file.display()))?;
        // One of the system's that rustls can't use is no reason to do without the others.
        let _ = roots.add(certificate);
    }
    anyhow::ensure!(!roots.is_empty(), "{} holds no CA that can be used", file.display());
    Ok(roots)
}

/// Checks that the peer has the key of its certificate, and nothing about whose it is.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
