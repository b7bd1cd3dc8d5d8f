//! `wasi:config`: what the manifest says under `grants.config`, in the newest draft and in the one that Spin's guests import.
//!
//! Values may be secrets. They are given to the guest that they were granted to, and shown to nobody else.

use wasmtime::component::{HasSelf, Linker};
use wisp_wasi::State;

use super::{Grantee, quoted};

mod newest {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/config",
        imports: { default: trappable },
    });
}

mod of_spin {
    wasmtime::component::bindgen!({
        path: "../../wit/capabilities",
        world: "wisp:capabilities/config-of-spin",
        imports: { default: trappable },
    });
}

use newest::wasi::config0_2_0_rc_1::store as newest_store;
use of_spin::wasi::config0_2_0_draft_2024_09_27::store as store_of_spin;

const IMPORT: &str = "wasi:config/store";

pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    newest_store::add_to_linker::<State, HasSelf<State>>(linker, |state| state)?;
    store_of_spin::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// The value of a key, for a guest that asks through this interface.
///
/// One without a value is no denial: a guest may have a default for it. Who wants to know what a component asks for is told all the same.
pub(super) fn get(state: &State, import: &str, key: &str) -> Option<String> {
    let grantee = Grantee::of(state)?;
    let value = grantee.grants.config.get(key);
    if value.is_none() {
        let grant = format!("config = {{ {} = \"...\" }}", quoted(key));
        grantee.miss(import, key, &grant);
    }
    Some(value?.reveal().to_owned())
}

fn all(state: &State) -> Vec<(String, String)> {
    let Some(grantee) = Grantee::of(state) else {
        return Vec::new();
    };
    let values = grantee.grants.config.iter();
    values
        .map(|(key, value)| (key.clone(), value.reveal().to_owned()))
        .collect()
}

impl newest_store::Host for State {
    fn get(
        &mut self,
        key: String,
    ) -> wasmtime::Result<Result<Option<String>, newest_store::Error>> {
        Ok(Ok(get(self, IMPORT, &key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, newest_store::Error>> {
        Ok(Ok(all(self)))
    }
}

impl store_of_spin::Host for State {
    fn get(
        &mut self,
        key: String,
    ) -> wasmtime::Result<Result<Option<String>, store_of_spin::Error>> {
        Ok(Ok(get(self, IMPORT, &key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, store_of_spin::Error>> {
        Ok(Ok(all(self)))
    }
}
