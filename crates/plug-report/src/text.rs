//! A crash report as text for people.

use std::fmt::Write as _;

use chrono::DateTime;

use crate::crash::Crash;
use crate::go::{self, Trace};
use crate::scene::{Argument, Frame, HostCall, Place, Scene};

/// LIMIT: last words in the short text; the whole text has all.
const SHORT_WORDS_MAX: usize = 8;
/// LIMIT: frames in the short text.
const SHORT_FRAMES_MAX: usize = 12;

impl Crash {
    /// Some lines for the operator's log: what, where, the panic, the frames, what to do.
    #[must_use]
    pub fn brief(&self) -> String {
        let scene = &self.scene;
        let mut text = scene.summary.clone();
        match &self.panic {
            Some(panic) => line(&mut text, title(panic), panic),
            None => {
                let from = scene.last_words.len().saturating_sub(SHORT_WORDS_MAX);
                for words in scene.last_words.iter().skip(from) {
                    line(&mut text, "last words: ", words);
                }
            }
        }
        brief_frames(&mut text, scene);
        for advice in &self.advice {
            line(&mut text, "hint: ", advice);
        }
        printable(&text)
    }

    /// Everything.
    #[must_use]
    pub fn whole(&self) -> String {
        let scene = &self.scene;
        let mut text = format!("crash {} · {}\n{}", self.signature, scene.code, scene.summary);
        line(&mut text, "seen: ", &self.seen());
        if let Some(panic) = &self.panic {
            line(&mut text, title(panic), panic);
        }
        heading(&mut text, "backtrace, innermost first");
        write_spots(&mut text, &spots(&scene.frames), usize::MAX);
        if scene.frames.is_empty() {
            text.push_str("\n    none: it did not die inside a function of the module");
        }
        heading(&mut text, "where");
        line(
            &mut text,
            "callback: ",
            &called(&scene.callback.name, &scene.callback.arguments),
        );
        line(&mut text, "plugin: ", &plugin(scene));
        line(&mut text, "module: ", &module(scene));
        if let Some(exchange) = &scene.exchange {
            let id = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
            let (request, trace) = (id(&exchange.request_id), id(&exchange.trace_id));
            line(
                &mut text,
                "exchange: ",
                &format!("request id {request}, trace id {trace}"),
            );
        }
        line(&mut text, "figures: ", &figures(scene));
        if !scene.last_words.is_empty() {
            heading(&mut text, "last words");
            for words in &scene.last_words {
                line(&mut text, "  ", words);
            }
        }
        let told = scene.host_calls.last.iter().map(|call| call.more.saturating_add(1));
        let (told, total) = (told.fold(0, u64::saturating_add), scene.host_calls.total);
        heading(&mut text, &format!("last host calls ({told} of {total})"));
        host_calls(&mut text, &scene.host_calls.last);
        let replay = format!("run it again: cofferdam plugin replay {}", self.signature);
        let replay = self.is_recorded.then_some(&replay);
        if !self.advice.is_empty() || self.is_recorded {
            heading(&mut text, "what to do next");
            for advice in self.advice.iter().chain(replay) {
                line(&mut text, "- ", advice);
            }
        }
        text.push('\n');
        printable(&text)
    }

    fn seen(&self) -> String {
        let (first, last) = (self.first_seen_ms, self.last_seen_ms);
        match self.count {
            1 => format!("once, {}", utc(last)),
            count => format!("{count} times, first {}, last {}", utc(first), utc(last)),
        }
    }

    /// One line for a list.
    #[must_use]
    pub fn line(&self) -> String {
        let mut places = self.scene.frames.iter().flat_map(|frame| &frame.places);
        let place = places.find(|place| !is_foreign(place)).and_then(place_text);
        let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
        let (signature, count, last) = (&self.signature, self.count, utc(self.last_seen_ms));
        printable(&format!(
            "{signature}  {last}  {count:>7}  {}{place}",
            self.scene.summary
        ))
    }
}

