//! `cofferdam plugin replay`: runs a recorded death again, offline.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use clap::Args;
use plug_host::{
    Changes, CodeCache, Compiler, Debugging, Divergence, Module, Plugin, Process, Replay, Services, digest,
    is_same_code, replay, spec_of,
};
use plug_report::recording::{FILE_BYTES_MAX, Recording};
use plug_report::{Crash, CrashStore, DebugFiles, Scene};
use serde_json::{Value, json};

use super::alone;
use super::debug::{Attach, attachable};
use crate::Format;
use crate::crashes::{default_folder, explain};
use crate::debugging;
use crate::load::default_cache;
use crate::nowhere::Nowhere;
use crate::voice::{fail, print};

/// What is to run again.
#[derive(Args)]
pub(crate) struct Options {
    /// A file with a recording, or the id of a crash report that has one
    recording: String,
    /// The module: the recorded one, or another build of it. Default: the file from which the gateway took it
    #[arg(long)]
    module: Option<PathBuf>,
    /// Folder of unstripped modules, for lines of source: `crash_reports.debug_files` of the configuration
    #[arg(long)]
    debug_files: Option<PathBuf>,
    /// Folder of the reports: `crash_reports.dir` of the configuration. Default: where a gateway of this user keeps them
    #[arg(long)]
    dir: Option<PathBuf>,
    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Wait for LLDB, and stop in it where the plugin dies
    #[arg(long)]
    debug: bool,
    #[command(flatten)]
    attach: Attach,
}

/// Runs it; 0 when everything was as recorded, 1 when something was not, 2 when it cannot run.
pub(crate) fn run(options: &Options) -> ExitCode {
    match outcome(options) {
        Ok(outcome) => {
            print(&match options.format {
                Format::Text => outcome.text(),
                Format::Json => format!("{:#}\n", outcome.json()),
            });
            match outcome.is_reproduced() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::from(2)
        }
    }
}

fn outcome(options: &Options) -> Result<Outcome, String> {
    let file = file(options)?;
    let recording = read(&file)?;
    let module_file = options
        .module
        .clone()
        .or_else(|| recording.head.module_file.clone().map(PathBuf::from));
    let Some(module_file) = module_file else {
        return Err(format!(
            "the recording does not say where its module was; `--module FILE` gives it: the one with SHA-256 {}",
            recording.head.module.sha256
        ));
    };
    let bytes = fs::read(&module_file).map_err(|why| {
        format!(
            "module `{}` cannot be read: {why}; hint: `--module FILE`",
            module_file.display()
        )
    })?;
    if options.module.is_none() && digest(&bytes) != recording.head.module.sha256 {
        return Err(format!(
            "`{}` is no longer the module that was recorded; hint: `--module FILE` names the recorded one, with SHA-256 {}, or another build on purpose",
            module_file.display(),
            recording.head.module.sha256
        ));
    }
    let process = Arc::<Process>::default();
    let debug_files = DebugFiles {
        folder: options.debug_files.clone(),
    };
    let stage = load(&process, &recording, options.debug, &bytes)?;
    let debugging = options.debug.then(|| {
        let twin = debugging::twin(&module_file, &bytes, &debug_files);
        let image = stage.image(&module_file, &bytes, twin.as_deref());
        attachable(&module_file, &options.attach, image).map_err(|why| format!("{why:#}"))
    });
    let debugging = debugging.transpose()?;
    let (spec, generation) = (spec_of(&recording), recording.head.generation);
    let plugin = match &debugging {
        Some(debugging) => Plugin::debugged(spec, stage, (generation, 1), Arc::clone(debugging)),
        None => Plugin::new(spec, stage, generation, 1),
    };
    let is_same = is_same_code(&recording, &plugin);
    let replay = play(process, &recording, &plugin, debugging.as_deref())?;
    let scene = replay.fault.as_ref().and_then(|fault| fault.scene.as_deref());
    let crash = scene.map(|scene| explain(scene, Some(&module_file), &debug_files));
    Ok(Outcome {
        file,
        recording,
        is_same,
        replay,
        crash,
    })
}

