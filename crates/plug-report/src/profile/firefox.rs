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

/// A profile in the making.
struct Drawing<'a, 'module> {
    file: fxprof_processed_profile::Profile,
    lines: Lines<'a, 'module>,
    categories: HashMap<Kind, CategoryHandle>,
}

impl Profile {
    /// The file for <https://profiler.firefox.com>: a thread for each worker, a stack for each sample.
    #[must_use]
    pub fn firefox(&self, symbols: Option<&Symbols<'_>>) -> Value {
        self.drawn(Lines::new(symbols))
    }

    pub(super) fn drawn(&self, lines: Lines<'_, '_>) -> Value {
        let mut drawing = Drawing::new(self, lines);
        let began = Timestamp::from_nanos_since_reference(0);
        let process = drawing.file.add_process(&self.plugin, PID, began);
        for (number, worker) in self.workers.iter().enumerate() {
            let id = u32::try_from(number).unwrap_or(u32::MAX).saturating_add(PID);
            let thread = drawing.file.add_thread(process, id, began, false);
            drawing.file.set_thread_name(thread, &format!("worker {number}"));
            drawing
                .file
                .set_thread_samples_weight_type(thread, WeightType::TracingMs);
            for sample in &worker.samples {
                drawing.add(thread, sample);
            }
            drawing.file.set_thread_end_time(thread, timestamp(self.lasted));
        }
        drawing.file.set_process_end_time(process, timestamp(self.lasted));
        drawing.finish()
    }
}

impl<'a, 'module> Drawing<'a, 'module> {
    fn new(profile: &Profile, lines: Lines<'a, 'module>) -> Self {
        let began = UNIX_EPOCH.checked_add(Duration::from_millis(profile.began_ms));
        let interval = u64::try_from(profile.interval.as_nanos()).unwrap_or(u64::MAX);
        let mut file = fxprof_processed_profile::Profile::new(
            "Cofferdam",
            ReferenceTimestamp::from_system_time(began.unwrap_or(UNIX_EPOCH)),
            SamplingInterval::from_nanos(interval),
        );
        file.set_symbolicated(true);
        let categories = [
            (Kind::Callback, "callback", CategoryColor::Gray),
            (Kind::Guest, "plugin", CategoryColor::Blue),
            (Kind::HostCall, "host call", CategoryColor::Orange),
        ];
        let categories = categories
            .into_iter()
            .map(|(kind, name, color)| (kind, file.add_category(name, color)))
            .collect();
        Self {
            file,
            lines,
            categories,
        }
    }

    fn add(&mut self, thread: fxprof_processed_profile::ThreadHandle, sample: &Sample) {
        let stack = self.lines.of(sample);
        let frames: Vec<FrameInfo> = stack
            .iter()
            .map(|number| {
                let kind = self.lines.get(*number).map(|line| line.kind);
                let category = kind.and_then(|kind| self.categories.get(&kind).copied());
                FrameInfo {
                    // The crate knows labels, but neither files nor lines: the label is a number, and what it stands for is put in at the end.
                    frame: Frame::Label(self.file.intern_string(&number.to_string())),
                    category_pair: category.unwrap_or(CategoryHandle::OTHER).into(),
                    flags: FrameFlags::empty(),
                }
            })
            .collect();
        let stack = self.file.intern_stack_frames(thread, frames.into_iter());
        let weight = i32::try_from(sample.weight.as_millis()).unwrap_or(i32::MAX);
        let cpu = CpuDelta::from_micros(u64::try_from(sample.weight.as_micros()).unwrap_or(u64::MAX));
        self.file.add_sample(thread, timestamp(sample.at), stack, cpu, weight);
    }

    fn finish(self) -> Value {
        let mut file = serde_json::to_value(&self.file).unwrap_or_default();
        let threads = file.get_mut("threads").and_then(Value::as_array_mut);
        for thread in threads.into_iter().flatten() {
            // What the crate wrote is known to have these tables; without them the stacks would have numbers for names.
            let _ = name(thread, &self.lines);
        }
        file
    }
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
