//! `cofferdam plugin build`: the language's own tool with the right flags, then a module without its debug information, and a file with it.

mod tool;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use plug_audit::{Policy, Severity, check, without_custom_sections};

pub(super) use self::tool::Project;
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
    let output = options.output.clone().unwrap_or_else(|| project.output());
    say(&format!("building {}: {}", project.name, project.command_line(&output)));
    match build(&project, (&output, &output), options.strip_names) {
        Ok(built) if built.report() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            fail(&format!("error: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// A module as it is shipped.
pub(super) struct Built {
    pub(super) output: PathBuf,
    pub(super) shipped: Vec<u8>,
    /// The file with names and lines, and its size, where the module had any.
    pub(super) debug_file: Option<(PathBuf, usize)>,
}

/// Builds a project into `output`, with a file for what debuggers need beside it. What lies at `shipped_before` came of an earlier build.
pub(super) fn build(
    project: &Project,
    (output, shipped_before): (&Path, &Path),
    strip_names: bool,
) -> Result<Built, String> {
    if let Some(parent) = output.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|why| format!("`{}` cannot be made: {why}", parent.display()))?;
    }
    let built = project.build(output, &[output, shipped_before])?;
    let whole = fs::read(&built).map_err(|why| format!("`{}` cannot be read: {why}", built.display()))?;
    let shipped = ship(&whole, strip_names);
    let debug_file = debug_file_of(output);
    let has_debug_file = shipped.len() < whole.len();
    if has_debug_file {
        write(&debug_file, &whole)?;
    } else if debug_file.exists() {
        // One of an older build would belong to other code.
        fs::remove_file(&debug_file).map_err(|why| format!("`{}` cannot be removed: {why}", debug_file.display()))?;
    }
    write(output, &shipped)?;
    Ok(Built {
        output: output.to_owned(),
        shipped,
        debug_file: has_debug_file.then_some((debug_file, whole.len())),
    })
}

/// Where the names and lines of a shipped module go.
pub(super) fn debug_file_of(output: &Path) -> PathBuf {
    output.with_extension("debug.wasm")
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

impl Built {
    /// Says what came of it; false when it has findings.
    fn report(&self) -> bool {
        let output = self.output.display();
        let checked = check(&self.shipped, &Policy::default(), self.debug_file.is_some());
        for finding in &checked.findings {
            fail(&diagnostic(finding, &output.to_string()));
        }
        let made_by = checked.facts.as_ref().map(|facts| makers(facts).join(", "));
        let mut text = format!("{output}: {} bytes", self.shipped.len());
        if let Some(made_by) = made_by.filter(|made_by| !made_by.is_empty()) {
            text.push_str(&format!(", made by {made_by}"));
        }
        text.push('\n');
        if let Some((file, bytes)) = &self.debug_file {
            text.push_str(&format!(
                "{}: {bytes} bytes, names and lines for backtraces\n",
                file.display()
            ));
        }
        print(&text);
        let mut findings = checked.findings.iter();
        findings.all(|finding| finding.severity == Severity::Note)
    }
}
