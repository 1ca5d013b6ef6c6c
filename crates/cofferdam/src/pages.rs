//! The admin listener's pages: what the house knows, gathered from its workers.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::{Map, Value, json};

use console::house::{Led, Looked, NoProfile, Ordered, Profiling, RolloutOrder};
use gate_flow::now_ns;
use gate_plan::{OnFault, Plan, PluginLimits};
use gate_serve::worker::Workers;
use log_record::exposition::Form;
use log_record::grade::Level;
use plug_host::{Isolation, Limit, Plugin, PluginStats};

use plug_rollout::{Answer, Command};

use crate::assemble::House;
use crate::loaded::Waiting;
use crate::looking;
use crate::rollouts::waves::Everywhere;
use crate::voice::say;

mod logs;
mod metrics;
mod process;
mod traffic;

/// The limits of a plugin in force.
fn limits<'plan>(plan: &'plan Plan, plugin: &Plugin) -> Option<&'plan PluginLimits> {
    let mut plugins = plan.plugins.iter();
    let found = plugins.find(|known| known.name == plugin.spec.name)?;
    Some(&found.limits)
}

/// How often a plugin reached each limit, on all workers.
fn reached(plugin: &Plugin) -> Vec<(&'static str, u64)> {
    let of = |limit: Limit| {
        let counts = plugin.workers.iter().flat_map(PluginStats::limits_reached);
        counts
            .filter(|(known, _)| *known == limit)
            .map(|(_, count)| count)
            .sum()
    };
    Limit::ALL.map(|limit| (limit.word(), of(limit))).into()
}

/// For how long a plugin has another level where nobody says it.
const LEVEL_SECONDS: u64 = 600;

impl House {
    /// Gives a plugin another level for a time, on every worker.
    fn raise(&self, number: u32, plugin: &str, query: &str) -> Result<String, String> {
        let mut level = None;
        let mut seconds = LEVEL_SECONDS;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("level", word)) => {
                    let found = Level::ALL.into_iter().find(|level| level.word() == word);
                    level = Some(found.ok_or_else(|| format!("`{word}` is no level; there are {}", words()))?);
                }
                Some(("seconds", number)) => {
                    seconds = number
                        .parse()
                        .map_err(|_| format!("`{number}` is no number of seconds"))?;
                }
                _ => return Err(format!("`{pair}` is not known; write `?level=debug&seconds=600`")),
            }
        }
        let mut floors = self.floors.lock();
        let (next, said) = match (seconds, level) {
            (0, _) => (
                floors.without(number, now_ns()),
                format!("plugin {plugin} has its own level again"),
            ),
            (_, Some(level)) => {
                let next = floors
                    .with(number, level, seconds, now_ns())
                    .map_err(|why| why.to_string())?;
                let word = level.word();
                let said = format!("lines of plugin {plugin} from {word} on are written for {seconds} s");
                (next, said + &self.unrecorded(level))
            }
            (_, None) => {
                return Err(format!(
                    "no level is named; write `?level=debug&seconds=600`; levels are {}",
                    words()
                ));
            }
        };
        *floors = next.clone();
        drop(floors);
        say(&said);
        for mailbox in self.workers.lock().iter().flat_map(Workers::mailboxes) {
            let floors = next.clone();
            // A worker that is not reached is going away.
            let _ = mailbox.tell(move |flow| flow.floors(&floors));
        }
        Ok(said)
    }

    /// What an operator has to hear who asks for lines of which some become no record.
    fn unrecorded(&self, level: Level) -> String {
        let floor = self.plan().logs.level;
        match level < floor {
            true => format!(
                "; but what is below {} becomes no record while `logs.level` is that",
                floor.word()
            ),
            false => String::new(),
        }
    }
}

