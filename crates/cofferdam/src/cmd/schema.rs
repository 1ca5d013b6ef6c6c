//! `cofferdam schema`.

use std::process::ExitCode;

pub(crate) fn schema() -> ExitCode {
    let text = serde_json::to_string_pretty(&gate_plan::schema()).unwrap_or_default();
    crate::voice::print(&format!("{text}\n"));
    ExitCode::SUCCESS
}
