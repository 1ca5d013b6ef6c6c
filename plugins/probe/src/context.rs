//! What the probe remembers between callbacks: contexts, their scripts and saved values, and callouts on their way.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use crate::host::HostCall;

/// A root context or a stream.
#[derive(Default)]
pub struct Context {
    /// The root context above; 0 for a root context.
    pub parent: u32,
    /// What the configuration says.
    pub script: Rc<Value>,
    /// Name in `cases` that the request asked for.
    pub case: Option<String>,
    /// Values kept by `save`.
    pub saved: BTreeMap<String, Vec<u8>>,
    /// How often each callback came.
    pub seen: BTreeMap<&'static str, u32>,
}

/// A callout on its way: who made it and the step that did.
#[derive(Clone)]
pub struct Pending {
    /// Context in whose callback it was made.
    pub origin: u32,
    /// The step, with its `then` and other lists for what comes back.
    pub step: Rc<Value>,
}

thread_local! {
    static TABLES: Cell<&'static [&'static [HostCall]]> = const { Cell::new(&[]) };
    static CONTEXTS: RefCell<BTreeMap<u32, Context>> = const { RefCell::new(BTreeMap::new()) };
    static PENDING: RefCell<BTreeMap<(&'static str, u32), Pending>> = const { RefCell::new(BTreeMap::new()) };
    static INSIDE: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Says which host calls this ABI has.
pub fn set_tables(tables: &'static [&'static [HostCall]]) {
    TABLES.set(tables);
}

/// The host call of that name, without its `proxy_`.
pub fn host_call(word: &str) -> Option<&'static HostCall> {
    TABLES
        .get()
        .iter()
        .flat_map(|table| table.iter())
        .find(|call| call.name.strip_prefix("proxy_") == Some(word))
}

/// Notes that the host is inside a callback and gives the one that it was inside before: some when it re-enters.
pub fn enter(callback: Option<&'static str>) -> Option<&'static str> {
    INSIDE.replace(callback)
}

/// Makes a context under its parent, whose script it takes over.
pub fn create(id: u32, parent: u32) {
    let script = with(parent, |parent| Rc::clone(&parent.script)).unwrap_or_default();
    CONTEXTS.with_borrow_mut(|contexts| {
        contexts.insert(
            id,
            Context {
                parent,
                script,
                ..Context::default()
            },
        )
    });
}

/// Forgets a context.
pub fn delete(id: u32) {
    CONTEXTS.with_borrow_mut(|contexts| contexts.remove(&id));
}

/// Does something with a context; none when there is no such context. Makes no host call inside.
pub fn with<T>(id: u32, work: impl FnOnce(&mut Context) -> T) -> Option<T> {
    CONTEXTS.with_borrow_mut(|contexts| contexts.get_mut(&id).map(work))
}

/// The root context that a context belongs to.
pub fn root_of(id: u32) -> u32 {
    match with(id, |context| context.parent) {
        Some(parent) if parent != 0 => parent,
        _ => id,
    }
}

/// A saved value, the context's own or its root's.
pub fn saved(id: u32, name: &str) -> Option<Vec<u8>> {
    let own = with(id, |context| context.saved.get(name).cloned()).flatten();
    own.or_else(|| with(root_of(id), |root| root.saved.get(name).cloned()).flatten())
}

/// Remembers a callout until its callback.
pub fn expect_answer(family: &'static str, token: u32, origin: u32, step: &Value) {
    let pending = Pending {
        origin,
        step: Rc::new(step.clone()),
    };
    PENDING.with_borrow_mut(|all| all.insert((family, token), pending));
}

/// The callout behind a token.
pub fn answered(family: &'static str, token: u32) -> Option<Pending> {
    PENDING.with_borrow(|all| all.get(&(family, token)).cloned())
}
