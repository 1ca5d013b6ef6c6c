//! The tools of languages: which one a project needs, and with which flags.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// The target of Rust.
const RUST_TARGET: &str = "wasm32-wasip1";

/// Go that can export functions, as its second number.
const GO_MINOR_MIN: u32 = 24;

/// A project whose language is known.
pub(crate) struct Project {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    tool: Tool,
}

/// What builds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Cargo,
    Go,
    /// With a collector of its own, as Higress's guide has it, where the project depends on one.
    TinyGo {
        own_collector: bool,
    },
    Npm,
    Make,
}

impl Project {
    /// Tells the language by the files of the folder.
    pub(crate) fn detect(folder: &Path) -> Result<Self, String> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let (tool, name) = if let Some(manifest) = read("Cargo.toml") {
            (Tool::Cargo, package_name(&manifest))
        } else if let Some(module) = read("go.mod") {
            let name = module
                .lines()
                .find_map(|line| line.strip_prefix("module "))
                .map(str::to_owned);
            (
                of_go(&module),
                name.and_then(|path| path.trim().rsplit('/').next().map(str::to_owned)),
            )
        } else if let Some(package) = read("package.json") {
            let package: Value =
                serde_json::from_str(&package).map_err(|why| format!("`package.json` is no JSON: {why}"))?;
            (
                Tool::Npm,
                package.get("name").and_then(Value::as_str).map(str::to_owned),
            )
        } else if let Some(makefile) = MAKEFILES.iter().find_map(|name| read(name)) {
            (Tool::Make, made_name(&makefile).or_else(|| folder_name(folder)))
        } else {
            return Err(format!(
                "`{}` is no project that is known: there is no Cargo.toml, go.mod, package.json or Makefile\nhint: `cofferdam plugin new --lang rust NAME` makes one",
                folder.display()
            ));
        };
        let name = name.ok_or_else(|| "the project has no name".to_owned())?;
        Ok(Self {
            folder: folder.to_owned(),
            name,
            tool,
        })
    }

    /// Where its module goes when nobody says where.
    pub(crate) fn output(&self) -> PathBuf {
        let here = self.folder.strip_prefix(".").unwrap_or(&self.folder);
        here.join("dist").join(format!("{}.wasm", self.name))
    }

    /// What is run, as somebody would type it.
    pub(super) fn command_line(&self, output: &Path) -> String {
        let command = self.command(output);
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        let settings = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let settings = settings.map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
        let program = command.get_program().to_string_lossy().into_owned();
        settings.chain([program]).chain(words).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, output: &Path) -> Command {
        let output = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
        let mut command = Command::new(match self.tool {
            Tool::Cargo => "cargo",
            Tool::Go => "go",
            Tool::TinyGo { .. } => "tinygo",
            Tool::Npm => "npm",
            Tool::Make => "make",
        });
        match self.tool {
            Tool::Cargo => {
                command.args([
                    "build",
                    "--release",
                    "--target",
                    RUST_TARGET,
                    "--message-format=json-render-diagnostics",
                ]);
            }
            Tool::Go => {
                command.envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")]);
                command
                    .args(["build", "-trimpath", "-buildmode=c-shared", "-o"])
                    .arg(&output)
                    .arg(".");
            }
            Tool::TinyGo { own_collector } => {
                command.args(["build", "-target=wasi", "-scheduler=none"]);
                if own_collector {
                    command.args(["-gc=custom", "-tags=custommalloc nottinygc_finalizer"]);
                }
                command.arg("-o").arg(&output).arg(".");
            }
            Tool::Npm => {
                command.args(["run", "build", "--loglevel=error"]);
            }
            Tool::Make => {
                command.arg("--no-print-directory");
            }
        }
        command.current_dir(&self.folder);
        command
    }

    /// Runs the tool; gives the file that it wrote, which is none of those that were shipped.
    pub(super) fn build(&self, output: &Path, shipped: &[&Path]) -> Result<PathBuf, String> {
        self.prepare()?;
        let began = SystemTime::now();
        let mut command = self.command(output);
        let says_on_stdout = self.tool == Tool::Cargo;
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        // What tools say is talk, and our standard output is data.
        command.stdout(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let ended = command.output().map_err(|why| self.missing(&program, &why))?;
        let said = String::from_utf8_lossy(&ended.stdout);
        if !says_on_stdout && !said.trim().is_empty() {
            crate::voice::say(said.trim_end());
        }
        if !ended.status.success() {
            return Err(format!("`{program}` failed ({}){}", ended.status, self.hint()));
        }
        match self.tool {
            Tool::Cargo => artefact(&said).ok_or_else(|| {
                "`cargo` wrote no module\nhint: the manifest needs `[lib]` with `crate-type = [\"cdylib\"]`".to_owned()
            }),
            Tool::Npm => newest(&self.folder, shipped, Some(began))
                .ok_or_else(|| "`npm run build` wrote no module into `build` or `dist`".to_owned()),
            // It writes nothing when nothing changed.
            Tool::Make => newest(&self.folder, shipped, None)
                .ok_or_else(|| "`make` made no module in `build`, `dist` or the project's folder".to_owned()),
            Tool::Go | Tool::TinyGo { .. } => Ok(output.to_owned()),
        }
    }

    /// What has to be right before.
    fn prepare(&self) -> Result<(), String> {
        match self.tool {
            Tool::Go => check_go(&self.folder),
            Tool::Npm if !self.folder.join("node_modules").is_dir() => {
                let has_lock = self.folder.join("package-lock.json").is_file();
                let words = [
                    if has_lock { "ci" } else { "install" },
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ];
                let ended = Command::new("npm")
                    .args(words)
                    .current_dir(&self.folder)
                    .stdout(Stdio::null())
                    .status();
                match ended.map_err(|why| self.missing("npm", &why))?.success() {
                    true => Ok(()),
                    false => Err("`npm` could not fetch the packages".to_owned()),
                }
            }
            _ => Ok(()),
        }
    }

    fn missing(&self, program: &str, why: &std::io::Error) -> String {
        let hint = match self.tool {
            Tool::Cargo => "https://rustup.rs installs it",
            Tool::Go => "https://go.dev/dl has it; 1.24 or later",
            Tool::TinyGo { .. } => "https://tinygo.org has it",
            Tool::Npm => "it comes with Node.js",
            Tool::Make => "the system's packages have it",
        };
        format!("`{program}` cannot be run: {why}\nhint: {hint}")
    }

    /// What is often the reason.
    fn hint(&self) -> &'static str {
        match self.tool {
            Tool::Cargo => "\nhint: where the target is missing, `rustup target add wasm32-wasip1` installs it",
            Tool::Make => {
                "\nhint: it takes a clang with a C++ library for WASI: https://github.com/WebAssembly/wasi-sdk with `WASI_SDK_PATH`, or Debian's clang-19 lld-19 libc++-19-dev-wasm32 libclang-rt-19-dev-wasm32"
            }
            _ => "",
        }
    }
}

