//! What the components of a worker ask of an engine's pool: how many instances, and of which size.

use std::io;
#[cfg(target_os = "linux")]
use std::sync::Arc;

use wasmtime::Config;
#[cfg(not(target_os = "linux"))]
use wasmtime::{InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::locked::{Profile, Resources};
#[cfg(target_os = "linux")]
use crate::memory::Memories;
#[cfg(target_os = "linux")]
use crate::stacks::Stacks;

/// Instances that one engine may hold at once whatever the manifest says: 4 GiB of address space each.
const MOST_INSTANCES: u32 = 4096;
/// Memory that an instance is expected to take at least; bounds the pool by the memory that is there.
const EXPECTED_INSTANCE_BYTES: u64 = 512 * 1024;

/// How many instances an engine must be able to hold, and what the largest of them needs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    instances: u32,
    largest: Resources,
    memory: u64,
}

impl Demand {
    /// Adds a component that may have `instances` at once.
    pub(crate) fn add(&mut self, instances: u32, resources: &Resources, memory: u64) {
        self.instances = self.instances.saturating_add(instances);
        self.largest.core_instances = self.largest.core_instances.max(resources.core_instances);
        self.largest.memories = self.largest.memories.max(resources.memories);
        self.largest.tables = self.largest.tables.max(resources.tables);
        self.largest.table_elements = self.largest.table_elements.max(resources.table_elements);
        self.memory = self.memory.max(memory);
    }

    /// Instances that are really held at once: what is asked for, bounded by address space and memory.
    pub(crate) fn bounded(&self, workers: u32) -> u32 {
        let share = available_memory() / 2 / u64::from(workers.max(1));
        let by_memory = u32::try_from(share / EXPECTED_INSTANCE_BYTES).unwrap_or(u32::MAX);
        self.instances.min(MOST_INSTANCES).min(by_memory).max(1)
    }

    /// Gives an engine the memory and stacks for so many instances: our own.
    #[cfg(target_os = "linux")]
    pub(crate) fn furnish(
        &self,
        config: &mut Config,
        _: Profile,
        instances: u32,
    ) -> io::Result<()> {
        let memories = instances.saturating_mul(self.largest.memories.max(1));
        let memories = Memories::new(usize::try_from(memories).unwrap_or(usize::MAX))?;
        config
            .with_host_memory(Arc::new(memories))
            .with_host_stack(Arc::new(Stacks::default()));
        Ok(())
    }

    /// Gives an engine the memory and stacks for so many instances: Wasmtime's.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn furnish(
        &self,
        config: &mut Config,
        profile: Profile,
        instances: u32,
    ) -> io::Result<()> {
        let pool = self.pooling(profile, instances);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        Ok(())
    }

    #[cfg(not(target_os = "linux"))]
    fn pooling(&self, profile: Profile, instances: u32) -> PoolingAllocationConfig {
        // A call has a stack of its own; with component-model-async the event loop of its instance has another.
        let stacks_per_instance = match profile {
            Profile::Sync => 1,
            Profile::Async => 2,
        };
        let times = |count: u32| instances.saturating_mul(count.max(1));
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(instances)
            .table_keep_resident(16 << 10)
            .total_core_instances(times(self.largest.core_instances))
            .total_memories(times(self.largest.memories))
            .total_tables(times(self.largest.tables))
            .total_stacks(times(stacks_per_instance))
            .max_memories_per_module(self.largest.memories.max(1))
            .max_tables_per_module(self.largest.tables.max(1))
            .table_elements(
                usize::try_from(self.largest.table_elements)
                    .unwrap_or(usize::MAX)
                    .max(20_000),
            )
            .max_memory_size(
                usize::try_from(self.memory)
                    .unwrap_or(usize::MAX)
                    .next_multiple_of(1 << 16),
            )
            .max_component_instance_size(16 << 20)
            .max_core_instance_size(4 << 20)
            .max_unused_warm_slots(instances);
        pool
    }
}

/// Bytes of memory that this process may still take: what the machine has, or its cgroup allows.
fn available_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find(|line| line.starts_with("MemAvailable:"))?;
            line.split_whitespace()
                .nth(1)?
                .parse::<u64>()
                .ok()?
                .checked_mul(1024)
        });
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse::<u64>().ok());
    machine.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX))
}
