//! `cofferdam plugin debug`: one plugin and one request under LLDB, without a gateway.

mod launch;
mod offline;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use clap::Args;
use http::{HeaderName, HeaderValue};
use plug_debug::Image;
use plug_host::{CodeCache, Debugging, MEMORY_BYTES_MAX, Module, Plugin, PluginSpec, Process};
use plug_report::{Crash, DebugFiles, Scene, Symbols};

use super::alone;
use crate::debugging::{self, Place};
use crate::load::default_cache;
use crate::voice::{fail, print, say};

/// What is debugged, and how.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The module
    file: PathBuf,
    /// A file whose bytes `proxy_on_configure` gets
    #[arg(long)]
    config: Option<PathBuf>,
    /// A header of the request; `:method`, `:path` and `:authority` are its first line
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<Header>,
    #[command(flatten)]
    attach: Attach,
    /// The unstripped twin of the module. Default: `NAME.debug.wasm` or `NAME.wasm.debug` beside it
    #[arg(long)]
    debug_file: Option<PathBuf>,
}

/// How LLDB attaches.
#[derive(Args)]
pub(super) struct Attach {
    /// Where LLDB attaches; port 0 is one that is free
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Let LLDB attach from other machines: who does reads everything that the plugin can
    #[arg(long)]
    expose: bool,
    /// Write a launch.json with which VS Code (extension LLDB DAP) attaches
    #[arg(long, value_name = "PATH")]
    launch_json: Option<PathBuf>,
}

/// A header of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Header {
    Method(http::Method),
    Path(http::uri::PathAndQuery),
    Authority(HeaderValue),
    Other(HeaderName, HeaderValue),
}

fn header(text: &str) -> anyhow::Result<Header> {
    let (name, value) = match text.strip_prefix(':') {
        Some(rest) => rest.split_once(':'),
        None => text.split_once(':'),
    }
    .context("a header is `name: value`")?;
    let value = value.trim();
    Ok(match (text.starts_with(':'), name.trim()) {
        (true, "method") => Header::Method(value.parse()?),
        (true, "path") => Header::Path(value.parse()?),
        (true, "authority") => Header::Authority(value.parse()?),
        (true, other) => bail!("`:{other}` is none of `:method`, `:path` and `:authority`"),
        (false, name) => Header::Other(name.to_ascii_lowercase().parse()?, value.parse()?),
    })
}

pub(crate) fn debug(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(report)) => {
            print(&report);
            ExitCode::FAILURE
        }
        Err(why) => {
            fail(&format!("error: {why:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs it to its end; the report when it died.
fn run(arguments: &Arguments) -> anyhow::Result<Option<String>> {
    let bytes = read(&arguments.file)?;
    let config = arguments.config.as_deref().map(read).transpose()?.unwrap_or_default();
    let process = Arc::new(Process::default());
    let cache = default_cache().and_then(|folder| CodeCache::open(&folder).ok());
    let spec = spec(arguments, config);
    let engine = process.engines.for_debugger(spec.stack_bytes_max, cache.as_ref())?;
    let module = Module::load(&engine, &bytes, cache.as_ref())?;
    let twin = twin(arguments, &bytes)?;
    let debugging = attachable(
        &arguments.file,
        &arguments.attach,
        module.image(&arguments.file, &bytes, twin.as_deref()),
    )?;
    let plugin = Plugin::debugged(spec, Arc::clone(&module), (1, 1), Arc::clone(&debugging));
    let deaths = offline::run(&plugin, &process, &debugging, &arguments.headers)?;
    let Some(death) = deaths.first() else { return Ok(None) };
    let Some(scene) = &death.scene else {
        return Ok(Some(format!("{death}\n")));
    };
    Ok(Some(report(scene, &twin.unwrap_or(bytes))))
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("`{}` cannot be read", file.display()))
}

/// Listens, and says where.
pub(super) fn attachable(file: &Path, attach: &Attach, image: Image) -> anyhow::Result<Arc<Debugging>> {
    let place = Place::new(attach.listen, attach.expose);
    let debugger = place.open(image.clone()).map_err(anyhow::Error::msg)?;
    let debugging = Debugging::new(debugger, image);
    let command = debugging.debugger().command();
    if let Some(path) = &attach.launch_json {
        let text = launch::json(file, &command);
        std::fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    say(&format!(
        "waiting for LLDB at {}: {command}",
        debugging.debugger().address()
    ));
    Ok(debugging)
}

/// What `cofferdam crash show` would print.
fn report(scene: &Scene, lines: &[u8]) -> String {
    // What the reader of debug information makes of it costs the lines, nothing else.
    let whole = catch_unwind(AssertUnwindSafe(|| {
        Crash::of(scene.clone(), Some(&Symbols::read(lines))).whole()
    }));
    whole.unwrap_or_else(|_| Crash::of(scene.clone(), None).whole())
}

/// The twin that was named, if it is one, or that is found.
fn twin(arguments: &Arguments, own: &[u8]) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(path) = &arguments.debug_file else {
        return Ok(debugging::twin(&arguments.file, own, &DebugFiles::default()));
    };
    let twin = read(path)?;
    let same = plug_report::code_sha256(&twin) == plug_report::code_sha256(own);
    ensure!(
        same,
        "`{}` has other code than `{}`\n  hint: the debug file is the module before it was stripped, from the same build",
        path.display(),
        arguments.file.display()
    );
    Ok(Some(twin))
}

/// A plugin as a gateway has it, with all the room there is. The time of a callback counts while nobody is attached.
fn spec(arguments: &Arguments, config: Vec<u8>) -> PluginSpec {
    let mut settings = alone::defaults();
    settings.config = Some(config);
    PluginSpec {
        memory_bytes_max: MEMORY_BYTES_MAX,
        trusted_after: 0,
        ..alone::spec(&arguments.file, settings)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_the_parts_of_the_first_line_are_told_apart() {
        assert_eq!(
            header(":path: /a?b:c").unwrap(),
            Header::Path("/a?b:c".parse().unwrap())
        );
        assert_eq!(header(":method: POST").unwrap(), Header::Method(http::Method::POST));
        let other = Header::Other("x-name".parse().unwrap(), "Ada: 1".parse().unwrap());
        assert_eq!(header("X-Name: Ada: 1").unwrap(), other);
        for wrong in ["", "x-name", ":status: 200", ":path", "x y: 1", "x: \u{1}"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