/// The file that is meant: one of that name, or the recording of a report.
fn file(options: &Options) -> Result<PathBuf, String> {
    let named = Path::new(&options.recording);
    if named.is_file() {
        return Ok(named.to_owned());
    }
    let no_folder = || format!("there is no file `{}`, and no folder of crash reports", named.display());
    let folder = options.dir.clone().or_else(default_folder).ok_or_else(no_folder)?;
    let store = CrashStore::at(&folder, 0);
    let found = store.find(&options.recording).unwrap_or_default();
    match &*found {
        [crash] if crash.is_recorded => Ok(store.recording(&crash.signature)),
        [_] => Err(format!(
            "the crash report `{}` has no recording: `record: false`, or `recordings.size: 0`",
            named.display()
        )),
        [] => Err(format!(
            "there is no file `{}`, and no crash report in `{}` begins so; hint: `cofferdam crash list` shows them",
            named.display(),
            folder.display()
        )),
        several => Err(format!(
            "`{}` is the beginning of {} crash reports",
            named.display(),
            several.len()
        )),
    }
}

pub(super) fn read(file: &Path) -> Result<Recording, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("`{}`: {why}", file.display());
    let length = fs::metadata(file).map_err(|why| wrong(&why))?.len();
    if length > FILE_BYTES_MAX {
        return Err(wrong(&format!(
            "it has {length} bytes; a recording has at most {FILE_BYTES_MAX}"
        )));
    }
    let bytes = fs::read(file).map_err(|why| wrong(&why))?;
    Recording::read(&bytes).map_err(|why| wrong(&why))
}

fn load(
    process: &Arc<Process>,
    recording: &Recording,
    for_debugger: bool,
    bytes: &[u8],
) -> Result<Arc<Module>, String> {
    let cache = default_cache().and_then(|folder| CodeCache::open(&folder).ok());
    let stack_bytes_max = recording.head.stack_bytes_max;
    let engine = match for_debugger {
        true => process.engines.for_debugger(stack_bytes_max, cache.as_ref()),
        false => process.engines.for_stack(stack_bytes_max, cache.as_ref()),
    };
    let engine = engine.map_err(|why| why.to_string())?;
    let compiler = Compiler {
        verb: crate::COMPILE,
        limits: alone::COMPILE,
    };
    let changes = match for_debugger {
        true => Changes::default(),
        false => spec_of(recording).limits.changes(),
    };
    let module = Module::load_by(Some(&compiler), &engine, (bytes, changes), cache.as_ref());
    module.map_err(|why| format!("the module: {why}"))
}

fn play(
    process: Arc<Process>,
    recording: &Recording,
    plugin: &Arc<Plugin>,
    debugging: Option<&Debugging>,
) -> Result<Replay, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
    let services = Services {
        process,
        outside: Rc::new(Nowhere {
            upstreams: Some(HashMap::new()),
            says_lines: true,
        }),
        worker: 0,
        trial: None,
    };
    let local = tokio::task::LocalSet::new();
    let played = local.block_on(&runtime, async {
        if let Some(debugging) = debugging {
            debugging.debugger().attached().await;
            if let Some(seat) = debugging.reserve() {
                debugging.give(seat);
            }
        }
        let played = replay(recording, plugin, &services).await;
        if let Some(debugging) = debugging {
            let has_died = played.as_ref().is_ok_and(|played| played.fault.is_some());
            debugging.debugger().exited(u8::from(has_died)).await;
        }
        played
    });
    played.map_err(|why| why.to_string())
}

/// What a replay showed, beside what was recorded.
struct Outcome {
    file: PathBuf,
    recording: Recording,
    /// The module's code is the recorded one, byte for byte.
    is_same: bool,
    replay: Replay,
    /// The fault of now, with lines of source.
    crash: Option<Crash>,
}

impl Outcome {
    fn scene(&self) -> Option<&Scene> {
        self.crash.as_ref().map(|crash| &crash.scene)
    }

    /// The same fault in the same callback; in the same module at the same place, too.
    fn same_fault(&self) -> bool {
        match (&self.recording.head.fault, self.scene()) {
            (None, None) => true,
            (Some(before), Some(now)) => {
                let places = |frames: &[plug_report::Frame]| -> Vec<_> {
                    frames.iter().map(|frame| (frame.index, frame.offset)).collect()
                };
                // Where a guest is when its slice is over is chance.
                let is_by_place = self.is_same && before.code != "plugin.slice_exceeded";
                let same_place = !is_by_place || places(&before.frames) == places(&now.frames);
                before.code == now.code && before.callback == now.callback.name && same_place
            }
            _ => false,
        }
    }

    /// Memory that holds stars for masked values, or was stopped by the clock, is another by right.
    fn is_memory_comparable(&self) -> bool {
        let by_clock = |end: &plug_report::recording::End| end.code == "plugin.slice_exceeded";
        self.is_same
            && self.recording.is_whole()
            && self.recording.head.masked == 0
            && !self.recording.head.fault.as_ref().is_some_and(by_clock)
    }

