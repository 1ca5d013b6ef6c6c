//! WASI for log guests: arguments, a clock and lines by default, random bytes and files to read where they are granted, and for all the rest what
//! runtimes live on after.

mod files;

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use plug_abi::{LogLevel, WASI_CALLS, WasiCall, WasiModule};
use wasmtime::{Caller, Extern, FuncType, Linker, Val};

use super::instance::Keeper;
use crate::calls::wasi::{
    BADF, Exited, FAULT, INVAL, MONOTONIC, NOSYS, NOTSUP, PIECES_MAX, RANDOM_BYTES_MAX, REALTIME, SUCCESS, refusal,
    val_type,
};

/// LIMIT: bytes of one line of a log guest.
const LINE_BYTES_MAX: usize = 1_024;

/// What a function answers: an error's number, or that it was done.
type Written = Result<(), u32>;

/// The memory and state behind a call.
struct Here<'c> {
    memory: &'c mut [u8],
    keeper: &'c mut Keeper,
}

impl Here<'_> {
    fn read(&self, at: u32, length: u32) -> Result<&[u8], u32> {
        let (at, length) = (place(at)?, place(length)?);
        let end = at.checked_add(length).ok_or(FAULT)?;
        self.memory.get(at..end).ok_or(FAULT)
    }

    fn room(&mut self, at: u32, length: usize) -> Result<&mut [u8], u32> {
        let at = place(at)?;
        let end = at.checked_add(length).ok_or(FAULT)?;
        self.memory.get_mut(at..end).ok_or(FAULT)
    }

    fn write(&mut self, at: u32, bytes: &[u8]) -> Written {
        self.room(at, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn write_u32(&mut self, at: u32, number: u32) -> Written {
        self.write(at, &number.to_le_bytes())
    }

    /// Places in memory, each with a length.
    fn pieces(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, u32> {
        if count > PIECES_MAX {
            return Err(INVAL);
        }
        let bytes = self.read(at, count.checked_mul(8).ok_or(FAULT)?)?;
        let (pieces, _) = bytes.as_chunks::<8>();
        let number = |bytes: [u8; 4]| u32::from_le_bytes(bytes);
        Ok(pieces
            .iter()
            .map(|[a, b, c, d, e, f, g, h]| (number([*a, *b, *c, *d]), number([*e, *f, *g, *h])))
            .collect())
    }
}

fn place(at: u32) -> Result<usize, u32> {
    usize::try_from(at).map_err(|_| FAULT)
}

fn called(mut caller: Caller<'_, Keeper>, call: impl FnOnce(&mut Here<'_>) -> Written) -> u32 {
    // The module's `start` function runs before the instance is known.
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return FAULT;
    };
    let (memory, keeper) = memory.data_and_store_mut(&mut caller);
    call(&mut Here { memory, keeper }).err().unwrap_or(SUCCESS)
}

/// Functions that do something.
macro_rules! functions {
    ($linker:ident, $module:ident; $($name:literal ($($argument:ident: $kind:ty),*) => $call:expr;)+) => {
        $($linker.func_wrap($module, $name, move |caller: Caller<'_, Keeper>, $($argument: $kind),*| {
            #[allow(clippy::redundant_closure_call)]
            called(caller, |here| $call(here))
        })?;)+
        /// Their names.
        const DONE: &[&str] = &[$($name),+];
    };
}

