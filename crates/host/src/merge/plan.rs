//! What each import is in truth, and which instances become one.

use std::collections::HashSet;

use super::MergeError;
use super::graph::{CoreInstance, Graph, Kind, Source};
use super::module::Module;

/// What something in an index space is in truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Definition {
    /// A function made by the canonical ABI.
    Canonical(u32),
    /// Thing number `index` (in its module's own count) that the module of an instance defines.
    Instance {
        instance: u32,
        kind: Kind,
        index: u32,
    },
}

/// When an instance is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// On its own, where it was.
    Early,
    /// As a part of the one module.
    Merged,
    /// On its own, after the one module.
    Late,
    /// Never: it only gave names to things.
    Bag,
}

/// Which instances become one.
pub(super) struct Plan {
    places: Vec<Place>,
}

/// A step on the way from a name to a definition.
enum Step<'a> {
    Export { instance: u32, name: &'a str },
    Component(u32),
    Instance { instance: u32, index: u32 },
}

/// The module and the arguments of an instance.
type Instantiated<'g, 'a> = (&'g Module<'a>, &'g [(&'a str, u32)]);

impl<'a> Graph<'a> {
    /// What thing number `index` of a core index space of the component is.
    pub(super) fn definition(&self, kind: Kind, index: u32) -> Result<Definition, MergeError> {
        self.follow(kind, Step::Component(index))
    }

    /// What thing number `index` in an instance's module is.
    pub(super) fn definition_in(
        &self,
        instance: u32,
        kind: Kind,
        index: u32,
    ) -> Result<Definition, MergeError> {
        self.follow(kind, Step::Instance { instance, index })
    }

    fn follow(&self, kind: Kind, mut step: Step<'a>) -> Result<Definition, MergeError> {
        // In a valid component each instance is passed at most once, by at most three steps.
        for _ in 0..=self.instances.len().saturating_mul(3) + 3 {
            step = match step {
                Step::Component(index) => match self.source(kind, index)? {
                    Source::Canonical(canonical) => return Ok(Definition::Canonical(canonical)),
                    Source::Export { instance, name } => Step::Export { instance, name },
                },
                Step::Export { instance, name } => self.step_into(instance, kind, name)?,
                Step::Instance { instance, index } => {
                    let (module, arguments) = self.instantiated(instance)?;
                    let Some(import) = usize::try_from(index)
                        .ok()
                        .and_then(|index| module.imports.get(kind).get(index))
                    else {
                        return Ok(Definition::Instance {
                            instance,
                            kind,
                            index,
                        });
                    };
                    let (_, argument) = arguments
                        .iter()
                        .find(|(name, _)| *name == import.module)
                        .ok_or_else(|| {
                        MergeError::invalid(format_args!(
                            "nothing is given for the import `{}`",
                            import.module
                        ))
                    })?;
                    Step::Export {
                        instance: *argument,
                        name: import.name,
                    }
                }
            }
        }
        Err(MergeError::invalid(
            "core instances refer to each other in a circle",
        ))
    }

    fn step_into(&self, instance: u32, kind: Kind, name: &str) -> Result<Step<'a>, MergeError> {
        let (found, step) = match self.instance(instance)? {
            CoreInstance::Bag(items) => items
                .iter()
                .find(|item| item.0 == name)
                .map(|item| (item.1, Step::Component(item.2)))
                .ok_or_else(|| missing(name))?,
            CoreInstance::Instantiated { module, .. } => {
                let (kind, index) = *self
                    .module(*module)?
                    .exports
                    .get(name)
                    .ok_or_else(|| missing(name))?;
                (kind, Step::Instance { instance, index })
            }
        };
        if found == kind {
            Ok(step)
        } else {
            Err(missing(name))
        }
    }

    /// The module and the arguments of an instance.
    pub(super) fn instantiated(&self, instance: u32) -> Result<Instantiated<'_, 'a>, MergeError> {
        match self.instance(instance)? {
            CoreInstance::Instantiated { module, arguments } => {
                Ok((self.module(*module)?, arguments))
            }
            CoreInstance::Bag(_) => Err(MergeError::invalid("a module was expected")),
        }
    }

    /// What an instance imports, in truth.
    pub(super) fn imports_of(&self, instance: u32) -> Result<Vec<Definition>, MergeError> {
        let (module, _) = self.instantiated(instance)?;
        let mut definitions = Vec::new();
        for kind in KINDS {
            for index in 0..module.imported(kind)? {
                definitions.push(self.definition_in(instance, kind, index)?);
            }
        }
        Ok(definitions)
    }

    /// The instances that a canonical function uses.
    fn instances_of_canonical(&self, canonical: u32) -> Result<Vec<u32>, MergeError> {
        let mut instances = Vec::new();
        for (kind, index) in &self.canonical(canonical)?.needs {
            if let Definition::Instance { instance, .. } = self.definition(*kind, *index)? {
                instances.push(instance);
            }
        }
        Ok(instances)
    }

    /// The instances that must exist before this one.
    fn needed_by(&self, instance: u32) -> Result<Vec<u32>, MergeError> {
        let mut instances = Vec::new();
        for definition in self.imports_of(instance)? {
            match definition {
                Definition::Instance { instance, .. } => instances.push(instance),
                Definition::Canonical(canonical) => {
                    instances.extend(self.instances_of_canonical(canonical)?);
                }
            }
        }
        Ok(instances)
    }
}

