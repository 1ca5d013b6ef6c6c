//! `cofferdam plugin check`: what is wrong with a module, before anything of it runs; and then whether it starts.

mod policy;
pub(crate) use policy::schema as policy_schema;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use plug_audit::{Checked, Finding, Policy, Severity};
use plug_host::{Plugin, PluginSpec, Process};
use serde_json::{Value, json};

use super::alone;
use crate::Format;
use crate::canary::{self, Failure, World};
use crate::crashes::Crashes;
use crate::debugging;
use crate::voice::{fail, print};

/// What is checked, and against what.
#[derive(Args)]
pub(crate) struct Options {
    /// The module
    #[arg(required_unless_present = "explain")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// Say what a code means, and check nothing
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// How findings are written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Against what a module is checked.
#[derive(Args)]
pub(super) struct Settings {
    /// What a house allows its plugins, as YAML
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A file whose bytes `proxy_on_configure` gets in the dry run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Accept findings with this code
    #[arg(long = "accept", value_name = "CODE")]
    accepted: Vec<String>,
    /// Do not start the module
    #[arg(long)]
    no_run: bool,
}

/// Why nothing was checked.
pub(super) struct Unusable(pub(super) String);

/// What was found out.
pub(super) struct Outcome {
    checked: Checked,
    /// What became of the dry run; none when there was none.
    start: Option<Result<(), Vec<Failure>>>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    if let Some(code) = &options.explain {
        return explain(code);
    }
    let Some(file) = &options.file else {
        fail("error: no module is named");
        return ExitCode::from(2);
    };
    match outcome(file, &options.settings) {
        Ok(outcome) => {
            outcome.show(file, options.format);
            match outcome.is_good() {
                true => ExitCode::SUCCESS,
                false => ExitCode::FAILURE,
            }
        }
        Err(Unusable(why)) => {
            fail(&why);
            ExitCode::from(2)
        }
    }
}

fn explain(code: &str) -> ExitCode {
    match plug_audit::explain(code) {
        Some(known) => {
            print(&format!("{}\n\n{}\n", known.code, known.explanation));
            ExitCode::SUCCESS
        }
        None => {
            let codes: Vec<&str> = plug_audit::CODES.iter().map(|known| known.code).collect();
            fail(&format!(
                "error: there is no code `{code}`\nhint: there are {}",
                codes.join(", ")
            ));
            ExitCode::from(2)
        }
    }
}

/// Checks a module, and starts it where nothing speaks against that.
pub(super) fn outcome(file: &Path, settings: &Settings) -> Result<Outcome, Unusable> {
    let bytes = alone::read(file).map_err(|why| Unusable(format!("error: {why}")))?;
    let config = settings.config.as_deref().map(std::fs::read).transpose();
    let config = config.map_err(|why| Unusable(format!("error: the configuration cannot be read: {why}")))?;
    let (mut policy, mut accepted) = match &settings.policy {
        Some(file) => policy::read(file).map_err(Unusable)?,
        None => (Policy::default(), Vec::new()),
    };
    policy
        .memory_bytes_max
        .get_or_insert(alone::defaults().limits.memory_bytes_max);
    accepted.extend(settings.accepted.iter().cloned());
    let mut checked = plug_audit::check(&bytes, &policy, debugging::has_names_beside(file, &bytes));
    checked
        .findings
        .retain(|finding| !accepted.iter().any(|code| code == finding.code));
    let has_errors = checked
        .findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    let may_run = !settings.no_run && !has_errors && checked.facts.is_some();
    let start = may_run.then(|| start(file, &bytes, config.unwrap_or_default(), &policy));
    let start = start.map(|started| {
        let faults = started.err().unwrap_or_default();
        let kept: Vec<Failure> = faults
            .into_iter()
            .filter(|fault| !accepted.contains(&fault.code.to_owned()))
            .collect();
        if kept.is_empty() { Ok(()) } else { Err(kept) }
    });
    Ok(Outcome { checked, start })
}

/// Starts and configures the module aside, with nobody outside.
fn start(file: &Path, bytes: &[u8], config: Vec<u8>, policy: &Policy) -> Result<(), Vec<Failure>> {
    let mut settings = alone::defaults();
    settings.config = Some(config);
    let spec = alone::spec(file, settings);
    let spec = PluginSpec {
        memory_bytes_max: policy.memory_bytes_max.unwrap_or(spec.memory_bytes_max),
        ..spec
    };
    let module = alone::load(&Process::default(), bytes, &spec).map_err(Failure::untried)?;
    let crashes = Arc::<Crashes>::default();
    crashes.module(&module.digest, file);
    let world = World {
        upstreams: None,
        says_lines: true,
    };
    canary::try_out(&[Plugin::new(spec, module, 1, 1)], &[], world, &crashes)
}

impl Outcome {
    pub(super) fn is_good(&self) -> bool {
        let findings = self.checked.findings.iter();
        findings.filter(|finding| finding.severity != Severity::Note).count() == 0
            && !matches!(self.start, Some(Err(_)))
    }

