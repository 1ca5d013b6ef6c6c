//! What a plugin computes in a running gateway: stacks that were seen while it did, with source lines, as a table for people and as a
//! file for the Firefox Profiler.

mod firefox;
mod memory;
mod summary;

pub use memory::{Kept, MemoryProfile, MemorySummary, Site, WorkerKept};
pub use summary::{Share, Summary};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::scene::Frame;
use crate::symbols::{Symbols, readable};
use crate::text::{is_foreign, shortened};

/// A frame as the engine knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Index of the function in the module.
    pub index: u32,
    /// Offset in the module's code section, as DWARF counts.
    pub offset: Option<u64>,
}

/// A stack that was seen.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When, since the profile began.
    pub at: Duration,
    /// Time that it stands for.
    pub weight: Duration,
    /// The callback.
    pub callback: &'static str,
    /// The host call in which the time went by.
    pub host_call: Option<&'static str>,
    /// Frames of the guest, innermost first.
    pub frames: Arc<[Spot]>,
}

/// What was seen on one worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerSamples {
    /// In the order in which they were taken.
    pub samples: Vec<Sample>,
    /// Samples for which there was no room.
    pub lost: u64,
}

/// What was seen of a plugin.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Name of the plugin.
    pub plugin: String,
    /// Its generation.
    pub generation: u64,
    /// When it began, in milliseconds since 1970.
    pub began_ms: u64,
    /// How long it took.
    pub lasted: Duration,
    /// How often a stack is looked at.
    pub interval: Duration,
    /// By worker.
    pub workers: Vec<WorkerSamples>,
}

/// What a line of a stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Kind {
    Callback,
    Guest,
    HostCall,
}

/// One line of a stack as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line {
    kind: Kind,
    function: String,
    file: Option<String>,
    line: Option<u32>,
    /// Whether it is known to be the plugin's own code: neither the language's library nor one that came from a registry.
    is_own: bool,
}

impl Line {
    fn named(kind: Kind, function: String) -> Self {
        Self {
            kind,
            function: in_one_line(&function),
            file: None,
            line: None,
            is_own: false,
        }
    }

    /// `FILE:LINE`. Code that the compiler made has a file and no line.
    fn place(&self) -> Option<String> {
        Some(format!("{}:{}", self.file.as_ref()?, self.line?))
    }

    fn text(&self) -> String {
        let place = self.place().or_else(|| self.file.clone());
        let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
        self.function.clone() + &place
    }
}

/// A name that makes no second row of a table.
fn in_one_line(name: &str) -> String {
    name.replace('\n', " ")
}

/// The lines of stacks, each known by its number.
struct Lines<'a, 'module> {
    symbols: Option<&'a Symbols<'module>>,
    all: Vec<Line>,
    numbers: HashMap<Line, usize>,
    /// The lines of a frame, innermost first: functions that were put into it come before it.
    of_spot: HashMap<Spot, Vec<usize>>,
    /// Bytes of the names so far.
    name_bytes: usize,
}

/// LIMIT: bytes of all names and files in a profile; functions beyond it have numbers.
const NAME_BYTES_MAX: usize = 64 << 20;
/// LIMIT: lines of a stack, functions put into one another included; outermost first.
const STACK_LINES_MAX: usize = 256;

impl<'a, 'module> Lines<'a, 'module> {
    fn new(symbols: Option<&'a Symbols<'module>>) -> Self {
        Self {
            symbols,
            all: Vec::new(),
            numbers: HashMap::new(),
            of_spot: HashMap::new(),
            name_bytes: 0,
        }
    }

    fn get(&self, number: usize) -> Option<&Line> {
        self.all.get(number)
    }

    fn number(&mut self, line: Line) -> usize {
        if let Some(number) = self.numbers.get(&line) {
            return *number;
        }
        let number = self.all.len();
        let names = [Some(&line.function), line.file.as_ref()];
        let bytes: usize = names.into_iter().flatten().map(String::len).sum();
        self.name_bytes = self.name_bytes.saturating_add(bytes);
        self.all.push(line.clone());
        self.numbers.insert(line, number);
        number
    }

    /// The lines of a stack, outermost first.
    fn of(&mut self, sample: &Sample) -> Vec<usize> {
        let mut stack = vec![self.number(Line::named(Kind::Callback, format!("callback {}", sample.callback)))];
        for spot in sample.frames.iter().rev() {
            let lines = match self.of_spot.get(spot) {
                Some(lines) => lines.clone(),
                None => self.resolve(*spot),
            };
            stack.extend(lines.iter().rev());
        }
        if let Some(call) = sample.host_call {
            stack.truncate(STACK_LINES_MAX);
            stack.push(self.number(Line::named(Kind::HostCall, format!("host call {call}"))));
        }
        stack.truncate(STACK_LINES_MAX.saturating_add(1));
        stack
    }

    fn resolve(&mut self, spot: Spot) -> Vec<usize> {
        let mut frame = Frame {
            index: spot.index,
            offset: spot.offset,
            ..Frame::default()
        };
        if let Some(symbols) = self.symbols.filter(|_| self.name_bytes < NAME_BYTES_MAX) {
            symbols.complete(&mut frame);
        }
        let unnamed = || format!("function {}", spot.index);
        let lines: Vec<Line> = match frame.places.is_empty() {
            true => {
                let name = frame.function.as_deref().map(readable);
                vec![Line::named(Kind::Guest, name.unwrap_or_else(unnamed))]
            }
            false => frame
                .places
                .iter()
                .map(|place| Line {
                    kind: Kind::Guest,
                    function: place.function.as_deref().map_or_else(unnamed, in_one_line),
                    file: place.file.as_deref().map(|file| shortened(file).to_owned()),
                    line: place.line,
                    is_own: place.file.is_some() && !is_foreign(place),
                })
                .collect(),
        };
        let lines: Vec<usize> = lines.into_iter().map(|line| self.number(line)).collect();
        self.of_spot.insert(spot, lines.clone());
        lines
    }
}

#[cfg(test)]
mod tests;
