//! Interfaces of Spin that need a server, or a model, that this host has no client for.
//!
//! A guest that imports one is linked and runs; what it calls answers with the interface's own error. A connection can never be
//! opened, so there is one answer to every function. A test compares the names here with the WIT.

use wasmtime::AsContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};
use wisp_wasi::State;

/// Something that is never made but by a constructor, which cannot fail.
#[derive(Debug)]
struct Nothing;

/// An interface and the one error that it answers with.
#[derive(Debug)]
struct Interface {
    name: &'static str,
    resources: &'static [&'static str],
    functions: &'static [&'static str],
    /// Those with `async`.
    asynchronous: &'static [&'static str],
    error: Error,
}

/// The case of an error type.
#[derive(Clone, Copy, Debug)]
enum Error {
    /// It has a text, which names what is lacking.
    Said(&'static str, &'static str),
    /// It says nothing.
    Case(&'static str),
}

const CONNECTION: &[&str] = &["connection"];
const REDIS: &[&str] = &[
    "[static]connection.open",
    "[method]connection.publish",
    "[method]connection.get",
    "[method]connection.set",
    "[method]connection.incr",
    "[method]connection.del",
    "[method]connection.sadd",
    "[method]connection.smembers",
    "[method]connection.srem",
    "[method]connection.execute",
];
const MQTT: &[&str] = &["[static]connection.open", "[method]connection.publish"];
const RELATIONAL: &[&str] = &[
    "[static]connection.open",
    "[method]connection.query",
    "[method]connection.execute",
];
const LLM: &[&str] = &["infer", "generate-embeddings"];
const NONE: &[&str] = &[];

const INTERFACES: &[Interface] = &[
    Interface {
        name: "fermyon:spin/llm@2.0.0",
        resources: NONE,
        functions: LLM,
        asynchronous: NONE,
        error: Error::Said("runtime-error", "language models"),
    },
    Interface {
        name: "fermyon:spin/mqtt@2.0.0",
        resources: CONNECTION,
        functions: MQTT,
        asynchronous: NONE,
        error: Error::Said("connection-failed", "MQTT"),
    },
    Interface {
        name: "fermyon:spin/mysql@2.0.0",
        resources: CONNECTION,
        functions: RELATIONAL,
        asynchronous: NONE,
        error: Error::Said("connection-failed", "MySQL"),
    },
    Interface {
        name: "fermyon:spin/postgres@2.0.0",
        resources: CONNECTION,
        functions: RELATIONAL,
        asynchronous: NONE,
        error: Error::Said("connection-failed", "PostgreSQL"),
    },
    Interface {
        name: "fermyon:spin/redis@2.0.0",
        resources: CONNECTION,
        functions: REDIS,
        asynchronous: NONE,
        error: Error::Said("other", "Redis"),
    },
    Interface {
        name: "fermyon:spin/http",
        resources: NONE,
        functions: &["send-request"],
        asynchronous: NONE,
        error: Error::Case("destination-not-allowed"),
    },
    Interface {
        name: "fermyon:spin/llm",
        resources: NONE,
        functions: LLM,
        asynchronous: NONE,
        error: Error::Said("runtime-error", "language models"),
    },
    Interface {
        name: "fermyon:spin/mysql",
        resources: NONE,
        functions: &["query", "execute"],
        asynchronous: NONE,
        error: Error::Said("connection-failed", "MySQL"),
    },
    Interface {
        name: "fermyon:spin/postgres",
        resources: NONE,
        functions: &["query", "execute"],
        asynchronous: NONE,
        error: Error::Said("connection-failed", "PostgreSQL"),
    },
    Interface {
        name: "fermyon:spin/redis",
        resources: NONE,
        functions: &[
            "publish", "get", "set", "incr", "del", "sadd", "smembers", "srem", "execute",
        ],
        asynchronous: NONE,
        error: Error::Case("error"),
    },
    Interface {
        name: "spin:mqtt/mqtt@3.0.0",
        resources: CONNECTION,
        functions: NONE,
        asynchronous: MQTT,
        error: Error::Said("connection-failed", "MQTT"),
    },
    Interface {
        name: "spin:mysql/mysql@3.0.0",
        resources: CONNECTION,
        functions: NONE,
        asynchronous: RELATIONAL,
        error: Error::Said("connection-failed", "MySQL"),
    },
    Interface {
        name: "spin:postgres/postgres@3.0.0",
        resources: CONNECTION,
        functions: RELATIONAL,
        asynchronous: NONE,
        error: Error::Said("connection-failed", "PostgreSQL"),
    },
    Interface {
        name: "spin:postgres/postgres@4.2.0",
        resources: &["connection", "connection-builder"],
        functions: &[
            "[constructor]connection-builder",
            "[method]connection-builder.set-ca-root",
            "[method]connection-builder.build",
            "[static]connection.open",
            "[method]connection.query",
            "[method]connection.execute",
        ],
        asynchronous: &[
            "[method]connection-builder.build-async",
            "[static]connection.open-async",
            "[method]connection.query-async",
            "[method]connection.execute-async",
        ],
        error: Error::Said("connection-failed", "PostgreSQL"),
    },
    Interface {
        name: "spin:redis/redis@3.0.0",
        resources: CONNECTION,
        functions: NONE,
        asynchronous: REDIS,
        error: Error::Said("other", "Redis"),
    },
];

impl Error {
    fn value(self) -> Val {
        match self {
            Self::Said(case, what) => {
                let told = format!("this host has no client for {what}");
                Val::Variant(case.into(), Some(Box::new(Val::String(told))))
            }
            Self::Case(case) => Val::Enum(case.into()),
        }
    }

