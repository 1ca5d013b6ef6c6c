//! The admin listener's pages: what the house knows, gathered from its workers.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use gate_serve::worker::Workers;
use plug_host::Isolation;

use crate::assemble::House;
use crate::voice::say;

mod metrics;
mod traffic;

impl console::house::House for House {
    fn lift(&self, plugin: &str) -> bool {
        let known = House::plugins(self).iter().any(|known| known.spec.name == plugin);
        if known {
            say(&format!("plugin lifted plugin={plugin}"));
        }
        for mailbox in self.workers.lock().iter().flat_map(Workers::mailboxes) {
            let plugin = plugin.to_owned();
            // A worker that is not reached is going away, and its plugins with it.
            let _ = mailbox.tell(move |flow| flow.lift(&plugin));
        }
        known
    }

    fn ready(&self) -> bool {
        self.is_ready()
    }

    fn metrics(&self) -> Vec<u8> {
        metrics::page(self)
    }

    fn config(&self) -> Value {
        json!({ "generation": self.generation(), "plan": self.plan().describe() })
    }

    fn plugins(&self) -> Value {
        let plugins = House::plugins(self);
        plugins
            .iter()
            .map(|plugin| {
                let workers: Vec<Value> = plugin
                    .workers
                    .iter()
                    .enumerate()
                    .map(|(worker, stats)| {
                        json!({
                            "worker": worker,
                            "state": stats.state().word(),
                            "instances": stats.instances.load(Ordering::Relaxed),
                            "memory_bytes": stats.memory_bytes.load(Ordering::Relaxed),
                            "exchanges": stats.exchanges.load(Ordering::Relaxed),
                            "starts": stats.starts.load(Ordering::Relaxed),
                            "faults": stats.faults.load(Ordering::Relaxed),
                            "last_error": stats.last_error(),
                        })
                    })
                    .collect();
                json!({
                    "name": plugin.spec.name,
                    "generation": plugin.generation,
                    "abi": plugin.module.abi().as_str(),
                    "sha256": plugin.module.digest,
                    "isolation": match plugin.spec.isolation {
                        Isolation::Worker => "worker",
                        Isolation::Exchange { .. } => "exchange",
                    },
                    "limits": {
                        "memory_bytes": plugin.spec.memory_bytes_max,
                        "cpu_slice_ms": u64::try_from(plugin.spec.cpu_slice.as_millis()).unwrap_or(u64::MAX),
                        "stack_bytes": plugin.spec.stack_bytes_max,
                        "trusted_after": plugin.spec.trusted_after,
                        "instances": match plugin.spec.isolation {
                            Isolation::Worker => None,
                            Isolation::Exchange { instances_max } => Some(instances_max),
                        },
                    },
                    "workers": workers,
                })
            })
            .collect()
    }
}
