//! Making sockets.

use std::future::ready;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network as network2;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::bindings::sockets::udp_create_socket::Host as _;
use wasmtime_wasi::p2::{TcpSocket as TcpSocket2, UdpSocket as UdpSocket2};
use wasmtime_wasi::p3::bindings::sockets::types as types3;
use wasmtime_wasi::sockets::{TcpSocket, UdpSocket, WasiSocketsCtx, WasiSocketsCtxView};
use wasmtime_wasi::{WasiCtx, WasiView};
use wisp_wasi::State;

use super::Sockets;
use crate::capability::Grantee;

/// Why no socket is made.
#[derive(Clone, Copy, Debug)]
enum NoSocket {
    Denied,
    TooMany,
}

/// Asks about the addresses of one socket, and lives as long as it.
struct Held {
    sockets: Arc<Sockets>,
    _permit: OwnedSemaphorePermit,
}

type Made2<T> = (Result<Resource<T>, network2::ErrorCode>,);
type Made3<T> = (Result<Resource<T>, types3::ErrorCode>,);

impl From<NoSocket> for network2::ErrorCode {
    fn from(error: NoSocket) -> Self {
        match error {
            NoSocket::Denied => Self::AccessDenied,
            NoSocket::TooMany => Self::NewSocketLimit,
        }
    }
}

impl From<NoSocket> for types3::ErrorCode {
    fn from(error: NoSocket) -> Self {
        match error {
            NoSocket::Denied => Self::AccessDenied,
            NoSocket::TooMany => Self::Other(Some("too many sockets".into())),
        }
    }
}

/// A context for one socket of an instance.
fn context(state: &mut State, scheme: &str) -> Result<WasiSocketsCtx, NoSocket> {
    let grantee = Grantee::of(state).ok_or(NoSocket::Denied)?;
    let sockets = grantee.sockets.clone();
    if !sockets.targets.has_scheme(scheme) {
        let grant = format!("sockets = [\"{scheme}://...:...\"]");
        grantee.deny(&format!("wasi:sockets/{scheme}"), "a socket", &grant);
        return Err(NoSocket::Denied);
    }
    let too_many = |what: &str| {
        sockets.deny(scheme, what, "");
        NoSocket::TooMany
    };
    if state.begin_outbound() > sockets.calls {
        return Err(too_many(super::TOO_MANY));
    }
    let permit = sockets
        .permits
        .clone()
        .try_acquire_owned()
        .map_err(|_| too_many("more sockets at once (limits.connections)"))?;
    let held = Arc::new(Held {
        sockets,
        _permit: permit,
    });
    let mut builder = WasiCtx::builder();
    builder.allow_tcp(true).allow_udp(true);
    builder.socket_addr_check(move |address, usage| {
        if let Some(decision) = held.sockets.decide(address, usage) {
            return Box::pin(ready(decision));
        }
        let held = held.clone();
        // A task of its own, because what asks wants a future that threads could share.
        let asked = tokio::spawn(async move { held.sockets.may(address, usage).await });
        Box::pin(async move { asked.await.unwrap_or(false) })
    });
    Ok(builder.build().sockets().clone())
}

/// Another version of these interfaces comes with another Wasmtime only; a test looks.
pub(super) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    linker
        .instance("wasi:sockets/tcp-create-socket@0.2.12")?
        .func_wrap("create-tcp-socket", tcp2)?;
    linker
        .instance("wasi:sockets/udp-create-socket@0.2.12")?
        .func_wrap_async("create-udp-socket", |store, parameters| {
            Box::new(udp2(store, parameters))
        })?;
    if concurrent {
        let mut types = linker.instance("wasi:sockets/types@0.3.0")?;
        types.func_wrap("[static]tcp-socket.create", tcp3)?;
        types.func_wrap_async("[static]udp-socket.create", |store, parameters| {
            Box::new(udp3(store, parameters))
        })?;
    }
    Ok(())
}

fn tcp2(
    mut store: StoreContextMut<'_, State>,
    (family,): (network2::IpAddressFamily,),
) -> wasmtime::Result<Made2<TcpSocket2>> {
    let state = store.data_mut();
    let mut ctx = match context(state, "tcp") {
        Ok(ctx) => ctx,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let table = state.ctx().table;
    let made = WasiSocketsCtxView {
        ctx: &mut ctx,
        table,
    }
    .create_tcp_socket(family);
    Ok((match made {
        Ok(socket) => Ok(socket),
        Err(error) => Err(error.downcast()?),
    },))
}

async fn udp2(
    mut store: StoreContextMut<'_, State>,
    (family,): (network2::IpAddressFamily,),
) -> wasmtime::Result<Made2<UdpSocket2>> {
    let state = store.data_mut();
    let mut ctx = match context(state, "udp") {
        Ok(ctx) => ctx,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let table = state.ctx().table;
    let mut view = WasiSocketsCtxView {
        ctx: &mut ctx,
        table,
    };
    Ok((match view.create_udp_socket(family).await {
        Ok(socket) => Ok(socket),
        Err(error) => Err(error.downcast()?),
    },))
}

fn tcp3(
    mut store: StoreContextMut<'_, State>,
    (family,): (types3::IpAddressFamily,),
) -> wasmtime::Result<Made3<TcpSocket>> {
    let state = store.data_mut();
    let mut ctx = match context(state, "tcp") {
        Ok(ctx) => ctx,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let table = state.ctx().table;
    let mut view = WasiSocketsCtxView {
        ctx: &mut ctx,
        table,
    };
    let made = types3::HostTcpSocket::create(&mut view, family);
    Ok((match made {
        Ok(socket) => Ok(socket),
        Err(error) => Err(error.downcast()?),
    },))
}

async fn udp3(
    mut store: StoreContextMut<'_, State>,
    (family,): (types3::IpAddressFamily,),
) -> wasmtime::Result<Made3<UdpSocket>> {
    let state = store.data_mut();
    let mut ctx = match context(state, "udp") {
        Ok(ctx) => ctx,
        Err(error) => return Ok((Err(error.into()),)),
    };
    let table = state.ctx().table;
    let mut view = WasiSocketsCtxView {
        ctx: &mut ctx,
        table,
    };
    let made = types3::HostUdpSocket::create(&mut view, family).await;
    Ok((match made {
        Ok(socket) => Ok(socket),
        Err(error) => Err(error.downcast()?),
    },))
}
