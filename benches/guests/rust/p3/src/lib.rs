//! "Hello, world!" through `wasi:http` 0.3.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::spawn_local;
use wasip3::{wit_future, wit_stream};

const GREETING: &[u8] = b"Hello, world!";

wasip3::http::service::export!(Guest);

struct Guest;

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let headers = Fields::new();
        headers
            .set("content-type", &[b"text/plain".to_vec()])
            .expect("a good field");
        headers
            .set("content-length", &[GREETING.len().to_string().into_bytes()])
            .expect("a good field");
        let (mut body, contents) = wit_stream::new();
        let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
        let (response, _sent) = Response::new(headers, Some(contents), trailers_reader);
        spawn_local(async move {
            body.write_all(GREETING.to_vec()).await;
            drop(body);
            let _ = trailers.write(Ok(None)).await;
        });
        Ok(response)
    }
}
