//! `cofferdam doctor`: what this host allows a gateway, what follows, and what to do.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::Format;
use crate::host::{Facts, Finding, Wanted};
use crate::voice::{fail, print};

pub(crate) fn doctor(file: Option<&Path>, format: Format) -> ExitCode {
    let plan = file.map(|file| crate::feed::now(file).and_then(|text| text.checked()));
    let plan = match plan.transpose() {
        Ok(plan) => plan,
        Err(wrong) => {
            match format {
                Format::Text => wrong.texts.iter().for_each(|text| fail(text.trim_end())),
                Format::Json => {
                    print(&format!("{}\n", json!({ "good": false, "findings": wrong.findings })));
                }
            }
            return ExitCode::FAILURE;
        }
    };
    let wanted = Wanted::by(plan.as_ref());
    let mut findings = Facts::gather(&wanted).findings(&wanted);
    findings.extend(log_kernel::doctor().into_iter().map(Finding::from));
    let is_good = !findings.iter().any(Finding::is_in_the_way);
    print(&match format {
        Format::Text => text(&findings),
        Format::Json => format!("{}\n", json!({ "good": is_good, "findings": objects(&findings) })),
    });
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text(findings: &[Finding]) -> String {
    let in_the_way = findings.iter().filter(|finding| finding.is_in_the_way()).count();
    let lines = findings.iter().map(|finding| format!("{finding}\n"));
    let verdict = match in_the_way {
        0 => String::from("a gateway can serve here\n"),
        1 => String::from("a gateway cannot serve here: one thing is missing that it needs\n"),
        several => format!("a gateway cannot serve here: {several} things are missing that it needs\n"),
    };
    lines.chain([verdict]).collect()
}

fn objects(findings: &[Finding]) -> Value {
    let object = |finding: &Finding| {
        json!({
            "topic": finding.topic,
            "grade": finding.grade.word(),
            "needed": finding.is_needed,
            "found": finding.found,
            "follows": finding.follows,
            "next": finding.next,
        })
    };
    findings.iter().map(object).collect()
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}): {}", self.topic, self.grade.word(), self.found)?;
        if !self.follows.is_empty() {
            write!(out, "; {}", self.follows)?;
        }
        if !self.next.is_empty() {
            write!(out, "\nhint: {}", self.next)?;
        }
        Ok(())
    }
}
