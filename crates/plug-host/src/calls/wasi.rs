//! WASI preview 1 as far as Proxy-Wasm toolchains need it: a clock, randomness, an environment, and standard output as a log.

pub(crate) mod files;

use std::sync::LazyLock;
use std::time::Instant;

use bytes::Bytes;
use plug_abi::{LogLevel, Status, ValueType, WASI_CALLS, WasiModule, call_number};
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

use crate::calls::step::{Answered, PLACES, Step};
use crate::calls::time::nanoseconds_since_1970;
use crate::calls::traced;
use crate::guest::{Host, OnWorker};
use crate::words::LINE_BYTES_MAX;

pub(crate) const SUCCESS: u32 = 0;
pub(crate) const BADF: u32 = 8;
pub(crate) const FAULT: u32 = 21;
pub(crate) const INVAL: u32 = 28;
const NOENT: u32 = 44;
pub(crate) const NOSYS: u32 = 52;
pub(crate) const NOTSUP: u32 = 58;

pub(crate) const REALTIME: u32 = 0;
pub(crate) const MONOTONIC: u32 = 1;

/// LIMIT: bytes one `random_get` gives, as in proxy-wasm-cpp-host.
pub(crate) const RANDOM_BYTES_MAX: u32 = 64 * 1024;
/// LIMIT: pieces one `fd_write` joins.
pub(crate) const PIECES_MAX: u32 = 1_024;

/// The guest called `proc_exit`.
#[derive(Debug, thiserror::Error)]
#[error("`proc_exit({0})`")]
pub(crate) struct Exited(pub(crate) i32);

/// What an implementation of one answers: an error's number.
type Written = Result<(), u32>;

fn errno(status: Status) -> u32 {
    if status == Status::InvalidMemoryAccess {
        FAULT
    } else {
        INVAL
    }
}

/// What a function of WASI answers.
struct Errno(Result<(), u32>);

impl Answered for Errno {
    fn raw(&self) -> u32 {
        self.0.err().unwrap_or(SUCCESS)
    }

    fn again(status: u32, _: Option<Bytes>) -> Self {
        Self(if status == SUCCESS { Ok(()) } else { Err(status) })
    }
}

fn wasi(caller: Caller<'_, OnWorker>, step: &Step<'_>, call: impl FnOnce(&mut Host<'_>) -> Written) -> u32 {
    let call = |host: &mut Host<'_>| Errno(call(host));
    traced(caller, step, |host| host.answers(step, call), Answered::raw).map_or(FAULT, |done| done.raw())
}

/// Defines every function under both module names that binaries in the field use.
pub(crate) fn define(linker: &mut Linker<OnWorker>) -> wasmtime::Result<()> {
    for version in [WasiModule::Preview1, WasiModule::Unstable] {
        let module = version.name();
        define_in(linker, module)?;
        define_files(linker, version)?;
        for call in WASI_CALLS {
            if !IMPLEMENTED.contains(&call.name) {
                define_refusal(linker, module, call.name, call.params, call.results)?;
            }
        }
    }
    Ok(())
}

const IMPLEMENTED: &[&str] = &[
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_filestat_get",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_readdir",
    "fd_seek",
    "fd_write",
    "path_filestat_get",
    "path_open",
    "poll_oneoff",
    "proc_exit",
    "random_get",
];

/// Functions that are remembered like host calls.
macro_rules! functions {
    ($linker:ident, $module:ident; $($name:literal ($($argument:ident: $kind:ty),*) => $call:expr;)+) => {
        $($linker.func_wrap($module, $name, move |caller: Caller<'_, OnWorker>, $($argument: $kind),*| {
            let step = Step {
                name: $name,
                number: const { call_number($name) },
                arguments: &[$(u64::from($argument)),*],
                shape: PLACES,
            };
            #[allow(clippy::redundant_closure_call)]
            wasi(caller, &step, |host| $call(host))
        })?;)+
    };
}

