//! In whose name host calls are made, and the end of contexts.

use std::rc::Rc;

use plug_abi::Status;

use crate::calls::Done;
use crate::guest::{Current, Effect, Host};

/// 0 means the context whose callback this is, as in proxy-wasm-cpp-host.
pub(crate) fn proxy_set_effective_context(host: &mut Host<'_>, id: u32) -> Done {
    if id == 0 {
        host.guest.current = host.guest.entered.clone();
    } else if let Some(stream) = host.guest.streams.get(&id) {
        host.guest.current = Current::Stream(Rc::clone(stream));
    } else if host.guest.roots.contains_key(&id) {
        host.guest.current = Current::Root(id);
    } else {
        return Err(Status::BadArgument);
    }
    Ok(())
}

pub(crate) fn proxy_done(host: &mut Host<'_>) -> Done {
    let root = host.guest.root_id().ok_or(Status::NotFound)?;
    let pending = host.guest.roots.get_mut(&root).ok_or(Status::NotFound)?;
    if !std::mem::take(&mut pending.done_pending) {
        return Err(Status::NotFound);
    }
    host.guest.effects.push(Effect::RootDone);
    Ok(())
}
