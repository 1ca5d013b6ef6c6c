//! What went wrong with a log guest.

use std::time::Duration;

use thiserror::Error;
use wasmtime::Trap;

use super::instance::Keeper;
use crate::calls::wasi::Exited;

/// What went wrong with a log guest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogFault {
    /// It trapped.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It took too long.
    #[error("it took longer than {0:?}")]
    Timeout(Duration),
    /// It wanted more memory than it may have, and ended.
    #[error("it wanted more than {0} bytes of memory")]
    Memory(u64),
    /// It called `proc_exit`.
    #[error("it called `proc_exit` with code {0}")]
    Exit(u32),
    /// What it answered is no answer to what it was asked.
    #[error("its answer is none: {0}")]
    Answer(&'static str),
    /// It did not take its configuration.
    #[error("it refused its configuration with {0}: {1}")]
    Configuration(i32, String),
    /// It could not be started, or started again.
    #[error("it could not be started: {0}")]
    NotStarted(String),
}

impl LogFault {
    /// Its word in records and metrics.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Timeout(_) => "timeout",
            Self::Memory(_) => "memory",
            Self::Exit(_) => "exit",
            Self::Answer(_) => "answer",
            Self::Configuration(..) => "configuration",
            Self::NotStarted(_) => "not_started",
        }
    }

    /// What the engine says of a call that did not come back.
    pub(super) fn of(why: &wasmtime::Error, keeper: &Keeper) -> Self {
        if let Some(Exited(code)) = why.downcast_ref::<Exited>() {
            return Self::Exit(code.cast_unsigned());
        }
        match why.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Self::Timeout(keeper.time_max),
            // Allocators end with a trap of their own when memory does not grow.
            _ if keeper.wanted_memory => Self::Memory(keeper.memory_bytes_max),
            Some(trap) => Self::Trap(trap.to_string().replace("wasm trap: ", "")),
            None => Self::NotStarted(format!("{:#}", why.root_cause())),
        }
    }
}
