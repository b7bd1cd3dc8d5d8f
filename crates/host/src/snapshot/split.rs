//! Takes the data of large memories out of a component, before it is compiled.
//!
//! A module that defines a memory and fills it with data at fixed places begins, whatever happens, with that memory holding
//! that data. So the data can be mapped when the memory is made, and the module need not copy it. What cannot be taken out
//! stays: data of imported memories, data whose place is computed, and little of it.

use std::collections::BTreeMap;

use wasm_encoder::{DataSection, Encode, Section};
use wasmparser::{
    BinaryReader, BinaryReaderError, CodeSectionReader, Data, DataKind, DataSectionReader,
    ImportSectionReader, MemorySectionReader, Operator, TypeRef,
};

/// Bytes of data from which it is worth it; less is copied in a few microseconds.
const LEAST: usize = 128 << 10;
/// Snapshots begin and end at multiples of it: of pages of `WebAssembly`, and of every machine.
pub(super) const ALIGNMENT: usize = 64 << 10;

const PREAMBLE: usize = 8;
/// Of a component: the kind of file, in its preamble.
const COMPONENT: [u8; 2] = [1, 0];

const CORE_MODULE: u8 = 1;
const NESTED_COMPONENT: u8 = 4;

const IMPORTS: u8 = 2;
const MEMORIES: u8 = 5;
const CODE: u8 = 10;
const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;

/// What a memory begins with.
#[derive(Debug, PartialEq)]
pub(super) struct Taken {
    /// Bytes that the memory begins with; no other memory of the component has as many.
    pub(super) minimum: usize,
    /// Where the bytes belong.
    pub(super) start: usize,
    pub(super) bytes: Vec<u8>,
}

/// Returns the component without the data that was taken out, and that data.
pub(super) fn split(wasm: &[u8]) -> Result<(Vec<u8>, Vec<Taken>), BinaryReaderError> {
    let mut sizes = BTreeMap::new();
    measure(wasm, &mut sizes)?;
    let mut taken = Vec::new();
    let component = rewrite(wasm, &sizes, &mut taken)?;
    Ok((component, taken))
}

/// How many modules have a memory that begins with so many bytes.
type Sizes = BTreeMap<usize, usize>;

