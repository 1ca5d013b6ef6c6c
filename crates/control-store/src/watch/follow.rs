//! Connects, looks, waits for a change, looks again; after a loss, from the beginning.

use std::time::{Duration, Instant};

use super::state::Shared;
use crate::backoff::Backoff;
use crate::fault::{Result, StoreFault};
use crate::keys::Keys;
use crate::look::{Looked, Looker};
use crate::settings::Settings;

/// LIMIT: the longest wait before what was not taken is looked at again.
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// Never ends by itself.
pub(super) async fn follow(shared: &Shared, settings: &Settings) {
    let mut backoff = Backoff::default();
    let mut told: Option<StoreFault> = None;
    loop {
        let mut is_there = false;
        let fault = match once(shared, settings, &mut is_there).await {
            Ok(()) => continue,
            Err(fault) => fault,
        };
        if is_there {
            backoff.reset();
            told = None;
        }
        // The same cause is not told again with each try; another one is.
        let is_first = told.as_ref().is_none_or(|told| told.code() != fault.code());
        shared.lost(fault.to_string(), is_first);
        told = Some(fault);
        tokio::time::sleep(backoff.wait()).await;
    }
}

/// Follows over one connection, to its loss.
async fn once(shared: &Shared, settings: &Settings, is_there: &mut bool) -> Result<()> {
    let mut looker = Looker::new(settings)?;
    let mut keys = Keys::open(settings, true).await?;
    let watched = looker.layout().watched();
    let mut again = Backoff::up_to(AGAIN_MAX);
    loop {
        let events = keys.take_events();
        let looked = looker.look(&mut keys).await?;
        shared.heard();
        if !*is_there {
            *is_there = true;
            shared.connected();
        }
        let wait = match looked {
            Looked::Taken(delivered) => {
                again.reset();
                shared.taken(delivered, events);
                settings.reconcile
            }
            Looked::Untaken(untaken) => {
                shared.untaken(untaken, events);
                again.wait()
            }
        };
        keys.changed(&watched, Instant::now() + wait).await?;
        shared.heard();
    }
}
