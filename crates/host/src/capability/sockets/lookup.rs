//! Looking names up.

use std::net::IpAddr;
use std::pin::Pin;
use std::vec;

use wasmtime::StoreContextMut;
use wasmtime::component::{Accessor, Linker, Resource, ResourceType};
use wasmtime_wasi::p2::bindings::sockets::network as network2;
use wasmtime_wasi::p2::{DynPollable, Network, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup as lookup3;
use wasmtime_wasi::p3::bindings::sockets::types as types3;
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi::{WasiView, async_trait};
use wisp_wasi::State;

use super::NoLookup;
use crate::capability::Grantee;

type Found = Result<Vec<IpAddr>, NoLookup>;

/// Addresses that are being looked up, or were.
enum Addresses {
    Looking(AbortOnDropJoinHandle<Found>),
    Found(Result<vec::IntoIter<IpAddr>, NoLookup>),
}

#[async_trait]
impl Pollable for Addresses {
    async fn ready(&mut self) {
        if let Self::Looking(looking) = self {
            let found = Pin::new(looking).await;
            *self = Self::Found(found.map(Vec::into_iter));
        }
    }
}

impl From<NoLookup> for network2::ErrorCode {
    fn from(error: NoLookup) -> Self {
        match error {
            NoLookup::Denied => Self::AccessDenied,
            NoLookup::Malformed => Self::InvalidArgument,
            NoLookup::Unknown => Self::NameUnresolvable,
            NoLookup::TooMany | NoLookup::Late => Self::TemporaryResolverFailure,
        }
    }
}

impl From<NoLookup> for lookup3::ErrorCode {
    fn from(error: NoLookup) -> Self {
        match error {
            NoLookup::Denied => Self::AccessDenied,
            NoLookup::Malformed => Self::InvalidArgument,
            NoLookup::Unknown => Self::NameUnresolvable,
            NoLookup::TooMany | NoLookup::Late => Self::TemporaryResolverFailure,
        }
    }
}

/// A lookup for an instance, which needs nothing of it any more.
fn look_up(state: &mut State, name: String) -> impl Future<Output = Found> + Send + use<> {
    let (grantee, number) = (Grantee::of(state), state.begin_outbound());
    async move {
        let sockets = &grantee.as_ref().ok_or(NoLookup::Denied)?.sockets;
        if number > sockets.calls {
            sockets.deny("ip-name-lookup", super::TOO_MANY, "");
            return Err(NoLookup::TooMany);
        }
        sockets.look_up(&name).await
    }
}

/// Another version of these interfaces comes with another Wasmtime only; a test looks.
pub(super) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    let mut lookup = linker.instance("wasi:sockets/ip-name-lookup@0.2.12")?;
    lookup.resource(
        "resolve-address-stream",
        ResourceType::host::<Addresses>(),
        |mut store, rep| {
            let addresses = Resource::<Addresses>::new_own(rep);
            store.data_mut().ctx().table.delete(addresses)?;
            Ok(())
        },
    )?;
    lookup.func_wrap("resolve-addresses", begin)?;
    lookup.func_wrap("[method]resolve-address-stream.resolve-next-address", next)?;
    lookup.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store: StoreContextMut<'_, State>, (addresses,): (Resource<Addresses>,)| {
            let pollable: Resource<DynPollable> =
                subscribe(store.data_mut().ctx().table, addresses)?;
            Ok((pollable,))
        },
    )?;
    if concurrent {
        linker
            .instance("wasi:sockets/ip-name-lookup@0.3.0")?
            .func_wrap_concurrent("resolve-addresses", |accessor, parameters| {
                Box::pin(resolve(accessor, parameters))
            })?;
    }
    Ok(())
}

fn begin(
    mut store: StoreContextMut<'_, State>,
    (network, name): (Resource<Network>, String),
) -> wasmtime::Result<(Result<Resource<Addresses>, network2::ErrorCode>,)> {
    let state = store.data_mut();
    state.ctx().table.get(&network)?;
    let looking = look_up(state, name);
    let looking = Addresses::Looking(spawn(looking));
    Ok((Ok(state.ctx().table.push(looking)?),))
}

fn next(
    mut store: StoreContextMut<'_, State>,
    (addresses,): (Resource<Addresses>,),
) -> wasmtime::Result<(Result<Option<network2::IpAddress>, network2::ErrorCode>,)> {
    Ok((match store.data_mut().ctx().table.get_mut(&addresses)? {
        Addresses::Looking(_) => Err(network2::ErrorCode::WouldBlock),
        Addresses::Found(Ok(found)) => Ok(found.next().map(Into::into)),
        Addresses::Found(Err(error)) => Err((*error).into()),
    },))
}

async fn resolve(
    accessor: &Accessor<State>,
    (name,): (String,),
) -> wasmtime::Result<(Result<Vec<types3::IpAddress>, lookup3::ErrorCode>,)> {
    let looking = accessor.with(|mut store| look_up(store.data_mut(), name));
    let found = looking.await;
    Ok((found
        .map(|found| found.into_iter().map(Into::into).collect())
        .map_err(Into::into),))
}
