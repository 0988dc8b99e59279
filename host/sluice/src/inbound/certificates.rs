//! Who we prove to be: certificates with their keys, chosen by the name that a client asks for.
//!
//! Each pair of files is read again when it changes, and sessions under way keep what they have. The names are those in the
//! certificate itself, so nothing has to be written twice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::Config;
use crate::reloaded::{self, FileError, Look, Reloaded};

/// Bytes of a file of certificates or of a key: a chain of ten RSA-4096 certificates has a quarter of it.
const PEM_BYTES_MAX: u64 = 64 * 1024;

/// All certificates of the server.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// In the order of their names in the configuration.
    pairs: Vec<Reloaded<CertifiedKey>>,
    /// Whose certificate a client gets that asks for no name, or for one that nobody here has.
    host_name: ServerName<'static>,
}

impl Certificates {
    /// Reads all that the configuration names.
    ///
    /// # Errors
    /// With the key of the first that can't be used.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        let open = |(name, certificate): (&String, &crate::config::Certificate)| {
            let paths = vec![certificate.chain.clone(), certificate.key.clone()];
            Reloaded::open(paths, read).with_context(|| format!("certificates.{name}"))
        };
        Ok(Self {
            pairs: config.certificates.iter().map(open).collect::<anyhow::Result<_>>()?,
            host_name: ServerName::try_from(config.host_name.clone()).context("host_name")?,
        })
    }

    /// The one for this name with whose key the client can do something; the first of these, if there are several.
    fn choose(&self, name: &ServerName<'_>, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.pairs.iter().map(Reloaded::live).find(|pair| fits(pair, name) && can_sign(pair, hello))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        asked
            .and_then(|name| self.choose(&name, &hello))
            .or_else(|| self.choose(&self.host_name, &hello))
            .or_else(|| self.pairs.iter().map(Reloaded::live).find(|pair| can_sign(pair, &hello)))
            .or_else(|| self.pairs.first().map(Reloaded::live))
    }
}

impl Look for Certificates {
    fn has_files(&self) -> bool {
        !self.pairs.is_empty()
    }

    fn look(&self) {
        self.pairs.iter().for_each(Reloaded::look);
    }
}

fn fits(pair: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let parsed = pair.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    parsed.is_some_and(|parsed| verify_server_name(&parsed, name).is_ok())
}

fn can_sign(pair: &CertifiedKey, hello: &ClientHello<'_>) -> bool {
    pair.key.choose_scheme(hello.signature_schemes()).is_some()
}

/// The chain and its key; they have to belong together, since one of them may have been replaced before the other.
fn read(paths: &[PathBuf]) -> Result<CertifiedKey, FileError> {
    let [chain_file, key_file] = paths else {
        return Err(FileError::content(Path::new(""), "expected a chain and a key"));
    };
    let pem = reloaded::bytes(chain_file, PEM_BYTES_MAX)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| FileError::content(chain_file, format!("expected certificates in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(FileError::content(chain_file, "expected certificates in PEM, and there is none"));
    }
    let pem = reloaded::bytes(key_file, PEM_BYTES_MAX)?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|error| FileError::content(key_file, format!("expected a private key in PEM: {error}")))?;
    let pair = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|error| {
        FileError::content(key_file, format!("not the key of {}: {error}", chain_file.display()))
    })?;
    Ok(pair)
}
