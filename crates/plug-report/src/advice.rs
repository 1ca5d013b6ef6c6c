//! What an operator or author does next, from what is known of a death.

use crate::scene::Scene;

/// Memory above this part of its bound is a likely cause.
const NEARLY_FULL_PERCENT: u64 = 90;
const FULL: &str = "its memory is nearly full: it leaks, holds whole bodies, or needs a larger `limits.memory`";

/// Sentences, the most likely cause first.
pub(crate) fn of(scene: &Scene, panic: Option<&str>) -> Vec<String> {
    let mut advice = Vec::new();
    advice.extend(of_cause(scene, panic));
    advice.extend(of_build(scene));
    advice
}

fn of_cause(scene: &Scene, panic: Option<&str>) -> Option<String> {
    let figures = &scene.figures;
    let nearly_full = figures.memory_bytes_max > 0
        && figures.memory_bytes.saturating_mul(100) >= figures.memory_bytes_max.saturating_mul(NEARLY_FULL_PERCENT);
    let has = |text: &str| scene.summary.contains(text);
    let panicked = |text: &str| panic.is_some_and(|panic| panic.contains(text));
    let text = match scene.code.as_str() {
        "plugin.slice_exceeded" => {
            "the frames show where it computed; an endless loop needs a fix in the plugin, honest work a larger `limits.cpu_slice`"
        }
        "plugin.call_depth_exceeded" => {
            "a recursion without end, or a deep one: the repeating frames show it; the bound is `limits.call_depth`, and honest depth needs a larger one"
        }
        "plugin.exited" => "the plugin ended itself: its last words say why; a plugin must return instead of exiting",
        "plugin.vm_start_refused" => "the plugin refused its `vm_config` or the host: its last words say why",
        "plugin.configure_refused" => "the plugin refused its `config`: its last words say why",
        _ if panicked("out of memory") => FULL,
        _ if panicked("all goroutines are asleep") => {
            "a callback of a plugin waited for what only a later callback can bring: it must return, and go on there"
        }
        _ if panic.is_some() => "the plugin panicked: the message and the first frame of its own code say where",
        _ if has("call stack exhausted") => {
            "a recursion without end, or a deep one: the repeating frames show it; the bound is `limits.stack`"
        }
        _ if nearly_full => FULL,
        _ if has("unreachable") && scene.last_words.is_empty() => {
            "`unreachable` without a word is a panic whose message was not logged: in Rust set a panic hook that logs (`std::panic::set_hook`), and in TinyGo do not build with `-panic=trap`"
        }
        _ if has("indirect call") => {
            "a function pointer of the wrong type: a cast in unsafe code, or memory that was overwritten"
        }
        _ if has("out of bounds") => {
            "it read or wrote outside its memory: unsafe code, a null pointer, or a stack of the language's own that ran out"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to keep in the build, so that the next report shows more.
fn of_build(scene: &Scene) -> Option<String> {
    let module = &scene.module;
    let shown = scene.frames.iter().any(|frame| !frame.places.is_empty());
    if shown || scene.frames.is_empty() {
        return None;
    }
    let keep = match module.toolchain.as_str() {
        "Rust" => "`[profile.release] debug = \"line-tables-only\"` and `strip = false`",
        // Go's linker writes no lines into a module; its traces have them.
        "Go" if module.has_names => return None,
        "Go" => "no `-ldflags=-s`",
        "TinyGo" => "no `-no-debug`",
        "C++" => "`-g` (Emscripten: `-gseparate-dwarf` writes a side file)",
        "AssemblyScript" => "`--debug`",
        _ => "names and DWARF",
    };
    let missing = if module.has_names {
        "lines of source"
    } else {
        "names and lines of source"
    };
    Some(format!(
        "the module has no {missing}: keep {keep} in its build. Before you strip it, put the whole module beside it as `NAME.debug.wasm`, or into the folder `crash_reports.debug_files`; it is found by the hash of its code (sha256 {})",
        module.code_sha256
    ))
}
