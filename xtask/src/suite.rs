//! Runs everything in order, with a heading and a time for each step, and sums up.

mod suites;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

use crate::command::{cargo, output, run as run_command};
use crate::peers::{self, Purpose};
use crate::{guests, place, tidy};
use suites::Suites;

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run this step only; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Step>,
    /// Go on after a step that failed
    #[arg(long)]
    keep_going: bool,
}

/// A step, in the order in which they run: what is quick and often wrong first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    Format,
    Tidy,
    Clippy,
    Docs,
    Peers,
    Guests,
    Plugins,
    Unit,
    Conformance,
    Parity,
    Higress,
    E2e,
    Deaths,
    Chaos,
}

impl Step {
    fn title(self) -> &'static str {
        match self {
            Self::Format => "format: cargo fmt --check",
            Self::Tidy => "tidy: the house rules",
            Self::Clippy => "clippy: lints, warnings as errors",
            Self::Docs => "docs: cargo doc, warnings as errors",
            Self::Peers => "peers: Envoy, Higress's plugins, Go, Python, Redis, node",
            Self::Guests => "guests: our own plugins for wasm32-wasip1",
            Self::Plugins => "plugins: what our own plugins do, natively, and beside other implementations",
            Self::Unit => "unit: unit and integration tests of every room",
            Self::Conformance => "conformance: every host call and callback",
            Self::Parity => "parity: the same plugins in Envoy and in Cofferdam",
            Self::Higress => "higress: every module of its package, as it is",
            Self::E2e => "e2e: the whole binary",
            Self::Deaths => "deaths: every way a plugin can die, in every callback",
            Self::Chaos => "chaos: everything goes wrong at once, for 20 seconds",
        }
    }

    fn run(self) -> Result<()> {
        match self {
            Self::Format => format(),
            Self::Tidy => tidy::run(),
            Self::Clippy => clippy(),
            Self::Docs => run_command(cargo().env("RUSTDOCFLAGS", "-D warnings").args([
                "doc",
                "--workspace",
                "--no-deps",
                "--quiet",
            ])),
            Self::Peers => peers::run(Purpose::Tests).map(|_| ()),
            Self::Guests => guests::run(&guests::Options::all_possible()),
            Self::Plugins => guests::test(),
            Self::Unit => Suites::find()?.unit(),
            Self::Conformance => Suites::find()?.named("conformance"),
            Self::Parity => Suites::find()?.named("parity"),
            Self::Higress => Suites::find()?.named("higress"),
            Self::E2e => Suites::find()?.named("e2e"),
            Self::Deaths => Suites::find()?.named("deaths"),
            Self::Chaos => Suites::find()?.named("chaos"),
        }
    }
}

/// How a step ended.
enum Outcome {
    Passed(Duration),
    Failed(Duration, String),
    NotRun,
}

/// Runs the steps; the last line says how many passed and failed, for whoever reads only that.
pub(crate) fn run(options: &Options) -> ExitCode {
    let wanted = Step::value_variants()
        .iter()
        .copied()
        .filter(|step| options.only.is_empty() || options.only.contains(step));
    let mut outcomes: Vec<(Step, Outcome)> = Vec::new();
    for step in wanted {
        let stopped = !options.keep_going
            && outcomes
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Failed(..)));
        outcomes.push((step, if stopped { Outcome::NotRun } else { perform(step) }));
    }
    summarise(&outcomes)
}

fn perform(step: Step) -> Outcome {
    println!("\n==== {}", step.title());
    let start = Instant::now();
    match step.run() {
        Ok(()) => Outcome::Passed(start.elapsed()),
        Err(error) => {
            let reason = format!("{error:#}");
            println!("error: {reason}");
            Outcome::Failed(start.elapsed(), reason)
        }
    }
}

fn summarise(outcomes: &[(Step, Outcome)]) -> ExitCode {
    println!("\n==== summary");
    let mut passed = 0;
    let mut failed = 0;
    for (step, outcome) in outcomes {
        let name = step.title().split(':').next().unwrap_or_default();
        match outcome {
            Outcome::Passed(took) => {
                passed += 1;
                println!("  {name:<12} passed  {:>7.1} s", took.as_secs_f64());
            }
            Outcome::Failed(took, reason) => {
                failed += 1;
                println!(
                    "  {name:<12} FAILED  {:>7.1} s  {}",
                    took.as_secs_f64(),
                    reason.lines().next().unwrap_or_default()
                );
            }
            Outcome::NotRun => println!("  {name:<12} not run"),
        }
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn format() -> Result<()> {
    tool(
        cargo().args(["fmt", "--all", "--check", "--", "--color", "never"]),
        "rustfmt",
    )?;
    run_command(
        cargo()
            .current_dir(place::root().join("plugins"))
            .args(["fmt", "--all", "--check", "--", "--color", "never"]),
    )
}

fn clippy() -> Result<()> {
    tool(
        cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]),
        "clippy",
    )?;
    apart()?;
    guests::lint()
}

/// Workspaces of their own, which nothing else here reads: their lock files know our crates as they are, and what is small is checked.
fn apart() -> Result<()> {
    for folder in ["fuzz", "bench/masks"] {
        output(cargo().current_dir(place::root().join(folder)).args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--quiet",
        ]))?;
    }
    let target = place::cargo_target().join("bench-logs");
    let mut loggers = cargo();
    loggers
        .current_dir(place::root().join("bench/logs"))
        .args(["clippy", "--locked", "--all-targets", "--quiet", "--target-dir"])
        .arg(target)
        .args(["--", "-D", "warnings"]);
    run_command(&mut loggers)
}

/// Runs a command of a component of the toolchain, and says what to install when it is not there.
fn tool(command: &mut Command, component: &str) -> Result<()> {
    let verb = command.get_args().next().unwrap_or_default().to_owned();
    let asked = cargo().arg(verb).arg("--version").output();
    if !asked.is_ok_and(|output| output.status.success()) {
        bail!("`{component}` is not installed; run: rustup component add {component}");
    }
    run_command(command)
}
