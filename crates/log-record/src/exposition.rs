//! A page of metrics: gathered once, and written in the form that whoever asks wants.

use std::collections::HashSet;

use crate::histogram::Histogram;
use crate::metric::{Kind, Metric};

mod form;
pub use form::Form;
mod protobuf;
mod text;

/// A page being gathered.
///
/// The samples of a metric must follow one another: the formats allow one group for each name. A name that was written before gets no
/// second group; its samples are left out.
#[derive(Debug, Default)]
pub struct Exposition {
    groups: Vec<Group>,
    names: HashSet<String>,
    /// Takes what belongs to a name that was written before.
    left_out: Group,
}

/// One metric with its samples.
#[derive(Debug, Default)]
struct Group {
    name: String,
    help: String,
    kind: Kind,
    labels: Vec<String>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    values: Vec<String>,
    number: Number,
}

#[derive(Debug)]
enum Number {
    Whole(u64),
    Float(f64),
    Durations(Box<Histogram>),
    Buckets(Buckets),
}

/// A histogram with bounds of its own.
#[derive(Debug)]
struct Buckets {
    cumulative: Vec<(f64, u64)>,
    sum: f64,
    count: u64,
}

/// The samples of one metric.
#[derive(Debug)]
pub struct Family<'page>(&'page mut Group);

impl Exposition {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a metric of the table: what it is, then samples.
    pub fn family(&mut self, metric: &'static Metric) -> Family<'_> {
        self.begin(metric.name.to_owned(), metric.help, metric.kind, metric.labels)
    }

    /// Begins a metric that a plugin defined; characters that the formats do not allow in a name become `_`, as in Envoy.
    pub fn foreign(&mut self, name: &str, help: &str, kind: Kind, labels: &[&str]) -> Family<'_> {
        self.begin(legal_name(name), help, kind, labels)
    }

    fn begin(&mut self, name: String, help: &str, kind: Kind, labels: &[&str]) -> Family<'_> {
        let group = Group {
            help: help.to_owned(),
            kind,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            samples: Vec::new(),
            name,
        };
        if !self.names.insert(group.name.clone()) {
            self.left_out = group;
            return Family(&mut self.left_out);
        }
        let at = self.groups.len();
        self.groups.push(group);
        Family(self.groups.get_mut(at).unwrap_or(&mut self.left_out))
    }

    /// The finished page.
    pub fn finish(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Text => text::classic(&self.groups),
            Form::OpenMetrics => text::open_metrics(&self.groups),
            Form::Protobuf => protobuf::page(&self.groups),
        }
    }
}

impl Family<'_> {
    /// Writes one sample of a counter or gauge; `values` are the label values in the table's order.
    pub fn sample(&mut self, values: &[&str], number: u64) -> &mut Self {
        self.push(values, Number::Whole(number))
    }

    /// As [`Self::sample`], for numbers with a fraction or a sign.
    pub fn sample_float(&mut self, values: &[&str], number: f64) -> &mut Self {
        self.push(values, Number::Float(number))
    }

    /// Writes a histogram of durations in seconds.
    pub fn durations(&mut self, values: &[&str], histogram: &Histogram) -> &mut Self {
        self.push(values, Number::Durations(Box::new(histogram.clone())))
    }

    /// Writes a histogram with buckets of its own: upper bounds with the number of samples at or below each, in rising order.
    pub fn buckets(&mut self, values: &[&str], cumulative: &[(f64, u64)], sum: f64, count: u64) -> &mut Self {
        let cumulative = cumulative.to_vec();
        self.push(values, Number::Buckets(Buckets { cumulative, sum, count }))
    }

    fn push(&mut self, values: &[&str], number: Number) -> &mut Self {
        debug_assert_eq!(self.0.labels.len(), values.len(), "`{}` has other labels", self.0.name);
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.0.samples.push(Sample { values, number });
        self
    }
}

impl Group {
    /// Each label with its value in a sample.
    fn pairs<'a>(&'a self, sample: &'a Sample) -> impl Iterator<Item = (&'a str, &'a str)> {
        let labels = self.labels.iter().map(String::as_str);
        labels.zip(sample.values.iter().map(String::as_str))
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
