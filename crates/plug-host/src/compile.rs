//! Compiling in a process of its own, so that a module made to be slow, large or harmful to the compiler harms nobody.
//!
//! The gateway starts itself anew as such a process, gives it the module on standard input and takes the compiled code from its standard
//! output. The process sets its own bounds before it reads the first byte; the gateway keeps the clock, bounds what it reads, and alone
//! writes the cache.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use thiserror::Error;

use crate::engine::{Purpose, settings};
use crate::fault::LoadFault;

/// LIMIT: bytes of compiled code of one module; a Go module of 9 MB gives about 20 MB.
const CODE_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// LIMIT: bytes that are kept of what the process says.
const WORDS_BYTES_MAX: u64 = 4 * 1024;
/// Its exit status when the compiler refused the module and said why.
const REFUSED: u8 = 65;
/// What it is told when the code is for a debugger.
const DEBUGGED: &str = "--debugged";
/// How much it gives way to the gateway's workers.
const NICE: i32 = 10;
/// How often it is looked whether it has ended, after it has said everything.
const LOOK: Duration = Duration::from_millis(1);
/// How much address space the program's allocator reserves at a time, in KiB: 1 GiB unless told, which would count as used.
const ARENA: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "32768");
/// What the runtime says before it aborts because the system gives no memory. There is no other sign of it.
const NO_MEMORY: &str = "memory allocation of ";

/// What compiling one module may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Address space, in bytes.
    pub memory_bytes_max: u64,
    /// Processor time of all its threads, in whole seconds.
    pub cpu: Duration,
    /// Time by the clock.
    pub time: Duration,
}

/// Starts processes that compile.
#[derive(Debug, Clone, Copy)]
pub struct Compiler {
    /// The verb by which this program compiles: it is followed by the bytes of memory, the seconds of processor time,
    /// and `--debugged` when the code is for a debugger.
    pub verb: &'static str,
    /// Bounds of each.
    pub limits: CompileLimits,
}

/// Why no code came out of a process that compiles.
#[derive(Debug, Error)]
pub enum CompileFault {
    /// No such process could be started.
    #[error("the process that compiles could not be started: {0}")]
    NotStarted(io::Error),
    /// It computed too long.
    #[error("compiling it took more than {0:?} of processor time\n  hint: `compile.cpu` is the bound")]
    CpuExceeded(Duration),
    /// It took too long by the clock.
    #[error("compiling it took longer than {0:?}\n  hint: `compile.time` is the bound")]
    TimeExceeded(Duration),
    /// It needed too much memory.
    #[error("compiling it took more than {0} bytes of memory\n  hint: `compile.memory` is the bound")]
    OutOfMemory(u64),
    /// The code is too large.
    #[error("its compiled code is larger than {0} bytes")]
    TooLarge(u64),
    /// It ended without having said why.
    #[error("the process that compiles it ended with {status}: {words}")]
    Crashed {
        /// How it ended.
        status: ExitStatus,
        /// What it last said.
        words: String,
    },
}

impl Compiler {
    /// The compiled code of a module.
    pub(crate) fn compile(&self, module: &[u8], purpose: Purpose) -> Result<Vec<u8>, LoadFault> {
        let mut child = self.start(purpose).map_err(CompileFault::NotStarted)?;
        let deadline = Instant::now().checked_add(self.limits.time);
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        thread::scope(|scope| {
            scope.spawn(move || {
                // A process that does not read to the end has ended, which says more.
                let _ = input.map(|mut input| input.write_all(module));
            });
            let words = scope.spawn(move || errors.map(last_words).unwrap_or_default());
            let (came, code) = sync_channel(1);
            scope.spawn(move || came.send(output.map(read_code).unwrap_or_default()));
            let code = code.recv_timeout(self.limits.time).ok();
            let is_whole = code.as_ref().is_some_and(|code| length(code) <= CODE_BYTES_MAX);
            let status = end(&mut child, deadline.filter(|_| is_whole));
            let words = words.join().unwrap_or_default();
            match (status.map_err(CompileFault::NotStarted)?, code) {
                (Some(status), Some(code)) => self.outcome(status, code, words),
                (None, Some(_)) if !is_whole => Err(CompileFault::TooLarge(CODE_BYTES_MAX).into()),
                _ => Err(CompileFault::TimeExceeded(self.limits.time).into()),
            }
        })
    }