fn words() -> String {
    Level::ALL.map(|level| format!("`{}`", level.word())).join(", ")
}

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

    fn set_level(&self, plugin: &str, query: &str) -> Option<Result<String, String>> {
        let plan = self.plan();
        let number = plan.plugins.iter().position(|known| known.name == plugin)?;
        Some(self.raise(u32::try_from(number).unwrap_or(u32::MAX), plugin, query))
    }

    fn rollout(&self, plugin: &str) -> Option<Value> {
        self.rollouts.shown(plugin)
    }

    fn lead_rollout(&self, plugin: &str, order: RolloutOrder) -> Option<Led> {
        let everywhere = |order: Everywhere| {
            let ordered = self.rollouts.order_everywhere(plugin, order);
            Some(ordered.map_or_else(Led::Refused, |()| Led::Done))
        };
        let command = match order {
            RolloutOrder::StartEverywhere => return everywhere(Everywhere::Start),
            RolloutOrder::PromoteEverywhere => return everywhere(Everywhere::Promote),
            RolloutOrder::AbortEverywhere => return everywhere(Everywhere::Abort),
            RolloutOrder::Start => {
                if let Some(order) = self.rollouts.begun_before(plugin) {
                    let begun = House::begin_rollout(self, plugin, order.as_bytes());
                    return Some(begun.map_or_else(Led::Refused, |_| Led::Done));
                }
                let started = self.rollouts.start(self, plugin)?;
                return Some(started.map_or_else(Led::Refused, |()| Led::Done));
            }
            RolloutOrder::Pause => Command::Pause,
            RolloutOrder::Resume => Command::Resume,
            RolloutOrder::Promote => Command::Promote,
            RolloutOrder::Abort => Command::Abort,
        };
        say(&format!("rollout ordered plugin={plugin} order={}", order.word()));
        Some(match self.rollouts.order(self, plugin, command)? {
            Answer::Done => Led::Done,
            Answer::Already => Led::Already,
            Answer::Refused(why) => Led::Refused(why.to_owned()),
        })
    }

    fn begin_rollout(&self, plugin: &str, order: &[u8]) -> Result<String, String> {
        say(&format!("rollout ordered plugin={plugin} order=start"));
        House::begin_rollout(self, plugin, order).map(str::to_owned)
    }

    fn profile(&self, plugin: &str, what: Looked) -> Result<Box<dyn Profiling>, NoProfile> {
        looking::begin(self, plugin, what)
    }

    fn ordered(&self, ordered: &Ordered<'_>) {
        crate::records::ordered(ordered);
    }

    fn crashes(&self) -> Value {
        let crashes = self
            .crashes
            .store()
            .and_then(|store| store.list().ok())
            .unwrap_or_default();
        crashes.iter().map(crate::cmd::crash::summary).collect()
    }

    fn crash(&self, signature: &str) -> Option<(Value, String)> {
        let found = self.crashes.store()?.find(signature).ok()?;
        let crash = found.first().filter(|_| found.len() == 1)?;
        Some((json!(crash), crash.whole()))
    }

    fn ready(&self) -> bool {
        self.is_ready()
    }

    fn metrics(&self, form: Form) -> Vec<u8> {
        metrics::page(self).finish(form)
    }

    fn config(&self) -> Value {
        let (_, waiting) = self.standings();
        let waiting: Vec<Value> = waiting.iter().map(describe_waiting).collect();
        let store = self.store.get().map(|store| crate::stores::describe(store));
        json!({ "generation": self.generation(), "store": store, "waiting": waiting, "plan": self.plan().describe() })
    }

    fn plugins(&self) -> Value {
        let plugins = House::plugins(self);
        let plan = self.plan();
        let (standings, _) = self.standings();
        let begun = self.former().text.map(|text| text.begun.clone()).unwrap_or_default();
        standings
            .iter()
            .map(|standing| {
                let running = plugins.iter().find(|plugin| plugin.spec.name == standing.plugin);
                let mut page = Map::from_iter([
                    (String::from("name"), json!(standing.plugin)),
                    (String::from("runs"), json!(standing.stand.word())),
                    (String::from("why_not"), json!(standing.why_not)),
                ]);
                if begun.contains_key(&standing.plugin) {
                    let how = "by `rollout start`: the configuration has it otherwise";
                    page.insert(String::from("begun"), json!(how));
                }
                if let Some(Value::Object(more)) = running.map(|plugin| describe(plugin, &plan)) {
                    page.extend(more);
                }
                Value::Object(page)
            })
            .collect()
    }
}

fn describe_waiting(waiting: &Waiting) -> Value {
    json!({
        "place": waiting.place,
        "plugin": waiting.plugin,
        "meanwhile": match waiting.on_fault {
            None => "as_before",
            Some(OnFault::Close) => "closed",
            Some(OnFault::Open) => "without_it",
        },
    })
}

/// A plugin that runs, on each worker.
fn describe(plugin: &Plugin, plan: &Plan) -> Value {
    let workers = plugin.workers.iter().enumerate().map(|(worker, stats)| {
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
    });
    json!({
        "generation": plugin.generation,
        "abi": plugin.module.abi().as_str(),
        "sha256": plugin.module.digest,
        "isolation": match plugin.spec.isolation {
            Isolation::Worker => "worker",
            Isolation::Exchange { .. } => "exchange",
        },
        // What is taken of its grant while it goes on as it was.
        "narrowed": plugin.narrowed().map(|left| crate::narrowing::taken(plugin, &left)),
        "limits": limits(plan, plugin).map(PluginLimits::describe),
        "reached": reached(plugin).into_iter().filter(|(_, count)| *count > 0).collect::<BTreeMap<_, _>>(),
        "workers": workers.collect::<Vec<_>>(),
    })
}
