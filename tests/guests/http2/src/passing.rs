//! `/pass?http://orders.spin.internal/x`, or `/pass?/x` to nobody: asks that, and gives back status and body.
//!
//! To nobody is a request to an empty host with a port, as Spin's libraries send what has no host.

use std::io::Read;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};

/// The status and the body of the answer, or why there is none.
pub fn pass(url: &str) -> Result<(u16, Vec<u8>), String> {
    let headers = Fields::new();
    headers
        .append("spin-client-addr", b"6.6.6.6:6")
        .map_err(|error| format!("{error:?}"))?;
    let request = OutgoingRequest::new(headers);
    let path = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let scheme = if scheme == "https" {
                Scheme::Https
            } else {
                Scheme::Http
            };
            request
                .set_scheme(Some(&scheme))
                .map_err(|()| "the scheme")?;
            request.set_authority(Some(host)).map_err(|()| "the host")?;
            format!("/{path}")
        }
        None => {
            request.set_authority(Some(":80")).map_err(|()| "no host")?;
            url.to_owned()
        }
    };
    request
        .set_path_with_query(Some(&path))
        .map_err(|()| "the path")?;
    let future =
        outgoing_handler::handle(request, None).map_err(|error| format!("refused: {error:?}"))?;
    future.subscribe().block();
    let answer = future.get().ok_or("no answer")?.map_err(|()| "taken")?;
    read(&answer.map_err(|error| format!("refused: {error:?}"))?)
}

fn read(response: &IncomingResponse) -> Result<(u16, Vec<u8>), String> {
    let body = response.consume().map_err(|()| "the body")?;
    let mut stream = body.stream().map_err(|()| "the stream")?;
    let mut content = Vec::new();
    stream
        .read_to_end(&mut content)
        .map_err(|error| error.to_string())?;
    Ok((response.status(), content))
}