fn line(text: &mut String, title: &str, content: &str) {
    // A guest's words may have several lines; they stay inside the report.
    let mut lines = content.lines().map(str::trim_end).filter(|line| !line.is_empty());
    // Writing to a string never fails.
    let _ = write!(text, "\n  {title}{}", lines.next().unwrap_or_default());
    for line in lines {
        let _ = write!(text, "\n    {line}");
    }
}

fn heading(text: &mut String, title: &str) {
    let _ = write!(text, "\n\n{title}");
}

/// Go says itself that it is a panic, or a fatal error.
fn title(panic: &str) -> &'static str {
    if go::begins_a_panic(panic) { "" } else { "panic: " }
}

/// Control characters of a guest do not reach a terminal.
pub(crate) fn printable(text: &str) -> String {
    // Go's traces are indented by tabs.
    let text = text.replace('\t', "    ");
    let shown = |character: char| match character {
        '\n' => character,
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(shown).collect()
}

/// One line of a backtrace.
#[derive(PartialEq, Eq)]
struct Spot {
    text: String,
    /// Whether it is known to be the plugin's own code: neither the language's library nor one that came from a registry.
    own: bool,
}

fn spots(frames: &[Frame]) -> Vec<Spot> {
    let mut spots = Vec::new();
    for frame in frames {
        if frame.places.is_empty() {
            let name = frame.function.clone();
            let name = name.unwrap_or_else(|| format!("function {}", frame.index));
            let offset = frame.offset.map(|offset| format!(" at code offset {offset:#x}"));
            spots.push(Spot {
                text: printable(&name) + &offset.unwrap_or_default(),
                own: false,
            });
        }
        spots.extend(frame.places.iter().map(spot));
    }
    spots
}

fn spot(place: &Place) -> Spot {
    let name = place.function.as_deref().unwrap_or("a function without a name");
    let file = place_text(place).map(|file| format!(" ({file})")).unwrap_or_default();
    Spot {
        text: printable(name) + &file,
        own: place.file.is_some() && !is_foreign(place),
    }
}

/// Frames of a panic's own machinery, before the first of the plugin's code, are counted and not shown.
fn brief_frames(text: &mut String, scene: &Scene) {
    let mut spots = spots(&scene.frames);
    if !spots.iter().any(|spot| spot.own)
        && let Some(trace) = Trace::of(&scene.last_words)
    {
        // Go's scheduler finds a deadlock: the frames are its own, and the trace has those of whoever waits.
        line(text, "  ", trace.goroutine);
        spots = trace.places().map(spot).collect();
    }
    let own = spots.iter().position(|spot| spot.own).unwrap_or_default();
    // One line of what it called says more than none.
    let skipped = own.saturating_sub(1);
    if skipped > 0 {
        let _ = write!(text, "\n    ({skipped} frames of libraries)");
    }
    write_spots(text, spots.get(skipped..).unwrap_or_default(), SHORT_FRAMES_MAX);
}

/// A recursion is one line with a number.
fn write_spots(text: &mut String, spots: &[Spot], at_most: usize) {
    let mut groups = spots.chunk_by(PartialEq::eq);
    for group in groups.by_ref().take(at_most) {
        let Some(spot) = group.first() else { continue };
        let _ = write!(text, "\n    at {}", spot.text);
        if group.len() > 1 {
            let _ = write!(text, " (repeated {} times)", group.len());
        }
    }
    let more: usize = groups.map(<[Spot]>::len).sum();
    if more > 0 {
        let _ = write!(text, "\n    and {more} more");
    }
}

/// Sources of Go's library are known by their packages. Sources of the Rust library carry the compiler's commit, those of crates the place of a registry.
pub(crate) fn is_foreign(place: &Place) -> bool {
    // The parts of wasi-libc, which distributions compile where they like.
    let of_c = ["libc-top-half/", "libc-bottom-half/", "dlmalloc/"];
    let foreign = |file: &str| shortened(file) != file || of_c.iter().any(|part| file.contains(part));
    place.file.as_deref().is_some_and(foreign) || place.function.as_deref().is_some_and(go::is_of_go)
}

/// `library/core/src/option.rs` and `proxy-wasm-0.2.5/src/dispatcher.rs`, without the places where they lay when they were compiled.
pub(crate) fn shortened(file: &str) -> &str {
    // The library's own crates, wherever a distribution puts its sources.
    let of_rust = [
        "/library/core/",
        "/library/alloc/",
        "/library/std/",
        "/library/panic_abort/",
    ];
    if let Some(at) = of_rust.iter().find_map(|mark| file.find(mark)) {
        return file.get(at.saturating_add(1)..).unwrap_or(file);
    }
    let registry = file
        .split_once("/registry/src/")
        .and_then(|(_, rest)| rest.split_once('/'));
    registry.map_or(file, |(_, file)| file)
}

/// `src/lib.rs:12`.
fn place_text(place: &Place) -> Option<String> {
    let file = printable(shortened(place.file.as_deref()?));
    Some(match place.line {
        Some(line) => format!("{file}:{line}"),
        None => file,
    })
}

fn called(name: &str, arguments: &[Argument]) -> String {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| format!("{}={}", argument.name, argument.value))
        .collect();
    format!("{name}({})", arguments.join(", "))
}

