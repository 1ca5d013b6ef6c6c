//! How late a worker comes back to what waits: what it does at a stretch, every other exchange of it waits for.

use std::rc::Weak;
use std::time::Duration;

use tokio::time::Instant;

use crate::flow::Flow;

/// How often a worker looks: seldom enough to cost nothing, often enough to see what holds it for long.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks until the flow is gone.
pub(crate) async fn watch(flow: Weak<Flow>) {
    loop {
        let wanted = Instant::now() + LOOK_EVERY;
        tokio::time::sleep_until(wanted).await;
        let Some(flow) = flow.upgrade() else { return };
        flow.lag.borrow_mut().record(wanted.elapsed());
    }
}
