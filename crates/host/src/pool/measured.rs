//! The processor time of a call whose future we poll ourselves; see [`wisp_wasi::interrupted`] for when it is measured.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use wisp_wasi::{Limit, interrupted, thread_time};

use super::InvokeError;
use crate::blueprint::Blueprint;
use crate::engine::TICK;

thread_local! {
    /// What calls within the present poll took, which are charged to their own components.
    static WITHIN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A call that ends with an error when its guest takes more processor time than it may.
pub(super) struct Measured<F> {
    call: F,
    blueprint: Arc<Blueprint>,
    /// `None` until the guest was interrupted for the first time.
    spent: Option<Duration>,
}

impl<F> Measured<F> {
    pub(super) fn new(call: F, blueprint: Arc<Blueprint>) -> Self {
        Self {
            call,
            blueprint,
            spent: None,
        }
    }
}

impl<T, F: Future<Output = Result<T, InvokeError>> + Unpin> Future for Measured<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let Some(spent) = this.spent else {
            // What a guest of another kind left on this thread is not ours.
            interrupted();
            let polled = Pin::new(&mut this.call).poll(cx);
            if polled.is_pending() && interrupted() {
                this.spent = Some(TICK);
            }
            return polled;
        };
        let around = WITHIN.take();
        let begun = thread_time();
        let polled = Pin::new(&mut this.call).poll(cx);
        let took = thread_time().saturating_sub(begun);
        let spent = spent + took.saturating_sub(WITHIN.take());
        WITHIN.set(around + took);
        this.spent = Some(spent);
        let limit = this.blueprint.grantee.limits.cpu_ms;
        if polled.is_pending() && spent > Duration::from_millis(limit) {
            this.blueprint.grantee.excesses.count(Limit::Cpu);
            return Poll::Ready(Err(InvokeError::CpuTime(limit)));
        }
        polled
    }
}
