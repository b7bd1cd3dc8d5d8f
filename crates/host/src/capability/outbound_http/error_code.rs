//! Tells guests of `wasi:http` 0.2 why a body broke off.
//!
//! There, the error of a stream is a resource, and `http-error-code` says what it means. Wasmtime knows that of errors of its own
//! making only; those of bodies that a host provides, ours among them, would be nothing but text.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi_http::Error as HttpError;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, TlsAlertReceivedPayload};
use wisp_wasi::State;

/// Shadows `http-error-code`, in a linker that allows it.
///
/// Another version of the interface comes with another Wasmtime only; a test looks.
pub(in crate::capability) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance("wasi:http/types@0.2.12")?.func_wrap(
        "http-error-code",
        |mut store: StoreContextMut<'_, State>, (error,): (Resource<wasmtime::Error>,)| {
            let error = store.data_mut().ctx().table.get(&error)?;
            let code = error.downcast_ref::<ErrorCode>().cloned();
            Ok((code.or_else(|| error.downcast_ref().and_then(code_of)),))
        },
    )
}

/// The code of an error that a body may end with.
fn code_of(error: &HttpError) -> Option<ErrorCode> {
    Some(match error {
        HttpError::ConnectionReadTimeout => ErrorCode::ConnectionReadTimeout,
        HttpError::ConnectionTerminated => ErrorCode::ConnectionTerminated,
        HttpError::HttpProtocolError => ErrorCode::HttpProtocolError,
        HttpError::HttpRequestBodySize(size) => ErrorCode::HttpRequestBodySize(*size),
        HttpError::HttpResponseBodySize(size) => ErrorCode::HttpResponseBodySize(*size),
        HttpError::HttpResponseIncomplete => ErrorCode::HttpResponseIncomplete,
        HttpError::HttpResponseTimeout => ErrorCode::HttpResponseTimeout,
        HttpError::TlsAlertReceived {
            alert_id,
            alert_message,
        } => ErrorCode::TlsAlertReceived(TlsAlertReceivedPayload {
            alert_id: *alert_id,
            alert_message: alert_message.clone(),
        }),
        HttpError::TlsProtocolError => ErrorCode::TlsProtocolError,
        _ => return None,
    })
}
