//! `cofferdam config`: configurations in a store, pushed, compared, listed and taken back.

mod place;
mod difference;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use control_store::{Current, Publication, Published, Store, StoreFault};
use gate_plan::{Machine, Plan};
use plug_abi::LogLevel;
use plug_package::{KEY_BYTES_MAX, PrivateKey, read_file, sign_beside};
use serde_json::{Value, json};

use self::place::settings;
use crate::Format;
use crate::load::{Before, Loader};
use crate::text::{Text, read_text};
use crate::voice::{fail, print};

/// What is to be done with a store.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Check a configuration and let it stand in the store: bundle, history and pointer at one stroke
    Push {
        /// The configuration
        file: PathBuf,
        #[command(flatten)]
        store: At,
        /// Why
        #[arg(long, default_value = "")]
        message: String,
        /// File of the private key (PKCS#8) that signs the bundle
        #[arg(long)]
        sign: Option<PathBuf>,
        /// Only if this revision stands there now; 0 for none
        #[arg(long)]
        if_revision: Option<u64>,
        /// Read the configuration, but not the modules and keys that it names
        #[arg(long)]
        no_check: bool,
    },
    /// Show what a push would change
    Diff {
        /// The configuration
        file: PathBuf,
        #[command(flatten)]
        store: At,
    },
    /// List what stood in the store, the newest first
    History {
        #[command(flatten)]
        store: At,
    },
    /// Point to an older revision anew, which makes a new one
    Rollback {
        /// Which one. Default: the last one with another text
        revision: Option<u64>,
        #[command(flatten)]
        store: At,
        /// Why
        #[arg(long, default_value = "")]
        message: String,
    },
    /// Show what each gateway says of what it was given
    Status {
        #[command(flatten)]
        store: At,
    },
}

/// Which store.
#[derive(Args)]
pub(crate) struct At {
    /// The file with which gateways are started, or `etcd://HOST:PORT/PREFIX`, `consul://HOST:PORT/PREFIX`, `redis://HOST:PORT/PREFIX`
    #[arg(long)]
    store: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// An answer for people and for programs.
struct Answer {
    text: String,
    json: Value,
}

pub(crate) fn config(verb: &Verb) -> ExitCode {
    let (Verb::Push { store, .. }
    | Verb::Diff { store, .. }
    | Verb::History { store }
    | Verb::Rollback { store, .. }
    | Verb::Status { store }) = verb;
    let answer = match verb {
        Verb::Push { .. } => push(verb),
        Verb::Diff { file, store } => diff(file, store),
        Verb::History { store } => history(store),
        Verb::Rollback {
            revision,
            store,
            message,
        } => roll_back(*revision, store, message),
        Verb::Status { store } => status(store),
    };
    match (answer, store.format) {
        (Ok(answer), Format::Text) => {
            print(&answer.text);
            ExitCode::SUCCESS
        }
        (Ok(answer), Format::Json) => {
            print(&format!("{}\n", answer.json));
            ExitCode::SUCCESS
        }
        (Err(why), Format::Text) => {
            fail(why.trim_end());
            ExitCode::FAILURE
        }
        (Err(why), Format::Json) => {
            print(&format!("{}\n", json!({ "error": why.trim_end() })));
            ExitCode::FAILURE
        }
    }
}

fn said(why: StoreFault) -> String {
    format!("error: {why}")
}

fn open(at: &At) -> Result<Store, String> {
    Store::open(&settings(&at.store)?).map_err(said)
}

/// A file with its plan, checked as a gateway of the store would: with the grants that stand there.
fn read(file: &Path, store: &mut Store) -> Result<(Arc<Text>, Plan), String> {
    let text = read_text(file)?;
    let grants = store.grants().map_err(said)?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let text = Text::new((text, grants), &file.display().to_string(), folder).on(&Arc::new(Machine::default()));
    let plan = text.plan().map_err(|wrong| wrong.to_string())?;
    Ok((text, plan))
}

fn push(verb: &Verb) -> Result<Answer, String> {
    let Verb::Push {
        file,
        store,
        message,
        sign,
        if_revision,
        no_check,
    } = verb
    else {
        return Err(String::from("error: nothing is to be pushed"));
    };
    let mut store = open(store)?;
    let (text, _) = read(file, &mut store)?;
    if !no_check {
        let loaded = Loader::new(LogLevel::Info, false).load(&text, Before::Check);
        loaded.map_err(|wrong| wrong.texts.join("\n"))?;
    }
    let signature = sign.as_deref().map(|key| signature(&text.text, key)).transpose()?;
    let published = store.publish(&Publication {
        text: &text.text,
        message,
        who: &who(),
        signature,
        if_revision: *if_revision,
    });
    Ok(pushed(&published.map_err(said)?, "pushed"))
}

fn signature(text: &str, key: &Path) -> Result<Vec<u8>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("error: the key `{}` does not sign: {why}", key.display());
    let pem = read_file(key, KEY_BYTES_MAX).map_err(|why| failed(&why))?;
    let key = PrivateKey::parse(&pem).map_err(|why| failed(&why))?;
    let document = sign_beside(text.as_bytes(), &key).map_err(|why| failed(&why))?;
    Ok(document.bytes.to_vec())
}

