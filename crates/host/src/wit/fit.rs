//! Whether things fit: a component a world, one package's components another's.
//!
//! What is not there is built: a dummy module for a world becomes a component by the encoder that all guests go through.
//! Then a component that wants the one and gets the other is put together, and the validator accepts it or does not.
//!
//! Names are compared by version track, as linkers do: `wasi:io/streams@0.2.0` and `@0.2.6` are one name. The package that
//! is compared with another version of itself is compared without version, because this is about its types.

use std::collections::BTreeMap;
use std::fmt::Write;

use wit_component::{
    ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata, targets,
};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, PackageName, Resolve, WorldId};

use super::{Wit, WitError};
use crate::compose::{ComposeError, Composition, Part, compose, interfaces};

/// Does a component fit a world: does it export all that the world exports, and import no more than the world imports?
///
/// An empty `world` means the only one of the package.
pub fn check(component: &[u8], wit: &Wit, world: &str) -> Result<(), WitError> {
    let (resolve, world) = select(wit, world)?;
    if targets(&resolve, world, component).is_ok() {
        return Ok(());
    }
    let component = Wit::decode(component)?;
    let given = component
        .world
        .ok_or_else(|| WitError::new("this is a WIT package, not a component"))?;
    fits((component.resolve, given), (resolve, world), &[])
}

/// Does a component that is built for the world of `given` run where that of `wanted` is meant?
///
/// Both worlds are found by name; empty means the only one, or the component's own.
pub fn try_world(given: &Wit, wanted: &Wit, world: &str) -> Result<(), WitError> {
    let names = [given.name(), wanted.name()];
    fits(select(given, world)?, select(wanted, world)?, &names)
}

/// Does a component that imports all interfaces of one package link to one that exports all of the other?
///
/// Both are composed. The encoder keeps of an import only what is used, so the importer wants less than the package has; and
/// what both need of other packages stays an import of the composition, where the two have to agree.
pub fn try_link(exporter: &Wit, importer: &Wit) -> Result<(), WitError> {
    let names = [exporter.name(), importer.name()];
    let (mut resolve, world) = whole(exporter, "export")?;
    unify(&mut resolve, &names);
    let provider = dummy(&resolve, world)?;

    let (mut resolve, world) = whole(importer, "import")?;
    unify(&mut resolve, &names);
    let consumer = dummy(&resolve, world)?;

    let own = format!("{}:{}/", importer.name().namespace, importer.name().name);
    let wanted = interfaces("importer", &consumer).map_err(|error| composing(&error))?;
    let links = wanted.imports.into_iter().map(|import| import.name);
    let links: BTreeMap<_, _> = links
        .filter(|name| name.starts_with(&own))
        .map(|name| (name, "exporter".to_owned()))
        .collect();
    if links.is_empty() {
        return Ok(());
    }
    let part = |component, links| Part {
        component,
        links,
        trusted: true,
        ..Part::default()
    };
    let composition = Composition {
        entry: "importer".to_owned(),
        parts: BTreeMap::from([
            ("importer".to_owned(), part(0, links)),
            ("exporter".to_owned(), part(1, BTreeMap::new())),
        ]),
    };
    compose(&composition, &[consumer, provider])
        .map(drop)
        .map_err(|error| composing(&error))
}

impl Wit {
    fn name(&self) -> PackageName {
        let package = self.resolve.packages.get(self.package);
        package.map_or_else(
            || PackageName {
                namespace: String::new(),
                name: String::new(),
                version: None,
            },
            |package| package.name.clone(),
        )
    }
}

fn fits(
    (mut given_resolve, given): (Resolve, WorldId),
    (mut resolve, wanted): (Resolve, WorldId),
    names: &[PackageName],
) -> Result<(), WitError> {
    unify(&mut given_resolve, names);
    unify(&mut resolve, names);
    let component = dummy(&given_resolve, given)?;
    targets(&resolve, wanted, &component).map_err(refused)
}

/// The world with this name; the component's own when there is one.
fn select(wit: &Wit, world: &str) -> Result<(Resolve, WorldId), WitError> {
    let resolve = wit.resolve.clone();
    if let Some(world) = wit.world {
        return Ok((resolve, world));
    }
    let wanted = (!world.is_empty()).then_some(world);
    match resolve.select_world(&[wit.package], wanted) {
        Ok(world) => Ok((resolve, world)),
        Err(error) => Err(WitError::new(format!("{error:#}"))),
    }
}

/// A world of our own that imports or exports every interface of the package.
fn whole(wit: &Wit, direction: &str) -> Result<(Resolve, WorldId), WitError> {
    let mut resolve = wit.resolve.clone();
    let package = resolve.packages.get(wit.package);
    let names: Vec<String> = package
        .into_iter()
        .flat_map(|package| package.interfaces.keys())
        .map(|interface| path(&wit.name(), interface))
        .collect();
    let world = push_world(&mut resolve, direction, &names)?;
    Ok((resolve, world))
}

fn push_world(
    resolve: &mut Resolve,
    direction: &str,
    names: &[String],
) -> Result<WorldId, WitError> {
    let mut text = String::from("package wisp:trial;\nworld trial {\n");
    for name in names {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {direction} {name};");
    }
    text.push_str("}\n");
    let package = resolve
        .push_source("trial.wit", &text)
        .map_err(|error| WitError::of_parser(resolve, &error))?;
    resolve
        .select_world(&[package], None)
        .map_err(|error| WitError::new(format!("{error:#}")))
}

/// `namespace:package/interface@version`, with each word marked as a name: some are keywords.
fn path(package: &PackageName, interface: &str) -> String {
    let version = package
        .version
        .as_ref()
        .map_or_else(String::new, |version| format!("@{version}"));
    format!(
        "%{}:%{}/%{interface}{version}",
        package.namespace, package.name
    )
}

/// Gives packages the names that they are compared by: `bare` ones without version, all others with that of their track.
///
/// Two versions of one track stay apart, because one name cannot stand for both.
fn unify(resolve: &mut Resolve, bare: &[PackageName]) {
    let track = |name: &PackageName| {
        let mut name = name.clone();
        let is_bare = bare
            .iter()
            .any(|other| other.namespace == name.namespace && other.name == name.name);
        name.version = name
            .version
            .filter(|_| !is_bare)
            .map(|version| PackageName::version_compat_track(&version));
        name
    };
    let tracks: Vec<PackageName> = resolve
        .packages
        .iter()
        .map(|(_, package)| track(&package.name))
        .collect();
    for ((_, package), name) in resolve.packages.iter_mut().zip(&tracks) {
        if tracks.iter().filter(|other| *other == name).count() == 1 {
            package.name = name.clone();
        }
    }
}

fn dummy(resolve: &Resolve, world: WorldId) -> Result<Vec<u8>, WitError> {
    let mut module = dummy_module(resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)
        .and_then(|()| ComponentEncoder::default().validate(true).module(&module))
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| WitError::new(format!("no component can be made of it: {error:#}")))
}

fn composing(error: &ComposeError) -> WitError {
    WitError::new(without_offsets([error.to_string()].iter()))
}

/// The validator's own words in one line: those before say where, the last what differs. Its offsets are ours, not the user's.
#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
fn refused(error: anyhow::Error) -> WitError {
    let all: Vec<String> = error.chain().map(ToString::to_string).collect();
    WitError::new(without_offsets(all.iter().skip(usize::from(all.len() > 1))))
}

fn without_offsets<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let words: Vec<&str> = texts
        .flat_map(|text| text.lines())
        .map(|line| line.split(" (at offset ").next().unwrap_or(line).trim())
        .collect();
    words.join(": ")
}
