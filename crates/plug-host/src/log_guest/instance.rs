//! A running log guest: how it begins, how it begins again from what it was when it was configured, and one batch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use log_record::patch::Patcher;
use plug_abi::{LOG_ALLOC, LOG_BATCH, LOG_CONFIGURE, LOG_INITIALIZE, LogLevel};
use wasmtime::{
    Global, Instance, Memory, ResourceLimiter, Store, TypedFunc, UpdateDeadline, Val, WasmParams, WasmResults,
};

use super::engine::LogModule;
use super::fault::LogFault;
use super::image::Image;
use super::wire::{self, Patches};
use super::{BATCH_TIME_MAX, LogGrant, LogGuestSpec, LogSays, Passed};
use crate::engine::TABLE_ENTRIES_MAX;
use crate::file_counts::FileCounts;
use crate::files::Files;
use crate::lines::{Line, Lines};

/// LIMIT: lines of one guest for each second.
const LINES_PER_S_MAX: u32 = 10;

/// A record that nobody sent, and how many of them a rehearsal has.
const REHEARSAL: &str = r#"{"timestamp":"1970-01-01T00:00:00.000000Z","request_id":"0","http.request.method":"GET","url.path":"/","client.address":"192.0.2.1","user_agent.original":"Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0"}"#;
const REHEARSAL_RECORDS: usize = 8;

/// What the host keeps beside a running guest.
pub(super) struct Keeper {
    pub(super) grant: LogGrant,
    /// What it may read, until it is configured.
    pub(super) files: Option<Files>,
    pub(super) memory_bytes_max: u64,
    /// Memory was not given to it.
    pub(super) wanted_memory: bool,
    /// What it may take now, and until when.
    pub(super) time_max: Duration,
    until: Instant,
    name: Vec<String>,
    says: LogSays,
    lines: Lines,
    last_line: String,
}

impl Keeper {
    pub(super) fn new(spec: &LogGuestSpec, says: &LogSays) -> Self {
        Self {
            grant: spec.grant.clone(),
            files: None,
            memory_bytes_max: spec.memory_bytes_max,
            wanted_memory: false,
            time_max: Duration::ZERO,
            until: Instant::now(),
            name: vec![spec.name.clone()],
            says: Arc::clone(says),
            lines: Lines::new(LINES_PER_S_MAX),
            last_line: String::new(),
        }
    }

    /// Arguments of the guest: its name.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self.grant.args {
            true => self.name.clone(),
            false => Vec::new(),
        }
    }

    /// The guest wrote a line.
    pub(super) fn say(&mut self, level: LogLevel, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if !self.grant.lines || line.is_empty() {
            return;
        }
        if self.lines.next(tokio::time::Instant::now()) == Line::Written {
            (self.says)(level, line);
            line.clone_into(&mut self.last_line);
        }
    }
}

impl ResourceLimiter for Keeper {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let fits = u64::try_from(desired).is_ok_and(|desired| desired <= self.memory_bytes_max);
        self.wanted_memory |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ENTRIES_MAX)
    }
}

/// All that a configured guest knows.
pub(super) struct Snapshot {
    image: Image,
    globals: Vec<Val>,
    /// Where batches are written.
    input: (usize, usize),
}

/// A guest that can be given batches.
pub(super) struct Running {
    store: Store<Keeper>,
    memory: Memory,
    globals: Vec<Global>,
    batch: TypedFunc<(u32, u32), u64>,
}

fn not_started(why: impl std::fmt::Display) -> LogFault {
    LogFault::NotStarted(why.to_string())
}

