//! Components that deny: they export what another one imports and may not use, and give nothing.
//!
//! A function whose result can be an error says that access is denied, in the words of the interface; those that list what there is
//! (environment, folders, configuration) say that there is nothing; all others trap, in a function whose name says who was denied what, which the
//! trap's backtrace shows. Arguments are dropped unread, so they may all be written to the same place.

use std::collections::BTreeSet;

use wit_component::{
    ComponentEncoder, DecodedWasm, StringEncoding, decode, embed_component_metadata,
};
use wit_parser::{Function, Resolve, SizeAlign, Type, TypeDefKind, WorldId};

use super::stub::{Stub, kind};

/// Interfaces that give nothing away: clocks, random numbers, standard streams, logging, and the types that others speak of.
const HARMLESS: [&str; 13] = [
    "wasi:io/",
    "wasi:clocks/",
    "wasi:random/",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/stderr",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-std",
    "wasi:cli/exit",
    "wasi:cli/types",
    "wasi:http/types",
    "wasi:logging/",
];

/// Functions that list what there is.
const LISTS: [&str; 3] = [
    "wasi:cli/environment@",
    "wasi:config/",
    "wasi:filesystem/preopens@",
];

/// What an error that is text says.
const MESSAGE: &str = "not granted to this component";

/// Error cases that say that something is not allowed, the best first.
const CASES: [&str; 6] = [
    "access-denied",
    "access",
    "not-permitted",
    "HTTP-request-denied",
    "denied",
    "forbidden",
];

/// What a denied function does.
pub(super) enum Answer {
    /// It returns this, as the canonical ABI stores it.
    Value(Vec<u8>),
    /// It cannot say no in any other way.
    Trap,
}

/// Whether any component may use an interface.
pub(super) fn is_harmless(interface: &str) -> bool {
    HARMLESS.iter().any(|name| interface.starts_with(name))
}

/// Makes the component that answers the interfaces `denied`, which the component `name` imports.
pub(super) fn denying(
    name: &str,
    component: &[u8],
    denied: &BTreeSet<String>,
) -> Result<Vec<u8>, String> {
    let failed = |error| format!("{error:#}");
    let DecodedWasm::Component(mut resolve, imported) = decode(component).map_err(failed)? else {
        return Err("it is a package of WIT".to_owned());
    };
    let world = world(&mut resolve, imported, denied)?;
    let mut module = Stub::new(&resolve, name, world)?.finish();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| format!("{error:#}"))?;
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))
}

/// A world that exports what is denied.
fn world(
    resolve: &mut Resolve,
    imported: WorldId,
    denied: &BTreeSet<String>,
) -> Result<WorldId, String> {
    let mut exports = String::new();
    for key in resolve
        .worlds
        .get(imported)
        .into_iter()
        .flat_map(|world| world.imports.keys())
    {
        let name = resolve.name_world_key(key);
        if denied.contains(&name) {
            exports.push_str("export ");
            exports.push_str(&name);
            exports.push_str("; ");
        }
    }
    let text = format!("package wisp:denied; world denied {{ {exports}}}");
    let package = match resolve.push_str("denied.wit", &text) {
        Ok(package) => package,
        Err(error) => return Err(resolve.render_error(&error)),
    };
    resolve
        .select_world(&[package], None)
        .map_err(|error| format!("{error:#}"))
}

/// What the function of a denied interface answers; `address` is where the answer will lie.
pub(super) fn answer(
    resolve: &Resolve,
    interface: &str,
    function: &Function,
    address: u32,
) -> Answer {
    let mut sizes = SizeAlign::default();
    sizes.fill(resolve);
    let says = Denial {
        resolve,
        sizes,
        address,
    };
    let Some(result) = function.result else {
        return Answer::Trap;
    };
    let lists = LISTS.iter().any(|name| interface.starts_with(name));
    match kind(resolve, &result) {
        // An empty list, no value, and success with one of the two are all zeros.
        _ if lists && says.may_be_nothing(&result) => Answer::Value(vec![0; says.size(&result)]),
        Some(TypeDefKind::Result(cases)) => says
            .refusal(&result, cases)
            .map_or(Answer::Trap, Answer::Value),
        _ => Answer::Trap,
    }
}

struct Denial<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    address: u32,
}

impl Denial<'_> {
    fn size(&self, ty: &Type) -> usize {
        self.sizes.size(ty).size_wasm32()
    }

    /// Whether a type has a value that says that there is nothing.
    fn may_be_nothing(&self, ty: &Type) -> bool {
        match kind(self.resolve, ty) {
            Some(TypeDefKind::List(_) | TypeDefKind::Option(_)) => true,
            Some(TypeDefKind::Result(cases)) => {
                cases.ok.as_ref().is_some_and(|ok| self.may_be_nothing(ok))
            }
            _ => false,
        }
    }

    /// A result that is an error, if its type can say that something is denied.
    fn refusal(&self, result: &Type, cases: &wit_parser::Result_) -> Option<Vec<u8>> {
        let payloads = [cases.ok.as_ref(), cases.err.as_ref()];
        let offset = self
            .sizes
            .payload_offset(wit_parser::Int::U8, payloads)
            .size_wasm32();
        let mut value = vec![0; self.size(result)];
        *value.first_mut()? = 1;
        if let Some(error) = &cases.err {
            let error = self.error(error, value.len())?;
            value
                .get_mut(offset..)?
                .get_mut(..error.len())?
                .copy_from_slice(&error);
        }
        if matches!(cases.err, Some(Type::String)) {
            value.extend_from_slice(MESSAGE.as_bytes());
        }
        Some(value)
    }

    /// The error itself; `behind` is where its text will lie, if it is one.
    fn error(&self, ty: &Type, behind: usize) -> Option<Vec<u8>> {
        if matches!(ty, Type::String) {
            let address = self.address.checked_add(u32::try_from(behind).ok()?)?;
            let length = u32::try_from(MESSAGE.len()).ok()?;
            return Some([address.to_le_bytes(), length.to_le_bytes()].concat());
        }
        let names: Vec<&str> = match kind(self.resolve, ty)? {
            TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| case.name.as_str()).collect(),
            // A case with a payload would need one.
            TypeDefKind::Variant(cases) => cases
                .cases
                .iter()
                .map(|case| {
                    if case.ty.is_none() {
                        case.name.as_str()
                    } else {
                        ""
                    }
                })
                .collect(),
            _ => return None,
        };
        let case = CASES
            .iter()
            .find_map(|wanted| names.iter().position(|name| name == wanted))?;
        u8::try_from(case).ok().map(|case| vec![case])
    }
}
