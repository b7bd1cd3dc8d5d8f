//! Merging the core modules of components.

use std::time::Instant;

#[test]
#[ignore = "needs the path of a component in WISP_COMPONENT"]
fn a_component_of_ones_own_is_merged() {
    let path = std::env::var("WISP_COMPONENT").unwrap();
    let component = std::fs::read(&path).unwrap();

    let started = Instant::now();
    let merged = wisp_host::merge(&component).unwrap();
    println!("{} -> {} bytes in {:?}", component.len(), merged.len(), started.elapsed());

    std::fs::write(format!("{path}.merged"), merged).unwrap();
}