/// The name under `[package]`. A manifest is not read further: cargo says what is wrong with it.
fn package_name(manifest: &str) -> Option<String> {
    let lines = manifest
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[package]")
        .skip(1);
    let mut package = lines.take_while(|line| !line.starts_with('['));
    let value = package.find_map(|line| line.strip_prefix("name")?.trim_start().strip_prefix('='))?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// The names that `make` looks for, in its order.
const MAKEFILES: &[&str] = &["GNUmakefile", "makefile", "Makefile"];

/// What a makefile sets `NAME` to. It is not read further: a program of its own language.
fn made_name(makefile: &str) -> Option<String> {
    let values = makefile.lines().filter_map(|line| {
        let rest = line.strip_prefix("NAME")?.trim_start();
        rest.strip_prefix(":=").or_else(|| rest.strip_prefix('='))
    });
    let mut names = values.map(str::trim).filter(|name| is_file_name(name));
    names.next().map(str::to_owned)
}

/// Whether it can be the name of a file as it stands: no folders, nothing that `make` would put in.
fn is_file_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

fn folder_name(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    Some(folder.file_name()?.to_string_lossy().into_owned())
}

/// SDKs that only TinyGo builds tell it; `nottinygc` is the collector that Higress's guide names.
fn of_go(module: &str) -> Tool {
    let own_collector = module.contains("wasilibs/nottinygc");
    match own_collector || module.contains("tetratelabs/proxy-wasm-go-sdk") {
        true => Tool::TinyGo { own_collector },
        false => Tool::Go,
    }
}

fn check_go(folder: &Path) -> Result<(), String> {
    let Ok(ended) = Command::new("go")
        .args(["env", "GOVERSION"])
        .current_dir(folder)
        .output()
    else {
        // Running it says so.
        return Ok(());
    };
    let said = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
    let minor = said
        .strip_prefix("go1.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    match minor {
        Some(minor) if minor < GO_MINOR_MIN => Err(format!(
            "Go here is {said}, which cannot export functions from WebAssembly: 1.{GO_MINOR_MIN} or later can"
        )),
        _ => Ok(()),
    }
}

/// The module among what cargo says it made.
fn artefact(said: &str) -> Option<PathBuf> {
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_made = |message: &Value| message.get("reason").and_then(Value::as_str) == Some("compiler-artifact");
    let files = messages
        .filter(is_made)
        .filter_map(|message| message.get("filenames")?.as_array().cloned())
        .flatten();
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .rfind(|file| file.extension().is_some_and(|end| end == "wasm"))
}

/// The newest module that a script wrote, and not what was shipped of an earlier one.
fn newest(folder: &Path, shipped: &[&Path], began: Option<SystemTime>) -> Option<PathBuf> {
    let folders = ["build", "dist", "."].map(|name| folder.join(name));
    let files = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let ours = shipped
        .iter()
        .flat_map(|file| [file.to_path_buf(), super::debug_file_of(file)]);
    let ours: Vec<_> = ours.map(|file| file.canonicalize().ok()).collect();
    let modules = files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"))
        .filter(|path| !ours.contains(&path.canonicalize().ok()));
    let aged = modules.filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)));
    // Some file systems keep times by the second or two.
    let since = began.map(|began| began.checked_sub(Duration::from_secs(2)).unwrap_or(began));
    aged.filter(|(time, _)| since.is_none_or(|since| *time >= since))
        .max()
        .map(|(_, path)| path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_packages_own() {
        let manifest = "[workspace]\n[package]\n  name = \"a-b\"\nversion = \"1\"\n[dependencies]\nname = \"no\"\n";
        assert_eq!(package_name(manifest).unwrap(), "a-b");
        assert_eq!(package_name("[workspace]\nmembers = []\n"), None);
    }

    #[test]
    fn a_go_project_is_built_by_what_its_sdk_needs() {
        let requiring = |path: &str| of_go(&format!("module x\nrequire {path} v1\n"));
        assert_eq!(requiring("github.com/proxy-wasm/proxy-wasm-go-sdk"), Tool::Go);
        assert_eq!(
            requiring("github.com/tetratelabs/proxy-wasm-go-sdk"),
            Tool::TinyGo { own_collector: false }
        );
        assert_eq!(
            requiring("github.com/wasilibs/nottinygc"),
            Tool::TinyGo { own_collector: true }
        );
        let project = Project {
            folder: PathBuf::from("."),
            name: "x".to_owned(),
            tool: Tool::TinyGo { own_collector: true },
        };
        let line = project.command_line(Path::new("/o.wasm"));
        assert_eq!(
            line,
            "tinygo build -target=wasi -scheduler=none -gc=custom -tags=custommalloc nottinygc_finalizer -o /o.wasm ."
        );
    }

    #[test]
    fn the_module_is_the_last_that_cargo_made() {
        let said = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/a.rlib\"]}\nno json\n{\"reason\":\"compiler-artifact\",\"filenames\":[\"/b.wasm\",\"/b.d\"]}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(artefact(said).unwrap(), PathBuf::from("/b.wasm"));
        assert_eq!(artefact("{}"), None);
    }

    #[test]
    fn a_makefile_names_what_it_makes() {
        assert_eq!(made_name("# NAME\nNAME := demo\n").unwrap(), "demo");
        assert_eq!(made_name("NAME=a_b.c\n").unwrap(), "a_b.c");
        for wrong in [
            "NAME = $(OTHER)\n",
            "NAMES = x\n",
            "NAME = ../up\n",
            "NAME =\n",
            "all:\n",
        ] {
            assert_eq!(made_name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_was_shipped_before_is_not_taken_for_what_was_made() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["build", "dist"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (made, shipped) = (folder.path().join("build/x.wasm"), folder.path().join("dist/x.wasm"));
        for file in [&made, &folder.path().join("dist/x.debug.wasm"), &shipped] {
            fs::write(file, "").unwrap();
        }
        assert_eq!(newest(folder.path(), &[&shipped], None), Some(made));
    }
}
