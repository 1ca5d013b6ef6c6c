//! A profile in some lines: which functions computed, and for how long.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Kind, Line, Lines, Profile};
use crate::symbols::Symbols;
use crate::text::printable;

/// LIMIT: functions in the table.
const FUNCTIONS_MAX: usize = 40;
/// LIMIT: of them, those that people are shown.
const SHOWN_MAX: usize = 15;

/// What helps where there are no lines of source.
pub(super) const NO_LINES: &str = "  hint: for source lines keep the unstripped build as `PLUGIN.debug.wasm` beside the module, or in the folder `crash_reports.debug_files`\n";

/// A profile in some lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the plugin.
    pub plugin: String,
    /// Its generation.
    pub generation: u64,
    /// How long it was looked at, in microseconds.
    pub lasted_us: u64,
    /// How many workers there are.
    pub workers: usize,
    /// Stacks that were seen.
    pub samples: u64,
    /// Stacks for which there was no room.
    pub lost: u64,
    /// Time that the plugin computed, in microseconds, host calls included.
    pub computed_us: u64,
    /// Whether source lines are known.
    pub has_lines: bool,
    /// Those functions that computed most, themselves.
    pub functions: Vec<Share>,
}

/// A function's part of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name; host calls begin with `host call`.
    pub function: String,
    /// The line of it where most of its own time went, or else where it called what took most, as `FILE:LINE`.
    pub place: Option<String>,
    /// Time in itself, in microseconds.
    pub self_us: u64,
    /// Time in itself and in what it called.
    pub total_us: u64,
}

/// Time of functions. All is known by numbers until the end: a profile has millions of lines, and few functions.
#[derive(Default)]
struct Times {
    /// The function of each line.
    of_line: Vec<usize>,
    numbers: HashMap<(String, Option<String>), usize>,
    functions: Vec<Time>,
}

#[derive(Default)]
struct Time {
    itself: Duration,
    total: Duration,
    /// Its lines, by the time in each itself and in all.
    lines: HashMap<usize, (Duration, Duration)>,
}

impl Times {
    fn add(&mut self, lines: &Lines<'_, '_>, stack: &[usize], weight: Duration) {
        let mut seen = Vec::new();
        for number in stack {
            let function = self.function(lines, *number);
            // A function that calls itself has its time once.
            if seen.contains(&function) {
                continue;
            }
            seen.push(function);
            if let Some(time) = self.functions.get_mut(function) {
                time.total = time.total.saturating_add(weight);
                let (_, total) = time.lines.entry(*number).or_default();
                *total = total.saturating_add(weight);
            }
        }
        let Some(innermost) = stack.last() else { return };
        let function = self.function(lines, *innermost);
        if let Some(time) = self.functions.get_mut(function) {
            time.itself = time.itself.saturating_add(weight);
            let (itself, _) = time.lines.entry(*innermost).or_default();
            *itself = itself.saturating_add(weight);
        }
    }

    fn function(&mut self, lines: &Lines<'_, '_>, number: usize) -> usize {
        while let Some(line) = lines.get(self.of_line.len()).filter(|_| self.of_line.len() <= number) {
            let next = self.functions.len();
            let function = *self.numbers.entry(key(line)).or_insert(next);
            if function == next {
                self.functions.push(Time::default());
            }
            self.of_line.push(function);
        }
        self.of_line.get(number).copied().unwrap_or_default()
    }

    fn shares(self, lines: &Lines<'_, '_>) -> Vec<Share> {
        let names = self.numbers.into_iter();
        let named = names.filter_map(|((name, file), number)| Some((name, file, self.functions.get(number)?)));
        // Every callback begins with itself: that says nothing of where the time goes, unless nothing else is known.
        let is_callback = |time: &Time| {
            let mut of_function = time.lines.keys().filter_map(|number| lines.get(*number));
            of_function.any(|line| line.kind == Kind::Callback)
        };
        let mut shares: Vec<Share> = named
            .filter(|(_, _, time)| !is_callback(time) || !time.itself.is_zero())
            .map(|(function, file, time)| {
                let placed = time
                    .lines
                    .iter()
                    .filter_map(|(number, spent)| Some((lines.get(*number)?.place()?, *spent)));
                let most = placed.max_by(|(one, spent), (other, others)| (spent, one).cmp(&(others, other)));
                Share {
                    function,
                    place: most.map(|(place, _)| place).or(file),
                    self_us: microseconds(time.itself),
                    total_us: microseconds(time.total),
                }
            })
            .collect();
        shares.sort_by(|one, other| {
            let by_time = (other.self_us, other.total_us).cmp(&(one.self_us, one.total_us));
            by_time.then_with(|| one.function.cmp(&other.function))
        });
        shares.truncate(FUNCTIONS_MAX);
        shares
    }
}

impl Profile {
    /// The profile in some lines. `symbols` are those of the module or of its twin with debug information, if there is one.
    #[must_use]
    pub fn summary(&self, symbols: Option<&Symbols<'_>>) -> Summary {
        let mut lines = Lines::new(symbols);
        let mut times = Times::default();
        let mut computed = Duration::ZERO;
        let samples = || self.workers.iter().flat_map(|worker| &worker.samples);
        for sample in samples() {
            computed = computed.saturating_add(sample.weight);
            let stack = lines.of(sample);
            times.add(&lines, &stack, sample.weight);
        }
        Summary {
            plugin: self.plugin.clone(),
            generation: self.generation,
            lasted_us: microseconds(self.lasted),
            workers: self.workers.len(),
            samples: u64::try_from(samples().count()).unwrap_or(u64::MAX),
            lost: self.workers.iter().map(|worker| worker.lost).sum(),
            computed_us: microseconds(computed),
            has_lines: symbols.is_some_and(Symbols::has_lines),
            functions: times.shares(&lines),
        }
    }
}

fn key(line: &Line) -> (String, Option<String>) {
    (line.function.clone(), line.file.clone())
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Summary {
    /// The table for people.
    #[must_use]
    pub fn text(&self) -> String {
        let seconds = |us: u64| format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000);
        let mut text = format!(
            "{} of generation {} computed {} in {} on {} ({} samples)\n",
            self.plugin,
            self.generation,
            seconds(self.computed_us),
            seconds(self.lasted_us),
            match self.workers {
                1 => "one worker".to_owned(),
                workers => format!("{workers} workers"),
            },
            self.samples,
        );
        if self.lost > 0 {
            let _ = writeln!(text, "{} further samples found no room", self.lost);
        }
        if self.samples == 0 {
            text.push_str("  it was not seen computing: there was no traffic for it, or its callbacks are too quick to be met often\n");
            return printable(&text);
        }
        let _ = writeln!(text, "    self   total  function");
        for share in self.functions.iter().take(SHOWN_MAX) {
            let place = share.place.as_ref().map(|place| format!("  {place}"));
            let _ = writeln!(
                text,
                "  {}  {}  {}{}",
                self.percent(share.self_us),
                self.percent(share.total_us),
                share.function,
                place.unwrap_or_default()
            );
        }
        if self.functions.len() > SHOWN_MAX {
            let _ = writeln!(text, "  and {} more", self.functions.len().saturating_sub(SHOWN_MAX));
        }
        if !self.has_lines {
            text.push_str(NO_LINES);
        }
        printable(&text)
    }

    fn percent(&self, us: u64) -> String {
        let tenths = us
            .saturating_mul(1_000)
            .checked_div(self.computed_us)
            .unwrap_or_default();
        format!("{:>3}.{}%", tenths / 10, tenths % 10)
    }
}
