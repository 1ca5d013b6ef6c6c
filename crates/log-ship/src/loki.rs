//! The sink of Loki: streams with few labels, and what many values may have as structured metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::fault::ShipFault;
use crate::json::opened;
use crate::net::Target;
use crate::net::post::Poster;
use crate::net::posting::{Judgement, Language, Posting, by_status};
use crate::record::Record;
use crate::sink::{Frame, Sink};

/// LIMIT: characters of a label's value.
const VALUE_CHARS_MAX: usize = 1024;
/// LIMIT: labels of a stream; Loki itself takes 15 unless it is told otherwise.
const LABELS_MAX: usize = 15;

/// What becomes labels, and what metadata. Names are Loki's: letters, digits and `_`.
#[derive(Clone, Debug, Default)]
pub struct LokiSettings {
    /// Labels that every stream has, such as the service's name.
    pub labels: Vec<(String, String)>,
    /// The label of the level.
    pub level_label: Option<String>,
    /// The label of the class.
    pub class_label: Option<String>,
    /// Members of a record that are labels: name of the member, name of the label. Only what has few values.
    pub member_labels: Vec<(String, String)>,
    /// Members of a record that are structured metadata.
    pub metadata: Vec<(String, String)>,
}

/// Starts a sink that pushes to Loki; the target's path is usually `/loki/api/v1/push`.
///
/// # Errors
/// When the address is none, there are no labels or too many or one has no name that Loki takes, or the spool or a thread is not to be had.
pub fn start(frame: Frame, target: Target, settings: LokiSettings) -> Result<Sink, ShipFault> {
    check(&settings).map_err(|why| ShipFault::Setting {
        sink: frame.name.clone(),
        why,
    })?;
    frame.only_json("Loki")?;
    let poster = opened(&frame, target)?;
    Sink::start(frame, Box::new(Posting::new(Box::new(Loki { poster, settings }))))
}

