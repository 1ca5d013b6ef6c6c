//! Progress of downloads and uploads, on a terminal only.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use plug_package::{PackageFault, Progress};

use crate::voice::warn;

/// What a bar looks like.
const BAR: &str = "{msg:30!} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";

/// One bar at a time.
#[derive(Default)]
pub(crate) struct Bars {
    bar: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// Bars on standard error.
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }
}

impl Progress for Bars {
    fn begins(&self, what: &str, bytes: Option<u64>) {
        if !stderr().is_terminal() {
            return;
        }
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        *self.bar.lock() = Some(bar);
    }

    fn moves(&self, bytes: u64) {
        if let Some(bar) = self.bar.lock().as_ref() {
            bar.set_position(bytes);
        }
    }

    fn ends(&self) {
        if let Some(bar) = self.bar.lock().take() {
            bar.finish_and_clear();
        }
    }

    fn waits(&self, why: &PackageFault, wait: Duration) {
        warn(&format!("warning: {why}; tried again in {:.1} s", wait.as_secs_f64()));
    }
}