fn measure(binary: &[u8], sizes: &mut Sizes) -> Result<(), BinaryReaderError> {
    let is_component = is_component(binary);
    for section in sections(binary) {
        let (id, content) = section?;
        match (is_component, id) {
            (true, CORE_MODULE | NESTED_COMPONENT) => measure(content, sizes)?,
            (false, MEMORIES) => {
                for memory in MemorySectionReader::new(BinaryReader::new(content, 0))? {
                    let minimum = bytes(memory?.initial);
                    *sizes.entry(minimum).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn rewrite(
    binary: &[u8],
    sizes: &Sizes,
    taken: &mut Vec<Taken>,
) -> Result<Vec<u8>, BinaryReaderError> {
    let is_component = is_component(binary);
    let mut whole = binary.get(..PREAMBLE).unwrap_or(binary).to_vec();
    let found = if is_component {
        None
    } else {
        snapshot(binary, sizes)?
    };
    let asks_for_segments = found.is_some() && asks_for_segments(binary)?;
    for section in sections(binary) {
        let (id, content) = section?;
        let inner;
        let content = match (is_component, id, &found) {
            (true, CORE_MODULE | NESTED_COMPONENT, _) => {
                inner = rewrite(content, sizes, taken)?;
                &inner[..]
            }
            (false, DATA, Some(_)) => {
                if asks_for_segments {
                    emptied(content)?.append_to(&mut whole);
                }
                continue;
            }
            (false, DATA_COUNT, Some(_)) if !asks_for_segments => continue,
            _ => content,
        };
        whole.push(id);
        content.encode(&mut whole);
    }
    taken.extend(found);
    Ok(whole)
}

/// What the one memory of a module begins with, if it is much and known.
fn snapshot(module: &[u8], sizes: &Sizes) -> Result<Option<Taken>, BinaryReaderError> {
    let (mut minimum, mut data) = (None, None);
    for section in sections(module) {
        let (id, content) = section?;
        let reader = BinaryReader::new(content, 0);
        match id {
            IMPORTS if imports_memory(reader.clone())? => return Ok(None),
            MEMORIES => {
                let mut memories = MemorySectionReader::new(reader)?.into_iter();
                match (memories.next().transpose()?, memories.next()) {
                    (Some(memory), None) if !memory.memory64 && !memory.shared => {
                        minimum = Some(bytes(memory.initial));
                    }
                    _ => return Ok(None),
                }
            }
            DATA => data = Some(DataSectionReader::new(reader)?),
            _ => {}
        }
    }
    match (minimum, data) {
        (Some(minimum), Some(data)) if sizes.get(&minimum) == Some(&1) => taken(minimum, data),
        _ => Ok(None),
    }
}

fn taken(minimum: usize, data: DataSectionReader<'_>) -> Result<Option<Taken>, BinaryReaderError> {
    let mut pieces = Vec::new();
    for data in data {
        let data = data?;
        if matches!(data.kind, DataKind::Passive) {
            continue;
        }
        match place(&data)? {
            Some(at) if at.saturating_add(data.data.len()) <= minimum => {
                pieces.push((at, data.data));
            }
            // Instantiation fails, or nobody knows now.
            _ => return Ok(None),
        }
    }
    pieces.retain(|(_, bytes)| !bytes.is_empty());
    let length: usize = pieces.iter().map(|(_, bytes)| bytes.len()).sum();
    if length < LEAST {
        return Ok(None);
    }
    let start = pieces.iter().map(|(at, _)| *at).min().unwrap_or(0) / ALIGNMENT * ALIGNMENT;
    let ends = pieces.iter().map(|(at, bytes)| at + bytes.len());
    let end = ends.max().unwrap_or(0).next_multiple_of(ALIGNMENT);
    let mut bytes = vec![0; end - start];
    for (at, piece) in pieces {
        if let Some(room) = bytes.get_mut(at - start..at - start + piece.len()) {
            room.copy_from_slice(piece);
        }
    }
    Ok(Some(Taken {
        minimum,
        start,
        bytes,
    }))
}

/// Where data belongs, if it is a number that is written there.
fn place(data: &Data<'_>) -> Result<Option<usize>, BinaryReaderError> {
    let DataKind::Active {
        memory_index: 0,
        offset_expr,
    } = &data.kind
    else {
        return Ok(None);
    };
    let mut operators = offset_expr.get_operators_reader();
    Ok(match (operators.read()?, operators.read()?) {
        (Operator::I32Const { value }, Operator::End) => {
            usize::try_from(value.cast_unsigned()).ok()
        }
        _ => None,
    })
}

/// Whether any function asks for a segment of data by its number.
fn asks_for_segments(module: &[u8]) -> Result<bool, BinaryReaderError> {
    for section in sections(module) {
        let (id, content) = section?;
        if id != CODE {
            continue;
        }
        for body in CodeSectionReader::new(BinaryReader::new(content, 0))? {
            for operator in body?.get_operators_reader()? {
                if let Operator::MemoryInit { .. } | Operator::DataDrop { .. } = operator? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The same segments, of which those that were taken out are empty, and written nowhere: the numbers of others stay.
fn emptied(content: &[u8]) -> Result<DataSection, BinaryReaderError> {
    let mut section = DataSection::new();
    for data in DataSectionReader::new(BinaryReader::new(content, 0))? {
        let data = data?;
        match data.kind {
            DataKind::Passive => section.passive(data.data.iter().copied()),
            DataKind::Active { .. } => section.passive([]),
        };
    }
    Ok(section)
}

fn imports_memory(reader: BinaryReader<'_>) -> Result<bool, BinaryReaderError> {
    for import in ImportSectionReader::new(reader)?.into_imports() {
        if matches!(import?.ty, TypeRef::Memory(_)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_component(binary: &[u8]) -> bool {
    binary.get(6..PREAMBLE) == Some(&COMPONENT[..])
}

/// The sections of a module or component, in order.
fn sections(binary: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), BinaryReaderError>> {
    let mut reader = BinaryReader::new(binary.get(PREAMBLE..).unwrap_or_default(), PREAMBLE);
    std::iter::from_fn(move || {
        (!reader.eof()).then(|| {
            let id = reader.read_u8()?;
            let length = reader.read_var_u32()?;
            let content = reader.read_bytes(usize::try_from(length).unwrap_or(usize::MAX))?;
            Ok((id, content))
        })
    })
}

fn bytes(pages: u64) -> usize {
    usize::try_from(pages.saturating_mul(64 << 10)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with 256 KiB of data at 70,000, in a memory of 8 pages, within a component within a component.
    fn nested(module: &str) -> Vec<u8> {
        wat::parse_str(format!("(component (component (core module {module})))")).unwrap()
    }

    fn much() -> String {
        "x".repeat(256 << 10)
    }

    fn taken_of(module: &str) -> Vec<Taken> {
        let (component, taken) = split(&nested(module)).unwrap();
        wasmparser::validate(&component).unwrap();
        if taken.is_empty() {
            assert_eq!(component, nested(module));
        }
        taken
    }

    #[test]
    fn data_at_fixed_places_is_taken_out_later_over_earlier() {
        let much = much();
        let taken = taken_of(&format!(
            r#"(memory 8) (data (i32.const 70000) "{much}") (data (i32.const 70001) "later")"#
        ));

        let [taken] = &taken[..] else {
            panic!("{taken:?}")
        };
        assert_eq!((taken.minimum, taken.start), (8 << 16, 1 << 16));
        assert_eq!(taken.bytes.len(), 5 << 16);
        let at = 70_000 - (1 << 16);
        assert_eq!(&taken.bytes[at - 1..at + 8], b"\0xlaterxx");
        assert_eq!(
            taken.bytes.split(|byte| *byte == b'x').count() - 1,
            (256 << 10) - 5
        );
    }

    #[test]
    fn segments_that_functions_ask_for_keep_their_numbers() {
        let much = much();
        let module = format!(
            r#"(memory 8) (data (i32.const 0) "{much}") (data "asked for")
            (func (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 9)) (data.drop 0))"#
        );

        assert_eq!(taken_of(&module).len(), 1);
    }

    #[test]
    fn what_is_little_or_not_known_before_stays() {
        let much = much();
        for module in [
            r#"(memory 8) (data (i32.const 0) "little")"#.to_owned(),
            format!(r#"(import "" "" (memory 8)) (data (i32.const 0) "{much}")"#),
            format!(r#"(import "" "" (global i32)) (memory 8) (data (global.get 0) "{much}")"#),
            format!(r#"(memory 8) (data (i32.const -1) "{much}")"#),
            format!(r#"(memory 8) (data (i32.const 500000) "{much}")"#),
            format!(r#"(memory i64 8) (data (i64.const 0) "{much}")"#),
            format!(r#"(memory 8) (data "{much}")"#),
            "(memory 0)".to_owned(),
        ] {
            assert!(
                taken_of(&module).is_empty(),
                "{}",
                &module[..60.min(module.len())]
            );
        }
    }

    #[test]
    fn a_memory_as_large_as_another_one_is_left_alone() {
        let much = much();
        let module = format!(r#"(memory 8) (data (i32.const 0) "{much}")"#);
        let other = "(memory 8)";
        let wasm = wat::parse_str(format!(
            "(component (core module {module}) (core module {other}))"
        ));

        assert!(split(&wasm.unwrap()).unwrap().1.is_empty());
    }

    #[test]
    fn bytes_that_end_too_early_are_an_error() {
        let whole = nested("(memory 8)");
        for length in 9..whole.len() {
            let _ = split(&whole[..length]);
        }
        assert!(split(&whole[..whole.len() - 1]).is_err());
    }
}
