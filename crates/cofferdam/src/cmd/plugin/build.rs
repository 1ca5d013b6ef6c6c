//! `cofferdam plugin build`: the language's own tool with the right flags, then a module without its debug information, and a file with it.

mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use plug_audit::{Policy, Severity, check, without_custom_sections};

use self::tool::Project;
use super::check::diagnostic;
use super::inspect::makers;
use crate::voice::{fail, print, say};

/// What is built, and how.
#[derive(Args)]
pub(crate) struct Options {
    /// Folder of the project
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Where the module goes. Default: `dist/NAME.wasm` in the project
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take the names of functions out too: backtraces then need the debug file
    #[arg(long)]
    strip_names: bool,
}

/// 0 built and good, 1 not built or with findings, 2 usage.
pub(crate) fn run(options: &Options) -> ExitCode {
    let project = match Project::detect(&options.project) {
        Ok(project) => project,
        Err(why) => {
            fail(&format!("error: {why}"));
            return ExitCode::from(2);
        }
    };
    let built = build(options, &project);
    match built {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// Builds; false when the module has findings.
fn build(options: &Options, project: &Project) -> Result<bool, String> {
    let output = match &options.output {
        Some(output) => output.clone(),
        None => {
            let here = project.folder.strip_prefix(".").unwrap_or(&project.folder);
            here.join("dist").join(format!("{}.wasm", project.name))
        }
    };
    if let Some(parent) = output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|why| format!("`{}` cannot be made: {why}", parent.display()))?;
    }
    say(&format!("building {}: {}", project.name, project.command_line(&output)));
    let built = project.build(&output)?;
    let whole = fs::read(&built).map_err(|why| format!("`{}` cannot be read: {why}", built.display()))?;
    let shipped = ship(&whole, options.strip_names);
    let debug_file = output.with_extension("debug.wasm");
    if shipped.len() < whole.len() {
        write(&debug_file, &whole)?;
    } else if debug_file.exists() {
        // One of an older build would belong to other code.
        fs::remove_file(&debug_file).map_err(|why| format!("`{}` cannot be removed: {why}", debug_file.display()))?;
    }
    write(&output, &shipped)?;
    Ok(report((&output, &shipped), (&debug_file, &whole)))
}

/// The module as it is shipped: without debug information, and what points to some.
fn ship(whole: &[u8], strip_names: bool) -> Vec<u8> {
    without_custom_sections(whole, |name| {
        let is_debug = name.starts_with(".debug") || matches!(name, "sourceMappingURL" | "external_debug_info");
        is_debug || (strip_names && name == "name")
    })
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|why| format!("`{}` cannot be written: {why}", file.display()))
}

/// Says what came of it; false when it has findings.
fn report((output, shipped): (&Path, &[u8]), (debug_file, whole): (&Path, &[u8])) -> bool {
    let has_debug_file = shipped.len() < whole.len();
    let checked = check(shipped, &Policy::default(), has_debug_file);
    for finding in &checked.findings {
        fail(&diagnostic(finding, &output.display().to_string()));
    }
    let made_by = checked.facts.as_ref().map(|facts| makers(facts).join(", "));
    let mut text = format!("{}: {} bytes", output.display(), shipped.len());
    if let Some(made_by) = made_by.filter(|made_by| !made_by.is_empty()) {
        text.push_str(&format!(", made by {made_by}"));
    }
    text.push('\n');
    if has_debug_file {
        text.push_str(&format!(
            "{}: {} bytes, names and lines for backtraces\n",
            debug_file.display(),
            whole.len()
        ));
    }
    print(&text);
    checked
        .findings
        .iter()
        .all(|finding| finding.severity == Severity::Note)
}
