//! Shared data and queues: process-wide, keyed by `vm_id`, outliving instances, as in Envoy.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::engine::Process;
use crate::limit::{Limit, Limits};

/// LIMIT: bytes of keys and values one `vm_id` may keep.
pub(crate) const SHARED_DATA_BYTES_MAX: usize = 64 * 1024 * 1024;
/// LIMIT: entries one queue may hold.
pub(crate) const QUEUE_LENGTH_MAX: usize = 65_536;
/// LIMIT: bytes one queue may hold.
const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// LIMIT: queues of one `vm_id`.
const QUEUES_MAX: usize = 256;
/// What an entry takes beside its key and value.
const ENTRY_BYTES: usize = 96;

/// Why a write was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotWritten {
    /// Somebody else wrote since the value was read.
    Changed,
    /// A limit of the writer is reached.
    Full(Limit),
    /// A queue has as many bytes as any may have.
    TooManyBytes,
    /// There is no such queue.
    NoQueue,
}

/// Who is told when something was put in a queue.
pub(crate) type QueueListener = Arc<dyn Fn(u32) + Send + Sync>;

/// A `vm_id` and a key.
type Place = (String, Vec<u8>);

/// A value, and the number of its last write.
type Entry = (Bytes, u32);

#[derive(Default)]
struct Store {
    entries: HashMap<Vec<u8>, Entry>,
    bytes: usize,
}

struct Queue {
    vm_id: String,
    name: Vec<u8>,
    entries: VecDeque<Bytes>,
    bytes: usize,
    listener: QueueListener,
}

#[derive(Default)]
struct Tables {
    stores: HashMap<String, Store>,
    cas_last: u32,
    queues: HashMap<u32, Queue>,
    queue_last: u32,
    /// What was there before it was written, by `vm_id` and key, while that is noted.
    before: Option<HashMap<Place, Option<Entry>>>,
}

fn size(key: &[u8], value: &[u8]) -> usize {
    key.len().saturating_add(value.len()).saturating_add(ENTRY_BYTES)
}

/// All shared data and queues of the process.
#[derive(Default)]
pub(crate) struct SharedData {
    tables: Mutex<Tables>,
    /// What is read where nothing is here; never written.
    beneath: Option<Arc<Process>>,
}

/// The numbers of whoever writes above others, so that none of them is one of theirs.
const ABOVE: u32 = 1 << 31;

impl SharedData {
    /// What lies above what others share, and reads it.
    pub(crate) fn above(beneath: &Arc<Process>) -> Self {
        let tables = Tables {
            cas_last: ABOVE,
            queue_last: ABOVE,
            ..Tables::default()
        };
        Self {
            tables: Mutex::new(tables),
            beneath: Some(Arc::clone(beneath)),
        }
    }

    /// Notes what each later write replaces.
    pub(crate) fn note_writes(&self) {
        self.tables.lock().before = Some(HashMap::new());
    }

    /// Puts back what was replaced since that is noted.
    pub(crate) fn forget_writes(&self) {
        let mut tables = self.tables.lock();
        for ((vm_id, key), before) in tables.before.take().unwrap_or_default() {
            let Some(store) = tables.stores.get_mut(&vm_id) else {
                continue;
            };
            let now = store.entries.remove(&key);
            let now = now.map_or(0, |(value, _)| size(&key, &value));
            let had = before.as_ref().map_or(0, |(value, _)| size(&key, value));
            store.bytes = store.bytes.saturating_sub(now).saturating_add(had);
            if let Some(before) = before {
                store.entries.insert(key, before);
            }
        }
    }

    /// The value of `key` and the number to give back in a compare-and-swap, never 0.
    pub(crate) fn get(&self, vm_id: &str, key: &[u8]) -> Option<(Bytes, u32)> {
        let here = |tables: &Tables| tables.stores.get(vm_id)?.entries.get(key).cloned();
        here(&self.tables.lock()).or_else(|| self.beneath.as_ref()?.shared.get(vm_id, key))
    }

    /// Writes `value`; `cas` 0 is unconditional and a key that is not there ignores it, as in Envoy.
    pub(crate) fn set(
        &self,
        (vm_id, writer): (&str, &Limits),
        key: &[u8],
        value: &[u8],
        cas: u32,
    ) -> Result<(), NotWritten> {
        let beneath = self.beneath.as_ref().and_then(|beneath| beneath.shared.get(vm_id, key));
        let mut tables = self.tables.lock();
        let next = tables.cas_last.checked_add(1).unwrap_or(1);
        let Tables {
            stores, before: noted, ..
        } = &mut *tables;
        let store = stores.entry(vm_id.to_owned()).or_default();
        let is_here = store.entries.contains_key(key);
        if !is_here && beneath.is_some_and(|(_, current)| cas != 0 && current != cas) {
            return Err(NotWritten::Changed);
        }
        let before = match store.entries.get(key) {
            Some((_, current)) if cas != 0 && *current != cas => return Err(NotWritten::Changed),
            Some((old, _)) => size(key, old),
            None => 0,
        };
        let bytes = store.bytes.saturating_sub(before).saturating_add(size(key, value));
        // The bounds of the writer count, also for what others wrote. What makes it no larger is let through, or it never became smaller.
        if bytes > store.bytes && bytes > writer.shared_data_bytes_max.min(SHARED_DATA_BYTES_MAX) {
            return Err(NotWritten::Full(Limit::SharedData));
        }
        if before == 0 && store.entries.len() >= writer.shared_keys_max {
            return Err(NotWritten::Full(Limit::SharedKeys));
        }
        if let Some(noted) = noted {
            let place = (vm_id.to_owned(), key.to_owned());
            noted.entry(place).or_insert_with(|| store.entries.get(key).cloned());
        }
        store.bytes = bytes;
        store
            .entries
            .insert(key.to_owned(), (Bytes::copy_from_slice(value), next));
        tables.cas_last = next;
        Ok(())
    }