/// Defines every function of the table, under both names of WASI.
pub(super) fn define(linker: &mut Linker<Keeper>) -> wasmtime::Result<()> {
    for version in [WasiModule::Preview1, WasiModule::Unstable] {
        let module = version.name();
        functions! { linker, module;
            "args_get" (places: u32, text: u32) => |here: &mut Here<'_>| args_get(here, places, text);
            "args_sizes_get" (count: u32, bytes: u32) => |here: &mut Here<'_>| args_sizes_get(here, count, bytes);
            "clock_res_get" (_clock: u32, at: u32) => |here: &mut Here<'_>| here.write(at, &1_u64.to_le_bytes());
            "clock_time_get" (clock: u32, _precision: u64, at: u32) => |here: &mut Here<'_>| clock_time_get(here, clock, at);
            "environ_get" (_places: u32, _text: u32) => |_: &mut Here<'_>| Ok(());
            "environ_sizes_get" (count: u32, bytes: u32) =>
                |here: &mut Here<'_>| here.write_u32(count, 0).and_then(|()| here.write_u32(bytes, 0));
            "fd_write" (fd: u32, at: u32, count: u32, written: u32) => |here: &mut Here<'_>| fd_write(here, fd, (at, count), written);
            "random_get" (at: u32, length: u32) => |here: &mut Here<'_>| random_get(here, at, length);
            "fd_prestat_get" (fd: u32, at: u32) => |here: &mut Here<'_>| files::fd_prestat_get(here, fd, at);
            "fd_prestat_dir_name" (fd: u32, at: u32, length: u32) =>
                |here: &mut Here<'_>| files::fd_prestat_dir_name(here, fd, (at, length));
            "fd_fdstat_get" (fd: u32, at: u32) => |here: &mut Here<'_>| files::fd_fdstat_get(here, fd, at);
            "fd_filestat_get" (fd: u32, at: u32) => |here: &mut Here<'_>| files::fd_filestat_get(here, version, fd, at);
            "fd_read" (fd: u32, at: u32, count: u32, read: u32) => |here: &mut Here<'_>| files::fd_read(here, fd, (at, count), read);
            "fd_seek" (fd: u32, offset: i64, whence: u32, at: u32) =>
                |here: &mut Here<'_>| files::fd_seek(here, (fd, offset), version.whence(whence), at);
            "fd_close" (fd: u32) => |here: &mut Here<'_>| files::fd_close(here, fd);
            "path_open" (fd: u32, lookup: u32, path: u32, length: u32, how: u32, _rights: u64, _inherited: u64, _flags: u32, opened: u32) =>
                |here: &mut Here<'_>| files::path_open(here, (fd, lookup, how), (path, length), opened);
        }
        linker.func_wrap(module, "proc_exit", |code: u32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::new(Exited(code.cast_signed())))
        })?;
        for call in WASI_CALLS {
            if !DONE.contains(&call.name) && call.name != "proc_exit" {
                define_refusal(linker, module, call)?;
            }
        }
    }
    Ok(())
}

fn define_refusal(linker: &mut Linker<Keeper>, module: &str, call: &WasiCall) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    let (params, results) = (call.params.iter().map(val_type), call.results.iter().map(val_type));
    let kind = FuncType::new(&engine, params, results);
    let answer = refusal(call.name).cast_signed();
    linker.func_new(module, call.name, kind, move |_, _, results| {
        if let Some(result) = results.first_mut() {
            *result = Val::I32(answer);
        }
        Ok(())
    })?;
    Ok(())
}

fn args_sizes_get(here: &mut Here<'_>, count_at: u32, bytes_at: u32) -> Written {
    let arguments = here.keeper.arguments();
    let bytes: usize = arguments.iter().map(|argument| argument.len().saturating_add(1)).sum();
    let number = |size: usize| u32::try_from(size).map_err(|_| INVAL);
    let (count, bytes) = (number(arguments.len())?, number(bytes)?);
    here.write_u32(count_at, count)?;
    here.write_u32(bytes_at, bytes)
}

fn args_get(here: &mut Here<'_>, mut places: u32, mut text: u32) -> Written {
    for argument in here.keeper.arguments() {
        here.write_u32(places, text)?;
        here.write(text, argument.as_bytes())?;
        let end = u32::try_from(argument.len())
            .ok()
            .and_then(|length| text.checked_add(length));
        let end = end.ok_or(FAULT)?;
        here.write(end, &[0])?;
        places = places.checked_add(4).ok_or(FAULT)?;
        text = end.checked_add(1).ok_or(FAULT)?;
    }
    Ok(())
}

fn clock_time_get(here: &mut Here<'_>, clock: u32, at: u32) -> Written {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = match clock {
        // Go's runtime ends when a clock shows 0; this one stands at 1.
        REALTIME | MONOTONIC if !here.keeper.grant.clock => std::time::Duration::from_nanos(1),
        REALTIME => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default(),
        MONOTONIC => START.elapsed().saturating_add(std::time::Duration::from_nanos(1)),
        _ => return Err(NOTSUP),
    };
    let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    here.write(at, &nanoseconds.to_le_bytes())
}

/// A line of the guest. Where it is not granted it is lost, and the guest is told that all of it is written.
fn fd_write(here: &mut Here<'_>, fd: u32, (at, count): (u32, u32), written_at: u32) -> Written {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Err(BADF),
    };
    let mut line = Vec::new();
    let mut written = 0_u32;
    for (at, length) in here.pieces(at, count)? {
        let bytes = here.read(at, length)?;
        let room = LINE_BYTES_MAX.saturating_sub(line.len()).min(bytes.len());
        line.extend_from_slice(bytes.get(..room).unwrap_or_default());
        written = written.checked_add(length).ok_or(INVAL)?;
    }
    here.write_u32(written_at, written)?;
    here.keeper.say(level, &line);
    Ok(())
}

fn random_get(here: &mut Here<'_>, at: u32, length: u32) -> Written {
    if !here.keeper.grant.random {
        return Err(NOSYS);
    }
    if length > RANDOM_BYTES_MAX {
        return Err(INVAL);
    }
    let room = here.room(at, place(length)?)?;
    aws_lc_rs::rand::fill(room).map_err(|_| NOSYS)
}