fn define_in(linker: &mut Linker<OnWorker>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(module, "args_get", |caller: Caller<'_, OnWorker>, _: u32, _: u32| {
        caller.data().0.count_call(const { call_number("args_get") });
        SUCCESS
    })?;
    functions! { linker, module;
        "args_sizes_get" (count: u32, bytes: u32) => |host: &mut Host<'_>| sizes(host, count, bytes, 0, 0);
        "clock_res_get" (clock: u32, at: u32) => |host: &mut Host<'_>| host.write(at, &1_u64.to_le_bytes()).map_err(errno);
        "clock_time_get" (clock: u32, precision: u64, at: u32) => |host: &mut Host<'_>| clock_time_get(host, clock, at);
        "environ_get" (places: u32, text: u32) => |host: &mut Host<'_>| environ_get(host, places, text);
        "environ_sizes_get" (count: u32, bytes: u32) => |host: &mut Host<'_>| environ_sizes_get(host, count, bytes);
        "fd_fdstat_get" (fd: u32, at: u32) => |host: &mut Host<'_>| fd_fdstat_get(host, fd, at);
        "fd_write" (fd: u32, at: u32, count: u32, written: u32) => |host: &mut Host<'_>| fd_write(host, fd, at, count, written);
        // Go's runtime sleeps by it and dies of any error; no event is ready and the caller tries again.
        "poll_oneoff" (wanted: u32, events: u32, count: u32, ready: u32) => |host: &mut Host<'_>| host.write_u32(ready, 0).map_err(errno);
        "random_get" (at: u32, length: u32) => |host: &mut Host<'_>| random_get(host, at, length);
    }
    linker.func_wrap(
        module,
        "proc_exit",
        |caller: Caller<'_, OnWorker>, code: u32| -> wasmtime::Result<()> {
            caller.data().0.count_call(const { call_number("proc_exit") });
            Err(wasmtime::Error::new(Exited(code.cast_signed())))
        },
    )?;
    Ok(())
}

fn define_files(linker: &mut Linker<OnWorker>, version: WasiModule) -> wasmtime::Result<()> {
    let module = version.name();
    functions! { linker, module;
        "fd_prestat_get" (fd: u32, at: u32) => |host: &mut Host<'_>| files::fd_prestat_get(host, fd, at);
        "fd_prestat_dir_name" (fd: u32, name: u32, length: u32) => |host: &mut Host<'_>| files::fd_prestat_dir_name(host, fd, name, length);
        "fd_close" (fd: u32) => |host: &mut Host<'_>| files::fd_close(host, fd);
        "fd_read" (fd: u32, at: u32, count: u32, read: u32) => |host: &mut Host<'_>| files::fd_read(host, fd, at, count, read);
        "fd_seek" (fd: u32, offset: u64, whence: u32, at: u32) =>
            |host: &mut Host<'_>| files::fd_seek(host, version, (fd, offset), whence, at);
        "fd_filestat_get" (fd: u32, at: u32) => |host: &mut Host<'_>| files::fd_filestat_get(host, version, fd, at);
        "fd_readdir" (fd: u32, at: u32, length: u32, cookie: u64, used: u32) =>
            |host: &mut Host<'_>| files::fd_readdir(host, fd, (at, length), cookie, used);
        "path_filestat_get" (fd: u32, lookup: u32, path: u32, length: u32, at: u32) =>
            |host: &mut Host<'_>| files::path_filestat_get(host, version, (fd, lookup), (path, length), at);
        "path_open" (folder: u32, lookup: u32, path: u32, length: u32, how: u32, rights: u64, inherited: u64, flags: u32, opened: u32) =>
            |host: &mut Host<'_>| files::path_open(host, &files::Open {
                folder, lookup, path: (path, length), how, rights, flags, fd_at: opened,
            });
    }
    Ok(())
}