    /// Writes the answer to a call.
    fn answer(self, results: &mut [Val]) {
        for result in results {
            *result = Val::Result(Err(Some(Box::new(self.value()))));
        }
    }
}

/// Lets go of the handles that a call lent, as each call must before it ends.
fn release(mut store: impl AsContextMut, parameters: &[Val]) -> wasmtime::Result<()> {
    for parameter in parameters {
        if let Val::Resource(handle) = parameter {
            handle.try_into_resource::<Nothing>(&mut store)?;
        }
    }
    Ok(())
}

pub(super) fn add_to_linker(linker: &mut Linker<State>, concurrent: bool) -> wasmtime::Result<()> {
    for interface in INTERFACES {
        let mut instance = linker.instance(interface.name)?;
        interface.add_to(&mut instance, concurrent)?;
    }
    Ok(())
}

impl Interface {
    fn add_to(
        &self,
        instance: &mut LinkerInstance<'_, State>,
        concurrent: bool,
    ) -> wasmtime::Result<()> {
        for resource in self.resources {
            instance.resource(resource, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
        }
        let error = self.error;
        for function in self.functions {
            if function.starts_with("[constructor]") {
                instance.func_new(function, |mut store, _, _, results| {
                    let nothing = Resource::<Nothing>::new_own(0);
                    let made = ResourceAny::try_from_resource(nothing, &mut store)?;
                    results.fill(Val::Resource(made));
                    Ok(())
                })?;
                continue;
            }
            instance.func_new(function, move |store, _, parameters, results| {
                error.answer(results);
                release(store, parameters)
            })?;
        }
        if !concurrent {
            return Ok(());
        }
        for function in self.asynchronous {
            instance.func_new_concurrent(function, move |accessor, _, parameters, results| {
                Box::pin(async move {
                    error.answer(results);
                    accessor.with(|access| release(access, parameters))
                })
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wit_parser::{Resolve, TypeDefKind, WorldItem};

    use super::*;

    type Names = BTreeSet<String>;

    /// Each interface with its resources, its functions, and those with `async`.
    fn read() -> Vec<(String, Names, Names, Names)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/spin");
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(folder).unwrap();
        let world = resolve.select_world(&[package], Some("absent")).unwrap();
        let imports = resolve.worlds[world]
            .imports
            .values()
            .filter_map(|item| match item {
                WorldItem::Interface { id, .. } => Some(*id),
                _ => None,
            });
        let read = imports.map(|id| {
            let interface = &resolve.interfaces[id];
            let names = |asynchronous: bool| {
                let functions = interface.functions.values();
                let functions =
                    functions.filter(|function| function.kind.is_async() == asynchronous);
                functions
                    .map(|function| function.name.replace("[async ", "["))
                    .collect()
            };
            let resources = interface
                .types
                .iter()
                .filter(|(_, id)| matches!(resolve.types[**id].kind, TypeDefKind::Resource));
            let resources = resources.map(|(name, _)| name.clone()).collect();
            (
                resolve.id_of(id).unwrap(),
                resources,
                names(false),
                names(true),
            )
        });
        read.collect()
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_function_that_the_wit_has_answers() {
        let with_functions = read()
            .into_iter()
            .filter(|(_, _, plain, asynchronous)| !plain.is_empty() || !asynchronous.is_empty());
        let mut wanted: Vec<_> = with_functions.collect();
        wanted.sort();

        let ours = INTERFACES.iter().map(|interface| {
            let Interface {
                name,
                resources,
                functions,
                asynchronous,
                ..
            } = interface;
            (
                (*name).to_owned(),
                set(resources),
                set(functions),
                set(asynchronous),
            )
        });
        let mut ours: Vec<_> = ours.collect();
        ours.sort();

        assert_eq!(ours, wanted);
    }
}
