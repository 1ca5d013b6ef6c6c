//! Runs a suite: each case with an instance, a clock and a world of its own.

use std::sync::Arc;
use std::time::Instant;

use gate_plan::document::{Findings, Page, PluginSettings};
use plug_host::{Plugin, Witnessed};

use crate::case::{self, Ready};
use crate::cast::Cast;
use crate::judge::Judge;
use crate::observed::Observed;
use crate::outcome::{CaseOutcome, Outcome};
use crate::settle::Mistake;
use crate::stage::Idle;
use crate::written::{Expect, Suite};

/// Makes a plugin of the module under test, with what it is given.
pub type Make<'a> = dyn Fn(PluginSettings) -> Result<Arc<Plugin>, String> + 'a;

/// Writes a golden file beside the suite.
pub type WriteGolden<'a> = dyn Fn(&str, &[u8]) -> Result<(), String> + 'a;

/// How a suite is run.
pub struct Settings<'a> {
    /// Only cases whose name contains this.
    pub only: Option<&'a str>,
    /// Makes the plugin.
    pub make: &'a Make<'a>,
    /// Reads a file beside the suite.
    pub read_file: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Writes a golden file, with `--update`.
    pub write_golden: Option<&'a WriteGolden<'a>>,
    /// Exchanges of each case for `--bench`; 0 for none.
    pub bench_exchanges: u32,
}

/// What becomes of a suite.
pub enum Run {
    /// It ran.
    Done(Outcome),
    /// It is wrong itself.
    Wrong(Findings),
    /// It could not run.
    Failed(String),
}

/// Runs a suite.
#[must_use]
pub fn run(page: &Page<'_, Suite>, settings: &Settings<'_>) -> Run {
    let ready = match case::ready(page, settings.read_file) {
        Ok(ready) => ready,
        Err(mistakes) => {
            let complaints: Vec<_> = mistakes.iter().map(Mistake::complaint).collect();
            return Run::Wrong(page.findings(&complaints));
        }
    };
    each(
        &ready,
        settings.only,
        |ready| (&ready.name, ready.line),
        async |ready, idle| {
            let ran = one(ready, page, settings, idle).await;
            ran.map_err(|why| format!("case `{}`: {why}", ready.name))
        },
    )
}

/// Runs those whose name has `only` in it, one after the other, each on a queue of its own; `place` is a name and a line.
pub(crate) fn each<C>(
    cases: &[C],
    only: Option<&str>,
    place: impl Fn(&C) -> (&str, usize),
    one: impl AsyncFn(&C, &Idle) -> Result<Ran, String>,
) -> Run {
    let idle = Idle::default();
    let runtime = match idle.runtime() {
        Ok(runtime) => runtime,
        Err(why) => return Run::Failed(format!("no runtime: {why}")),
    };
    let mut outcome = Outcome::default();
    for case in cases {
        let (name, line) = place(case);
        if only.is_some_and(|part| !name.contains(part)) {
            continue;
        }
        let local = tokio::task::LocalSet::new();
        let began = Instant::now();
        let ran = match local.block_on(&runtime, one(case, &idle)) {
            Ok(ran) => ran,
            Err(why) => return Run::Failed(why),
        };
        outcome.note(&ran);
        outcome.cases.push(CaseOutcome {
            name: name.to_owned(),
            line,
            wrong: ran.wrong,
            lines: ran.lines,
            took: began.elapsed(),
        });
    }
    Run::Done(outcome)
}

/// What one case gave.
pub(crate) struct Ran {
    pub(crate) wrong: Vec<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) callbacks: Vec<Witnessed>,
    pub(crate) exported: Vec<&'static str>,
    pub(crate) memory_bytes: u64,
    pub(crate) is_bench: bool,
}

async fn one(ready: &Ready, page: &Page<'_, Suite>, settings: &Settings<'_>, idle: &Idle) -> Result<Ran, String> {
    let suite = &page.content;
    let part = ready.case.plugin.as_ref().or(suite.plugin.as_ref());
    let mut given = part.cloned().unwrap_or_default().settings();
    if let Some(bytes) = &ready.case.config_bytes {
        given.config = Some(bytes.bytes().to_vec());
    }
    let body_bytes_max = given.limits.body_bytes_max;
    let plugin = (settings.make)(given)?;
    let mut cast = Cast::new(plugin, (ready.began, &ready.case.mocks), settings, idle);
    cast.body_bytes_max = body_bytes_max;
    let mut wrong = Vec::new();
    cast.shared().begin(&ready.case.mocks)?;
    let started = cast.time.wait_for(cast.plugins.warm()).await;
    let is_started = matches!(started, Some(Ok(())));
    for (at, step) in ready.steps.iter().enumerate() {
        let seen = match (is_started, at) {
            (true, _) => cast.step(step).await?,
            // A start that fails is what the first step sees.
            (false, 0) => cast.observe(Observed::default()),
            (false, _) => break,
        };
        let nothing = Expect::default();
        let expect = step.expect.as_ref().unwrap_or(&nothing);
        let differences = Judge::judge((expect, &cast.shared()), &seen, &cast.goldens);
        let prefix = if ready.steps.len() > 1 {
            format!("step {}: ", at + 1)
        } else {
            String::new()
        };
        wrong.extend(
            differences
                .into_iter()
                .map(|difference| format!("{prefix}{difference}")),
        );
        cast.callbacks.extend(seen.callbacks);
        if !wrong.is_empty() {
            break;
        }
    }
    if settings.bench_exchanges > 0 && wrong.is_empty() && is_started {
        cast.bench(ready, settings.bench_exchanges).await?;
    }
    Ok(cast.end(wrong, settings.bench_exchanges > 0).await)
}
