//! `proxy_log` and `proxy_get_log_level`.

use plug_abi::{LogLevel, Status};

use crate::calls::Done;
use crate::guest::Host;

pub(crate) fn proxy_log(host: &mut Host<'_>, level: u32, text: u32, length: u32) -> Done {
    let level = LogLevel::from_raw(level).ok_or(Status::BadArgument)?;
    // The guest's memory is left before its state is changed.
    let text = host.line(text, length)?;
    host.guest.log(level, &text);
    Ok(())
}

pub(crate) fn proxy_get_log_level(host: &mut Host<'_>, level_at: u32) -> Done {
    let level = host.guest.log_level().raw();
    host.write_u32(level_at, level)
}
