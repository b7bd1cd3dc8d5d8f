//! From names to addresses.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;

/// The addresses of a name, at some time.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Tells the addresses of names.
pub trait Resolver: Send + Sync + std::fmt::Debug {
    /// Called for each new connection to a name; not called for addresses.
    fn resolve(&self, name: &str) -> Resolving;
}

/// What the system resolves with: its hosts file, its servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, name: &str) -> Resolving {
        let name = name.to_owned();
        Box::pin(async move {
            // On a blocking thread, by tokio.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}