    fn start(&self, purpose: Purpose) -> io::Result<Child> {
        // The program that runs, also when its file has been replaced meanwhile.
        Command::new("/proc/self/exe")
            .arg0("cofferdam")
            .arg(self.verb)
            .arg(self.limits.memory_bytes_max.to_string())
            .arg(self.limits.cpu.as_secs().max(1).to_string())
            .args((purpose == Purpose::Debugging).then_some(DEBUGGED))
            .env_clear()
            .env(ARENA.0, ARENA.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    }

    fn outcome(&self, status: ExitStatus, code: Vec<u8>, words: String) -> Result<Vec<u8>, LoadFault> {
        let words = words.trim().to_owned();
        if status.success() {
            return Ok(code);
        }
        if status.code() == Some(REFUSED.into()) {
            return Err(LoadFault::Compile(words));
        }
        let fault = match status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::XCPU) => CompileFault::CpuExceeded(self.limits.cpu),
            Some(Signal::ABORT) if words.contains(NO_MEMORY) => CompileFault::OutOfMemory(self.limits.memory_bytes_max),
            _ => CompileFault::Crashed { status, words },
        };
        Err(fault.into())
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// All that comes, or more than is allowed.
fn read_code(output: ChildStdout) -> Vec<u8> {
    let mut code = Vec::new();
    // What is cut off is no code, and the exit status says why.
    let _ = output.take(CODE_BYTES_MAX.saturating_add(1)).read_to_end(&mut code);
    code
}

/// The beginning of what it says; the rest is read, so that it does not wait, and forgotten.
fn last_words(mut errors: ChildStderr) -> String {
    let mut words = Vec::new();
    let _ = errors.by_ref().take(WORDS_BYTES_MAX).read_to_end(&mut words);
    let _ = io::copy(&mut errors, &mut io::sink());
    String::from_utf8_lossy(&words).into_owned()
}

/// Waits until it has ended, and ends it when it has not at the deadline: none then.
fn end(child: &mut Child, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    while deadline.is_some_and(|deadline| Instant::now() < deadline) {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK);
    }
    child.kill()?;
    child.wait().map(|_| None)
}

/// What the process does that compiles: a module from standard input, its code to standard output, or why not to standard error.
#[must_use]
pub fn compile_as_child(memory_bytes_max: u64, cpu_seconds: u64, purpose: Purpose) -> ExitCode {
    let compiled = bound(memory_bytes_max, cpu_seconds)
        .and_then(|()| {
            let mut module = Vec::new();
            io::stdin().read_to_end(&mut module).map(|_| module)
        })
        .map_err(|why| why.to_string())
        .and_then(|module| precompile(&module, purpose).map_err(|why| format!("{why:#}")));
    let (written, code) = match compiled {
        Ok(code) => (io::stdout().write_all(&code), ExitCode::SUCCESS),
        Err(why) => (io::stderr().write_all(why.as_bytes()), ExitCode::from(REFUSED)),
    };
    // A gateway that has gone away reads nothing.
    written.map_or(ExitCode::FAILURE, |()| code)
}

fn bound(memory_bytes_max: u64, cpu_seconds: u64) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let at = |most: u64, hard: u64| Rlimit {
        current: Some(most),
        maximum: Some(hard),
    };
    setrlimit(Resource::As, at(memory_bytes_max, memory_bytes_max))?;
    // At the first the process is told why it ends; nothing survives the second.
    setrlimit(Resource::Cpu, at(cpu_seconds, cpu_seconds.saturating_add(1)))?;
    setrlimit(Resource::Core, at(0, 0))?;
    nice(NICE)?;
    Ok(())
}

/// Code as every engine takes it: neither the pool of instances nor the size of stacks is part of it.
fn precompile(module: &[u8], purpose: Purpose) -> wasmtime::Result<Vec<u8>> {
    wasmtime::Engine::new(&settings(purpose))?.precompile_module(module)
}