/// Every kind.
pub(super) const KINDS: [Kind; 5] = [
    Kind::Function,
    Kind::Table,
    Kind::Memory,
    Kind::Global,
    Kind::Tag,
];

impl Plan {
    /// Sorts the instances of a component.
    pub(super) fn new(graph: &Graph<'_>) -> Result<Self, MergeError> {
        let early = early(graph)?;
        let mut plan = Self { places: Vec::new() };
        for (index, instance) in (0..).zip(&graph.instances) {
            let place = match instance {
                CoreInstance::Bag(_) => Place::Bag,
                CoreInstance::Instantiated { .. } if early.contains(&index) => Place::Early,
                CoreInstance::Instantiated { .. } if plan.must_wait(graph, index)? => Place::Late,
                CoreInstance::Instantiated { .. } => Place::Merged,
            };
            plan.places.push(place);
        }
        plan.refuse_changed_order(graph)?;
        Ok(plan)
    }

    /// When an instance is made.
    pub(super) fn place(&self, instance: u32) -> Place {
        usize::try_from(instance)
            .ok()
            .and_then(|index| self.places.get(index))
            .copied()
            .unwrap_or(Place::Bag)
    }

    /// Every instance with its place, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (u32, Place)> + '_ {
        (0..).zip(self.places.iter().copied())
    }

    /// The instances that become one, in order.
    pub(super) fn merged(&self) -> impl Iterator<Item = u32> + '_ {
        (0..)
            .zip(&self.places)
            .filter(|(_, place)| **place == Place::Merged)
            .map(|(index, _)| index)
    }

    /// Can this canonical function be made only after the one module?
    pub(super) fn is_deferred(
        &self,
        graph: &Graph<'_>,
        canonical: u32,
    ) -> Result<bool, MergeError> {
        let instances = graph.instances_of_canonical(canonical)?;
        Ok(instances
            .iter()
            .any(|instance| matches!(self.place(*instance), Place::Merged | Place::Late)))
    }

    /// The functions that the merged modules start with, as (instance, function).
    pub(super) fn starts(&self, graph: &Graph<'_>) -> Result<Vec<(u32, u32)>, MergeError> {
        let mut starts = Vec::new();
        for instance in self.merged() {
            if let Some(function) = graph.instantiated(instance)?.0.start {
                starts.push((instance, function));
            }
        }
        Ok(starts)
    }

    fn must_wait(&self, graph: &Graph<'_>, instance: u32) -> Result<bool, MergeError> {
        for definition in graph.imports_of(instance)? {
            let waits = match definition {
                Definition::Canonical(canonical) => self.is_deferred(graph, canonical)?,
                Definition::Instance { instance, .. } => self.place(instance) == Place::Late,
            };
            if waits {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All segments of the one module are written before any of its start functions runs: refuses what would notice.
    fn refuse_changed_order(&self, graph: &Graph<'_>) -> Result<(), MergeError> {
        let mut started = false;
        let starts = !self.starts(graph)?.is_empty();
        for (instance, place) in (0..).zip(&self.places) {
            if !matches!(place, Place::Merged | Place::Late) {
                continue;
            }
            let (module, _) = graph.instantiated(instance)?;
            if *place == Place::Late && starts && module.start.is_some() {
                return Err(MergeError::unmergeable(
                    "two start functions would change places",
                ));
            }
            if *place == Place::Merged && started && module.writes_at_instantiation()? {
                return Err(MergeError::unmergeable(
                    "a start function runs before another module writes its segments",
                ));
            }
            started |= *place == Place::Merged && module.start.is_some();
        }
        Ok(())
    }
}

/// The instances that destructors of resources use: their types are made first, and all that uses these types later.
fn early(graph: &Graph<'_>) -> Result<HashSet<u32>, MergeError> {
    let mut early = HashSet::new();
    let mut open = Vec::new();
    for destructor in &graph.destructors {
        match graph.definition(Kind::Function, *destructor)? {
            Definition::Instance { instance, .. } => open.push(instance),
            Definition::Canonical(canonical) => {
                open.extend(graph.instances_of_canonical(canonical)?);
            }
        }
    }
    while let Some(instance) = open.pop() {
        if early.insert(instance) {
            open.extend(graph.needed_by(instance)?);
        }
    }
    Ok(early)
}

fn missing(name: &str) -> MergeError {
    MergeError::invalid(format_args!("an instance has no export `{name}`"))
}
