//! Which callback dies of what, for the plugin and for single requests.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::callbacks::CALLBACKS;
use crate::host;
use crate::ways::{WAYS, Way};

/// A callback and what happens in it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    pub(crate) callback: &'static str,
    pub(crate) way: Option<Way>,
    /// A request asked for it: the instance dies of it once, and not again if it survives.
    once: bool,
}

thread_local! {
    static PLUGIN: RefCell<Plan> = RefCell::default();
    static REQUESTS: RefCell<BTreeMap<u32, Plan>> = RefCell::default();
}

/// Callbacks that come to the root context, or before a request can say anything, so that a plan for them is never a single request's.
const OF_THE_PLUGIN: &[&str] = &[
    "tick",
    "queue_ready",
    "http_call_response",
    "grpc_receive_initial_metadata",
    "grpc_receive",
    "grpc_receive_trailing_metadata",
    "grpc_close",
    "redis_call_response",
    "context_create",
    "new_connection",
];

/// Key of the shared data from which the next instance takes the way in which its start dies.
const NEXT_START: &str = "die: next start";

/// Reads a plan out of any text that names a callback, and a way unless the callback is only to refuse.
fn read(text: &[u8]) -> Option<Plan> {
    let text = String::from_utf8_lossy(text);
    let words = || text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let callback = words().find_map(|word| CALLBACKS.iter().find(|known| **known == word))?;
    let way = words().find_map(|word| WAYS.iter().find(|known| known.0 == word));
    Some(Plan {
        callback,
        way: way.map(|way| way.1),
        once: false,
    })
}

/// Whether a text has this word.
pub(crate) fn has(text: &[u8], wanted: &str) -> bool {
    let text = String::from_utf8_lossy(text);
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .any(|word| word == wanted)
}

/// Keeps a plan for the whole plugin.
pub(crate) fn set_for_plugin(text: &[u8]) {
    if let Some(plan) = read(text) {
        PLUGIN.replace(plan);
    }
}

/// Keeps a plan for one request or connection.
pub(crate) fn set_for_request(context: u32, text: &[u8]) {
    let Some(plan) = read(text) else { return };
    if OF_THE_PLUGIN.contains(&plan.callback) {
        PLUGIN.replace(Plan { once: true, ..plan });
    }
    if plan.callback == "next_start" {
        host::share(NEXT_START, text);
    }
    REQUESTS.with_borrow_mut(|all| all.insert(context, plan));
}

/// The way in which this start dies, when the instance before left one.
pub(crate) fn of_this_start() -> Option<Way> {
    read(&host::shared(NEXT_START).1)?.way
}

/// A plan is about to be carried out.
pub(crate) fn used(plan: Plan) {
    if PLUGIN.with_borrow(|kept| kept.once && kept.callback == plan.callback) {
        PLUGIN.take();
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
