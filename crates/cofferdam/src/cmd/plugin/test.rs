//! `cofferdam plugin test`: runs a suite of cases over the real module, with the host that a gateway has.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use gate_plan::document::{self, Page, PluginSettings};
use plug_host::{Changes, Module, Plugin, Process};
use plug_trial::{Make, Outcome, Run, Settings, Suite, WriteGolden, google, run};

use super::alone;
use crate::voice::{fail, print, warn};

/// LIMIT: bytes of a suite, and of a file beside it.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Exchanges of each case when `--bench` does not say how many.
const BENCH_EXCHANGES: u32 = 1_000;

/// What is tested, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// The suite: ours in YAML, or one of Google's service-extensions (`tests.textpb`)
    #[arg(default_value = "tests.yaml")]
    suite: PathBuf,
    /// The module. Default: what the suite says
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Take over what came where a golden file expects something else
    #[arg(long)]
    update: bool,
    /// Repeat the first exchange of each case, and show how long callbacks take
    #[arg(long, value_name = "EXCHANGES", num_args = 0..=1, default_missing_value = "1000")]
    bench: Option<u32>,
    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Form::Text)]
    format: Form,
}

/// How an outcome is written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Text,
    /// For programs
    Json,
    /// For machines that collect outcomes of tests
    Junit,
}

