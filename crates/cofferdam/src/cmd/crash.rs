//! `cofferdam crash`: reports of plugins that died, from the folder in which a gateway keeps them.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use plug_report::{Crash, CrashStore};
use serde_json::{Value, json};

use crate::Format;
use crate::crashes::default_folder;
use crate::voice::{fail, print};

/// What is to be shown.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// One line for each place at which a plugin died, the latest first
    List {
        /// Folder of the reports: `crash_reports.dir` of the configuration. Default: where a gateway of this user keeps them
        #[arg(long)]
        dir: Option<PathBuf>,
        /// How they are written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// A whole report: source lines, panic, last host calls, what to do next
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// Folder of the reports: `crash_reports.dir` of the configuration. Default: where a gateway of this user keeps them
        #[arg(long)]
        dir: Option<PathBuf>,
        /// How it is written
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

pub(crate) fn crash(verb: &Verb) -> ExitCode {
    let (Verb::List { dir, .. } | Verb::Show { dir, .. }) = verb;
    let Some(folder) = dir.clone().or_else(default_folder) else {
        return failed("error: there is no home folder to look in; hint: `--dir DIR` names the folder of the reports");
    };
    let store = CrashStore::at(&folder, 0);
    let outcome = match verb {
        Verb::List { format, .. } => list(&store, *format),
        Verb::Show { id, format, .. } => show(&store, id, *format),
    };
    match outcome {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err(why) => failed(&why),
    }
}

fn list(store: &CrashStore, format: Format) -> Result<String, String> {
    let all = store.list().map_err(|why| unreadable(store, &why))?;
    Ok(match format {
        Format::Json => format!("{:#}\n", all.iter().map(summary).collect::<Value>()),
        Format::Text if all.is_empty() => format!("no plugin died, says `{}`\n", store.folder().display()),
        Format::Text => all.iter().map(|crash| crash.line() + "\n").collect(),
    })
}

fn show(store: &CrashStore, id: &str, format: Format) -> Result<String, String> {
    let found = store.find(id).map_err(|why| unreadable(store, &why))?;
    match (&*found, format) {
        ([crash], Format::Text) => Ok(crash.whole()),
        ([crash], Format::Json) => Ok(format!("{:#}\n", json!(crash))),
        ([], _) => Err(format!(
            "error: no crash report in `{}` begins with `{id}`; hint: `cofferdam crash list` shows them",
            store.folder().display()
        )),
        (several, _) => {
            let ids: Vec<&str> = several.iter().map(|crash| crash.signature.as_str()).collect();
            Err(format!(
                "error: `{id}` is the beginning of several crash reports: {}",
                ids.join(", ")
            ))
        }
    }
}

/// What a list says of a report.
pub(crate) fn summary(crash: &Crash) -> Value {
    json!({
        "id": crash.signature,
        "plugin": crash.scene.plugin,
        "code": crash.scene.code,
        "summary": crash.scene.summary,
        "panic": crash.panic,
        "count": crash.count,
        "first_seen_ms": crash.first_seen_ms,
        "last_seen_ms": crash.last_seen_ms,
    })
}

fn unreadable(store: &CrashStore, why: &std::io::Error) -> String {
    format!("error: the folder `{}` cannot be read: {why}", store.folder().display())
}

fn failed(text: &str) -> ExitCode {
    fail(text);
    ExitCode::FAILURE
}
