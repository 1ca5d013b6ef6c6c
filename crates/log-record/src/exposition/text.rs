//! Prometheus' text format 0.0.4, and OpenMetrics 1.0.0, which grew out of it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Buckets, Group, Number, Sample};
use crate::histogram::{Exemplar, Histogram};
use crate::metric::Kind;

/// Ends of names that are units, as OpenMetrics wants to be told of them.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Writes the page as Prometheus' text.
pub(super) fn classic(groups: &[Group]) -> Vec<u8> {
    let mut page = Page::new(false);
    for group in groups {
        page.describe(&group.name, group.kind.word(), &group.help);
        page.samples(group);
    }
    page.text.into_bytes()
}

/// Writes the page as OpenMetrics.
///
/// A counter is described without the `_total` of its samples. One without it, or whose described name is somebody else's, is of type
/// `unknown`: its samples keep the name that they have in the other forms.
pub(super) fn open_metrics(groups: &[Group]) -> Vec<u8> {
    let mut page = Page::new(true);
    let names: HashSet<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    for group in groups {
        let described = group
            .name
            .strip_suffix("_total")
            .filter(|_| group.kind == Kind::Counter);
        let (name, word) = match described.filter(|name| !names.contains(name)) {
            Some(name) => (name, group.kind.word()),
            None if group.kind == Kind::Counter => (group.name.as_str(), "unknown"),
            None => (group.name.as_str(), group.kind.word()),
        };
        page.describe(name, word, &group.help);
        page.samples(group);
    }
    page.text.push_str("# EOF\n");
    page.text.into_bytes()
}

struct Page {
    text: String,
    open: bool,
}

impl Page {
    fn new(open: bool) -> Self {
        Self {
            text: String::new(),
            open,
        }
    }

    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        let _ = write!(self.text, "# HELP {name} ");
        escape(help, self.open, &mut self.text);
        let _ = write!(self.text, "\n# TYPE {name} {kind}\n");
        let is_unit = |unit: &&&str| name.strip_suffix(**unit).is_some_and(|before| before.ends_with('_'));
        if self.open
            && let Some(unit) = UNITS.iter().find(is_unit)
        {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }

    fn samples(&mut self, group: &Group) {
        for sample in &group.samples {
            match &sample.number {
                Number::Whole(number) => self.line(group, sample, ("", None), &number.to_string(), None),
                Number::Float(number) => self.line(group, sample, ("", None), &float(*number), None),
                Number::Durations(histogram) => self.durations(group, sample, histogram),
                Number::Buckets(buckets) => self.buckets(group, sample, buckets),
            }
        }
    }

    fn durations(&mut self, group: &Group, sample: &Sample, histogram: &Histogram) {
        let mut exemplars = histogram.exemplars().iter();
        for (bound_us, count) in histogram.cumulative() {
            let bound = self.bound(seconds(bound_us), bound_us as f64 / 1e6);
            let exemplar = exemplars.next().and_then(Option::as_ref);
            self.line(group, sample, ("_bucket", Some(&bound)), &count.to_string(), exemplar);
        }
        let exemplar = exemplars.next().and_then(Option::as_ref);
        let count = histogram.count().to_string();
        self.line(group, sample, ("_bucket", Some("+Inf")), &count, exemplar);
        self.line(group, sample, ("_sum", None), &seconds(histogram.sum_us()), None);
        self.line(group, sample, ("_count", None), &count, None);
    }

    fn buckets(&mut self, group: &Group, sample: &Sample, buckets: &Buckets) {
        for (bound, below) in &buckets.cumulative {
            let text = self.bound(bound.to_string(), *bound);
            self.line(group, sample, ("_bucket", Some(&text)), &below.to_string(), None);
        }
        let count = buckets.count.to_string();
        self.line(group, sample, ("_bucket", Some("+Inf")), &count, None);
        self.line(group, sample, ("_sum", None), &float(buckets.sum), None);
        self.line(group, sample, ("_count", None), &count, None);
    }

    /// A bound is a label: OpenMetrics says how its number is written, so that all who write it write the same.
    fn bound(&self, text: String, number: f64) -> String {
        if self.open { canonical(number) } else { text }
    }

    fn line(
        &mut self,
        group: &Group,
        sample: &Sample,
        (suffix, bound): (&str, Option<&str>),
        number: &str,
        exemplar: Option<&Exemplar>,
    ) {
        self.text.push_str(&group.name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (label, value) in group.pairs(sample).chain(bound.map(|bound| ("le", bound))) {
            let _ = write!(self.text, "{separator}{label}=\"");
            escape(value, true, &mut self.text);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        let _ = write!(self.text, " {number}");
        if let Some(exemplar) = exemplar.filter(|_| self.open) {
            let (value, at) = (seconds(exemplar.micros), timestamp(exemplar.at));
            let _ = write!(self.text, " # {{trace_id=\"{:032x}\"}} {value} {at}", exemplar.trace);
        }
        self.text.push('\n');
    }
}

/// Microseconds as seconds, exactly: six decimals without trailing zeros.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Seconds since 1970, to the millisecond.
fn timestamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}", since.as_secs(), since.subsec_millis())
}

fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        let text = if number > 0.0 { "+Inf" } else { "-Inf" };
        text.to_owned()
    } else {
        number.to_string()
    }
}

/// As Go's `%g` writes it, with `.0` behind a whole number.
fn canonical(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return float(number);
    };
    match exponent.parse::<i32>() {
        Ok(power) if power < -4 => format!("{digits}e-{:02}", power.unsigned_abs()),
        Ok(power) if power >= 6 => format!("{digits}e+{power:02}"),
        _ if number.fract() == 0.0 => format!("{number:.1}"),
        _ => number.to_string(),
    }
}

fn escape(text: &str, quotes: bool, page: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '\n' => page.push_str("\\n"),
            '"' if quotes => page.push_str("\\\""),
            other => page.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_go_writes_them() {
        let written = [
            0.0001,
            0.00025,
            0.00001,
            0.5,
            1.0,
            60.0,
            100_000.0,
            1_000_000.0,
            1_234_567.0,
            2.5e10,
        ]
        .map(canonical);
        let go = [
            "0.0001",
            "0.00025",
            "1e-05",
            "0.5",
            "1.0",
            "60.0",
            "100000.0",
            "1e+06",
            "1.234567e+06",
            "2.5e+10",
        ];
        assert_eq!(written, go);
    }
}
