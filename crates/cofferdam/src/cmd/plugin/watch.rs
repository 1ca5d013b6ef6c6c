//! `cofferdam plugin watch`: whenever a file of the project changes, build, check, test, and swap into the gateway that runs.

mod files;
mod step;

use std::fmt::Display;
use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use hyper::Method;
use serde_json::Value;

use self::files::Files;
use self::step::{Ended, Step, Steps};
use super::admin::{self, Question};
use super::build::{self, Built, Project};
use super::{check, test};
use crate::Format;
use crate::voice::{fail, say};

/// How often the files of a project are looked at. Polling also sees renames, symlink swaps and network file systems.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// LIMIT: how long a gateway may take until it runs what is in its place.
const SWAP_MAX: Duration = Duration::from_secs(30);
/// How often a gateway is asked meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// LIMIT: bytes of a gateway's page of plugins.
const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is watched, and where it goes.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the project
    #[arg(default_value = ".")]
    project: PathBuf,
    /// The suite of test cases. Default: `tests.yaml` of the project, where there is one
    #[arg(long, value_name = "FILE")]
    suite: Option<PathBuf>,
    /// Address of the gateway's admin listener: `admin.listen` of its configuration
    #[arg(long, default_value = admin::USUAL)]
    admin: SocketAddr,
    /// Name of the plugin in the gateway. Default: the project's
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    #[command(flatten)]
    checked: check::Settings,
    /// How steps are written; `json` has one object in each line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Goes on until it is interrupted; 2 when there is nothing to watch.
pub(crate) fn run(options: &Options) -> ExitCode {
    let watch = match Watch::new(options) {
        Ok(watch) => watch,
        Err(why) => {
            fail(&format!("error: {why}"));
            return ExitCode::from(2);
        }
    };
    say(&format!(
        "watching {} in {}; Ctrl-C ends it",
        watch.project.name,
        watch.project.folder.display()
    ));
    let mut files = Files::look(&watch.project.folder);
    loop {
        watch.round();
        // What the language's tool wrote of its own is no change of the author's.
        files.forgive_locks();
        let (now, changed) = files.wait_for_change(LOOK_EVERY);
        say(&changed);
        files = now;
    }
}

struct Watch<'a> {
    options: &'a Options,
    project: Project,
    /// Where the gateway has its module.
    output: PathBuf,
    /// Where a module is until it is known to be good: the gateway follows the file at `output`.
    next: PathBuf,
    /// Held as long as it watches.
    _lock: File,
    runtime: tokio::runtime::Runtime,
}

