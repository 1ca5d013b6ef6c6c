//! Log guests of a plan: loaded, started and configured; and how the log leads records through them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gate_plan::Plan;
use gate_plan::logs::SandboxPlugin;
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};
use parking_lot::Mutex;
use plug_abi::LogLevel;
use plug_grant::{Folder, Grant};
use plug_host::{CodeCache, Compiler, Folders, LogEngine, LogGrant, LogGuest, LogGuestSpec, LogModule, Passed};

use super::write_down;
use crate::voice::{LINES_BYTES_MAX, say_of_plugin};

/// What became of records in each guest.
pub(crate) type Counts = BTreeMap<String, GuestCounts>;

/// Counts of one guest.
#[derive(Debug, Default, Clone)]
pub(crate) struct GuestCounts {
    pub(crate) unchanged: u64,
    pub(crate) changed: u64,
    pub(crate) marked: u64,
    /// Deaths by the word of why.
    pub(crate) deaths: BTreeMap<&'static str, u64>,
    pub(crate) quarantines: u64,
}

/// Guests that a plan asks for, in their order.
pub(crate) struct Screen {
    guests: Vec<LogGuest>,
    batch_records_max: usize,
    counts: Arc<Mutex<Counts>>,
}

impl Screen {
    /// Starts the guests of a plan; none where it has none. What is wrong is said with the name of the guest.
    pub(crate) fn start(
        plan: &Plan,
        engine: &Arc<LogEngine>,
        (compiler, cache): (&Compiler, Option<&CodeCache>),
    ) -> Result<Option<Self>, String> {
        let Some(sandbox) = &plan.logs.sandbox else {
            return Ok(None);
        };
        let mut guests = Vec::new();
        for plugin in &sandbox.plugins {
            let started = start(plugin, engine, (compiler, cache), sandbox.slice);
            guests.push(started.map_err(|why| format!("log guest `{}`: {why}", plugin.name))?);
        }
        Ok(Some(Self {
            guests,
            batch_records_max: usize::try_from(sandbox.batch_records_max).unwrap_or(usize::MAX),
            counts: Arc::default(),
        }))
    }

    pub(crate) fn counts(&self) -> Arc<Mutex<Counts>> {
        Arc::clone(&self.counts)
    }
}

/// Guests that are handed to one place after the other, until a log is opened there.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<Screen>>);

impl Shared {
    pub(crate) fn new(screen: Screen) -> Self {
        Self(Arc::new(Mutex::new(screen)))
    }
}

impl log_book::Screen for Shared {
    fn pass(&mut self, lines: &mut [Vec<u8>]) {
        // Of those who share it, one reads.
        self.0.lock().pass(lines);
    }
}

impl Screen {
    fn pass(&mut self, lines: &mut [Vec<u8>]) {
        for batch in lines.chunks_mut(self.batch_records_max.max(1)) {
            for guest in &mut self.guests {
                let passed = guest.pass(batch);
                tell(guest.name(), &passed);
                count(&mut self.counts.lock(), guest.name(), &passed);
            }
        }
    }
}

fn start(
    plugin: &SandboxPlugin,
    engine: &Arc<LogEngine>,
    (compiler, cache): (&Compiler, Option<&CodeCache>),
    batch_time_max: std::time::Duration,
) -> Result<LogGuest, String> {
    let path = plugin.module.display();
    let bytes = std::fs::read(&plugin.module).map_err(|why| format!("its module `{path}` cannot be read: {why}"))?;
    let module = LogModule::load(Some(compiler), engine, &bytes, cache).map_err(|why| why.to_string())?;
    let (folders, files): (Vec<_>, Vec<_>) = plugin.files.iter().cloned().partition(|(_, path)| path.is_dir());
    let folders = folders.into_iter().map(|(name, path)| Folder {
        path,
        name: format!("/{name}"),
        write: false,
    });
    let grant = Grant {
        folders: folders.collect(),
        ..Grant::everything()
    };
    let opened = match plugin.files.is_empty() {
        true => None,
        false => Some(Folders::with_files(&grant, files)?),
    };
    let spec = LogGuestSpec {
        name: plugin.name.clone(),
        configuration: plugin.config.clone(),
        grant: LogGrant {
            folders: opened.map(Arc::new),
            ..LogGrant::default()
        },
        memory_bytes_max: plugin.memory_bytes_max,
        batch_time_max,
        ..LogGuestSpec::default()
    };
    let name = plugin.name.clone();
    let says = move |level: LogLevel, text: &str| {
        let line = format!("log guest says guest={name} level={} text={text:?}", level.word());
        say_of_plugin(level, &line, LINES_BYTES_MAX);
    };
    LogGuest::start(&module, spec, Arc::new(says)).map_err(|why| why.to_string())
}

/// Deaths are said, bounded as everything is that plugins make the gateway say, and written down in a class that guests are not shown: of a
/// death there comes no other.
fn tell(guest: &str, passed: &Passed) {
    if let Some(fault) = &passed.fault {
        let after = if passed.is_quarantined { "; it is set aside" } else { "" };
        let line = format!(
            "log guest died guest={guest} deaths={} marked={}: {fault}{after}",
            passed.deaths, passed.marked
        );
        write_down(Level::Error, Class::Gateway, |sheet| {
            let own = sheet.own();
            own.text(&field::PLUGIN, guest.as_bytes());
            own.text_with(&field::CODE, |out| {
                out.extend_from_slice(b"log_guest.");
                out.extend_from_slice(fault.word().as_bytes());
            });
            sheet.sent(&field::MESSAGE, Untrusted::Text(line.as_bytes()));
        });
        say_of_plugin(LogLevel::Error, &line, LINES_BYTES_MAX);
    }
}

fn count(counts: &mut Counts, guest: &str, passed: &Passed) {
    if !counts.contains_key(guest) {
        counts.insert(guest.to_owned(), GuestCounts::default());
    }
    let Some(sum) = counts.get_mut(guest) else { return };
    sum.unchanged += passed.unchanged;
    sum.changed += passed.changed;
    sum.marked += passed.marked;
    if let Some(fault) = &passed.fault {
        *sum.deaths.entry(fault.word()).or_default() += passed.deaths;
    }
    sum.quarantines += u64::from(passed.is_quarantined);
}
