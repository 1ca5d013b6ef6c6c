//! Writes a page in the Prometheus text format, version 0.0.4.

use std::fmt::Write as _;

use crate::histogram::Histogram;
use crate::metric::{Kind, Metric};

/// Content type of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page being written.
///
/// The samples of a metric must follow one another: the format allows one group for each name. A name that was written before gets no
/// second group; its samples are left out.
#[derive(Debug, Default)]
pub struct Exposition {
    page: String,
    names: Vec<String>,
}

/// The samples of one metric.
#[derive(Debug)]
pub struct Family<'page> {
    page: &'page mut String,
    name: String,
    labels: &'page [&'page str],
    repeated: bool,
}

impl Exposition {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a metric of the table: `HELP` and `TYPE`, then samples.
    pub fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        self.begin(metric.name.to_owned(), metric.help, metric.kind, metric.labels)
    }

    /// Begins a metric that a plugin defined; characters that the format does not allow in a name become `_`, as in Envoy.
    pub fn foreign<'page>(
        &'page mut self,
        name: &str,
        help: &str,
        kind: Kind,
        labels: &'page [&'page str],
    ) -> Family<'page> {
        self.begin(legal_name(name), help, kind, labels)
    }

    fn begin<'page>(
        &'page mut self,
        name: String,
        help: &str,
        kind: Kind,
        labels: &'page [&'page str],
    ) -> Family<'page> {
        let repeated = self.names.contains(&name);
        if !repeated {
            // Writing to a string never fails.
            let _ = write!(self.page, "# HELP {name} ");
            escape(help, false, &mut self.page);
            let _ = write!(self.page, "\n# TYPE {name} {}\n", kind.word());
            self.names.push(name.clone());
        }
        Family {
            page: &mut self.page,
            name,
            labels,
            repeated,
        }
    }

    /// The finished page.
    pub fn finish(self) -> Vec<u8> {
        self.page.into_bytes()
    }
}

impl Family<'_> {
    /// Writes one sample of a counter or gauge; `values` are the label values in the table's order.
    pub fn sample(&mut self, values: &[&str], number: u64) -> &mut Self {
        self.line("", values, None, &number.to_string())
    }

    /// As [`Self::sample`], for numbers with a fraction or a sign.
    pub fn sample_float(&mut self, values: &[&str], number: f64) -> &mut Self {
        let text = if number.is_nan() {
            "NaN".to_owned()
        } else if number.is_infinite() {
            if number > 0.0 {
                "+Inf".to_owned()
            } else {
                "-Inf".to_owned()
            }
        } else {
            number.to_string()
        };
        self.line("", values, None, &text)
    }

    /// Writes a histogram of durations in seconds.
    pub fn durations(&mut self, values: &[&str], histogram: &Histogram) -> &mut Self {
        for (bound_us, count) in histogram.cumulative() {
            self.line("_bucket", values, Some(&seconds(bound_us)), &count.to_string());
        }
        let count = histogram.count().to_string();
        self.line("_bucket", values, Some("+Inf"), &count);
        self.line("_sum", values, None, &seconds(histogram.sum_us()));
        self.line("_count", values, None, &count)
    }

    /// Writes a histogram with buckets of its own: upper bounds with the number of samples at or below each, in rising order.
    pub fn buckets(&mut self, values: &[&str], cumulative: &[(f64, u64)], sum: f64, count: u64) -> &mut Self {
        for (bound, below) in cumulative {
            self.line("_bucket", values, Some(&bound.to_string()), &below.to_string());
        }
        self.line("_bucket", values, Some("+Inf"), &count.to_string());
        self.line("_sum", values, None, &sum.to_string());
        self.line("_count", values, None, &count.to_string())
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, number: &str) -> &mut Self {
        debug_assert_eq!(self.labels.len(), values.len(), "`{}` has other labels", self.name);
        if self.repeated {
            return self;
        }
        self.page.push_str(&self.name);
        self.page.push_str(suffix);
        let pairs = self
            .labels
            .iter()
            .copied()
            .zip(values.iter().copied())
            .chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (label, value) in pairs {
            let _ = write!(self.page, "{separator}{label}=\"");
            escape(value, true, self.page);
            self.page.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.page.push('}');
        }
        let _ = writeln!(self.page, " {number}");
        self
    }
}

/// Microseconds as seconds, exactly: six decimals without trailing zeros.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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

fn legal_name(name: &str) -> String {
    let legal = |(place, character): (usize, char)| {
        let keeps = character.is_ascii_alphabetic()
            || character == '_'
            || character == ':'
            || (place > 0 && character.is_ascii_digit());
        if keeps { character } else { '_' }
    };
    let legal: String = name.chars().enumerate().map(legal).collect();
    if legal.is_empty() { "_".to_owned() } else { legal }
}

#[cfg(test)]
mod tests;
