//! Whom a component trusts, and how it proves who it is.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

use crate::locked::LockedTarget;

/// The certificates that the system trusts: read once, when the first connection wants them.
static SYSTEM: OnceCell<Arc<RootCertStore>> = OnceCell::const_new();

/// One set of roots with one client certificate.
pub(super) struct Identity {
    /// `None` for the system's.
    roots: Option<Arc<RootCertStore>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    /// Kept, so that sessions are resumed.
    config: OnceCell<Arc<ClientConfig>>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("own_roots", &self.roots.is_some())
            .field("certificate", &self.client.is_some())
            .finish_non_exhaustive()
    }
}

fn certificates(what: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{what} {} cannot be read: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("{what} {} has no certificate", path.display()));
    }
    Ok(found)
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("roots", path)? {
        store
            .add(certificate)
            .map_err(|error| format!("roots {}: {error}", path.display()))?;
    }
    Ok(Arc::new(store))
}

impl Identity {
    /// Reads the files of a grant; what is wrong with them is said now, not when the first request fails.
    pub(super) fn read(target: &LockedTarget) -> Result<Self, String> {
        let client = match (&target.certificate, &target.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates("certificate", certificate)?;
                let private = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| format!("key {} cannot be read: {error}", key.display()))?;
                Some((chain, private))
            }
            (None, None) => None,
            _ => return Err("certificate and key belong together".into()),
        };
        let identity = Self {
            roots: target.roots.as_deref().map(roots).transpose()?,
            client,
            config: OnceCell::new(),
        };
        let nothing = || Arc::new(RootCertStore::empty());
        identity
            .make(identity.roots.clone().unwrap_or_else(nothing))
            .map_err(|error| format!("certificate and key: {error}"))?;
        Ok(identity)
    }

    fn make(&self, roots: Arc<RootCertStore>) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// How its connections speak TLS.
    pub(super) async fn config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let make = async || {
            let roots = match &self.roots {
                Some(roots) => roots.clone(),
                None => SYSTEM.get_or_init(system_roots).await.clone(),
            };
            self.make(roots).map(Arc::new)
        };
        self.config.get_or_try_init(make).await.cloned()
    }
}

/// A system without certificates trusts nobody, and each request says so.
async fn system_roots() -> Arc<RootCertStore> {
    let read = || {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(store)
    };
    let reading = tokio::task::spawn_blocking(read).await;
    reading.unwrap_or_else(|_| Arc::new(RootCertStore::empty()))
}
