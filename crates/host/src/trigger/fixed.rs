//! Answers that the manifest has, which need no component.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use wasmtime_wasi_http::WasiBody;

use super::respond::Respond;
use crate::locked::LockedResponse;
use crate::pool::{InvokeError, Pool};
use crate::telemetry::RequestId;

/// What logs and counters call the component that is not there; no component can have this name.
const NAME: &str = "(response)";

/// An answer that is always the same.
#[derive(Clone, Debug)]
pub(crate) struct Fixed {
    app: Arc<str>,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Fixed {
    /// Reads the answer, or says what in it cannot be sent.
    pub(crate) fn new(app: &str, response: &LockedResponse) -> Result<Self, String> {
        let status = StatusCode::from_u16(response.status)
            .map_err(|_| format!("the status {} does not exist", response.status))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &response.headers {
            let wrong = || format!("the header `{name}` cannot be sent");
            let name = HeaderName::try_from(name).map_err(|_| wrong())?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| wrong())?);
        }
        Ok(Self {
            app: app.into(),
            status,
            headers,
            body: response.body.clone().into(),
        })
    }

    /// The answer itself.
    pub(crate) fn response(&self) -> Response<WasiBody> {
        let body = Full::new(self.body.clone()).map_err(|never| match never {});
        let mut response = Response::new(body.boxed_unsync());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Who answers on a route.
#[derive(Debug)]
pub(crate) enum Target {
    /// A component.
    Component(Arc<Pool>),
    /// The manifest.
    Fixed(Box<Fixed>),
}

impl Respond for Target {
    async fn respond(
        &self,
        request: Request<WasiBody>,
        id: RequestId,
    ) -> Result<Response<WasiBody>, InvokeError> {
        match self {
            Self::Component(pool) => pool.handle(request, id).await,
            Self::Fixed(fixed) => Ok(fixed.response()),
        }
    }

    fn app(&self) -> &str {
        match self {
            Self::Component(pool) => pool.app(),
            Self::Fixed(fixed) => &fixed.app,
        }
    }

    fn component(&self) -> &str {
        match self {
            Self::Component(pool) => pool.component(),
            Self::Fixed(_) => NAME,
        }
    }

    fn body_limit(&self) -> u64 {
        match self {
            Self::Component(pool) => pool.limits().body,
            // Nobody reads it.
            Self::Fixed(_) => u64::MAX,
        }
    }

    fn head_limit(&self) -> u64 {
        match self {
            Self::Component(pool) => pool.limits().headers,
            Self::Fixed(_) => u64::MAX,
        }
    }

    fn response_limit(&self) -> u64 {
        match self {
            Self::Component(pool) => pool.limits().response,
            Self::Fixed(_) => u64::MAX,
        }
    }
}