/// What a function answers that has nothing to work on: no files, no sockets.
pub(crate) fn refusal(name: &str) -> u32 {
    match name {
        "sched_yield"
        | "fd_close"
        | "fd_seek"
        | "fd_sync"
        | "fd_datasync"
        | "fd_advise"
        | "fd_allocate"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights" => SUCCESS,
        // Go ends its search for preopened folders at this code.
        "fd_prestat_get" | "fd_prestat_dir_name" | "fd_filestat_get" | "fd_readdir" | "fd_tell" | "fd_renumber" => BADF,
        "path_open" => NOENT,
        "fd_read" | "fd_pread" | "fd_pwrite" => NOSYS,
        _ => NOTSUP,
    }
}

fn define_refusal(
    linker: &mut Linker<OnWorker>,
    module: &str,
    name: &'static str,
    params: &[ValueType],
    results: &[ValueType],
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    let kind = FuncType::new(&engine, params.iter().map(val_type), results.iter().map(val_type));
    let (answer, number) = (refusal(name).cast_signed(), call_number(name));
    linker.func_new(module, name, kind, move |caller, _, results| {
        caller.data().0.count_call(number);
        if let Some(result) = results.first_mut() {
            *result = Val::I32(answer);
        }
        Ok(())
    })?;
    Ok(())
}

pub(crate) fn val_type(kind: &ValueType) -> ValType {
    match kind {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
        ValueType::F64 => ValType::F64,
    }
}

fn sizes(host: &mut Host<'_>, count_at: u32, bytes_at: u32, count: u32, bytes: u32) -> Written {
    host.write_u32(count_at, count)
        .and_then(|()| host.write_u32(bytes_at, bytes))
        .map_err(errno)
}

fn environment(host: &Host<'_>) -> Vec<String> {
    let environment = &host.guest.first.spec.environment;
    let grant = host.guest.grant.as_ref().filter(|grant| !grant.only_reports());
    environment
        .iter()
        .filter(|(name, _)| grant.is_none_or(|grant| grant.sees_variable(name)))
        .map(|(name, value)| format!("{name}={value}\0"))
        .collect()
}

fn environ_sizes_get(host: &mut Host<'_>, count_at: u32, bytes_at: u32) -> Written {
    if let Some(grant) = &host.guest.grant {
        let mut names = host.guest.first.spec.environment.iter().map(|(name, _)| name);
        if let Some(name) = names.find(|name| !grant.sees_variable(name)) {
            host.guest.hides("environ_sizes_get", name.as_bytes());
        }
    }
    let entries = environment(host);
    let bytes = entries.iter().map(String::len).sum::<usize>();
    let number = |size: usize| u32::try_from(size).map_err(|_| INVAL);
    sizes(host, count_at, bytes_at, number(entries.len())?, number(bytes)?)
}

fn environ_get(host: &mut Host<'_>, mut places: u32, mut text: u32) -> Written {
    for entry in environment(host) {
        host.write_u32(places, text)
            .and_then(|()| host.write(text, entry.as_bytes()))
            .map_err(errno)?;
        places = places.checked_add(4).ok_or(FAULT)?;
        let length = u32::try_from(entry.len()).map_err(|_| INVAL)?;
        text = text.checked_add(length).ok_or(FAULT)?;
    }
    Ok(())
}

impl Host<'_> {
    /// What a function answers that is not granted: what runtimes live on after.
    pub(crate) fn denied_of_wasi(&mut self, step: &Step<'_>) -> u32 {
        let place = |at: usize| step.arguments.get(at).and_then(|place| u32::try_from(*place).ok());
        let written = match step.name {
            "environ_sizes_get" => sizes(self, place(0).unwrap_or(0), place(1).unwrap_or(0), 0, 0),
            "environ_get" => Ok(()),
            // Go's runtime ends when a clock shows 0; this one stands at 1.
            "clock_res_get" => self.write(place(1).unwrap_or(0), &1_u64.to_le_bytes()).map_err(errno),
            "clock_time_get" => self.write(place(2).unwrap_or(0), &1_u64.to_le_bytes()).map_err(errno),
            "fd_write" => self.lost(step),
            "random_get" => Err(NOSYS),
            name => match refusal(name) {
                SUCCESS => Ok(()),
                why => Err(why),
            },
        };
        written.err().unwrap_or(SUCCESS)
    }

    /// What is written is gone, and the writer is told that all of it is written.
    fn lost(&mut self, step: &Step<'_>) -> Written {
        let [fd, pieces_at, count, written_at] = step.arguments else {
            return Err(INVAL);
        };
        let number = |argument: &u64| u32::try_from(*argument).map_err(|_| INVAL);
        if !matches!(fd, 1 | 2) || number(count)? > PIECES_MAX {
            return Err(BADF);
        }
        let mut written = 0_u32;
        for piece in 0..number(count)? {
            let at = piece
                .checked_mul(8)
                .and_then(|offset| number(pieces_at).ok()?.checked_add(offset));
            let (_, length) = piece_at(self, at.ok_or(FAULT)?)?;
            written = written.saturating_add(length);
        }
        self.write_u32(number(written_at)?, written).map_err(errno)
    }
}

