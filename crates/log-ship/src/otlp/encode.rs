//! Lines become records of OTLP.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::OtlpSettings;
use super::messages::{
    Any, AnyValue, ArrayValue, ExportLogsServiceRequest, KeyValue, KeyValueList, LogRecord, Resource, ResourceLogs,
    Scope, ScopeLogs,
};
use crate::record::{Level, Record};

/// The message that carries these.
pub(super) fn request(settings: &OtlpSettings, records: &[Arc<Record>]) -> ExportLogsServiceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observed = u64::try_from(now.as_nanos()).unwrap_or(0);
    let text = |(name, value): &(String, String)| KeyValue {
        key: name.clone(),
        value: Some(any(Any::Text(value.clone()))),
    };
    let scope_logs = ScopeLogs {
        scope: Some(Scope {
            name: settings.scope.clone(),
        }),
        log_records: records
            .iter()
            .map(|record| log_record(settings, record, observed))
            .collect(),
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(Resource {
                attributes: settings.resource.iter().map(text).collect(),
            }),
            scope_logs: vec![scope_logs],
        }],
    }
}

fn log_record(settings: &OtlpSettings, record: &Record, observed: u64) -> LogRecord {
    let mut out = LogRecord {
        time_unix_nano: record.time_ns,
        observed_time_unix_nano: observed,
        severity_number: severity(record.level),
        severity_text: record.level.word().to_owned(),
        ..LogRecord::default()
    };
    let Ok(Value::Object(members)) = serde_json::from_slice(&record.line) else {
        let text = String::from_utf8_lossy(&record.line).into_owned();
        out.body = Some(any(Any::Text(text)));
        return out;
    };
    for (name, value) in members {
        let bytes = |count| value.as_str().and_then(|text| unhex(text, count));
        if name == settings.trace_id
            && let Some(id) = bytes(16)
        {
            out.trace_id = id;
        } else if name == settings.span_id
            && let Some(id) = bytes(8)
        {
            out.span_id = id;
        } else if name == settings.trace_flags
            && let Some(flags) = flags(&value)
        {
            out.flags = flags;
        } else if name == settings.body {
            out.body = Some(converted(value));
        } else if !settings.left_out.contains(&name) {
            out.attributes.push(KeyValue {
                key: name,
                value: Some(converted(value)),
            });
        }
    }
    out
}

/// The lowest number of each range of severities.
fn severity(level: Level) -> i32 {
    match level {
        Level::Trace => 1,
        Level::Debug => 5,
        Level::Info => 9,
        Level::Warn => 13,
        Level::Error => 17,
        Level::Critical => 21,
    }
}

fn flags(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 2),
        other => u32::try_from(other.as_u64()?).ok(),
    }
}

/// Bytes out of hexadecimal digits: exactly so many, and not all zero, which stands for none.
fn unhex(text: &str, count: usize) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|one| one.to_digit(16)).collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
    (bytes.len() == count && bytes.iter().any(|byte| *byte != 0)).then_some(bytes)
}

/// How deep values lie in each other was bounded by who read the line.
fn converted(value: Value) -> AnyValue {
    match value {
        Value::Null => AnyValue { value: None },
        Value::Bool(value) => any(Any::Bool(value)),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => any(Any::Integer(integer)),
            (None, Some(double)) => any(Any::Double(double)),
            (None, None) => any(Any::Text(number.to_string())),
        },
        Value::String(text) => any(Any::Text(text)),
        Value::Array(values) => any(Any::Array(ArrayValue {
            values: values.into_iter().map(converted).collect(),
        })),
        Value::Object(members) => {
            let values = members.into_iter().map(|(key, value)| KeyValue {
                key,
                value: Some(converted(value)),
            });
            any(Any::Members(KeyValueList {
                values: values.collect(),
            }))
        }
    }
}

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}