/// User and machine, as the history names them.
fn who() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| String::from("somebody"));
    format!("{user}@{}", crate::stores::machine_name())
}

fn pushed(published: &Published, verb: &str) -> Answer {
    let Published {
        revision,
        before,
        is_new,
    } = published;
    let text = if *is_new {
        let before = before.map_or_else(|| String::from("nothing"), |before| format!("revision {before}"));
        format!("{verb} revision {revision}, after {before}\n")
    } else {
        format!("nothing to do: revision {revision} is the same\n")
    };
    Answer {
        text,
        json: json!({
            "revision": revision.number,
            "digest": revision.digest.to_string(),
            "before": before,
            "changed": is_new,
        }),
    }
}

fn diff(file: &Path, at: &At) -> Result<Answer, String> {
    let mut store = open(at)?;
    let (text, wanted) = read(file, &mut store)?;
    let (before, revision) = match store.current().map_err(said)? {
        Current::Nothing => (String::new(), None),
        Current::Delivered(delivered) => (delivered.text.clone(), Some(delivered.revision)),
        Current::Untaken(why) => return Err(format!("error: {why}")),
    };
    let present = gate_plan::check_delivered(&before, "store", &Machine::default()).ok();
    let changes = difference::summary(present.as_ref(), &wanted);
    let lines = difference::unified(&before, &text.text);
    let words: String = changes.iter().map(|change| format!("{change}\n")).collect();
    Ok(Answer {
        text: if lines.is_empty() {
            String::from("nothing would change\n")
        } else {
            format!("{lines}\n{words}")
        },
        json: json!({
            "revision": revision.map(|revision| revision.number),
            "changed": !lines.is_empty(),
            "changes": changes,
            "diff": lines,
        }),
    })
}

fn history(at: &At) -> Result<Answer, String> {
    let entries = open(at)?.history().map_err(said)?;
    let mut text = format!(
        "{:<9} {:<20} {:<20} {:<12}  message\n",
        "revision", "at", "who", "digest"
    );
    for entry in &entries {
        let digest = entry.digest.trim_start_matches("sha256:");
        let back = entry
            .rolled_back_to
            .map(|to| format!(" (back to {to})"))
            .unwrap_or_default();
        text.push_str(&format!(
            "{:<9} {:<20.19} {:<20} {:<12.12}  {}{back}\n",
            entry.revision, entry.at, entry.who, digest, entry.message
        ));
    }
    Ok(Answer {
        text,
        json: json!(entries),
    })
}

fn roll_back(revision: Option<u64>, at: &At, message: &str) -> Result<Answer, String> {
    let published = open(at)?.roll_back(revision, &who(), message).map_err(said)?;
    Ok(pushed(&published, "rolled back as"))
}

fn status(at: &At) -> Result<Answer, String> {
    let statuses = open(at)?.statuses().map_err(said)?;
    let mut text = format!(
        "{:<24} {:<9} {:<9} {:<8} at\n",
        "node", "revision", "outcome", "serving"
    );
    for status in &statuses {
        let serving = status
            .serving
            .map_or_else(|| String::from("-"), |serving| serving.to_string());
        text.push_str(&format!(
            "{:<24} {:<9} {:<9} {:<8} {}\n",
            status.node,
            status.revision,
            status.outcome.word(),
            serving,
            status.at
        ));
        let lines = status.errors.iter().flat_map(|error| error.lines());
        lines.for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    Ok(Answer {
        text,
        json: json!(statuses),
    })
}
