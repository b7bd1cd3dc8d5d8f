//! The names in a file: imports, exports, and the tools that made it.

use wasmparser::{CustomSectionReader, KnownCustom, Parser, Payload, ProducersSectionReader};

use super::Producers;

/// The names of the outermost module or component, with the producers of everything in it.
#[derive(Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) producers: Producers,
}

impl Names {
    pub(super) fn read(wasm: &[u8]) -> Result<Self, wasmparser::Error> {
        let mut names = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) => names.read_custom(&section),
                payload if depth == 1 => names.read_section(payload)?,
                _ => {}
            }
        }
        Ok(names)
    }

    fn read_section(&mut self, payload: Payload<'_>) -> Result<(), wasmparser::Error> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    push(&mut self.imports, import?.module);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    push(&mut self.exports, export?.name);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    push(&mut self.imports, import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    push(&mut self.exports, export?.name.name);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Producers are a help for people: a malformed list of them is left out.
    fn read_custom(&mut self, section: &CustomSectionReader<'_>) {
        if let KnownCustom::Producers(section) = section.as_known() {
            self.producers.read(section);
        }
    }
}

impl Producers {
    fn read(&mut self, section: ProducersSectionReader<'_>) {
        for field in section.into_iter().flatten() {
            let values = match field.name {
                "language" => &mut self.language,
                "processed-by" => &mut self.processed_by,
                _ => continue,
            };
            for value in field.values.into_iter().flatten() {
                let version = if value.version.is_empty() {
                    String::new()
                } else {
                    format!(" {}", value.version)
                };
                push(values, &format!("{}{version}", value.name));
            }
        }
    }
}

fn push(names: &mut Vec<String>, name: &str) {
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}