/// 0 all passed, 1 some did not, 2 it cannot run.
pub(crate) fn run_suite(options: &Options) -> ExitCode {
    match outcome(options) {
        Ok(outcome) => {
            let origin = options.suite.display().to_string();
            print(&match options.format {
                Form::Text => outcome.text(&origin),
                Form::Json => format!("{:#}\n", outcome.json(&origin)),
                Form::Junit => outcome.junit(&origin),
            });
            match outcome.has_passed() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(why) => {
            fail(why.trim_end());
            ExitCode::from(2)
        }
    }
}

impl Options {
    /// All cases of a suite over this module.
    pub(super) fn of(suite: PathBuf, module: PathBuf) -> Self {
        Self {
            suite,
            module: Some(module),
            only: None,
            update: false,
            bench: None,
            format: Form::Text,
        }
    }
}

/// Runs the suite, or says why it cannot run.
pub(super) fn outcome(options: &Options) -> Result<Outcome, String> {
    let origin = options.suite.display().to_string();
    let unreadable = |why: String| format!("error: suite `{origin}` cannot be read: {why}");
    let bytes = read(&options.suite).map_err(|why| unreadable(why.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|why| unreadable(why.to_string()))?;
    let ran = match is_google(&options.suite, &text) {
        true => googles(options, &text)?,
        false => ours(options, &text)?,
    };
    match ran {
        Run::Done(outcome) if outcome.cases.is_empty() => Err(format!(
            "error: no case of `{origin}` has `{}` in its name",
            options.only.as_deref().unwrap_or_default()
        )),
        Run::Done(outcome) => Ok(outcome),
        Run::Wrong(findings) => Err(findings.to_string()),
        Run::Failed(why) => Err(format!("error: {why}")),
    }
}

/// Runs a suite over plugins that are made elsewhere: nothing of it names a module, and nothing is written.
pub(crate) fn outcome_of(suite: &Path, make: &Make<'_>) -> Result<Outcome, String> {
    let origin = suite.display().to_string();
    let folder = suite.parent().unwrap_or(Path::new("."));
    let bytes = read(suite).map_err(|why| why.to_string())?;
    let text = String::from_utf8(bytes).map_err(|why| why.to_string())?;
    let settings = Settings {
        only: None,
        make,
        read_file: &|file| beside(folder, file),
        write_golden: None,
        bench_exchanges: 0,
    };
    let ran = if is_google(suite, &text) {
        google::run(&google::read(&text, &origin, settings.read_file)?, &settings)
    } else {
        let page: Page<'_, Suite> = document::read(&text, &origin).map_err(|findings| findings.to_string())?;
        run(&page, &settings)
    };
    match ran {
        Run::Done(outcome) => Ok(outcome),
        Run::Wrong(findings) => Err(findings.to_string()),
        Run::Failed(why) => Err(why),
    }
}

/// Whether a suite is a protobuf text: by its name, or by what such files begin with.
fn is_google(suite: &Path, text: &str) -> bool {
    let suffix = suite.extension().unwrap_or_default().to_string_lossy();
    let is_named = matches!(&*suffix, "textpb" | "textproto" | "txtpb" | "pbtxt");
    let mut comments = text.lines().map(str::trim).take_while(|line| line.starts_with('#'));
    is_named || comments.any(|line| line.starts_with("# proto-file:") || line.starts_with("# proto-message:"))
}

fn ours(options: &Options, text: &str) -> Result<Run, String> {
    let origin = options.suite.display().to_string();
    let page: Page<'_, Suite> = document::read(text, &origin).map_err(|findings| findings.to_string())?;
    let named = page.content.module.as_deref();
    on_bench(options, (named, "module: NAME.wasm"), |settings| run(&page, settings))
}

fn googles(options: &Options, text: &str) -> Result<Run, String> {
    let origin = options.suite.display().to_string();
    let folder = options.suite.parent().unwrap_or(Path::new("."));
    let suite = google::read(text, &origin, &|file| beside(folder, file))?;
    for note in &suite.notes {
        warn(&format!("note: {note}"));
    }
    let named = suite.module.as_deref();
    on_bench(options, (named, "env { wasm_path: \"NAME.wasm\" }"), |settings| {
        google::run(&suite, settings)
    })
}

/// Runs over the module that the command line names, or the suite.
fn on_bench(
    options: &Options,
    (named, example): (Option<&str>, &str),
    run: impl FnOnce(&Settings<'_>) -> Run,
) -> Result<Run, String> {
    let folder = options.suite.parent().unwrap_or(Path::new("."));
    let named = named.map(|module| folder.join(module));
    let Some(module) = options.module.clone().or(named) else {
        return Err(format!(
            "error: `{}` names no module\nhint: write `{example}` into it, or give `--module FILE`",
            options.suite.display()
        ));
    };
    let bytes = alone::read(&module).map_err(|why| format!("error: {why}"))?;
    let bench = Bench {
        module: &module,
        bytes: &bytes,
        process: Process::default(),
        loaded: RefCell::default(),
    };
    let write = |file: &str, bytes: &[u8]| std::fs::write(folder.join(file), bytes).map_err(|why| why.to_string());
    let write: Option<&WriteGolden<'_>> = if options.update { Some(&write) } else { None };
    Ok(run(&Settings {
        only: options.only.as_deref(),
        make: &|settings| bench.plugin(settings),
        read_file: &|file| beside(folder, file),
        write_golden: write,
        bench_exchanges: options
            .bench
            .map_or(0, |exchanges| if exchanges == 0 { BENCH_EXCHANGES } else { exchanges }),
    }))
}

fn beside(folder: &Path, file: &str) -> Result<Vec<u8>, String> {
    read(&folder.join(file)).map_err(|why| why.to_string())
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let length = std::fs::metadata(file)?.len();
    if length > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "it has {length} bytes, more than {FILE_BYTES_MAX}"
        )));
    }
    std::fs::read(file)
}

/// The module under test, compiled once for each set of bounds that changes its code.
struct Bench<'a> {
    module: &'a Path,
    bytes: &'a [u8],
    process: Process,
    loaded: RefCell<HashMap<(u64, Changes), Arc<Module>>>,
}

impl Bench<'_> {
    fn plugin(&self, settings: PluginSettings) -> Result<Arc<Plugin>, String> {
        let spec = alone::spec(self.module, settings);
        let key = (spec.stack_bytes_max, spec.limits.changes());
        let known = self.loaded.borrow().get(&key).cloned();
        let module = match known {
            Some(module) => module,
            None => {
                let module = alone::load(&self.process, self.bytes, &spec)?;
                self.loaded.borrow_mut().insert(key, Arc::clone(&module));
                module
            }
        };
        Ok(Plugin::new(spec, module, 1, 1))
    }
}
