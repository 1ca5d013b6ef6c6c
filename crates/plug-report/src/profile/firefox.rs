//! The file that the Firefox Profiler reads (its "processed profile format").

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use fxprof_processed_profile::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, ReferenceTimestamp, SamplingInterval,
    Timestamp, WeightType,
};
use serde_json::{Value, json};

use super::{Kind, Line, Lines, Profile, Sample};
use crate::symbols::Symbols;

/// Threads of a profile need numbers; these are nobody's.
const PID: u32 = 1;

/// What a profile's file says beside its stacks.
pub(super) struct Sheet<'a> {
    pub(super) name: &'a str,
    /// When it began, in milliseconds since 1970.
    pub(super) began_ms: u64,
    pub(super) lasted: Duration,
    pub(super) interval: Duration,
    pub(super) unit: Unit,
}

/// What weights are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// How often a stack was there at the sampling interval.
    Samples,
    Bytes,
}

/// One stack of a thread, with its weight.
pub(super) struct Mark {
    pub(super) sample: Sample,
    pub(super) weight: u64,
}

impl Profile {
    /// The file for <https://profiler.firefox.com>: a thread for each worker, a stack for each sample.
    #[must_use]
    pub fn firefox(&self, symbols: Option<&Symbols<'_>>) -> Value {
        self.drawn(Lines::new(symbols))
    }

    pub(super) fn drawn(&self, lines: Lines<'_, '_>) -> Value {
        let mark = |sample: &Sample| Mark {
            weight: self.intervals(sample.weight),
            sample: sample.clone(),
        };
        let threads = self.workers.iter().map(|worker| worker.samples.iter().map(mark));
        let sheet = Sheet {
            name: &self.plugin,
            began_ms: self.began_ms,
            lasted: self.lasted,
            interval: self.interval,
            unit: Unit::Samples,
        };
        sheet.draw(lines, threads)
    }

    fn intervals(&self, weight: Duration) -> u64 {
        let intervals = weight.as_nanos().checked_div(self.interval.as_nanos());
        intervals.and_then(|count| u64::try_from(count).ok()).unwrap_or(1)
    }
}

impl Sheet<'_> {
    /// The file: a thread for each worker. Stacks are put into words one after the other.
    pub(super) fn draw<M>(&self, mut lines: Lines<'_, '_>, threads: impl Iterator<Item = M>) -> Value
    where
        M: Iterator<Item = Mark>,
    {
        let mut file = self.empty();
        let categories = [
            (Kind::Callback, "callback", CategoryColor::Gray),
            (Kind::Guest, "plugin", CategoryColor::Blue),
            (Kind::HostCall, "host call", CategoryColor::Orange),
        ];
        let categories = categories.map(|(kind, name, color)| (kind, file.add_category(name, color)));
        let categories: HashMap<Kind, CategoryHandle> = categories.into_iter().collect();
        let began = Timestamp::from_nanos_since_reference(0);
        let process = file.add_process(self.name, PID, began);
        for (number, marks) in threads.enumerate() {
            let id = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(PID);
            let thread = file.add_thread(process, id, began, false);
            file.set_thread_name(thread, &format!("worker {number}"));
            file.set_thread_samples_weight_type(thread, self.unit.weight_type());
            for Mark { sample, weight } in marks {
                let stack = lines.of(&sample);
                let frame = |number: usize| FrameInfo {
                    // The crate knows labels, but neither files nor lines: the label is a number, and what it stands for is put in at the end.
                    frame: Frame::Label(file.intern_string(&number.to_string())),
                    category_pair: category(&categories, lines.get(number)).into(),
                    flags: FrameFlags::empty(),
                };
                let frames: Vec<FrameInfo> = stack.into_iter().map(frame).collect();
                let stack = file.intern_stack_frames(thread, frames.into_iter());
                let weight = i32::try_from(weight).unwrap_or(i32::MAX);
                let cpu = CpuDelta::from_micros(u64::try_from(sample.weight.as_micros()).unwrap_or(u64::MAX));
                file.add_sample(thread, timestamp(sample.at), stack, cpu, weight);
            }
            file.set_thread_end_time(thread, timestamp(self.lasted));
        }
        file.set_process_end_time(process, timestamp(self.lasted));
        named(&file, &lines)
    }

    fn empty(&self) -> fxprof_processed_profile::Profile {
        let began = UNIX_EPOCH.checked_add(Duration::from_millis(self.began_ms));
        let interval = u64::try_from(self.interval.as_nanos()).unwrap_or(u64::MAX);
        let mut file = fxprof_processed_profile::Profile::new(
            "Cofferdam",
            ReferenceTimestamp::from_system_time(began.unwrap_or(UNIX_EPOCH)),
            SamplingInterval::from_nanos(interval),
        );
        file.set_symbolicated(true);
        file
    }
}

