//! What became of a suite: for people, for programs, and as JUnit for the machines that collect it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::run::Ran;

/// What became of a case.
#[derive(Debug, Clone)]
pub struct CaseOutcome {
    /// Its name, with the values of its row.
    pub name: String,
    /// Its line in the suite.
    pub line: usize,
    /// What was not as expected; nothing when it passed.
    pub wrong: Vec<String>,
    /// What the plugin logged.
    pub lines: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Callbacks that the module exports, and those that some case reached.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    exported: BTreeSet<&'static str>,
    called: BTreeSet<&'static str>,
}

/// How long a callback took, over all times that it was called.
#[derive(Debug, Clone, Default)]
pub struct CallbackTimes {
    times: Vec<Duration>,
}

/// What became of a suite.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Its cases, in order.
    pub cases: Vec<CaseOutcome>,
    /// What was reached.
    pub coverage: Coverage,
    /// Times by callback; empty without `--bench`.
    pub times: BTreeMap<&'static str, CallbackTimes>,
    /// Most memory that an instance had.
    pub memory_bytes: u64,
}

/// Callbacks that no case reaches, or that a host calls at other times.
const NOT_COUNTED: &[&str] = &[
    "_initialize",
    "_start",
    "main",
    "__main_void",
    "proxy_on_memory_allocate",
    "malloc",
    "proxy_validate_configuration",
];

impl Outcome {
    /// Whether every case passed, and there was one.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        !self.cases.is_empty() && self.cases.iter().all(|case| case.wrong.is_empty())
    }

    pub(crate) fn note(&mut self, ran: &Ran) {
        let counted = |name: &&&str| !NOT_COUNTED.contains(*name);
        self.coverage.exported.extend(ran.exported.iter().filter(counted));
        let reached = ran.callbacks.iter().map(|call| call.callback);
        self.coverage
            .called
            .extend(reached.filter(|name| ran.exported.contains(name)));
        self.memory_bytes = self.memory_bytes.max(ran.memory_bytes);
        if ran.is_bench {
            for call in ran
                .callbacks
                .iter()
                .filter(|call| ran.exported.contains(&call.callback))
            {
                self.times.entry(call.callback).or_default().times.push(call.took);
            }
        }
    }

    /// How many cases did not pass.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.wrong.is_empty()).count()
    }

    /// For people. `origin` is the suite's name.
    #[must_use]
    pub fn text(&self, origin: &str) -> String {
        let mut text = String::new();
        for case in &self.cases {
            let word = if case.wrong.is_empty() { "ok  " } else { "FAIL" };
            let _ = writeln!(text, "{word}  {}", case.name);
            for difference in &case.wrong {
                for line in difference.lines() {
                    let _ = writeln!(text, "        {line}");
                }
            }
            if !case.wrong.is_empty() {
                let _ = writeln!(text, "        at {origin}:{}", case.line);
            }
        }
        text.push_str(&self.table());
        let (called, exported) = (self.coverage.called.len(), self.coverage.exported.len());
        let missing: Vec<&str> = self
            .coverage
            .exported
            .difference(&self.coverage.called)
            .copied()
            .collect();
        let _ = write!(
            text,
            "\n{origin}: {} passed, {} failed; {called} of {exported} callbacks reached",
            self.cases.len() - self.failed(),
            self.failed()
        );
        match missing.is_empty() {
            true => text.push('\n'),
            false => {
                let _ = writeln!(text, ", not {}", missing.join(", "));
            }
        }
        text
    }

    /// The times of a bench.
    fn table(&self) -> String {
        if self.times.is_empty() {
            return String::new();
        }
        let mut text = format!(
            "\n{:<44}{:>10}{:>12}{:>12}{:>12}\n",
            "callback", "times", "median", "p99", "longest"
        );
        for (name, times) in &self.times {
            let figures = times.figures();
            let _ = writeln!(
                text,
                "{name:<44}{:>10}{:>12}{:>12}{:>12}",
                figures.count,
                micros(figures.median),
                micros(figures.p99),
                micros(figures.longest)
            );
        }
        let _ = writeln!(text, "memory of an instance: {} KiB", self.memory_bytes / 1024);
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self, origin: &str) -> Value {
        let case = |case: &CaseOutcome| {
            json!({
                "name": case.name,
                "line": case.line,
                "passed": case.wrong.is_empty(),
                "differences": case.wrong,
                "logged": case.lines,
                "seconds": case.took.as_secs_f64(),
            })
        };
        let times = |(name, times): (&&'static str, &CallbackTimes)| {
            let figures = times.figures();
            json!({
                "callback": name,
                "count": figures.count,
                "median_us": figures.median.as_secs_f64() * 1e6,
                "p99_us": figures.p99.as_secs_f64() * 1e6,
                "longest_us": figures.longest.as_secs_f64() * 1e6,
            })
        };
        json!({
            "suite": origin,
            "passed": self.has_passed(),
            "cases": self.cases.iter().map(case).collect::<Vec<_>>(),
            "callbacks": {"exported": self.coverage.exported, "reached": self.coverage.called},
            "bench": self.times.iter().map(times).collect::<Vec<_>>(),
            "memory_bytes": self.memory_bytes,
        })
    }

    /// As JUnit: `testsuites` with one `testsuite`, as Jenkins, GitLab and GitHub read it.
    #[must_use]
    pub fn junit(&self, origin: &str) -> String {
        let seconds: f64 = self.cases.iter().map(|case| case.took.as_secs_f64()).sum();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" time=\"{seconds:.3}\">\n",
            escaped(origin),
            self.cases.len(),
            self.failed()
        );
        for case in &self.cases {
            let _ = write!(
                text,
                "<testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" time=\"{:.3}\">",
                escaped(origin),
                escaped(&case.name),
                escaped(origin),
                case.line,
                case.took.as_secs_f64()
            );
            if let Some(first) = case.wrong.first() {
                let _ = write!(
                    text,
                    "\n<failure message=\"{}\">{}</failure>\n",
                    escaped(first),
                    escaped(&case.wrong.join("\n"))
                );
            }
            if !case.lines.is_empty() {
                let _ = write!(text, "<system-out>{}</system-out>", escaped(&case.lines.join("\n")));
            }
            text.push_str("</testcase>\n");
        }
        text.push_str("</testsuite>\n</testsuites>\n");
        text
    }
}

/// Figures of a callback.
struct Figures {
    count: usize,
    median: Duration,
    p99: Duration,
    longest: Duration,
}

impl CallbackTimes {
    fn figures(&self) -> Figures {
        let mut sorted = self.times.clone();
        sorted.sort();
        let at = |percent: usize| {
            let place = sorted.len().saturating_sub(1).saturating_mul(percent) / 100;
            sorted.get(place).copied().unwrap_or_default()
        };
        Figures {
            count: sorted.len(),
            median: at(50),
            p99: at(99),
            longest: at(100),
        }
    }
}

fn micros(time: Duration) -> String {
    format!("{:.1} us", time.as_secs_f64() * 1e6)
}

/// A text within XML 1.0, which has no control characters but three.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            control if control.is_control() => escaped.push('\u{FFFD}'),
            other => escaped.push(other),
        }
    }
    escaped
}