fn clock_time_get(host: &mut Host<'_>, clock: u32, at: u32) -> Written {
    let nanoseconds = match clock {
        REALTIME => nanoseconds_since_1970(host),
        MONOTONIC => nanoseconds_since_start(host),
        _ => return Err(NOTSUP),
    };
    host.write(at, &nanoseconds.to_le_bytes()).map_err(errno)
}

/// A clock that never goes back: Go's scheduler waits by it.
fn nanoseconds_since_start(host: &Host<'_>) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = match &host.guest.trial {
        Some(trial) => trial.since_start(),
        None => START.elapsed(),
    };
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
}

/// Standard output and error exist and may be written; nothing else is open.
fn fd_fdstat_get(host: &mut Host<'_>, fd: u32, at: u32) -> Written {
    if let Some(done) = files::fd_fdstat_get(host, fd, at) {
        return done;
    }
    if fd != 1 && fd != 2 {
        return Err(BADF);
    }
    let mut stat = [0_u8; 24];
    // Rights: `fd_write` (bit 6), as proxy-wasm-cpp-host gives.
    stat[8] = 64;
    host.write(at, &stat).map_err(errno)
}

fn fd_write(host: &mut Host<'_>, fd: u32, pieces_at: u32, count: u32, written_at: u32) -> Written {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ if host.guest.files.is_some() => return files::fd_write(host, fd, pieces_at, count, written_at),
        _ => return Err(BADF),
    };
    if count > PIECES_MAX {
        return Err(INVAL);
    }
    let mut line = Vec::new();
    let mut is_ended = false;
    let mut written = 0_u32;
    for piece in 0..count {
        let at = piece
            .checked_mul(8)
            .and_then(|offset| pieces_at.checked_add(offset))
            .ok_or(FAULT)?;
        let (pointer, length) = piece_at(host, at)?;
        let bytes = host.read(pointer, length).map_err(errno)?;
        let room = LINE_BYTES_MAX.saturating_sub(line.len()).min(bytes.len());
        line.extend_from_slice(bytes.get(..room).unwrap_or_default());
        is_ended = bytes.last().map_or(is_ended, |last| *last == b'\n');
        written = written.checked_add(length).ok_or(INVAL)?;
    }
    host.write_u32(written_at, written).map_err(errno)?;
    if is_ended && line.len() == LINE_BYTES_MAX {
        // Its end was cut off.
        line.push(b'\n');
    }
    host.guest.write(level, &line);
    Ok(())
}

fn piece_at(host: &Host<'_>, at: u32) -> Result<(u32, u32), u32> {
    let bytes = host.read(at, 8).map_err(errno)?;
    let (pointer, length) = bytes.split_at_checked(4).ok_or(FAULT)?;
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).map_err(|_| FAULT);
    Ok((number(pointer)?, number(length)?))
}

fn random_get(host: &mut Host<'_>, at: u32, length: u32) -> Written {
    if length > RANDOM_BYTES_MAX {
        return Err(INVAL);
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_| INVAL)?];
    match &host.guest.trial {
        Some(trial) => trial.fill(&mut bytes),
        None => aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NOSYS)?,
    }
    host.write(at, &bytes).map_err(errno)
}
