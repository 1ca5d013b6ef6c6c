//! **gate-import** makes our configuration of what others wrote for their gateways: Istio, Higress, Envoy, Envoy Gateway, Kong, APISIX.
//!
//! Here lives one reader for each of those formats, the draft of a configuration that they fill, how it is written as YAML, and the
//! notes on what has no counterpart.
//!
//! Never enters: a socket, a file, a clock; nor YAML itself, which `gate-plan` reads. Nothing is fetched, and nothing of a source is
//! dropped in silence: the ledger notes what no reader asked for.
//!
//! From `cofferdam import` come the texts; to it goes the text of a configuration that `gate-plan` accepts, with notes, or a [`Fault`].

mod apisix;
mod chain;
mod dispatch;
mod envoy;
mod envoy_gateway;
mod gateway;
mod istio;
mod kong;
mod ledger;
mod module;
mod name;
mod settle;
mod yaml;

use gate_plan::Findings;
use gate_plan::documents::{self, Documents};
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::ledger::Ledger;
pub use crate::ledger::Note;

/// A text to be imported.
#[derive(Debug, Clone, Copy)]
pub struct File<'t> {
    /// What messages call it, usually its path.
    pub origin: &'t str,
    /// YAML or JSON, of any number of documents.
    pub text: &'t str,
}

/// What became of the texts.
#[derive(Debug)]
pub struct Imported {
    /// The configuration as YAML with comments. It holds what the sources hold, secrets too.
    pub text: String,
    /// The same without comments.
    pub configuration: Value,
    /// What has no counterpart, in the order of the sources; no values of plugins' configurations.
    pub notes: Vec<Note>,
    /// Notes beyond the limit.
    pub notes_left_out: usize,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Something in the texts is wrong.
    #[error("{}", texts(.0))]
    Wrong(Vec<Findings>),
    /// The texts are fine, and nothing in them could be imported.
    #[error("nothing could be imported: no Wasm plugin and no route was found")]
    Nothing {
        /// Why, place by place.
        notes: Vec<Note>,
    },
    /// What was made of the texts is no configuration; it is too large, for example.
    #[error("what was imported is no good configuration\n{0}")]
    Unfit(Box<Findings>),
}

impl Fault {
    /// The code, in words.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "import.wrong",
            Self::Nothing { .. } => "import.nothing",
            Self::Unfit(_) => "import.unfit",
        }
    }
}

impl Imported {
    /// For programs: `configuration` and `notes`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "configuration": self.configuration,
            "notes": self.notes.iter().map(Note::to_json).collect::<Value>(),
            "notes_left_out": self.notes_left_out,
        })
    }
}

/// Makes one configuration of all `files`.
///
/// # Errors
/// When a text is wrong, or there is nothing in them to import.
pub fn import(files: &[File<'_>]) -> Result<Imported, Fault> {
    let mut read: Vec<Documents<'_>> = Vec::new();
    let mut wrong = Vec::new();
    for file in files {
        match documents::read(file.text, file.origin) {
            Ok(documents) => read.push(documents),
            Err(findings) => wrong.push(findings),
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::Wrong(wrong));
    }
    let ledger = Ledger::new(&read);
    let mut gateway = Gateway::default();
    dispatch::all(&ledger, &mut gateway);
    if !ledger.is_sound() {
        return Err(Fault::Wrong(ledger.findings()));
    }
    let settled = settle::settle(gateway, &ledger)?;
    let (notes, notes_left_out) = ledger.close();
    let Some(written) = settled else {
        return Err(Fault::Nothing { notes });
    };
    Ok(Imported {
        text: written.text,
        configuration: written.json,
        notes,
        notes_left_out,
    })
}

fn texts(findings: &[Findings]) -> String {
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    texts.join("\n")
}
