//! Requests, sockets and lookups to the outside, as the body of the request asks for them in JSON.

use serde_json::{Value, json};
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, RequestOptions, Response, Scheme};
use wasip3::sockets::ip_name_lookup::resolve_addresses;
use wasip3::sockets::types::{
    IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::{wit_future, wit_stream};

/// Sends one request: `method`, `scheme`, `authority`, `path`, `headers`, and times in milliseconds.
///
/// Gives `status`, `headers` and `body`; `error` with the code, or `refused` with what could not even be set.
pub async fn send(asked: &Value) -> Value {
    match request(asked) {
        Err(what) => json!({ "refused": what }),
        Ok(request) => match exchange(request).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error:?}") }),
        },
    }
}

fn text<'a>(asked: &'a Value, name: &str) -> Option<&'a str> {
    asked.get(name).and_then(Value::as_str)
}

fn request(asked: &Value) -> Result<Request, &'static str> {
    let headers = Fields::new();
    for pair in asked["headers"].as_array().into_iter().flatten() {
        let (name, value) = (pair[0].as_str(), pair[1].as_str());
        let (name, value) = (name.expect("a name"), value.expect("a value"));
        headers
            .append(name, value.as_bytes())
            .map_err(|_| "header")?;
    }
    let options = RequestOptions::new();
    let time = |name: &str| asked[name].as_u64().map(|time| time * 1_000_000);
    options.set_connect_timeout(time("connect")).expect("a time");
    options
        .set_first_byte_timeout(time("first_byte"))
        .expect("a time");
    options
        .set_between_bytes_timeout(time("between_bytes"))
        .expect("a time");
    let (_trailers, trailers) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(headers, None, trailers, Some(options));
    let method = match text(asked, "method") {
        None | Some("GET") => Method::Get,
        Some(other) => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "method")?;
    let scheme = match text(asked, "scheme") {
        None | Some("http") => Scheme::Http,
        Some("https") => Scheme::Https,
        Some(other) => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    request
        .set_authority(text(asked, "authority"))
        .map_err(|()| "authority")?;
    request
        .set_path_with_query(text(asked, "path"))
        .map_err(|()| "path")?;
    Ok(request)
}

async fn exchange(request: Request) -> Result<Value, ErrorCode> {
    let response = client::send(request).await?;
    let status = response.get_status_code();
    let headers: Vec<_> = response.get_headers().copy_all();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| json!([name, String::from_utf8_lossy(value)]))
        .collect();
    let (_result, result) = wit_future::new(|| Ok(()));
    let (body, trailers) = Response::consume_body(response, result);
    let body = body.collect().await;
    trailers.await?;
    let body = String::from_utf8_lossy(&body);
    Ok(json!({ "status": status, "headers": headers, "body": body }))
}

/// One use of a socket: `connect`, `datagram`, `lookup`, `listen` or `bind`, with an IPv4 address or a name.
pub async fn socket(asked: &Value) -> Value {
    let at = text(asked, "at").expect("an address");
    let done = match text(asked, "do") {
        Some("lookup") => look_up(at).await,
        Some("connect") => connect(address(at)).await,
        Some("datagram") => datagram(address(at)).await,
        Some("listen") => listen(address(at)),
        Some("bind") => bind(address(at)),
        other => panic!("{other:?}"),
    };
    match done {
        Ok(answer) => json!({ "answer": answer }),
        Err(error) => json!({ "error": error }),
    }
}

type Done = Result<String, String>;

fn shown(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

fn address(at: &str) -> IpSocketAddress {
    let address: std::net::SocketAddrV4 = at.parse().expect("an address");
    let [a, b, c, d] = address.ip().octets();
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: address.port(),
        address: (a, b, c, d),
    })
}

async fn look_up(name: &str) -> Done {
    let found = resolve_addresses(name.to_owned()).await.map_err(shown)?;
    let found = found.iter().map(|address| match *address {
        IpAddress::Ipv4((a, b, c, d)) => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
        IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => {
            std::net::Ipv6Addr::new(a, b, c, d, e, f, g, h).to_string()
        }
    });
    Ok(found.collect::<Vec<_>>().join(" "))
}

async fn connect(at: IpSocketAddress) -> Done {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(shown)?;
    socket.connect(at).await.map_err(shown)?;
    let (mut sender, data) = wit_stream::new();
    let sent = socket.send(data);
    let (answer, _received) = socket.receive();
    sender.write_all(b"ping".to_vec()).await;
    let answer = answer.collect().await;
    drop((sender, sent));
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

async fn datagram(at: IpSocketAddress) -> Done {
    let socket = UdpSocket::create(IpAddressFamily::Ipv4).map_err(shown)?;
    socket
        .send(b"ping".to_vec(), Some(at))
        .await
        .map_err(shown)?;
    let (answer, _) = socket.receive().await.map_err(shown)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn listen(at: IpSocketAddress) -> Done {
    let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(shown)?;
    socket.bind(at).map_err(shown)?;
    socket.listen().map_err(shown)?;
    Ok("listening".into())
}

fn bind(at: IpSocketAddress) -> Done {
    let socket = UdpSocket::create(IpAddressFamily::Ipv4).map_err(shown)?;
    socket.bind(at).map_err(shown)?;
    Ok("bound".into())
}
