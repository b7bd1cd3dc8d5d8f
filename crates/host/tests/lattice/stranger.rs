//! Somebody who trusts a host, and shows it a certificate or none.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wisp_host::lattice::{KIND, Kind};

use crate::support::{pem, text};

fn config(file: Option<&str>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match file {
        Some(file) => {
            let chain = vec![CertificateDer::from_pem_file(pem(&format!("{file}.pem"))).unwrap()];
            let key = PrivateKeyDer::from_pem_file(pem(&format!("{file}.key"))).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Asks a host for something, with the certificate of this file.
pub(crate) async fn asks(
    address: SocketAddr,
    host: &str,
    file: Option<&str>,
) -> Result<StatusCode, Box<dyn std::error::Error>> {
    let name = ServerName::try_from(format!("{host}.test.wisp.internal"))?;
    let socket = TcpStream::connect(address).await?;
    let socket = TlsConnector::from(Arc::new(config(file)))
        .connect(name, socket)
        .await?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await?;
    let driving = tokio::spawn(connection);
    let request = Request::get("https://shop.example/")
        .header(KIND, Kind::Request.value())
        .body(text(""))?;
    let status = sender.send_request(request).await?.status();
    driving.abort();
    Ok(status)
}
