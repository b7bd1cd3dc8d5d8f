//! TLS of the listener.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::HostError;
use crate::settings::TlsSettings;

/// Reads certificate and key and prepares for HTTP/2 and HTTP/1.1, whichever the client prefers to speak.
pub(super) fn config(settings: &TlsSettings) -> Result<Arc<ServerConfig>, HostError> {
    let TlsSettings { certificate, key } = settings;
    let unreadable = |what: &str, path: &std::path::Path, error: rustls::pki_types::pem::Error| {
        HostError::Tls(format!(
            "the {what} {} cannot be read: {error}",
            path.display()
        ))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", certificate, error))?;
    if chain.is_empty() {
        return Err(HostError::Tls(format!(
            "{} has no certificate",
            certificate.display()
        )));
    }
    let private =
        PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("key", key, error))?;
    let refused = |error: rustls::Error| HostError::Tls(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
