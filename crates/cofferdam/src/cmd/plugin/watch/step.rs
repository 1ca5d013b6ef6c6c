//! A step of a round: its name, its time, and how it ended, in a line.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Format;
use crate::voice::{fail, finish, print};

/// What is done in a round, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Build,
    Check,
    Test,
    Swap,
}

impl Step {
    const fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Check => "check",
            Self::Test => "test",
            Self::Swap => "swap",
        }
    }
}

/// How a step ended that did not fail.
pub(super) struct Ended<T> {
    said: String,
    value: T,
}

impl<T> Ended<T> {
    pub(super) fn with(said: impl Into<String>, value: T) -> Self {
        Self {
            said: said.into(),
            value,
        }
    }
}

/// Takes steps, and writes a line for each.
pub(super) struct Steps(pub(super) Format);

impl Steps {
    /// None when it failed.
    pub(super) fn take<T>(&self, step: Step, work: impl FnOnce() -> Result<Ended<T>, String>) -> Option<T> {
        let began = Instant::now();
        let ended = work();
        let took = began.elapsed();
        let (is_done, said, value) = match ended {
            Ok(ended) => (true, ended.said, Some(ended.value)),
            Err(why) => (false, why, None),
        };
        let mut lines = said.lines();
        let first = lines.next().unwrap_or_default();
        if lines.next().is_some() {
            fail(&said);
        }
        // What the step said comes before its line.
        finish();
        print(&self.line(step, took, (is_done, first.trim_start_matches("error: "))));
        value
    }

    fn line(&self, step: Step, took: Duration, (is_done, said): (bool, &str)) -> String {
        match self.0 {
            Format::Json => {
                let line = json!({"step": step.word(), "done": is_done, "ms": took.as_millis() as u64, "says": said});
                format!("{line}\n")
            }
            Format::Text => {
                let failed = if is_done { "" } else { "failed: " };
                format!("{:<6}{:>7.2} s  {failed}{said}\n", step.word(), took.as_secs_f64())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_step_its_time_and_its_end() {
        let took = Duration::from_millis(1_230);
        let text = Steps(Format::Text);
        assert_eq!(
            text.line(Step::Test, took, (true, "4 passed")),
            "test     1.23 s  4 passed\n"
        );
        assert_eq!(
            text.line(Step::Build, took, (false, "no `make`")),
            "build    1.23 s  failed: no `make`\n"
        );
        assert_eq!(
            Steps(Format::Json).line(Step::Swap, took, (true, "x")),
            "{\"step\":\"swap\",\"done\":true,\"ms\":1230,\"says\":\"x\"}\n"
        );
    }
}
