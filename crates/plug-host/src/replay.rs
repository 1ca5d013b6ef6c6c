//! Runs a recording again: the same host code, one guest, and a player that answers in the host's place.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plug_abi::LogLevel;
use plug_report::recording::{Recording, RecordingFault};
use thiserror::Error;
use tokio::sync::mpsc;
use wasmtime::Store;

use crate::allowance::Allowance;
use crate::debug;
use crate::entry::Entry;
use crate::exports::Exports;
use crate::fault::Fault;
use crate::guest::{Current, OnWorker, Root, Visit};
use crate::limit::Limits;
use crate::player::{Divergence, Player, Scene, scenes};
use crate::plugin::{Isolation, Plugin, PluginSpec};
use crate::record::note;
use crate::restart::RestartPolicy;
use crate::services::Services;
use crate::slice::EPOCHS_BEFORE_YIELD;
use crate::start::{START_SLICES, instantiate, new_store};
use crate::tape::INSTANTIATE;

/// What running a recording again showed.
#[derive(Debug)]
pub struct Replay {
    /// Callbacks that ran.
    pub callbacks: usize,
    /// Host calls that were as recorded.
    pub calls: u64,
    /// Callbacks of exchanges whose beginning was no longer in the recording.
    pub left_out: usize,
    /// Where the guest did something else; the first says most.
    pub divergences: Vec<Divergence>,
    /// The callback after which nothing more is known, because it had more to tell than there was room for.
    pub cut_at: Option<usize>,
    /// The fault with which it ended now.
    pub fault: Option<Fault>,
    /// Whether the guest's memory was the same at the end, byte for byte; none when one of the two is not known.
    pub same_memory: Option<bool>,
}

/// Why a recording cannot run.
#[derive(Debug, Error)]
pub enum ReplayFault {
    /// Its steps are damaged.
    #[error(transparent)]
    Damaged(#[from] RecordingFault),
    /// It does not begin with the start of an instance.
    #[error(
        "the recording does not begin with the start of an instance: the start had more to tell than the 256 KiB that are recorded of one"
    )]
    NoStart,
    /// An entry that this version does not know.
    #[error("callback {0} of the recording is none that this version knows")]
    UnknownEntry(usize),
}

/// What the plugin of a recording is made of, beside its module.
#[must_use]
pub fn spec_of(recording: &Recording) -> PluginSpec {
    let head = &recording.head;
    let defaults = Limits::default();
    PluginSpec {
        name: head.plugin.clone(),
        config: Bytes::new(),
        vm_config: Bytes::new(),
        grant: None,
        folders: None,
        vm_id: String::new(),
        isolation: Isolation::Worker,
        root_id: String::new(),
        environment: Vec::new(),
        memory_bytes_max: head.memory_bytes_max,
        cpu_slice: Duration::from_micros(head.slice_us),
        stack_bytes_max: head.stack_bytes_max,
        trusted_after: 0,
        limits: Limits {
            table_entries_max: usize::try_from(head.table_entries_max).unwrap_or(usize::MAX),
            call_depth_max: head.call_depth_max,
            ..defaults
        },
        allow_on_headers_stop_iteration: None,
        restart: RestartPolicy::default(),
        log_level: LogLevel::Trace,
        burst: None,
        retire_after: Duration::from_secs(3600),
        recording_bytes_max: 0,
    }
}

/// Whether the plugin's code is the recorded one: of the same module, or of its twin with or without debug information.
#[must_use]
pub fn is_same_code(recording: &Recording, plugin: &Plugin) -> bool {
    recording.head.module.code_sha256 == crate::cache::hex(&plugin.module.facts.code_sha256)
}

/// Runs `recording` with a plugin of one worker, made of [`spec_of`] and the recorded module or another build of it, loaded with the changes
/// that the recorded limits ask for.
///
/// # Errors
/// When the recording makes no sense.
pub async fn replay(recording: &Recording, plugin: &Arc<Plugin>, services: &Services) -> Result<Replay, ReplayFault> {
    let scenes: Rc<[Scene]> = scenes(&recording.steps)?.into();
    if scenes
        .first()
        .is_none_or(|first| first.code != INSTANTIATE || first.is_cut)
    {
        return Err(ReplayFault::NoStart);
    }
    let mut stage = Stage::new(
        plugin,
        services,
        Player::new(Rc::clone(&scenes), is_same_code(recording, plugin)),
    );
    stage.play(recording, &scenes).await?;
    Ok(stage.told(recording))
}

/// A guest and what has happened to it.
struct Stage {
    store: Store<OnWorker>,
    plugin: Arc<Plugin>,
    begun: HashSet<u32>,
    callbacks: usize,
    left_out: usize,
    cut_at: Option<usize>,
    fault: Option<Fault>,
}

