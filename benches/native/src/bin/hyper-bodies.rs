//! Bodies without a component: the same service as `benches/guests/rust/bodies`, in hyper alone, on one thread.
//!
//! `hyper-bodies PORT` answers `/up` with the length of the request's body, `/down` with ten million bytes, `/echo` with
//! what arrives while it arrives, and everything else with `Hello, world!`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

type Failure = Box<dyn std::error::Error>;
type Answer = Response<Either<Full<Bytes>, Either<Pieces, Incoming>>>;

const DOWN: usize = 10_000_000;
const PIECE: usize = 64 * 1024;
static PATTERN: [u8; PIECE] = [b'x'; PIECE];

/// What is left of a body of known length.
struct Pieces(usize);

impl Body for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let length = self.0.min(PIECE);
        self.0 -= length;
        let piece = Bytes::from_static(PATTERN.split_at(length).0);
        Poll::Ready((length > 0).then(|| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0 as u64)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let port: u16 = std::env::args()
        .nth(1)
        .ok_or("usage: hyper-bodies PORT")?
        .parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            // A client that goes away is no fault of this server.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    let body = match request.uri().path() {
        "/up" => Either::Left(up(request.into_body()).await),
        "/down" => Either::Right(Either::Left(Pieces(DOWN))),
        "/echo" => Either::Right(Either::Right(request.into_body())),
        _ => Either::Left(Bytes::from_static(b"Hello, world!").into()),
    };
    Ok(Response::new(body))
}

/// Reads a body to its end and gives its length; a client that breaks off does not read the answer.
async fn up(mut body: Incoming) -> Full<Bytes> {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    length.to_string().into()
}
