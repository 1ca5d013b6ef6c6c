//! Who is measured, and what is asked of each.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::exchange::Exchange;
use crate::ours::{Masking, Ours};
use crate::{appender, slog_queue, spdlog_pool};

/// LIMIT: records that wait for the thread that writes, of those who count records.
pub(crate) const QUEUE_RECORDS: usize = 65_536;

/// A logger with its writer that is not waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Name {
    /// Ours; values are hidden whose names tell that they are secret, as by default
    Cofferdam,
    /// Ours with the pack `mlps3`
    CofferdamMlps3,
    /// Ours with `mask: off`
    CofferdamOff,
    /// `tracing` with its JSON format over `tracing-appender`
    Tracing,
    /// `spdlog-rs` with its JSON format and its pool of one thread
    Spdlog,
    /// `slog` with `slog-json` over `slog-async`
    Slog,
}

/// What every logger can.
pub(crate) trait Logger {
    /// Writes a record of an exchange, or drops it; waits for nobody.
    fn write(&mut self, exchange: &Exchange);

    /// Writes what there still is; says how many records it knows to have dropped, if it counts them.
    fn end(self: Box<Self>) -> Result<Option<u64>>;
}

impl Name {
    /// Starts it.
    pub(crate) fn start(self, folder: &Path, file: &Path) -> Result<Box<dyn Logger>> {
        Ok(match self {
            Self::Cofferdam => Box::new(Ours::start(Masking::Default, folder, file)?),
            Self::CofferdamMlps3 => Box::new(Ours::start(Masking::Mlps3, folder, file)?),
            Self::CofferdamOff => Box::new(Ours::start(Masking::Off, folder, file)?),
            Self::Tracing => Box::new(appender::Appender::start(file)?),
            Self::Spdlog => Box::new(spdlog_pool::Pool::start(file)?),
            Self::Slog => Box::new(slog_queue::Queue::start(file)?),
        })
    }

    /// What the log itself says is missing, when this line says so.
    pub(crate) fn told(self, line: &str) -> Option<u64> {
        let key = match self {
            Self::Cofferdam | Self::CofferdamMlps3 | Self::CofferdamOff => "\"cofferdam.records_dropped\":",
            Self::Slog => "\"count\":",
            Self::Tracing | Self::Spdlog => return None,
        };
        let (_, rest) = line.split_once(key)?;
        let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_is_missing_is_read() {
        let line = r#"{"level":"info","cofferdam.records_dropped":42,"cofferdam.ring":"w"}"#;
        assert_eq!(Name::Cofferdam.told(line), Some(42));
        assert_eq!(Name::Cofferdam.told("{}"), None);
        assert_eq!(
            Name::Slog.told(r#"{"msg":"slog-async: logger dropped messages","count":7}"#),
            Some(7)
        );
        assert_eq!(Name::Tracing.told(line), None);
    }
}
