//! Handshakes with clients: who we are, whom we ask for a certificate, and what was agreed on.
//!
//! A client's certificate is a fact for sinks, never a condition: any is taken, its owner has to have the key, and whether a CA
//! of ours signed it is told with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use smtp::TlsFacts;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificates::Certificates;
use crate::clock;
use crate::config::{ClientCertificates, Listener};
use crate::tls;

/// Makes the handshakes of a listener.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    /// Of the clients' certificates; absent where no CA is named.
    judge: Option<Arc<dyn ClientCertVerifier>>,
}

impl Tls {
    /// As the listener's configuration says.
    ///
    /// # Errors
    /// When the clients' CAs can't be read.
    pub(crate) fn new(certificates: Arc<Certificates>, listener: &Listener) -> anyhow::Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let judge = match &listener.client_ca_file {
            None => None,
            Some(file) => Some(judge(file, &provider)?),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match listener.client_certificates {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Asked => {
                builder.with_client_cert_verifier(Arc::new(AnyCertificate { judge: judge.clone(), provider }))
            }
        };
        let config = builder.with_cert_resolver(certificates);
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), judge })
    }

    /// A handshake that the client begins. The caller bounds the wait.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub(super) async fn handshake(
        &self,
        socket: TcpStream,
    ) -> std::io::Result<(Box<TlsStream<TcpStream>>, TlsFacts)> {
        let stream = Box::new(self.acceptor.accept(socket).await?);
        let facts = self.facts(&stream);
        Ok((stream, facts))
    }

    fn facts(&self, stream: &TlsStream<TcpStream>) -> TlsFacts {
        let (_, connection) = stream.get_ref();
        let chain = connection.peer_certificates().unwrap_or_default();
        let is_verified = chain.split_first().is_some_and(|(own, others)| {
            let now = UnixTime::since_unix_epoch(Duration::from_millis(clock::now().0));
            self.judge.as_ref().is_some_and(|judge| judge.verify_client_cert(own, others, now).is_ok())
        });
        let (version, cipher) = tls::agreed(connection);
        TlsFacts {
            version,
            cipher,
            server_name: connection.server_name().map(ToOwned::to_owned),
            client_certificate: chain.first().map(|own| own.to_vec()),
            client_verified: is_verified,
        }
    }
}

fn judge(file: &Path, provider: &Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let wrong = || format!("the clients' CAs in {} can't be used", file.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).with_context(wrong)? {
        roots.add(certificate.with_context(wrong)?).with_context(wrong)?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    builder.build().with_context(wrong)
}

/// Checks that the client has the key of its certificate, and nothing about whose it is.
#[derive(Debug)]
struct AnyCertificate {
    judge: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.as_ref().map_or(&[], |judge| judge.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
