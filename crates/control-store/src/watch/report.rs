//! Writes what a gateway says of its configuration into the store, and acknowledges events, over connections of its own.

use bytes::Bytes;

use super::state::Shared;
use crate::backoff::Backoff;
use crate::fault::{Result, StoreFault};
use crate::keys::{Keys, Write, Written};
use crate::layout::{Layout, Status};
use crate::settings::Settings;

/// Never ends by itself. The newest status is written, however long the store was away.
pub(super) async fn report(shared: &Shared, settings: &Settings) {
    let mut backoff = Backoff::default();
    loop {
        let (status, events) = shared.to_write().await;
        match write(settings, status.as_ref(), &events).await {
            Ok(()) => {
                backoff.reset();
                shared.written();
            }
            Err(fault) if fault.may_pass() => {
                shared.unwritten(status, events);
                tokio::time::sleep(backoff.wait()).await;
            }
            Err(fault) => shared.unreported(fault.to_string()),
        }
    }
}

async fn write(settings: &Settings, status: Option<&Status>, events: &[String]) -> Result<()> {
    let mut keys = Keys::open(settings, false).await?;
    if let Some(status) = status {
        let text = serde_json::to_vec(status).map_err(|why| StoreFault::Untaken(why.to_string()))?;
        let write = Write {
            puts: vec![(Layout::new(&settings.place).status(&settings.node), Bytes::from(text))],
            ..Write::default()
        };
        if keys.write(&write).await? == Written::Raced {
            return Err(StoreFault::Untaken(String::from("the store takes no status")));
        }
    }
    keys.acknowledge(&settings.node, events).await
}