impl<'a> Watch<'a> {
    fn new(options: &'a Options) -> Result<Self, String> {
        let project = Project::detect(&options.project)?;
        let output = project.output();
        let (folder, name) = output
            .parent()
            .zip(output.file_name())
            .ok_or_else(|| format!("`{}` is no name for a module", output.display()))?;
        let next = folder.join(".next");
        let lock = lock(&next)?;
        let next = next.join(name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.map_err(|why| format!("no event queue: {why}"))?,
            options,
            project,
            output,
            next,
            _lock: lock,
        })
    }

    /// All steps, until one fails.
    fn round(&self) {
        let steps = Steps(self.options.format);
        let Some(built) = steps.take(Step::Build, || self.build()) else {
            return;
        };
        let is_good =
            steps.take(Step::Check, || self.check()).is_some() && steps.take(Step::Test, || self.test()).is_some();
        if is_good {
            steps.take(Step::Swap, || self.swap(&built));
        }
    }

    fn build(&self) -> Result<Ended<Built>, String> {
        let before = digest_of(&self.output);
        let built = build::build(&self.project, (&self.next, &self.output), false)?;
        if digest_of(&self.output) != before {
            return Err(format!(
                "the project's own script writes `{}`, where the gateway has its module: let it write into `build`",
                self.output.display()
            ));
        }
        let said = format!("{} bytes", built.shipped.len());
        Ok(Ended::with(said, built))
    }

    fn check(&self) -> Result<Ended<()>, String> {
        let outcome = check::outcome(&self.next, &self.options.checked).map_err(|check::Unusable(why)| why)?;
        outcome.say_findings(&self.output.display().to_string());
        match outcome.is_good() {
            true => Ok(Ended::with("good", ())),
            false => Err("it has findings".to_owned()),
        }
    }

    fn test(&self) -> Result<Ended<()>, String> {
        let usual = || Some(self.project.folder.join("tests.yaml")).filter(|suite| suite.exists());
        let Some(suite) = self.options.suite.clone().or_else(usual) else {
            return Ok(Ended::with("no tests.yaml", ()));
        };
        let origin = suite.display().to_string();
        let outcome = test::outcome(&test::Options::of(suite, self.next.clone()))?;
        let cases = outcome.cases.len();
        if !outcome.has_passed() {
            fail(outcome.text(&origin).trim_end());
            return Err(format!("{} of {cases} failed", outcome.failed()));
        }
        Ok(Ended::with(format!("{cases} passed"), ()))
    }

    /// Puts the module where the gateway has it, and waits until the gateway runs it.
    fn swap(&self, built: &Built) -> Result<Ended<()>, String> {
        // Before the module, so that a fault of it finds its lines. It is known by the hash of the code that it belongs to.
        if let Some((made, _)) = &built.debug_file {
            put(made, &build::debug_file_of(&self.output))?;
        }
        let digest = plug_host::digest(&built.shipped);
        if digest_of(&self.next).as_ref() != Some(&digest) {
            return Err(format!(
                "`{}` was changed by somebody else meanwhile",
                self.next.display()
            ));
        }
        put(&self.next, &self.output)?;
        let plugin = self.options.plugin.as_deref().unwrap_or(&self.project.name);
        self.runtime.block_on(follow(self.options.admin, plugin, &digest))
    }
}

/// Two that watch one project would put each other's modules in place.
fn lock(folder: &Path) -> Result<File, String> {
    let file = folder.join("lock");
    let failed = |why: &dyn Display| format!("`{}` cannot be made: {why}", file.display());
    fs::create_dir_all(folder).map_err(|why| failed(&why))?;
    let lock = File::create(&file).map_err(|why| failed(&why))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(String::from("another `cofferdam plugin watch` watches this project")),
        Err(TryLockError::Error(why)) => Err(failed(&why)),
    }
}

/// The SHA-256 of a file; none when it is not there.
fn digest_of(file: &Path) -> Option<String> {
    Some(plug_host::digest(&fs::read(file).ok()?))
}

/// In one go: the gateway never reads half of it.
fn put(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to).map_err(|why| format!("`{}` cannot be put in place: {why}", to.display()))
}

/// Asks the gateway until it runs the module with this digest. Without a gateway the module is in its place all the same.
async fn follow(admin: SocketAddr, plugin: &str, digest: &str) -> Result<Ended<()>, String> {
    let began = Instant::now();
    let mut generation = None;
    while began.elapsed() < SWAP_MAX {
        let question = Question {
            method: Method::GET,
            target: "/plugins",
            body: hyper::body::Bytes::new(),
            bytes_max: PAGE_BYTES_MAX,
        };
        let answer = match tokio::time::timeout(SWAP_MAX, admin::ask(admin, question)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => return Ok(Ended::with(format!("in place; {why}"), ())),
            Err(_) => break,
        };
        let page: Value =
            serde_json::from_slice(&answer).map_err(|why| format!("what answers at {admin} is no gateway: {why}"))?;
        let plugins = page.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(known) = plugins.iter().find(|known| known["name"] == plugin) else {
            let hint = "`--plugin NAME` says what it is called there";
            return Err(format!("the gateway at {admin} has no plugin `{plugin}`; {hint}"));
        };
        generation = known["generation"].as_u64();
        if known["sha256"] == digest {
            let number = generation.unwrap_or_default();
            return Ok(Ended::with(
                format!("the gateway at {admin} runs it, as generation {number}"),
                (),
            ));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    let still = generation.map_or_else(String::new, |number| format!(" and still runs generation {number}"));
    Err(format!(
        "the gateway at {admin} did not take it within {} s{still}; its log says why",
        SWAP_MAX.as_secs()
    ))
}