    /// The id of a queue, made if it is new; `listener` is told from now on.
    pub(crate) fn register_queue(&self, vm_id: &str, name: &[u8], listener: QueueListener) -> Option<u32> {
        let mut tables = self.tables.lock();
        if let Some((id, queue)) = tables
            .queues
            .iter_mut()
            .find(|(_, q)| q.vm_id == vm_id && q.name == name)
        {
            queue.listener = listener;
            return Some(*id);
        }
        if tables.queues.values().filter(|queue| queue.vm_id == vm_id).count() >= QUEUES_MAX {
            return None;
        }
        tables.queue_last = tables.queue_last.checked_add(1)?;
        let id = tables.queue_last;
        let queue = Queue {
            vm_id: vm_id.to_owned(),
            name: name.to_owned(),
            entries: VecDeque::new(),
            bytes: 0,
            listener,
        };
        tables.queues.insert(id, queue);
        Some(id)
    }

    /// The id of a queue that somebody registered.
    pub(crate) fn resolve_queue(&self, vm_id: &str, name: &[u8]) -> Option<u32> {
        let here = |tables: &Tables| {
            let mut queues = tables.queues.iter();
            let found = queues.find(|(_, q)| q.vm_id == vm_id && q.name == name);
            found.map(|(id, _)| *id)
        };
        here(&self.tables.lock()).or_else(|| self.beneath.as_ref()?.shared.resolve_queue(vm_id, name))
    }

    /// Whether a queue is one of those beneath: what is put there from above is gone, and nothing is taken from there.
    fn is_beneath(&self, id: u32) -> bool {
        let there = |beneath: &Arc<Process>| beneath.shared.tables.lock().queues.contains_key(&id);
        self.beneath.as_ref().is_some_and(there)
    }

    /// Appends to a queue and tells its listener.
    pub(crate) fn enqueue(&self, id: u32, value: &[u8], writer: &Limits) -> Result<(), NotWritten> {
        let listener = {
            let mut tables = self.tables.lock();
            let Some(queue) = tables.queues.get_mut(&id) else {
                return if self.is_beneath(id) {
                    Ok(())
                } else {
                    Err(NotWritten::NoQueue)
                };
            };
            if queue.entries.len() >= writer.queue_length_max.min(QUEUE_LENGTH_MAX) {
                return Err(NotWritten::Full(Limit::QueueLength));
            }
            if queue.bytes.saturating_add(value.len()) > QUEUE_BYTES_MAX {
                return Err(NotWritten::TooManyBytes);
            }
            queue.bytes = queue.bytes.saturating_add(value.len());
            queue.entries.push_back(Bytes::copy_from_slice(value));
            Arc::clone(&queue.listener)
        };
        listener(id);
        Ok(())
    }

    /// Takes the oldest entry: `Ok(None)` when the queue is empty.
    pub(crate) fn dequeue(&self, id: u32) -> Result<Option<Bytes>, NotWritten> {
        let mut tables = self.tables.lock();
        let Some(queue) = tables.queues.get_mut(&id) else {
            return if self.is_beneath(id) {
                Ok(None)
            } else {
                Err(NotWritten::NoQueue)
            };
        };
        let entry = queue.entries.pop_front();
        queue.bytes = queue.bytes.saturating_sub(entry.as_ref().map_or(0, Bytes::len));
        Ok(entry)
    }

    /// What waits in a queue, oldest first; none when there is no such queue.
    pub(crate) fn queue_items(&self, id: u32) -> Option<Vec<Bytes>> {
        let tables = self.tables.lock();
        let queue = tables.queues.get(&id)?;
        Some(queue.entries.iter().cloned().collect())
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self, vm_id: &str) -> usize {
        self.tables.lock().stores.get(vm_id).map_or(0, |store| store.bytes)
    }

    #[cfg(test)]
    pub(crate) fn counted_bytes(&self, vm_id: &str) -> usize {
        let tables = self.tables.lock();
        let entries = tables.stores.get(vm_id).map(|store| &store.entries);
        let entries = entries.into_iter().flatten();
        entries.map(|(key, (value, _))| size(key, value)).sum()
    }
}
