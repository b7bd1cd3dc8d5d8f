//! A service of WASI 0.3 that calls a library: bodies go through its streams as they are.
//!
//! The last segment of the path chooses the function.

mod bindings {
    wit_bindgen::generate!({ world: "user", path: "wit" });
}

use bindings::test::filter::filter;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::StreamReader;
use wasip3::wit_future;

wasip3::http::service::export!(Guest);

struct Guest;

fn body(request: Request) -> StreamReader<u8> {
    let (_result, result_reader) = wit_future::new(|| Ok(()));
    Request::consume_body(request, result_reader).0
}

fn answer(body: StreamReader<u8>) -> Response {
    let (_trailers, trailers_reader) = wit_future::new(|| Ok(None));
    Response::new(Fields::new(), Some(body), trailers_reader).0
}

impl wasip3::exports::http::handler::Guest for Guest {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        Ok(match target.rsplit('/').next().unwrap_or_default() {
            "upper" => answer(filter::upper(body(request)).await),
            "fail" => answer(filter::fail().await),
            _ => {
                let text = filter::measure(body(request)).await.await;
                let (mut writer, reader) = wasip3::wit_stream::new();
                wasip3::wit_bindgen::spawn_local(async move {
                    writer.write_all(text.into_bytes()).await;
                });
                answer(reader)
            }
        })
    }
}
