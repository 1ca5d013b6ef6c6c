//! What goes wrong with a plugin: one table of faults, each with a code, a text for the operator and one for the client.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use plug_audit::AuditFault;
use plug_instrument::{Added, InstrumentFault, Origin};
use plug_report::recording::Recording;
use plug_report::{Crash, Scene};
use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::calls::wasi::Exited;
use crate::compile::CompileFault;
use crate::guest::Guest;
use crate::scene;
use crate::trace::TraceIds;

/// What went wrong in an instance.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// The guest trapped: panic, `unreachable`, memory out of bounds, stack, and so on.
    Trap {
        /// The engine's word for it.
        reason: String,
    },
    /// The callback computed longer than its slice.
    SliceExceeded {
        /// The slice.
        slice: Duration,
    },
    /// The guest called one frame deeper than it may.
    CallDepthExceeded {
        /// How many it may have.
        frames_max: u32,
    },
    /// The guest called `proc_exit`.
    Exit(i32),
    /// `proxy_on_vm_start` answered false.
    VmStartRefused,
    /// `proxy_on_configure` answered false.
    ConfigureRefused,
    /// No instance could be made.
    Instantiate(String),
    /// The instance died in another exchange's callback.
    InstanceLost,
    /// As many instances live as may.
    NoInstance,
    /// The plugin waits before it is started again.
    Restarting,
    /// The plugin is set aside after too many faults in a row.
    Quarantined,
    /// The plugin has used its share of the worker's CPU time, in percent.
    CpuShareExceeded(u8),
    /// No generation of the plugin could be started.
    Missing,
}

impl FaultKind {
    /// Nothing went wrong now: there is only no instance at the moment.
    pub(crate) fn is_wait(&self) -> bool {
        matches!(self, Self::Restarting | Self::Quarantined | Self::NoInstance)
    }
}

/// A fault with where it happened.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Name of the plugin.
    pub plugin: Rc<str>,
    /// The callback that was running.
    pub callback: &'static str,
    /// What went wrong.
    pub kind: FaultKind,
    /// By what its exchange is found; none where it happened in no exchange, or where that has no trace.
    pub ids: Option<Box<TraceIds>>,
    /// What the guest last said on standard error or by `proxy_log` at error or critical level.
    pub last_words: Option<String>,
    /// What the worker saw, of faults by which an instance dies.
    pub scene: Option<Arc<Scene>>,
    /// What its instance saw and asked until then, where that is recorded.
    pub recording: Option<Arc<Recording>>,
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plugin, callback, .. } = self;
        match &self.kind {
            FaultKind::Trap { reason } => write!(formatter, "plugin `{plugin}` trapped in `{callback}`: {reason}"),
            FaultKind::SliceExceeded { slice } => {
                write!(
                    formatter,
                    "plugin `{plugin}` computed in `{callback}` longer than its slice of {slice:?}"
                )
            }
            FaultKind::CallDepthExceeded { frames_max } => {
                write!(
                    formatter,
                    "plugin `{plugin}` called deeper in `{callback}` than the {frames_max} frames that it may have"
                )
            }
            FaultKind::Exit(code) => {
                write!(
                    formatter,
                    "plugin `{plugin}` called `proc_exit` in `{callback}` with code {code}"
                )
            }
            FaultKind::VmStartRefused | FaultKind::ConfigureRefused => {
                write!(formatter, "plugin `{plugin}` answered false to `{callback}`")
            }
            FaultKind::Instantiate(why) => write!(formatter, "plugin `{plugin}` could not be instantiated: {why}"),
            FaultKind::InstanceLost => {
                write!(
                    formatter,
                    "plugin `{plugin}` has lost its instance in a callback of another exchange"
                )
            }
            FaultKind::NoInstance => {
                write!(
                    formatter,
                    "plugin `{plugin}` has no instance for this exchange: as many live as may"
                )
            }
            FaultKind::Restarting => write!(formatter, "plugin `{plugin}` is being started again after a fault"),
            FaultKind::Quarantined => write!(formatter, "plugin `{plugin}` is in quarantine after repeated faults"),
            FaultKind::Missing => write!(
                formatter,
                "plugin `{plugin}` does not run: no generation of it could be started"
            ),
            FaultKind::CpuShareExceeded(percent) => {
                write!(
                    formatter,
                    "plugin `{plugin}` has used its share of the worker's CPU time, {percent}%"
                )
            }
        }
    }
}

impl Fault {
    /// Codes of the faults by which an instance dies or does not start.
    pub const DEATHS: [&'static str; 7] = [
        "plugin.trapped",
        "plugin.slice_exceeded",
        "plugin.call_depth_exceeded",
        "plugin.exited",
        "plugin.vm_start_refused",
        "plugin.configure_refused",
        "plugin.not_instantiated",
    ];

    /// The fault of an exchange that waits for an instance which died elsewhere.
    #[must_use]
    pub fn lost(plugin: &str) -> Self {
        Self::new(plugin, "waiting", FaultKind::InstanceLost)
    }