impl Running {
    /// Starts and configures a guest, and keeps what it is then.
    pub(super) fn begin(module: &LogModule, spec: &LogGuestSpec, says: &LogSays) -> Result<(Self, Snapshot), LogFault> {
        let (mut running, instance) = Self::bare(module, spec, says)?;
        if let Some(folders) = &spec.grant.folders {
            let folders = Arc::new(folders.reopened().map_err(not_started)?);
            running.store.data_mut().files = Some(Files::new(folders, FileCounts::default(), false));
        }
        running.bound(spec.start_time_max);
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut running.store, LOG_INITIALIZE.name) {
            running.call(&initialize, ())?;
        }
        running.configure(&instance, &spec.configuration)?;
        let room = spec.batch_bytes_max;
        let at = running.alloc(&instance, room)?;
        running.store.data_mut().files = None;
        let snapshot = Snapshot {
            image: Image::of(running.memory.data(&running.store)).map_err(not_started)?,
            globals: running
                .globals
                .iter()
                .map(|global| global.get(&mut running.store))
                .collect(),
            input: (at, room),
        };
        match snapshot.image.lay(&mut running.store, running.memory) {
            Ok(true) => running.rehearsed(module, spec, says, snapshot),
            Ok(false) => Err(not_started("its memory has another size than its copy")),
            Err(why) => Err(not_started(why)),
        }
    }

    /// Gives it a batch that nobody sent, to see which pages a batch writes. What it says and makes of it is nobody's business.
    fn rehearsed(
        mut self,
        module: &LogModule,
        spec: &LogGuestSpec,
        says: &LogSays,
        mut snapshot: Snapshot,
    ) -> Result<(Self, Snapshot), LogFault> {
        let mut lines = vec![REHEARSAL.as_bytes().to_vec(); REHEARSAL_RECORDS];
        let lines_granted = std::mem::replace(&mut self.store.data_mut().grant.lines, false);
        let time = spec.batch_time_max.min(BATCH_TIME_MAX);
        let answered = self.answer(&snapshot, &mut lines, (time, after(time)));
        self.store.data_mut().grant.lines = lines_granted;
        if answered.is_ok() && self.memory.data_size(&self.store) == snapshot.image.bytes() {
            let learnt = snapshot.image.learn(self.memory.data(&self.store));
            learnt.map_err(not_started)?;
            if self.put_back(&snapshot) {
                return Ok((self, snapshot));
            }
        }
        // It begins anew; how it does with records of somebody will be seen.
        drop(self);
        Ok((Self::again(module, spec, says, &snapshot)?, snapshot))
    }

    /// An instance that is what the snapshot says.
    pub(super) fn again(
        module: &LogModule,
        spec: &LogGuestSpec,
        says: &LogSays,
        snapshot: &Snapshot,
    ) -> Result<Self, LogFault> {
        let (mut running, _) = Self::bare(module, spec, says)?;
        let has = running.memory.data_size(&running.store);
        let more = snapshot.image.bytes().saturating_sub(has) / PAGE_BYTES;
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        running.memory.grow(&mut running.store, more).map_err(not_started)?;
        let laid = snapshot.image.lay(&mut running.store, running.memory);
        match laid.map_err(not_started)? && running.put_globals_back(snapshot) {
            true => Ok(running),
            false => Err(not_started("it does not begin as it began before")),
        }
    }

    fn bare(module: &LogModule, spec: &LogGuestSpec, says: &LogSays) -> Result<(Self, Instance), LogFault> {
        let mut store = Store::new(&module.engine.code, Keeper::new(spec, says));
        store.limiter(|keeper| keeper);
        store.epoch_deadline_callback(|context| {
            Ok(match Instant::now() < context.data().until {
                true => UpdateDeadline::Continue(1),
                false => UpdateDeadline::Interrupt,
            })
        });
        store.set_epoch_deadline(1);
        let time = spec.start_time_max;
        let keeper = store.data_mut();
        (keeper.time_max, keeper.until) = (time, after(time));
        let instance = module.ready.instantiate(&mut store);
        let instance = instance.map_err(|why| LogFault::of(&why, store.data()))?;
        let missing = || not_started("an export is missing");
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(missing)?;
        let globals = module.globals.iter().map(|name| instance.get_global(&mut store, name));
        let globals = globals.collect::<Option<Vec<Global>>>().ok_or_else(missing)?;
        let batch = instance
            .get_typed_func(&mut store, LOG_BATCH.name)
            .map_err(not_started)?;
        let running = Self {
            store,
            memory,
            globals,
            batch,
        };
        Ok((running, instance))
    }

    /// From now on it may take so long.
    fn bound(&mut self, time: Duration) {
        let keeper = self.store.data_mut();
        (keeper.time_max, keeper.until) = (time, after(time));
        keeper.wanted_memory = false;
        self.store.set_epoch_deadline(1);
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, function: &TypedFunc<P, R>, params: P) -> Result<R, LogFault> {
        let called = function.call(&mut self.store, params);
        called.map_err(|why| LogFault::of(&why, self.store.data()))
    }

    /// Where the guest wants so many bytes.
    fn alloc(&mut self, instance: &Instance, bytes: usize) -> Result<usize, LogFault> {
        let alloc = instance.get_typed_func::<u32, u32>(&mut self.store, LOG_ALLOC.name);
        let wanted = u32::try_from(bytes).map_err(not_started)?;
        let at = self.call(&alloc.map_err(not_started)?, wanted)?;
        let at = usize::try_from(at).map_err(not_started)?;
        let end = at.checked_add(bytes);
        match end.is_some_and(|end| at > 0 && end <= self.memory.data_size(&self.store)) {
            true => Ok(at),
            false => Err(LogFault::Answer(
                "the place that it gave for its input is not in its memory",
            )),
        }
    }

    fn configure(&mut self, instance: &Instance, configuration: &[u8]) -> Result<(), LogFault> {
        let Ok(configure) = instance.get_typed_func::<(u32, u32), i32>(&mut self.store, LOG_CONFIGURE.name) else {
            return Ok(());
        };
        let at = self.alloc(instance, configuration.len())?;
        let end = at.saturating_add(configuration.len());
        if let Some(room) = self.memory.data_mut(&mut self.store).get_mut(at..end) {
            room.copy_from_slice(configuration);
        }
        let place = u32::try_from(at).map_err(not_started)?;
        let length = u32::try_from(configuration.len()).map_err(not_started)?;
        match self.call(&configure, (place, length))? {
            0 => Ok(()),
            code => Err(LogFault::Configuration(code, self.store.data().last_line.clone())),
        }
    }

    /// One batch: the records go in, the patches come out and are applied, and the guest forgets all of it. After a fault it must not be used
    /// again, nor when it says that it is used up.
    pub(super) fn batch<L: AsMut<Vec<u8>>>(
        &mut self,
        snapshot: &Snapshot,
        lines: &mut [L],
        until: (Duration, Instant),
        work: &mut Work<'_>,
    ) -> Result<IsUsedUp, LogFault> {
        let answer = self.answer(snapshot, lines, until)?;
        self.apply(answer, lines, work)?;
        // Where it cannot be made what it was, it is not used again.
        Ok(IsUsedUp(!self.put_back(snapshot)))
    }

    /// The records go in, and the place of the answer comes out.
    fn answer<L: AsMut<Vec<u8>>>(
        &mut self,
        snapshot: &Snapshot,
        lines: &mut [L],
        until: (Duration, Instant),
    ) -> Result<u64, LogFault> {
        self.bound(until.0);
        self.store.data_mut().until = until.1;
        let (at, bytes) = snapshot.input;
        let room = self
            .memory
            .data_mut(&mut self.store)
            .get_mut(at..at.saturating_add(bytes));
        let length = wire::write(room.unwrap_or_default(), lines);
        let length = length.ok_or(LogFault::Answer("its input has no room for the batch"))?;
        let place = |size: usize| u32::try_from(size).map_err(not_started);
        let answer = self.batch.call(&mut self.store, (place(at)?, place(length)?));
        answer.map_err(|why| LogFault::of(&why, self.store.data()))
    }

    fn put_back(&mut self, snapshot: &Snapshot) -> bool {
        let is_back = snapshot.image.put_back(&mut self.store, self.memory).unwrap_or(false);
        is_back && self.put_globals_back(snapshot)
    }

    fn apply<L: AsMut<Vec<u8>>>(&self, answer: u64, lines: &mut [L], work: &mut Work<'_>) -> Result<(), LogFault> {
        let [at, length] =
            [answer >> 32, answer & u64::from(u32::MAX)].map(|part| usize::try_from(part).unwrap_or(usize::MAX));
        if length > work.answer_bytes_max {
            return Err(LogFault::Answer("it is too long"));
        }
        let end = at.saturating_add(length);
        let answer = self.memory.data(&self.store).get(at..end);
        let answer = answer.ok_or(LogFault::Answer("it is not in the guest's memory"))?;
        let patches = Patches::read(answer, lines.len()).map_err(LogFault::Answer)?;
        for (line, patch) in lines.iter_mut().zip(patches) {
            work.apply(line.as_mut(), patch);
        }
        Ok(())
    }

    fn put_globals_back(&mut self, snapshot: &Snapshot) -> bool {
        let mut both = self.globals.iter().zip(&snapshot.globals);
        both.all(|(global, value)| global.set(&mut self.store, *value).is_ok())
    }

    /// What its memory holds.
    #[cfg(test)]
    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }
}

/// A page of WebAssembly.
const PAGE_BYTES: usize = 64 * 1024;

/// Whether an instance has become something that cannot be put back: the next batch needs a new one.
pub(super) struct IsUsedUp(pub(super) bool);

/// What happens to records with the patches of a guest.
pub(super) struct Work<'w> {
    pub(super) patcher: &'w mut Patcher,
    pub(super) patch_bytes_max: usize,
    pub(super) answer_bytes_max: usize,
    pub(super) passed: &'w mut Passed,
}

impl Work<'_> {
    fn apply(&mut self, line: &mut Vec<u8>, patch: &[u8]) {
        if patch.is_empty() {
            self.passed.unchanged += 1;
            return;
        }
        match self.patcher.apply(line, patch, self.patch_bytes_max) {
            Ok(()) => self.passed.changed += 1,
            Err(refused) => {
                self.patcher.mark(line, refused.word());
                self.passed.marked += 1;
                self.passed.refused = Some(refused);
            }
        }
    }
}

pub(super) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now)
}
