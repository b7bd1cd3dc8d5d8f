//! Objects of the embedder that a guest has handles of: what a resource of the host is.
//!
//! A guest knows such a resource by a number, which Wasmtime keeps behind the guest's handle and hands back. The table of an
//! instance says which object a number is. Owned handles keep their object in it; a borrowed one has it there for the time of
//! one call. Calls pass [`Value::Given`] on our side and handles on the guest's: [`Objects::received`] and
//! [`Objects::exchanged`] make one of the other, at the edge of a call, where there is a store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::AsContextMut;
use wasmtime::component::{ResourceAny, ResourceDynamic, ResourceType};
use wisp_wasi::Companion;

use super::component::Imports;
use super::world::TypeIndex;
use crate::value::{Given, Value};

/// Objects that the guests of one instance may hold; each takes memory that no limit of the guest counts.
const MOST_OBJECTS: usize = 100_000;

/// The type that Wasmtime knows a resource by.
pub(super) fn resource_type(resource: TypeIndex) -> ResourceType {
    ResourceType::host_dynamic(number_of(resource))
}

fn number_of(resource: TypeIndex) -> u32 {
    u32::try_from(resource).unwrap_or(u32::MAX)
}

/// The objects of one instance.
#[derive(Debug)]
pub(super) struct Objects {
    imports: Arc<dyn Imports>,
    resources: Arc<[TypeIndex]>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    objects: HashMap<u32, Given>,
    next: u32,
}

impl Table {
    fn put(&mut self, object: Given) -> wasmtime::Result<u32> {
        if self.objects.len() >= MOST_OBJECTS {
            return Err(wasmtime::Error::msg(
                "the guest holds too many resources of the host",
            ));
        }
        while self.objects.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.objects.insert(number, object);
        Ok(number)
    }
}

impl Objects {
    pub(super) fn new(imports: Arc<dyn Imports>, resources: Arc<[TypeIndex]>) -> Self {
        Self {
            imports,
            resources,
            table: Mutex::default(),
        }
    }

    /// Those of the instance that has this companion.
    pub(super) fn of(companion: Option<Companion>) -> wasmtime::Result<Arc<Self>> {
        companion
            .and_then(|companion| companion.downcast().ok())
            .ok_or_else(|| wasmtime::Error::msg("the instance has no embedder"))
    }

    pub(super) fn imports(&self) -> &dyn Imports {
        &*self.imports
    }

    /// Whether this component has any; most have none.
    pub(super) fn exist(&self) -> bool {
        !self.resources.is_empty()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest has dropped its last handle.
    pub(super) fn dropped(&self, number: u32) {
        let object = self.table().objects.remove(&number);
        if let Some(object) = object {
            self.imports.dropped(object);
        }
    }

    /// Handles that a guest passed become objects.
    pub(super) fn received(
        &self,
        mut store: impl AsContextMut,
        values: &mut [Value],
    ) -> wasmtime::Result<()> {
        if !self.exist() {
            return Ok(());
        }
        every(values, &mut |value| {
            if let Value::Resource(handle) = value
                && let Some(object) = self.object(&mut store, *handle)?
            {
                *value = Value::Given(object);
            }
            Ok(())
        })
    }

    fn object(
        &self,
        store: impl AsContextMut,
        handle: ResourceAny,
    ) -> wasmtime::Result<Option<Given>> {
        let mut resources = self.resources.iter();
        if !resources.any(|resource| resource_type(*resource) == handle.ty()) {
            return Ok(None);
        }
        let owned = handle.owned();
        let number = handle.try_into_resource_dynamic(store)?.rep();
        let mut table = self.table();
        let found = if owned {
            table.objects.remove(&number)
        } else {
            table.objects.get(&number).cloned()
        };
        found
            .map(Some)
            .ok_or_else(|| wasmtime::Error::msg("the guest passed a handle of nothing"))
    }

    /// Objects become handles; what is only lent is to be taken back when the call has ended.
    pub(super) fn exchanged(
        &self,
        mut store: impl AsContextMut,
        values: &mut [Value],
    ) -> wasmtime::Result<Vec<ResourceAny>> {
        let mut lent = Vec::new();
        if !self.exist() {
            return Ok(lent);
        }
        every(values, &mut |value| {
            let Value::Given(object) = value else {
                return Ok(());
            };
            let (ty, owned) = (number_of(object.ty), object.owned);
            let number = self.table().put(object.clone())?;
            let handle = ResourceDynamic::new_own(number, ty).try_into_resource_any(&mut store)?;
            if !owned {
                lent.push(handle);
            }
            *value = Value::Resource(handle);
            Ok(())
        })?;
        Ok(lent)
    }

    /// Takes back what was lent.
    pub(super) fn take_back(
        &self,
        mut store: impl AsContextMut,
        lent: Vec<ResourceAny>,
    ) -> wasmtime::Result<()> {
        for handle in lent {
            let number = handle.try_into_resource_dynamic(&mut store)?.rep();
            self.table().objects.remove(&number);
        }
        Ok(())
    }
}

impl Drop for Objects {
    /// The instance has ended, and all handles with it.
    fn drop(&mut self) {
        let table = std::mem::take(&mut *self.table());
        for object in table.objects.into_values() {
            self.imports.dropped(object);
        }
    }
}

/// Shows every value that is not made of others.
fn every(
    values: &mut [Value],
    change: &mut dyn FnMut(&mut Value) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    for value in values {
        match value {
            Value::List(parts) | Value::Record(parts) | Value::Tuple(parts) => {
                every(parts, change)?;
            }
            Value::Variant {
                payload: Some(part),
                ..
            }
            | Value::Option(Some(part))
            | Value::Result(Ok(Some(part)) | Err(Some(part))) => {
                every(std::slice::from_mut(&mut **part), change)?;
            }
            value => change(value)?,
        }
    }
    Ok(())
}
