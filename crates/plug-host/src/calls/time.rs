//! The clock and the tick of a root context.

use std::time::{Duration, SystemTime};

use plug_abi::Status;

use crate::calls::Done;
use crate::guest::Host;
use crate::limit::Limit;

pub(crate) fn nanoseconds_since_1970(host: &Host<'_>) -> u64 {
    let since = match &host.guest.trial {
        Some(trial) => trial.now(),
        None => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
    };
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn proxy_get_current_time_nanoseconds(host: &mut Host<'_>, time_at: u32) -> Done {
    let now = nanoseconds_since_1970(host);
    host.write(time_at, &now.to_le_bytes())
}

pub(crate) fn proxy_set_tick_period_milliseconds(host: &mut Host<'_>, milliseconds: u32) -> Done {
    let root = host.guest.root_id().ok_or(Status::BadArgument)?;
    let mut period = Duration::from_millis(u64::from(milliseconds));
    let least = host.guest.plugin().spec.limits.timer_min;
    // 0 disarms it.
    if milliseconds > 0 && period < least {
        host.guest.reached(Limit::Timer);
        period = least;
    }
    host.guest.set_tick(root, period);
    Ok(())
}