    fn show(&self, file: &Path, format: Format) {
        let file = file.display().to_string();
        match format {
            Format::Json => {
                print(&format!("{:#}\n", self.json(&file)));
            }
            Format::Text => {
                self.say_findings(&file);
                self.conclude(&file);
            }
        }
    }

    /// Says what was found, one after the other.
    pub(super) fn say_findings(&self, file: &str) {
        for finding in &self.checked.findings {
            fail(&diagnostic(finding, file));
        }
        for fault in self.start.iter().flat_map(|start| start.as_ref().err()).flatten() {
            fail(&format!(
                "error[{}]: {}\n  --> {file}, started aside\n",
                fault.code,
                fault.text.trim_end()
            ));
        }
    }

    /// The last line: how many of what, or what it is.
    fn conclude(&self, file: &str) {
        let count = |severity| {
            self.checked
                .findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        let faults = self
            .start
            .as_ref()
            .map_or(0, |start| start.as_ref().err().map_or(0, Vec::len));
        let counts = [
            (count(Severity::Error) + faults, "error"),
            (count(Severity::Warning), "warning"),
            (count(Severity::Note), "note"),
        ];
        let said: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        if !self.is_good() {
            fail(&format!(
                "{file}: {}; `cofferdam plugin check --explain CODE` says more",
                said.join(", ")
            ));
            return;
        }
        let notes = if said.is_empty() {
            String::new()
        } else {
            format!("; {}", said.join(", "))
        };
        let what = self
            .checked
            .facts
            .as_ref()
            .map(|facts| format!(": {}, ABI {}", facts.toolchain.name(), facts.abi.as_str()));
        let started = if self.start.is_some() {
            "; it starts"
        } else {
            "; it was not started"
        };
        print(&format!("{file} is good{}{started}{notes}\n", what.unwrap_or_default()));
    }

    fn json(&self, file: &str) -> Value {
        let finding = |finding: &Finding| {
            json!({
                "code": finding.code,
                "severity": finding.severity.to_string(),
                "message": finding.message,
                "help": finding.hint,
                "source": finding.source,
            })
        };
        let faults = self.start.iter().flat_map(|start| start.as_ref().err()).flatten();
        let fault = |fault: &Failure| json!({"code": fault.code, "severity": "error", "message": fault.text});
        let findings: Vec<Value> = self
            .checked
            .findings
            .iter()
            .map(finding)
            .chain(faults.map(fault))
            .collect();
        json!({"file": file, "good": self.is_good(), "started": self.start.is_some(), "findings": findings})
    }
}

/// A finding as rustc would write it.
pub(super) fn diagnostic(finding: &Finding, file: &str) -> String {
    let mut text = format!(
        "{}[{}]: {}\n  --> {file}\n",
        finding.severity, finding.code, finding.message
    );
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("  = help: {hint}\n"));
    }
    if let Some(source) = finding.source {
        text.push_str(&format!("  = source: {source}\n"));
    }
    text
}
