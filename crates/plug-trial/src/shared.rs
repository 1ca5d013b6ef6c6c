//! Shared data and queues of a case, in the tables of the host itself.

use plug_host::Process;

use crate::judge::Judge;
use crate::written::{Expect, Mocks, Queue};

/// What the plugins of one process share.
pub(crate) struct Shared<'a> {
    pub(crate) process: &'a Process,
    /// The VM of the tested plugin.
    pub(crate) vm_id: &'a str,
}

impl Shared<'_> {
    /// As the ABI has it: no name means the plugin's own VM.
    fn vm_id<'v>(&'v self, named: &'v str) -> &'v str {
        if named.is_empty() { self.vm_id } else { named }
    }

    /// What is there before the plugin starts.
    ///
    /// # Errors
    /// When the host does not take it.
    pub(crate) fn begin(&self, mocks: &Mocks) -> Result<(), String> {
        for (key, value) in &mocks.shared_data {
            if !self.process.share_value(self.vm_id, key.as_bytes(), &value.bytes()) {
                return Err(format!("the value of `{key}` is too large for shared data"));
            }
        }
        for queue in &mocks.queues {
            if !self.process.open_queue(self.vm_id(&queue.vm_id), queue.name.as_bytes()) {
                return Err(format!("there is no room for the queue `{}`", queue.name));
            }
            self.put(queue)?;
        }
        Ok(())
    }

    /// Puts in a queue what somebody else would, and tells who registered it.
    ///
    /// # Errors
    /// When nobody has registered it, or it is full.
    pub(crate) fn put(&self, queue: &Queue) -> Result<(), String> {
        let vm_id = self.vm_id(&queue.vm_id);
        for item in &queue.items {
            let put = self.process.put_in_queue(vm_id, queue.name.as_bytes(), &item.bytes());
            put.map_err(|why| format!("nothing can be put in the queue `{}`: {why}", queue.name))?;
        }
        Ok(())
    }

    /// What is not as expected in shared data and queues.
    pub(crate) fn judge(&self, expect: &Expect, judge: &mut Judge<'_>) {
        for (key, wanted) in &expect.shared_data {
            let found = self.process.shared_value(self.vm_id, key.as_bytes());
            judge.bytes(&format!("shared data `{key}`"), wanted, found.as_deref());
        }
        for wanted in &expect.queues {
            let name = format!("queue `{}`", wanted.name);
            let vm_id = self.vm_id(&wanted.vm_id);
            match self.process.queue_items(vm_id, wanted.name.as_bytes()) {
                Some(found) => judge.all((&name, "item"), &wanted.items, &found),
                None => judge.say(format!("there is no {name}")),
            }
        }
    }
}
