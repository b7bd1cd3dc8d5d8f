//! Messages in memory, for tests.

use std::sync::{Arc, Mutex};

use super::store::{Message, Messages};
use crate::capability::stores::StoreError;

/// A message, and which component published it.
pub(crate) type Kept = (String, Message);

/// The messages of an app, as one component publishes them.
#[derive(Debug)]
pub(crate) struct MemoryMessages {
    kept: Arc<Mutex<Vec<Kept>>>,
    component: String,
    quota: u64,
}

impl MemoryMessages {
    pub(crate) fn new(kept: Arc<Mutex<Vec<Kept>>>, component: &str, quota: u64) -> Self {
        Self {
            kept,
            component: component.to_owned(),
            quota,
        }
    }
}

fn size(kept: &[Kept]) -> u64 {
    let sizes = kept.iter().map(|(_, message)| message.body.len());
    sizes.sum::<usize>() as u64
}

#[wasmtime_wasi::async_trait]
impl Messages for MemoryMessages {
    async fn publish(&self, message: Message) -> Result<(), StoreError> {
        let one = (self.component.clone(), message);
        if size(std::slice::from_ref(&one)) > self.quota {
            return Err(StoreError::Full(self.quota));
        }
        let mut kept = self.kept.lock().unwrap();
        kept.push(one);
        while size(&kept) > self.quota {
            kept.remove(0);
        }
        Ok(())
    }
}