fn check(settings: &LokiSettings) -> Result<(), String> {
    let fixed = settings.labels.iter().map(|(name, _)| name);
    let members = settings.member_labels.iter().map(|(_, name)| name);
    let labels: Vec<&String> = fixed
        .chain(&settings.level_label)
        .chain(&settings.class_label)
        .chain(members)
        .collect();
    // A stream without labels is no stream: of the fixed ones and the level at least one is always there.
    if settings.labels.is_empty() && settings.level_label.is_none() && settings.class_label.is_none() {
        return Err(String::from("Loki takes no stream without a label"));
    }
    if labels.len() > LABELS_MAX {
        return Err(format!("it has {} labels, more than {LABELS_MAX}", labels.len()));
    }
    let metadata = settings.metadata.iter().map(|(_, name)| name);
    match labels.into_iter().chain(metadata).find(|name| !is_name(name)) {
        Some(name) => Err(format!("Loki takes no such name: `{name}`")),
        None => Ok(()),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |one: char| one == '_' || one.is_ascii_alphanumeric();
    name.chars().all(plain) && name.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

struct Loki {
    poster: Poster,
    settings: LokiSettings,
}

impl Language for Loki {
    fn send(&mut self, records: &[Arc<Record>]) -> Judgement {
        let body = body(&self.settings, records).to_string().into_bytes();
        match self.poster.post(body, "application/json") {
            Ok(answer) => by_status(&answer, |status| matches!(status, 408 | 429 | 500..=599)),
            Err(why) => Judgement::Later { why, after: None },
        }
    }
}

/// Names with values, in the order of the settings.
type Labels = Vec<(String, String)>;

/// The body of a push: streams by their labels, each with its lines in the order of their times.
fn body(settings: &LokiSettings, records: &[Arc<Record>]) -> Value {
    let mut streams: BTreeMap<Labels, Vec<(u64, Value)>> = BTreeMap::new();
    for record in records {
        let members = members(record);
        let line = String::from_utf8_lossy(&record.line).into_owned();
        let mut entry = vec![Value::String(record.time_ns.to_string()), Value::String(line)];
        let metadata = picked(&members, &settings.metadata).map(|(name, value)| (name, Value::String(value)));
        let metadata: Map<String, Value> = metadata.collect();
        if !metadata.is_empty() {
            entry.push(Value::Object(metadata));
        }
        let stream = streams.entry(labels(settings, record, &members)).or_default();
        stream.push((record.time_ns, Value::Array(entry)));
    }
    let streams = streams.into_iter().map(|(labels, mut entries)| {
        // What was tried again or stood in a spool may come after what is younger.
        entries.sort_by_key(|(time, _)| *time);
        let labels = labels.into_iter().map(|(name, value)| (name, Value::String(value)));
        let values = entries.into_iter().map(|(_, entry)| entry).collect();
        let stream = [
            (String::from("stream"), Value::Object(labels.collect())),
            (String::from("values"), Value::Array(values)),
        ];
        Value::Object(stream.into_iter().collect())
    });
    let streams = Value::Array(streams.collect());
    Value::Object([(String::from("streams"), streams)].into_iter().collect())
}

fn labels(settings: &LokiSettings, record: &Record, members: &Map<String, Value>) -> Labels {
    let level = settings
        .level_label
        .iter()
        .map(|name| (name.clone(), record.level.word().to_owned()));
    let class = settings
        .class_label
        .iter()
        .map(|name| (name.clone(), record.class.word().to_owned()));
    let own = settings.labels.iter().cloned();
    own.chain(level)
        .chain(class)
        .chain(picked(members, &settings.member_labels))
        .collect()
}

/// Members under their other names, as texts; what is not there or empty is left out.
fn picked<'m>(
    members: &'m Map<String, Value>,
    names: &'m [(String, String)],
) -> impl Iterator<Item = (String, String)> + 'm {
    names.iter().filter_map(|(member, name)| {
        let text = match members.get(member)? {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let text: String = text.chars().take(VALUE_CHARS_MAX).collect();
        (!text.is_empty()).then(|| (name.clone(), text))
    })
}

/// The members of a record's line; none when it is no object.
pub(crate) fn members(record: &Record) -> Map<String, Value> {
    match serde_json::from_slice(&record.line) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Level;
    use crate::scene::record;

    #[test]
    fn labels_are_few_and_the_rest_is_metadata() {
        let settings = LokiSettings {
            labels: vec![(String::from("service"), String::from("gate"))],
            level_label: Some(String::from("level")),
            metadata: vec![
                (String::from("n"), String::from("number")),
                (String::from("none"), String::from("none")),
            ],
            ..LokiSettings::default()
        };
        let records = [record(2, Level::Info), record(1, Level::Info), record(3, Level::Error)];
        let pushed = body(&settings, &records);
        let expected = serde_json::json!({"streams": [
            {"stream": {"service": "gate", "level": "error"}, "values": [
                ["1795437296000000003", "{\"n\":3,\"text\":\"é \\\" \\\\ \\u0007\"}", {"number": "3"}]]},
            {"stream": {"service": "gate", "level": "info"}, "values": [
                ["1795437296000000001", "{\"n\":1,\"text\":\"é \\\" \\\\ \\u0007\"}", {"number": "1"}],
                ["1795437296000000002", "{\"n\":2,\"text\":\"é \\\" \\\\ \\u0007\"}", {"number": "2"}]]},
        ]});
        assert_eq!(pushed, expected);
    }

    #[test]
    fn a_push_is_retried_while_loki_is_busy_and_dropped_when_it_says_no() {
        use std::time::{Duration, Instant};

        use crate::scene::server::{Reply, Server};
        use crate::scene::{assert_exact, frame, heard, records, until};
        let server = Server::start(|number, _| match number {
            0 => Reply::Status(429, Vec::new(), b"ingestion rate limit exceeded".to_vec()),
            1 => Reply::Status(500, Vec::new(), Vec::new()),
            2 => Reply::Status(204, Vec::new(), Vec::new()),
            _ => Reply::Status(400, Vec::new(), b"entry too far behind".to_vec()),
        });
        let settings = LokiSettings {
            class_label: Some(String::from("class")),
            ..LokiSettings::default()
        };
        let (frame, heard) = heard(frame("loki"));
        let mut sink = start(frame, server.target("/loki/api/v1/push"), settings).unwrap();
        sink.give(&records(1..=5));
        until("taken", || sink.tally().delivered == 5);
        sink.give(&records(6..=7));
        until("refused", || sink.tally().dropped() == 2);
        let asked = server.asked.lock()[2].clone();
        let pushed: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(
            (asked.path.as_str(), &pushed["streams"][0]["stream"]["class"]),
            ("/loki/api/v1/push", &Value::from("access"))
        );
        assert_eq!(pushed["streams"][0]["values"].as_array().unwrap().len(), 5);
        assert!(
            heard
                .lock()
                .contains(&String::from("Refused: 400 entry too far behind"))
        );
        assert!(sink.ended(Instant::now() + Duration::from_secs(5)));
        assert_exact(&sink.tally());
    }

    #[test]
    fn settings_that_loki_would_refuse_are_refused_at_once() {
        assert!(check(&LokiSettings::default()).unwrap_err().contains("without a label"));
        let named = |name: &str| LokiSettings {
            labels: vec![(name.to_owned(), String::new())],
            ..LokiSettings::default()
        };
        assert!(check(&named("service_name")).is_ok());
        for wrong in ["service.name", "", "1", "a b"] {
            assert!(check(&named(wrong)).is_err(), "{wrong}");
        }
    }
}
