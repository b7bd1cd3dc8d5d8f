//! What went wrong on the way to a server and back, in the words of `wasi:http`.

use std::error::Error as StdError;
use std::io;

use wasmtime_wasi_http::Error as HttpError;

/// A connection that could not be made.
pub(super) fn connecting(error: &io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => HttpError::ConnectionRefused,
        io::ErrorKind::TimedOut => HttpError::ConnectionTimeout,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            HttpError::DestinationIpUnroutable
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => {
            HttpError::ConnectionTerminated
        }
        _ => HttpError::DestinationUnavailable,
    }
}

/// A handshake of TLS that failed.
pub(super) fn shaking_hands(error: &io::Error) -> HttpError {
    if let Some(error) = of_tls(error) {
        return securing(&error);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted => HttpError::ConnectionTerminated,
        _ => HttpError::TlsProtocolError,
    }
}

/// An exchange that failed: the request, the head of the response, or its body.
pub(super) fn exchanging(error: &hyper::Error) -> HttpError {
    if let Some(error) = of_tls(error) {
        return securing(&error);
    }
    // The guest's own body broke off, and it was told why already.
    if error.is_user() {
        return HttpError::HttpProtocolError;
    }
    if error.is_parse_too_large() {
        return HttpError::HttpResponseHeaderSectionSize(None);
    }
    if error.is_incomplete_message() {
        return HttpError::HttpResponseIncomplete;
    }
    let broken = causes(error).any(<dyn std::error::Error>::is::<io::Error>);
    if error.is_closed() || error.is_canceled() || broken {
        return HttpError::ConnectionTerminated;
    }
    HttpError::HttpProtocolError
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// What TLS has against a peer, or a peer against us, anywhere below an error.
pub(super) fn of_tls(error: &(dyn StdError + 'static)) -> Option<rustls::Error> {
    causes(error).find_map(|cause| {
        let inside = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let inside = inside.and_then(|inside| inside.downcast_ref::<rustls::Error>());
        inside
            .or_else(|| cause.downcast_ref::<rustls::Error>())
            .cloned()
    })
}

/// An error of TLS, as guests know it.
pub(super) fn securing(error: &rustls::Error) -> HttpError {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            HttpError::TlsCertificateError
        }
        rustls::Error::AlertReceived(alert) => HttpError::TlsAlertReceived {
            alert_id: Some(u8::from(*alert)),
            alert_message: Some(format!("{alert:?}")),
        },
        _ => HttpError::TlsProtocolError,
    }
}
