//! What the trigger needs of whoever answers requests.

use http::{Request, Response};
use wasmtime_wasi_http::WasiBody;

use crate::pool::InvokeError;
use crate::telemetry::RequestId;

/// Answers requests in the name of one component.
pub trait Respond: Send + Sync + 'static {
    /// Answers one request; called once for each, many times at once.
    ///
    /// The URI of the request has scheme and authority. The caller drops the future, or the body of the response, when
    /// nobody waits for the answer any more. A response body that cannot be completed must end with an error.
    fn respond(
        &self,
        request: Request<WasiBody>,
        id: RequestId,
    ) -> impl Future<Output = Result<Response<WasiBody>, InvokeError>> + Send;

    /// Name of the app, for the log.
    fn app(&self) -> &str;

    /// Name of the component, for the log.
    fn component(&self) -> &str;

    /// Bytes that the body of a request may have.
    fn body_limit(&self) -> u64;

    /// Bytes that the head of a request may have.
    fn head_limit(&self) -> u64;

    /// Bytes that the body of a response may have.
    fn response_limit(&self) -> u64;
}
