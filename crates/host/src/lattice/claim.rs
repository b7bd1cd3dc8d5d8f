//! Routes taken apart, so that those of two versions of an app can be compared.

use super::table::RouteSettings;
use crate::locked::Convention;

/// The requests that a route claims: of one method and of one host, where it has some.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) route: String,
    pub(super) method: Option<String>,
    pub(super) host: Option<String>,
    pub(super) convention: Convention,
}

impl Claim {
    pub(super) fn all(told: &RouteSettings) -> Vec<Self> {
        let each = |texts: &[String]| match texts {
            [] => vec![None],
            texts => texts.iter().cloned().map(Some).collect(),
        };
        let mut claims = Vec::new();
        for method in each(&told.methods) {
            for host in each(&told.hosts) {
                claims.push(Self {
                    route: told.route.clone(),
                    method: method.clone(),
                    host,
                    convention: told.convention,
                });
            }
        }
        claims
    }

    /// What is the same for two claims of the same requests: a parameter may have any name.
    pub(super) fn key(&self) -> (String, Option<String>, Option<String>) {
        let segment = |segment: &str| match segment.strip_prefix(':') {
            Some(_) => ":".to_owned(),
            None => segment.to_owned(),
        };
        let segments: Vec<_> = self.route.split('/').map(segment).collect();
        let mut shape = segments.join("/");
        if self.convention == Convention::Spin && shape.len() > 1 && shape.ends_with('/') {
            shape.pop();
        }
        let method = self.method.as_ref().map(|text| text.to_ascii_uppercase());
        let host = self.host.as_ref().map(|text| text.to_ascii_lowercase());
        (shape, method, host)
    }
}
