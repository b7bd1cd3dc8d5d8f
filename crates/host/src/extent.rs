//! How much a component asks of the compiler, before it is compiled.
//!
//! The compile process has limits of its own; this is so that what nobody writes by accident is refused at once, with a
//! number, rather than after minutes.

use wasmparser::{Parser, Payload};

/// Functions of all modules together. A component in Python has some 40,000.
const MOST_FUNCTIONS: u64 = 500_000;
/// Types of all modules and components together.
const MOST_TYPES: u64 = 500_000;
/// Components and modules inside of each other.
const DEEPEST: usize = 30;
/// Bytes of one function.
const LONGEST_FUNCTION: usize = 4 << 20;

/// Says what is too much, if something is.
pub(crate) fn check(wasm: &[u8]) -> Result<(), String> {
    let (mut functions, mut types, mut depth) = (0_u64, 0_u64, 0_usize);
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                depth += 1;
                most("components inside of each other", depth, DEEPEST)?;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::FunctionSection(section) => {
                functions += u64::from(section.count());
                most("functions", functions, MOST_FUNCTIONS)?;
            }
            Payload::TypeSection(section) => types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => types += u64::from(section.count()),
            Payload::ComponentTypeSection(section) => types += u64::from(section.count()),
            Payload::CodeSectionEntry(body) => {
                let length = body.range().len();
                most("bytes in one function", length, LONGEST_FUNCTION)?;
            }
            _ => {}
        }
        most("types", types, MOST_TYPES)?;
    }
    Ok(())
}

fn most<N: Ord + Copy + std::fmt::Display>(what: &str, found: N, most: N) -> Result<(), String> {
    if found <= most {
        return Ok(());
    }
    Err(format!(
        "it has more {what} than are compiled: at most {most}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_component_is_no_bomb() {
        check(&wat::parse_str("(component (core module (func) (memory 1)))").unwrap()).unwrap();
    }

    #[test]
    fn components_inside_of_each_other_are_counted() {
        let nested = |depth: usize| {
            let text = format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
            check(&wat::parse_str(text).unwrap())
        };

        nested(DEEPEST + 1).unwrap();
        assert_eq!(
            nested(DEEPEST + 2).unwrap_err(),
            "it has more components inside of each other than are compiled: at most 30"
        );
    }

    #[test]
    fn functions_of_all_modules_are_counted_together() {
        let half = usize::try_from(MOST_FUNCTIONS / 2).unwrap();
        let module = |functions: usize| format!("(core module {})", "(func)".repeat(functions));

        check(&wat::parse_str(format!("(component {0} {0})", module(half))).unwrap()).unwrap();
        let text = format!("(component {} {})", module(half), module(half + 1));
        assert!(
            check(&wat::parse_str(text).unwrap())
                .unwrap_err()
                .contains("functions")
        );
    }
}
