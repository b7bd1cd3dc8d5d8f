//! What one instance of a component takes.
//!
//! Counted from the definitions: each instantiation of a module takes a core instance with the memories and tables that the
//! module defines, each instantiation of an inner component takes what that one takes.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Instance, Parser, Payload,
};

use crate::locked::Resources;

/// What one instance of the file takes.
pub(super) fn read(wasm: &[u8]) -> Result<Resources, wasmparser::Error> {
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(wasm) {
        walk.payload(payload?)?;
    }
    Ok(walk.result)
}

/// A module or component whose end has not been read yet.
#[derive(Default)]
struct Frame {
    takes: Resources,
    is_component: bool,
    /// What each module and component in the index spaces takes.
    modules: Vec<Resources>,
    components: Vec<Resources>,
}

#[derive(Default)]
struct Walk {
    frames: Vec<Frame>,
    result: Resources,
}

impl Walk {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::Version { encoding, .. } => self.frames.push(Frame {
                is_component: encoding == wasmparser::Encoding::Component,
                takes: Resources {
                    core_instances: u32::from(encoding == wasmparser::Encoding::Module),
                    ..Resources::default()
                },
                ..Frame::default()
            }),
            Payload::End(_) => self.end(),
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.alias(&alias?);
                }
            }
            payload => {
                if let Some(frame) = self.frames.last_mut() {
                    frame.section(payload)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        match self.frames.last_mut() {
            Some(outer) if frame.is_component => outer.components.push(frame.takes),
            Some(outer) => outer.modules.push(frame.takes),
            None => self.result = frame.takes,
        }
    }

    /// Aliases add to the index spaces. What comes out of an instance is not known here, and counts as nothing: no tool makes it.
    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let (kind, found) = match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Module,
                ..
            } => (ComponentOuterAliasKind::CoreModule, None),
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => (ComponentOuterAliasKind::Component, None),
            ComponentAlias::Outer { kind, count, index } => {
                (*kind, self.outer(*kind, *count, *index))
            }
            _ => return,
        };
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        match kind {
            ComponentOuterAliasKind::CoreModule => frame.modules.push(found.unwrap_or_default()),
            ComponentOuterAliasKind::Component => frame.components.push(found.unwrap_or_default()),
            ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
        }
    }

    fn outer(&self, kind: ComponentOuterAliasKind, count: u32, index: u32) -> Option<Resources> {
        let frame = self.frames.iter().rev().nth(usize::try_from(count).ok()?)?;
        let space = if kind == ComponentOuterAliasKind::CoreModule {
            &frame.modules
        } else {
            &frame.components
        };
        space.get(usize::try_from(index).ok()?).copied()
    }
}

impl Frame {
    fn section(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::MemorySection(section) => {
                self.takes.memories = self.takes.memories.saturating_add(section.count());
            }
            Payload::TableSection(section) => {
                for table in section {
                    self.takes.tables = self.takes.tables.saturating_add(1);
                    self.takes.table_elements = self.takes.table_elements.max(table?.ty.initial);
                }
            }
            Payload::InstanceSection(section) => {
                for instance in section {
                    if let Instance::Instantiate { module_index, .. } = instance? {
                        self.add(taken(&self.modules, module_index));
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    if let ComponentInstance::Instantiate {
                        component_index, ..
                    } = instance?
                    {
                        self.add(taken(&self.components, component_index));
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.import(import?.ty);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.export(export.kind, export.index);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is imported is made by somebody else.
    fn import(&mut self, ty: ComponentTypeRef) {
        match ty {
            ComponentTypeRef::Module(_) => self.modules.push(Resources::default()),
            ComponentTypeRef::Component(_) => self.components.push(Resources::default()),
            _ => {}
        }
    }

    /// An export is a second entry of the same thing.
    fn export(&mut self, kind: ComponentExternalKind, index: u32) {
        match kind {
            ComponentExternalKind::Module => self.modules.push(taken(&self.modules, index)),
            ComponentExternalKind::Component => {
                self.components.push(taken(&self.components, index));
            }
            _ => {}
        }
    }

    fn add(&mut self, part: Resources) {
        let takes = &mut self.takes;
        takes.core_instances = takes.core_instances.saturating_add(part.core_instances);
        takes.memories = takes.memories.saturating_add(part.memories);
        takes.tables = takes.tables.saturating_add(part.tables);
        takes.table_elements = takes.table_elements.max(part.table_elements);
    }
}

fn taken(space: &[Resources], index: u32) -> Resources {
    usize::try_from(index)
        .ok()
        .and_then(|index| space.get(index))
        .copied()
        .unwrap_or_default()
}
