//! Sockets and lookups, as the body of the request asks for them in JSON.
//!
//! With the interfaces themselves: the C library that builds the tests' guests may have no sockets.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::{Value, json};
use wasip2::io::streams::{InputStream, OutputStream};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup;
use wasip2::sockets::network::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress,
};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp::{OutgoingDatagram, UdpSocket};
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::outside::text;

type Done = Result<String, ErrorCode>;

/// One use of a socket: `connect`, `datagram`, `lookup`, `listen` or `bind`, with an address, or a name.
pub fn socket(asked: &Value) -> Value {
    let at = text(asked, "at").expect("an address");
    let done = match text(asked, "do") {
        Some("lookup") => look_up(at),
        Some("connect") => connect(address(at)),
        Some("datagram") => datagram(address(at)),
        Some("listen") => listen(address(at)),
        Some("bind") => bind(address(at)),
        other => panic!("{other:?}"),
    };
    match done {
        Ok(answer) => json!({ "answer": answer }),
        Err(error) => json!({ "error": error.name() }),
    }
}

/// Holds so many connections, and says how many there could be.
pub fn sockets(asked: &Value) -> Value {
    let at = address(text(asked, "at").expect("an address"));
    let wanted = asked["count"].as_u64().expect("a number");
    let mut held = Vec::new();
    for _ in 0..wanted {
        match open(at) {
            Ok(connection) => held.push(connection),
            Err(error) => return json!({ "held": held.len(), "error": error.name() }),
        }
    }
    json!({ "held": held.len() })
}

fn address(at: &str) -> IpSocketAddress {
    match at.parse().expect("an address") {
        SocketAddr::V4(address) => {
            let [a, b, c, d] = address.ip().octets();
            IpSocketAddress::Ipv4(Ipv4SocketAddress {
                port: address.port(),
                address: (a, b, c, d),
            })
        }
        SocketAddr::V6(address) => {
            let [a, b, c, d, e, f, g, h] = address.ip().segments();
            IpSocketAddress::Ipv6(Ipv6SocketAddress {
                port: address.port(),
                flow_info: 0,
                address: (a, b, c, d, e, f, g, h),
                scope_id: 0,
            })
        }
    }
}

fn family(at: IpSocketAddress) -> IpAddressFamily {
    match at {
        IpSocketAddress::Ipv4(_) => IpAddressFamily::Ipv4,
        IpSocketAddress::Ipv6(_) => IpAddressFamily::Ipv6,
    }
}

/// Any address of the same family, at a port that the system chooses.
fn any(at: IpSocketAddress) -> IpSocketAddress {
    address(match at {
        IpSocketAddress::Ipv4(_) => "0.0.0.0:0",
        IpSocketAddress::Ipv6(_) => "[::]:0",
    })
}

fn look_up(name: &str) -> Done {
    let found = ip_name_lookup::resolve_addresses(&instance_network(), name)?;
    let mut addresses = Vec::new();
    loop {
        match found.resolve_next_address() {
            Ok(Some(IpAddress::Ipv4((a, b, c, d)))) => {
                addresses.push(Ipv4Addr::new(a, b, c, d).to_string());
            }
            Ok(Some(IpAddress::Ipv6((a, b, c, d, e, f, g, h)))) => {
                addresses.push(Ipv6Addr::new(a, b, c, d, e, f, g, h).to_string());
            }
            Ok(None) => return Ok(addresses.join(" ")),
            Err(ErrorCode::WouldBlock) => found.subscribe().block(),
            Err(error) => return Err(error),
        }
    }
}

/// A connection, with its streams, which are dropped before it.
struct Connection {
    input: InputStream,
    output: OutputStream,
    _socket: TcpSocket,
}

fn open(at: IpSocketAddress) -> Result<Connection, ErrorCode> {
    let socket = create_tcp_socket(family(at))?;
    socket.start_connect(&instance_network(), at)?;
    loop {
        match socket.finish_connect() {
            Ok((input, output)) => {
                return Ok(Connection {
                    input,
                    output,
                    _socket: socket,
                });
            }
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(error) => return Err(error),
        }
    }
}

fn connect(at: IpSocketAddress) -> Done {
    let mut connection = open(at)?;
    let mut answer = String::new();
    connection.output.write_all(b"ping").expect("it is read");
    connection
        .input
        .read_to_string(&mut answer)
        .expect("it is written");
    Ok(answer)
}

fn bound(at: IpSocketAddress) -> Result<UdpSocket, ErrorCode> {
    let socket = create_udp_socket(family(at))?;
    socket.start_bind(&instance_network(), at)?;
    loop {
        match socket.finish_bind() {
            Ok(()) => return Ok(socket),
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Err(error) => return Err(error),
        }
    }
}

fn datagram(at: IpSocketAddress) -> Done {
    let socket = bound(any(at))?;
    let (incoming, outgoing) = socket.stream(None)?;
    // What is wrong with one datagram may be said when the next is sent.
    for _ in 0..2 {
        while outgoing.check_send()? == 0 {
            outgoing.subscribe().block();
        }
        outgoing.send(&[OutgoingDatagram {
            data: b"ping".to_vec(),
            remote_address: Some(at),
        }])?;
        outgoing.subscribe().block();
    }
    loop {
        if let Some(answer) = incoming.receive(1)?.pop() {
            return Ok(String::from_utf8_lossy(&answer.data).into_owned());
        }
        incoming.subscribe().block();
    }
}

fn listen(at: IpSocketAddress) -> Done {
    let socket = create_tcp_socket(family(at))?;
    socket.start_bind(&instance_network(), at)?;
    socket.finish_bind()?;
    socket.start_listen()?;
    socket.finish_listen()?;
    Ok("listening".to_owned())
}

fn bind(at: IpSocketAddress) -> Done {
    bound(at).map(|_| "bound".to_owned())
}