impl Unit {
    fn weight_type(self) -> WeightType {
        match self {
            Self::Samples => WeightType::Samples,
            Self::Bytes => WeightType::Bytes,
        }
    }
}

fn category(categories: &HashMap<Kind, CategoryHandle>, line: Option<&Line>) -> CategoryHandle {
    let known = line.and_then(|line| categories.get(&line.kind));
    known.copied().unwrap_or(CategoryHandle::OTHER)
}

/// The file with functions, files and lines.
fn named(file: &fxprof_processed_profile::Profile, lines: &Lines<'_, '_>) -> Value {
    let mut file = serde_json::to_value(file).unwrap_or_default();
    let threads = file.get_mut("threads").and_then(Value::as_array_mut);
    for thread in threads.into_iter().flatten() {
        // What the crate wrote is known to have these tables; without them the stacks would have numbers for names.
        let _ = name(thread, lines);
    }
    file
}

fn timestamp(at: Duration) -> Timestamp {
    Timestamp::from_nanos_since_reference(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX))
}

/// Puts functions, files and lines in the place of their numbers, in the tables of one thread.
fn name(thread: &mut Value, lines: &Lines<'_, '_>) -> Option<()> {
    let numbers: Vec<usize> = column(thread, "/funcTable/name")?
        .iter()
        .filter_map(|string| {
            let label = thread
                .pointer("/stringArray")?
                .get(usize::try_from(string.as_u64()?).ok()?)?;
            label.as_str()?.parse().ok()
        })
        .collect();
    let mut functions = Functions::default();
    let strings = thread.pointer("/stringArray")?.as_array()?.iter();
    functions.strings = strings.filter_map(|text| Some(text.as_str()?.to_owned())).collect();
    let of_frames: Vec<&Line> = column(thread, "/frameTable/func")?
        .iter()
        .filter_map(|function| lines.get(*numbers.get(usize::try_from(function.as_u64()?).ok()?)?))
        .collect();
    let funcs: Vec<usize> = of_frames.iter().map(|line| functions.number(line)).collect();
    let source_lines: Vec<Option<u32>> = of_frames.iter().map(|line| line.line).collect();
    let frame_table = thread.get_mut("frameTable")?;
    frame_table["func"] = json!(funcs);
    frame_table["line"] = json!(source_lines);
    thread["funcTable"] = functions.table();
    thread["stringArray"] = json!(functions.strings);
    Some(())
}

fn column<'a>(thread: &'a Value, at: &str) -> Option<&'a Vec<Value>> {
    thread.pointer(at)?.as_array()
}

/// The functions of a thread: two lines of one function are one of them.
#[derive(Default)]
struct Functions {
    strings: Vec<String>,
    known_strings: HashMap<String, usize>,
    known: HashMap<(String, Option<String>), usize>,
    /// The string of its name, and that of its file.
    all: Vec<(usize, Option<usize>)>,
}

impl Functions {
    fn number(&mut self, line: &Line) -> usize {
        let key = (line.function.clone(), line.file.clone());
        if let Some(number) = self.known.get(&key) {
            return *number;
        }
        let name = self.string(&line.function);
        let file = line.file.as_ref().map(|file| self.string(file));
        let number = self.all.len();
        self.all.push((name, file));
        self.known.insert(key, number);
        number
    }

    fn string(&mut self, text: &str) -> usize {
        if let Some(number) = self.known_strings.get(text) {
            return *number;
        }
        let number = self.strings.len();
        self.strings.push(text.to_owned());
        self.known_strings.insert(text.to_owned(), number);
        number
    }

    fn table(&self) -> Value {
        let count = self.all.len();
        let all = |value: Value| vec![value; count];
        json!({
            "length": count,
            "name": self.all.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            "isJS": all(json!(false)),
            "relevantForJS": all(json!(false)),
            "resource": all(json!(-1)),
            "fileName": self.all.iter().map(|(_, file)| *file).collect::<Vec<_>>(),
            "lineNumber": all(Value::Null),
            "columnNumber": all(Value::Null),
        })
    }
}
