//! `cofferdam check`: reads exactly what `run` reads, and stops before a socket opens.

use std::path::Path;
use std::process::ExitCode;

use plug_abi::LogLevel;
use serde_json::json;

use crate::Format;
use crate::load::{Before, Loader};
use crate::voice::{fail, print};

pub(crate) fn check(file: &Path, format: Format) -> ExitCode {
    let mut loader = Loader::new(LogLevel::Info, false);
    let loaded = crate::feed::now(file).and_then(|text| loader.load(&text, Before::Check));
    match (loaded, format) {
        (Ok(loaded), Format::Text) => {
            let plan = &loaded.plan;
            print(&format!(
                "{} is good: {} listeners, {} routes, {} upstreams, {} plugins\n",
                file.display(),
                plan.listeners.len(),
                plan.routes.len(),
                plan.upstreams.len(),
                plan.plugins.len()
            ));
            ExitCode::SUCCESS
        }
        (Ok(loaded), Format::Json) => {
            print(&format!(
                "{}\n",
                json!({ "good": true, "findings": [], "plan": loaded.plan.describe() })
            ));
            ExitCode::SUCCESS
        }
        (Err(wrong), Format::Text) => {
            wrong.texts.iter().for_each(|text| fail(text.trim_end()));
            ExitCode::FAILURE
        }
        (Err(wrong), Format::Json) => {
            print(&format!("{}\n", json!({ "good": false, "findings": wrong.findings })));
            ExitCode::FAILURE
        }
    }
}