    /// The fault of an exchange whose chain names a plugin that does not run.
    #[must_use]
    pub fn missing(plugin: &str) -> Self {
        Self::new(plugin, "waiting", FaultKind::Missing)
    }

    /// A fault without last words.
    pub(crate) fn new(plugin: &str, callback: &'static str, kind: FaultKind) -> Self {
        Self {
            plugin: plugin.into(),
            callback,
            kind,
            ids: None,
            last_words: None,
            scene: None,
            recording: None,
        }
    }

    /// The fault behind an engine's error.
    pub(crate) fn of(guest: &mut Guest, why: &wasmtime::Error) -> Self {
        let fault = Self::new(&guest.plugin().spec.name, guest.callback, kind_of(guest, why));
        fault.seen(guest, Some(why))
    }

    /// The fault with what is seen of the guest.
    pub(crate) fn seen(mut self, guest: &mut Guest, why: Option<&wasmtime::Error>) -> Self {
        guest.end_line();
        self.ids = guest.exchange().and_then(|exchange| exchange.facts.ids()).map(Box::new);
        self.last_words = guest.last_words.shown();
        self.scene = Some(Arc::new(scene::of(guest, &self, why)));
        self
    }

    /// The code, in words.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self.kind {
            FaultKind::Trap { .. } => "plugin.trapped",
            FaultKind::SliceExceeded { .. } => "plugin.slice_exceeded",
            FaultKind::CallDepthExceeded { .. } => "plugin.call_depth_exceeded",
            FaultKind::Exit(_) => "plugin.exited",
            FaultKind::VmStartRefused => "plugin.vm_start_refused",
            FaultKind::ConfigureRefused => "plugin.configure_refused",
            FaultKind::Instantiate(_) => "plugin.not_instantiated",
            FaultKind::InstanceLost => "plugin.instance_lost",
            FaultKind::NoInstance => "plugin.no_instance",
            FaultKind::Restarting => "plugin.restarting",
            FaultKind::Quarantined => "plugin.quarantined",
            FaultKind::CpuShareExceeded(_) => "plugin.cpu_share_exceeded",
            FaultKind::Missing => "plugin.missing",
        }
    }

    /// Several lines for the operator: what, where, the last words, the frames and a next step. Without source lines, which take time
    /// that a worker has not: [`Crash::of`] has them.
    #[must_use]
    pub fn report(&self) -> String {
        match &self.scene {
            Some(scene) => Crash::of((**scene).clone(), None).brief(),
            None => self.to_string(),
        }
    }
}

fn kind_of(guest: &Guest, why: &wasmtime::Error) -> FaultKind {
    if let Some(Exited(code)) = why.downcast_ref::<Exited>() {
        return FaultKind::Exit(*code);
    }
    // What is shared among all plugins is used up: not this one's fault, and no reason to set it aside.
    if guest.seat.is_some() && why.is::<PoolConcurrencyLimitError>() {
        return FaultKind::NoInstance;
    }
    if guest.slice.is_exceeded() {
        return FaultKind::SliceExceeded {
            slice: guest.slice.length(),
        };
    }
    if let Some(frames_max) = call_depth_exceeded(guest, why) {
        return FaultKind::CallDepthExceeded { frames_max };
    }
    match why.downcast_ref::<Trap>() {
        Some(trap) => FaultKind::Trap {
            reason: trap.to_string().replace("wasm trap: ", ""),
        },
        None => FaultKind::Instantiate(format!("{:#}", why.root_cause())),
    }
}

/// The bound on the guest's frames, if it was crossed: then the guest trapped in what was added to count them.
fn call_depth_exceeded(guest: &Guest, why: &wasmtime::Error) -> Option<u32> {
    let module = &guest.plugin().module;
    let frames_max = module.changes.call_depth_max?;
    why.downcast_ref::<Trap>()
        .filter(|trap| **trap == Trap::UnreachableCodeReached)?;
    let origin = module.origin(scene::frames(why, module).next()?)?;
    let is_added = matches!(
        origin,
        Origin::Added {
            why: Added::CallDepth,
            ..
        }
    );
    is_added.then_some(frames_max)
}

/// Why a module could not be loaded.
#[derive(Debug, Error)]
pub enum LoadFault {
    /// It must not run.
    #[error("{0}")]
    Audit(#[from] AuditFault),
    /// What its limits, or a profile of its memory, ask for cannot be added to it.
    #[error(
        "the module cannot be changed: {0}\n  hint: `limits.call_depth`, or a profile of its memory, asks for that; otherwise it runs as it is"
    )]
    Instrument(#[from] InstrumentFault),
    /// The engine refused it.
    #[error("the module could not be compiled: {0}")]
    Compile(String),
    /// The process that compiles it was stopped, or ended by itself.
    #[error("the module could not be compiled: {0}")]
    Compiling(#[from] CompileFault),
    /// It is no log guest, though it is to be one.
    #[error("the module is no log guest: {0}")]
    LogGuest(String),
    /// The engine could not be set up.
    #[error("the WebAssembly engine could not be set up: {0}")]
    Engine(String),
}
