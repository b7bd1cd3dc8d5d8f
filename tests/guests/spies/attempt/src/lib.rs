//! What a guest may try: each is one way to something outside of it.

use std::fmt::Display;
use std::net::SocketAddrV4;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{Fields, OutgoingRequest, Scheme};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

mod bindings {
    wit_bindgen::generate!({
        path: "../../../../wit/capabilities",
        inline: "
            package test:attempt;

            world attempt {
                import wasi:keyvalue/store@0.2.0-draft2;
                import wasi:config/store@0.2.0-rc.1;
                import wasi:logging/logging@0.1.0-draft;
            }
        ",
        world: "test:attempt/attempt",
        generate_all,
    });
}

use bindings::wasi::config0_2_0_rc_1::store as config;
use bindings::wasi::keyvalue::store as keyvalue;
use bindings::wasi::logging::logging::{Level, log};

/// Tries it, and says what came of it: what was got, or `nothing` and why.
pub fn attempt(what: &str, place: &str) -> String {
    match what {
        "environment" => match std::env::var(place) {
            Ok(value) => format!("got {value}"),
            Err(error) => nothing(error),
        },
        "list" => {
            said(std::fs::read_dir(place).map(|entries| format!("{} entries", entries.count())))
        }
        "read" => said(std::fs::read_to_string(place)),
        "write" => said(std::fs::write(place, "written").map(|()| "a file")),
        "connect" => said(connect(place).map(|()| "a connection")),
        "resolve" => said(resolve(place).map(|()| "an address")),
        "open" => match keyvalue::open(place) {
            Ok(_) => "got a store".to_owned(),
            Err(error) => nothing(format!("{error:?}")),
        },
        "configured" => match config::get(place) {
            Ok(value) => value.map_or_else(|| nothing("no value"), |value| format!("got {value}")),
            Err(error) => nothing(format!("{error:?}")),
        },
        "log" => {
            log(Level::Info, "attempt", place);
            "got a line".to_owned()
        }
        "fetch" => fetch(place).map_or_else(nothing, |status| format!("got {status}")),
        _ => format!("there is no way `{what}`"),
    }
}

fn said<T: Display, E: Display>(result: Result<T, E>) -> String {
    result.map_or_else(nothing, |value| format!("got {value}"))
}

fn nothing(error: impl Display) -> String {
    format!("nothing: {error}")
}

fn connect(place: &str) -> Result<(), ErrorCode> {
    let address: SocketAddrV4 = place.parse().map_err(|_| ErrorCode::InvalidArgument)?;
    let [a, b, c, d] = address.ip().octets();
    let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port: address.port(),
        address: (a, b, c, d),
    });
    let socket = create_tcp_socket(IpAddressFamily::Ipv4)?;
    socket.start_connect(&instance_network(), remote)?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            done => return done.map(|_| ()),
        }
    }
}

/// Looks a name up, to the first address; whether that is allowed may only be said then.
fn resolve(name: &str) -> Result<(), ErrorCode> {
    let addresses = resolve_addresses(&instance_network(), name)?;
    loop {
        match addresses.resolve_next_address() {
            Err(ErrorCode::WouldBlock) => addresses.subscribe().block(),
            Ok(None) => return Err(ErrorCode::NameUnresolvable),
            done => return done.map(|_| ()),
        }
    }
}

/// Asks for `/` there; the status of the answer.
fn fetch(authority: &str) -> Result<u16, String> {
    let request = OutgoingRequest::new(Fields::new());
    let set = [
        request.set_scheme(Some(&Scheme::Http)),
        request.set_authority(Some(authority)),
        request.set_path_with_query(Some("/")),
    ];
    assert!(set.iter().all(Result::is_ok), "the request is well-formed");
    let pending = outgoing_handler::handle(request, None).map_err(|error| error.to_string())?;
    loop {
        match pending.get() {
            Some(Ok(Ok(response))) => return Ok(response.status()),
            Some(Ok(Err(error))) => return Err(error.to_string()),
            Some(Err(())) => return Err("it was got before".to_owned()),
            None => pending.subscribe().block(),
        }
    }
}