    fn is_reproduced(&self) -> bool {
        let same_memory = !self.is_memory_comparable() || self.replay.same_memory != Some(false);
        self.replay.divergences.is_empty() && self.same_fault() && same_memory
    }

    fn text(&self) -> String {
        let head = &self.recording.head;
        let mut lines = vec![format!(
            "recording  {}: plugin `{}`, generation {}",
            self.file.display(),
            head.plugin,
            head.generation
        )];
        lines.push(match self.is_same {
            true => format!(
                "module     the recorded code, of the module with SHA-256 {}",
                head.module.sha256
            ),
            false => {
                "module     another build than the recorded one: its calls are compared by what they mean".to_owned()
            }
        });
        lines.extend(self.gaps().into_iter().map(|gap| format!("note       {gap}")));
        let (callbacks, calls) = (self.replay.callbacks, self.replay.calls);
        let all = if self.replay.divergences.is_empty() {
            ", all as recorded"
        } else {
            " as recorded"
        };
        lines.push(format!("replayed   {callbacks} callbacks, {calls} host calls{all}"));
        for (at, divergence) in self.replay.divergences.iter().enumerate() {
            let title = if at == 0 { "diverged  " } else { "then      " };
            lines.push(format!("{title} {}", described(divergence)));
        }
        lines.push(format!("fault      {}", self.fault()));
        if self.is_memory_comparable()
            && let Some((same, memory)) = self.replay.same_memory.zip(head.memory)
        {
            let word = if same {
                "the same, byte for byte"
            } else {
                "NOT the same"
            };
            lines.push(format!("memory     {word} ({} bytes)", memory.bytes));
        }
        let mut text = lines.join("\n") + "\n";
        if let Some(crash) = &self.crash {
            text.push('\n');
            text.push_str(&crash.brief());
            text.push('\n');
        }
        text
    }

    fn fault(&self) -> String {
        match (&self.recording.head.fault, self.scene()) {
            (None, None) => "none, as recorded".to_owned(),
            (Some(before), None) => format!("none any more; recorded: {}", before.summary),
            (None, Some(now)) => format!("none was recorded; now: {}", now.summary),
            (Some(_), Some(now)) if self.same_fault() => format!("the same: {}", now.summary),
            (Some(before), Some(now)) => format!("another: {}\n           recorded: {}", now.summary, before.summary),
        }
    }

    /// What is missing in the recording, and what follows from that.
    fn gaps(&self) -> Vec<String> {
        let head = &self.recording.head;
        let mut gaps = Vec::new();
        if head.forgotten > 0 {
            gaps.push(format!(
                "{} earlier callbacks of the instance are not in the recording, nor what they left in its memory; a larger `recordings.size` keeps more",
                head.forgotten
            ));
        }
        if self.replay.left_out > 0 {
            gaps.push(format!(
                "{} callbacks are left out: the beginning of their exchanges is not in the recording",
                self.replay.left_out
            ));
        }
        if let Some(number) = self.replay.cut_at {
            gaps.push(format!(
                "callback {number} had more to tell than the 256 KiB that are recorded of one"
            ));
        }
        if head.masked > 0 {
            gaps.push(format!(
                "{} values of sensitive headers and properties are stars; a plugin that reads them may act otherwise",
                head.masked
            ));
        }
        gaps
    }

    fn json(&self) -> Value {
        let divergence = |divergence: &Divergence| {
            json!({
                "callback_number": divergence.callback_number,
                "callback": divergence.callback,
                "after_calls": divergence.after_calls,
                "recorded": divergence.recorded,
                "now": divergence.now,
            })
        };
        json!({
            "reproduced": self.is_reproduced(),
            "same_module": self.is_same,
            "callbacks": self.replay.callbacks,
            "host_calls": self.replay.calls,
            "notes": self.gaps(),
            "divergences": self.replay.divergences.iter().map(divergence).collect::<Vec<_>>(),
            "same_fault": self.same_fault(),
            "same_memory": self.replay.same_memory.filter(|_| self.is_memory_comparable()),
            "recorded": self.recording.head,
            "crash": self.crash,
        })
    }
}

fn described(divergence: &Divergence) -> String {
    format!(
        "in callback {}, {}, after {} host calls\n             recorded: {}\n             now:      {}",
        divergence.callback_number, divergence.callback, divergence.after_calls, divergence.recorded, divergence.now
    )
}
