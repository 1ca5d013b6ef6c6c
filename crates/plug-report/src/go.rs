//! The trace that Go's runtime writes when a guest dies of a panic or a fatal error: it has the lines that no Go module carries.

use crate::scene::{Frame, Place};

/// What a trace says of the goroutine that died.
pub(crate) struct Trace<'a> {
    /// Such as `goroutine 1 [running]:`.
    pub(crate) goroutine: &'a str,
    /// Its calls, innermost first.
    calls: Vec<Call>,
}

struct Call {
    place: Place,
    /// It has no frame of its own: the compiler put it into the one that follows.
    is_inlined: bool,
}

impl Call {
    /// Whether the frame of the function with this name in the module is its own.
    fn has_frame(&self, name: &str) -> bool {
        !self.is_inlined && self.place.function.as_deref().map(in_a_module).as_deref() == Some(name)
    }
}

/// The message of a panic or a fatal error that nobody recovered from: the last one, with what came of it. What a plugin says of one
/// from which it recovered stands behind other words.
pub(crate) fn panic(words: &[String]) -> Option<String> {
    let at = words.iter().rposition(|line| begins_a_panic(line))?;
    let mut message = words.get(at)?.clone();
    // A deferred function that panics too has a line of its own behind a tab, and so has a message's next line.
    let more = words.iter().skip(at.saturating_add(1));
    for line in more.take_while(|line| line.starts_with('\t')) {
        message.push('\n');
        message.push_str(line.trim());
    }
    Some(message)
}

/// Whether Go has a panic or a fatal error begin with this line.
pub(crate) fn begins_a_panic(line: &str) -> bool {
    line.starts_with("panic: ") || line.starts_with("fatal error: ")
}

impl<'a> Trace<'a> {
    /// The trace behind the last panic among the words.
    pub(crate) fn of(words: &'a [String]) -> Option<Self> {
        let at = words.iter().rposition(|line| begins_a_panic(line))?;
        let mut lines = words.iter().skip(at).map(String::as_str);
        let goroutine = lines.find(|line| is_goroutine(line))?;
        let mut calls = Vec::new();
        // A line for the function, a line for the place.
        while let Some(function) = lines
            .next()
            .filter(|line| !is_goroutine(line) && !line.starts_with('\t'))
        {
            let Some(call) = lines.next().and_then(|place| call(function, place)) else {
                break;
            };
            calls.push(call);
        }
        Some(Self { goroutine, calls })
    }

    /// Gives frames the lines of the calls that they are of. From the outermost on: the innermost frames are those of the panic itself,
    /// which the trace leaves out, and which are named like those of an earlier panic in it.
    pub(crate) fn complete(&self, frames: &mut [Frame]) {
        let mut calls = self.calls.as_slice();
        for frame in frames.iter_mut().rev().filter(|frame| frame.places.is_empty()) {
            let Some(name) = frame.function.as_deref().map(in_a_module) else {
                continue;
            };
            let Some(at) = calls.iter().rposition(|call| call.has_frame(&name)) else {
                continue;
            };
            let (inner, own) = calls.split_at(at);
            let inlined = inner.iter().rev().take_while(|call| call.is_inlined).count();
            let (inner, inlined) = inner.split_at(inner.len().saturating_sub(inlined));
            let of_frame = inlined.iter().chain(own.first());
            frame.places = of_frame.map(|call| call.place.clone()).collect();
            calls = inner;
        }
    }

    /// The calls as a backtrace, for a death whose frames are the runtime's alone: a deadlock is found by the scheduler.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.calls.iter().map(|call| &call.place)
    }
}

/// `goroutine 1 [running]:`, and with more between the two after a fatal error.
fn is_goroutine(line: &str) -> bool {
    line.starts_with("goroutine ") && line.ends_with("]:")
}

/// `main.work(0x1, {...})` and `\tplugin/main.go:12 +0x8 fp=0x10`; three points in place of all arguments mean that it was inlined.
fn call(function: &str, place: &str) -> Option<Call> {
    let (name, arguments) = function.rsplit_once('(')?;
    let place = place.strip_prefix('\t')?;
    let place = place.split_once(" +0x").map_or(place, |(place, _)| place);
    let (file, line) = place.rsplit_once(':')?;
    Some(Call {
        place: Place {
            function: Some(name.to_owned()),
            file: Some(file.to_owned()),
            line: line.parse().ok(),
            column: None,
        },
        is_inlined: arguments == "...)",
    })
}

/// The linker's name in a module: `main.(*visitor).greet` is `main.__visitor_.greet` there, and `panic` the runtime's function.
fn in_a_module(name: &str) -> String {
    if name == "panic" {
        return String::from("runtime.gopanic");
    }
    let is_kept = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '.';
    name.chars()
        .map(|letter| if is_kept(letter) { letter } else { '_' })
        .collect()
}

/// Whether a function of this name is Go's own, by the packages that stand behind its panics.
pub(crate) fn is_of_go(name: &str) -> bool {
    let packages = ["runtime.", "internal/", "internal_", "sync.", "syscall.", "os."];
    packages.iter().any(|package| name.starts_with(package)) || name == "panic" || name == "wasm_pc_f_loop_export"
}

#[cfg(test)]
mod tests;
