//! Lines become logs of OTLP.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::encode::{any, converted, flags, resource, scope, unhex};
use super::messages::{
    Any, ExportLogsServiceRequest, ExportLogsServiceResponse, KeyValue, LogRecord, ResourceLogs, ScopeLogs,
};
use super::{OtlpSettings, Signal, Unfit};
use crate::record::{Level, Record};

/// Records as logs.
pub(super) struct Logs(pub(super) OtlpSettings);

impl Signal for Logs {
    type Request = ExportLogsServiceRequest;
    type Response = ExportLogsServiceResponse;

    const EXPORT: &'static str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

    fn request(&self, records: &[Arc<Record>]) -> Result<ExportLogsServiceRequest, Unfit> {
        Ok(request(&self.0, records))
    }

    fn refused(response: &ExportLogsServiceResponse) -> Option<(i64, &str)> {
        let partial = response.partial_success.as_ref()?;
        Some((partial.rejected_log_records, &partial.error_message))
    }
}

/// The message that carries these.
pub(super) fn request(settings: &OtlpSettings, records: &[Arc<Record>]) -> ExportLogsServiceRequest {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let observed = u64::try_from(now.as_nanos()).unwrap_or(0);
    let scope_logs = ScopeLogs {
        scope: Some(scope(&settings.scope)),
        log_records: records
            .iter()
            .map(|record| log_record(settings, record, observed))
            .collect(),
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource(&settings.resource)),
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
