//! Which callback dies of what, for the plugin and for single requests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::callbacks::CALLBACKS;
use crate::ways::{WAYS, Way};

/// A callback and what happens in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) callback: &'static str,
    pub(crate) way: Option<Way>,
}

thread_local! {
    static PLUGIN: RefCell<Plan> = RefCell::default();
    static REQUESTS: RefCell<BTreeMap<u32, Plan>> = RefCell::default();
}

/// Callbacks that come to the root context, so that a plan for them is never a single request's.
const AT_THE_ROOT: &[&str] = &["tick", "queue_ready", "http_call_response"];

/// Reads a plan out of any text that names a callback, and a way unless the callback is only to refuse.
fn read(text: &[u8]) -> Option<Plan> {
    let text = String::from_utf8_lossy(text);
    let words = || text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let callback = words().find_map(|word| CALLBACKS.iter().find(|known| **known == word))?;
    let way = words().find_map(|word| WAYS.iter().find(|known| known.0 == word));
    Some(Plan {
        callback,
        way: way.map(|way| way.1),
    })
}

/// Keeps a plan for the whole plugin.
pub(crate) fn set_for_plugin(text: &[u8]) {
    if let Some(plan) = read(text) {
        PLUGIN.replace(plan);
    }
}

/// Keeps a plan for one request.
pub(crate) fn set_for_request(context: u32, text: &[u8]) {
    if let Some(plan) = read(text) {
        if AT_THE_ROOT.contains(&plan.callback) {
            PLUGIN.replace(plan);
        }
        REQUESTS.with_borrow_mut(|all| all.insert(context, plan));
    }
}

/// Forgets a request.
pub(crate) fn forget(context: u32) {
    REQUESTS.with_borrow_mut(|all| all.remove(&context));
}

/// The plan of a request, the plugin's when it has none of its own.
pub(crate) fn of(context: u32) -> Plan {
    REQUESTS
        .with_borrow(|all| all.get(&context).copied())
        .unwrap_or_else(|| PLUGIN.with_borrow(|plan| *plan))
}