fn plugin(scene: &Scene) -> String {
    let worker = match scene.worker {
        Some(worker) => format!("worker {worker}"),
        None => "a trial start".to_owned(),
    };
    format!("{} of generation {} on {worker}", scene.plugin, scene.generation)
}

fn module(scene: &Scene) -> String {
    let module = &scene.module;
    let made = match module.producers.is_empty() {
        true => module.toolchain.clone(),
        false => module.producers.join(", "),
    };
    format!("sha256 {}, code {}, made by {made}", module.sha256, module.code_sha256)
}

fn figures(scene: &Scene) -> String {
    let figures = &scene.figures;
    let ms = |us: u64| us / 1_000;
    format!(
        "memory {} of {}, computed {} ms of its slice of {} ms",
        mebibytes(figures.memory_bytes),
        mebibytes(figures.memory_bytes_max),
        ms(figures.computed_us),
        ms(figures.slice_us)
    )
}

fn mebibytes(bytes: u64) -> String {
    let hundredths = bytes.saturating_mul(100) / (1 << 20);
    format!("{}.{:02} MiB", hundredths / 100, hundredths % 100)
}

/// Bytes in a unit that suits their number.
pub(crate) fn bytes_text(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..1_048_576 => format!("{} KiB", bytes / 1_024),
        _ => mebibytes(bytes),
    }
}

fn host_calls(text: &mut String, calls: &[HostCall]) {
    let mut callback = "";
    for call in calls {
        if call.callback != callback {
            callback = &call.callback;
            let _ = write!(text, "\n  in {callback}");
        }
        let answer = answer(call);
        let _ = write!(text, "\n    {}({}) -> {answer}", call.call, arguments(call));
        if call.more > 0 {
            let _ = write!(text, ", and {} more", call.more);
        }
    }
}

/// Host calls answer statuses, functions of WASI numbers of their own.
fn answer(call: &HostCall) -> String {
    let Some(number) = call.answer else {
        return "did not return".to_owned();
    };
    let status = plug_abi::host_call(&call.call).and_then(|_| plug_abi::Status::from_raw(number));
    status.map_or_else(|| number.to_string(), |status| format!("{status:?}"))
}

/// Numbers by the names of the ABI. A pointer says nothing once the guest is gone; of what it points to, the length is told.
fn arguments(call: &HostCall) -> String {
    let parameters = plug_abi::host_call(&call.call)
        .map(|row| row.params)
        .unwrap_or_default();
    let named = call.name.as_ref().map(|name| format!("{:?}", printable(name)));
    let mut shown: Vec<String> = named.into_iter().collect();
    for (at, value) in call.arguments.iter().enumerate() {
        match parameters.get(at).map(|parameter| parameter.name) {
            Some(name) if name.ends_with("_ptr") || name.starts_with("return_") => {}
            Some(name) => shown.push(format!("{name}={value}")),
            None => shown.push(value.to_string()),
        }
    }
    shown.join(", ")
}

/// RFC 3339 in UTC, to the second.
fn utc(ms: u64) -> String {
    let moment = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis);
    moment.map_or_else(|| ms.to_string(), |moment| moment.format("%FT%TZ").to_string())
}

#[cfg(test)]
mod tests;
