//! Who a host is, to other hosts: a certificate of the lattice's authority, shown and asked for on both ends of a connection.
//!
//! The name in a certificate is `HOST.LATTICE.wisp.internal`. Whoever connects checks that the other end has the name of the host that it
//! wants; whoever accepts takes the name of its caller from the certificate, and refuses one of another lattice, whoever signed it.
//!
//! A host that was revoked may have a certificate that is still good. So whoever has an identity also knows the names of those hosts, takes
//! nothing from them and sends them nothing. A name is given once, so it means one host for ever.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Deserialize;
use tokio::sync::watch;
use webpki::EndEntityCert;

use crate::error::HostError;

/// What the names of all hosts end with.
const DOMAIN: &str = "wisp.internal";
/// Hosts speak nothing else to each other.
pub(super) const PROTOCOL: &[u8] = b"h2";

/// Where the files of an identity are, and whose it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// The name of the host.
    pub host: String,
    /// The name of the lattice.
    pub lattice: String,
    /// Told apart from the identities before it: new connections use the newest.
    pub generation: u64,
    /// The certificates of the lattice's authority.
    pub ca: PathBuf,
    /// The host's certificate, with what is between it and the authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The names of hosts that were revoked.
    #[serde(default)]
    pub revoked: HashSet<String>,
}

/// The certificate of a host, ready to be used on both ends.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) generation: u64,
    host: String,
    lattice: String,
    revoked: HashSet<String>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Identity {
    /// Reads the files; a certificate of somebody else is refused now, not by the first host that sees it.
    pub fn read(settings: &IdentitySettings) -> Result<Self, HostError> {
        let roots = roots(&settings.ca)?;
        let chain = certificates(&settings.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&settings.key)
            .map_err(|error| unreadable(&settings.key, &error))?;
        let (host, lattice) = (settings.host.clone(), settings.lattice.clone());
        if caller(&chain, &lattice).as_deref() != Some(host.as_str()) {
            return Err(HostError::Tls(format!(
                "{} is not the certificate of {}",
                settings.certificate.display(),
                name(&host, &lattice)
            )));
        }
        let refused = |error: &dyn std::fmt::Display| HostError::Tls(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .build()
            .map_err(|error| refused(&error))?;
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| refused(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| refused(&error))?;
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| refused(&error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| refused(&error))?;
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self {
            generation: settings.generation,
            host,
            lattice,
            revoked: settings.revoked.clone(),
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }

    /// The name of this host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How connections of other hosts are accepted.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// How connections to other hosts are made.
    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// The name that the certificate of another host must have.
    pub(super) fn name_of(&self, host: &str) -> Option<ServerName<'static>> {
        ServerName::try_from(name(host, &self.lattice)).ok()
    }

    /// The host that has shown these certificates, if it is one of this lattice. They have been verified.
    pub(super) fn caller(&self, chain: &[CertificateDer<'_>]) -> Option<String> {
        caller(chain, &self.lattice)
    }

    /// Why there is nothing to do with a host, if it was revoked.
    pub(super) fn admits(&self, host: &str) -> Result<(), String> {
        if self.revoked.contains(host) {
            return Err(format!("{host} was revoked"));
        }
        Ok(())
    }
}

fn name(host: &str, lattice: &str) -> String {
    format!("{host}.{lattice}.{DOMAIN}")
}

fn caller(chain: &[CertificateDer<'_>], lattice: &str) -> Option<String> {
    let certificate = EndEntityCert::try_from(chain.first()?).ok()?;
    let rest = format!(".{lattice}.{DOMAIN}");
    certificate
        .valid_dns_names()
        .filter_map(|name| name.strip_suffix(&rest))
        .find(|host| !host.is_empty() && !host.contains(['.', '*']))
        .map(str::to_owned)
}

fn unreadable(path: &Path, error: &rustls::pki_types::pem::Error) -> HostError {
    HostError::Tls(format!("{} cannot be read: {error}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, HostError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, &error))?;
    if found.is_empty() {
        return Err(HostError::Tls(format!(
            "{} has no certificate",
            path.display()
        )));
    }
    Ok(found)
}

fn roots(path: &Path) -> Result<Arc<RootCertStore>, HostError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store
            .add(certificate)
            .map_err(|error| HostError::Tls(format!("{}: {error}", path.display())))?;
    }
    Ok(Arc::new(store))
}

/// The identity of this moment. Clones share it.
#[derive(Clone, Debug)]
pub struct Identities(Arc<watch::Sender<Arc<Identity>>>);

impl Identities {
    /// Begins with this one.
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(watch::Sender::new(Arc::new(identity))))
    }

    /// The newest.
    pub fn current(&self) -> Arc<Identity> {
        self.0.borrow().clone()
    }

    /// From now on new connections use this one; those that are there go on, but for those of hosts that were revoked.
    pub fn replace(&self, identity: Identity) {
        self.0.send_replace(Arc::new(identity));
    }

    /// Waits until a host was revoked.
    pub(super) async fn revoked(&self, host: &str) {
        let mut identities = self.0.subscribe();
        // The sender lives in `self`, so that this can only end by the name.
        let _ = identities
            .wait_for(|identity| identity.admits(host).is_err())
            .await;
    }
}