impl Stage {
    fn new(plugin: &Arc<Plugin>, services: &Services, player: Player) -> Self {
        let allowances: Rc<[Rc<Allowance>]> = Rc::new([Allowance::new(plugin, services)]);
        // Nobody wakes it: what a queue brought was recorded as a callback.
        let (listener, _) = mpsc::channel(1);
        let mut store = new_store(plugin, &allowances, services, listener);
        store.data_mut().0.player = Some(Box::new(player));
        Self {
            store,
            plugin: Arc::clone(plugin),
            begun: HashSet::new(),
            callbacks: 0,
            left_out: 0,
            cut_at: None,
            fault: None,
        }
    }

    async fn play(&mut self, recording: &Recording, scenes: &[Scene]) -> Result<(), ReplayFault> {
        self.enter(0);
        debug::before(&mut self.store).await;
        let made = instantiate(&mut self.store, &self.plugin.module).await;
        debug::after(&self.store);
        let exports = match made {
            Ok(exports) => exports,
            Err(why) => {
                self.died(scenes.first(), 0, &why);
                return Ok(());
            }
        };
        self.returned(0);
        for (number, scene) in scenes.iter().enumerate().skip(1) {
            let entry = Entry::from_coded(scene.code, &scene.words).ok_or(ReplayFault::UnknownEntry(number))?;
            if !self.is_known(entry) {
                self.left_out = self.left_out.saturating_add(1);
                continue;
            }
            let is_last = number.saturating_add(1) == scenes.len();
            self.allow(entry, is_last && recording.head.fault.is_some());
            if let Err(why) = self.act(&exports, number, entry).await {
                self.died(Some(scene), number, &why);
                break;
            }
            if scene.is_cut {
                self.cut_at = Some(number.saturating_add(1));
                break;
            }
        }
        Ok(())
    }

    /// A recording may have lost the beginning of an exchange that was still going on.
    fn is_known(&mut self, entry: Entry) -> bool {
        let context = entry.context();
        if entry.creates() {
            self.begun.insert(context);
        }
        self.begun.contains(&context)
    }

    /// A slow machine must not end what was quick when it was recorded: only the last callback has its own slice.
    fn allow(&mut self, entry: Entry, is_last: bool) {
        let slice = self.plugin.spec.cpu_slice;
        let is_start = matches!(entry, Entry::VmStart { .. } | Entry::Configure { .. })
            || matches!(entry, Entry::ContextCreate { root: 0, .. });
        let slices = if is_last && !is_start { 1 } else { START_SLICES };
        self.store.data_mut().0.slice.allow(slice.saturating_mul(slices));
    }

    async fn act(&mut self, exports: &Exports, number: usize, entry: Entry) -> wasmtime::Result<()> {
        self.enter(number);
        let guest = &mut self.store.data_mut().0;
        if let Entry::ContextCreate { context, root: 0 } = entry {
            let root = Root {
                plugin: Arc::clone(&self.plugin),
                done_pending: false,
            };
            guest.roots.insert(context, root);
        }
        guest.entering(Visit::new(Current::Root(entry.root()), entry));
        self.store.set_epoch_deadline(EPOCHS_BEFORE_YIELD);
        debug::before(&mut self.store).await;
        let ran = exports.call(entry).on_own_stack(&mut self.store).await;
        debug::after(&self.store);
        let answer = ran?;
        self.store.data_mut().0.leaving(entry, answer);
        self.returned(answer);
        Ok(())
    }

    fn enter(&mut self, number: usize) {
        self.callbacks = self.callbacks.saturating_add(1);
        if let Some(player) = &mut self.store.data_mut().0.player {
            player.enter(number);
        }
    }

    fn returned(&mut self, answer: u32) {
        let guest = &mut self.store.data_mut().0;
        // What it set going was recorded as what came of it.
        guest.effects.clear();
        if let Some(player) = &mut guest.player {
            player.returned(guest.callback, answer);
        }
    }

    fn died(&mut self, scene: Option<&Scene>, number: usize, why: &wasmtime::Error) {
        match scene {
            Some(scene) if scene.is_cut => self.cut_at = Some(number.saturating_add(1)),
            _ => {}
        }
        self.fault = Some(Fault::of(&mut self.store.data_mut().0, why));
    }

    fn told(mut self, recording: &Recording) -> Replay {
        let player = self.store.data_mut().0.player.take();
        let memory = self.store.data().0.memory;
        let now = memory.and_then(|memory| note(memory.data(&self.store)));
        let (calls, divergences) = player.map_or((0, Vec::new()), |player| (player.calls, player.divergences));
        Replay {
            callbacks: self.callbacks,
            calls,
            left_out: self.left_out,
            divergences,
            cut_at: self.cut_at,
            fault: self.fault,
            same_memory: recording.head.memory.zip(now).map(|(before, now)| before == now),
        }
    }
}
