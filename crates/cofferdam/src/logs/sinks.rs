//! The sinks of a plan, as the room that ships records knows them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gate_plan::logs::{
    Audit, FileKeep, Files, Format, HttpShape, Login, Loki, Otlp, OtlpProtocol, Piece, Secret, Selection, Sink, Spool,
    Sync, Syslog, SyslogTransport, Target, To,
};
use gate_plan::tracing::Spans;
use gate_plan::{AccessLog, Plan};
use log_record::field;
use log_record::grade::Class;
use log_ship::chain::{ChainNames, ChainSettings};
use log_ship::{
    BatchLimits, Clock, FileSettings, Frame, Keep, Lane, LokiSettings, OtlpSettings, Shape, ShipFault, SpanSettings,
    SyslogSettings,
};
use log_ship::{QueueLimits, SpoolSettings, SystemClock, Template, Tls, Transport, Wanted};

use super::digest::digest;
use crate::voice::warn;

/// The scope under which a collector sees what comes from here.
const SCOPE: &str = "cofferdam";
/// The name of the sink of spans; no sink of the configuration is called so.
const SPANS: &str = "tracing.spans";

/// How long an access line waits for others where no sinks are written down.
const LINGER: Duration = Duration::from_millis(50);

/// The sinks that a plan asks for.
pub(super) fn wanted(plan: &Plan) -> anyhow::Result<Vec<Wanted>> {
    let own: Vec<&str> = plan.logs.fields.iter().map(|field| &*field.name).collect();
    let written = plan.logs.sinks.iter().map(|sink| of_sink(sink, &own));
    let mut all = written.collect::<anyhow::Result<Vec<_>>>()?;
    all.extend(of_access_log(plan));
    all.extend(spans(plan).map(of_spans));
    Ok(all)
}

fn spans(plan: &Plan) -> Option<&Spans> {
    plan.tracing.as_ref()?.spans.as_ref()
}

/// Which records these are for.
pub(super) fn selections(plan: &Plan) -> Vec<log_ship::Selection> {
    let mut all: Vec<_> = plan.logs.sinks.iter().map(|sink| selection(&sink.takes)).collect();
    if plan.logs.sinks.is_empty() && plan.access_log != AccessLog::Off {
        all.push(access());
    }
    if spans(plan).is_some() {
        all.push(of_class(Class::Span));
    }
    all
}

/// Without sinks, `access_log` alone says where access records go.
fn of_access_log(plan: &Plan) -> Option<Wanted> {
    let path = match &plan.access_log {
        _ if !plan.logs.sinks.is_empty() => return None,
        AccessLog::Off => return None,
        AccessLog::Stdout => None,
        AccessLog::File(path) => Some(path.clone()),
    };
    let name = if path.is_some() { "file" } else { "stdout" };
    let batch = BatchLimits {
        linger: LINGER,
        ..BatchLimits::default()
    };
    let frame = Frame {
        name: name.to_owned(),
        selection: access(),
        format: log_ship::Format::Json,
        queue: QueueLimits::default(),
        batch,
        retry: (Duration::from_millis(200), Duration::from_secs(30)),
        spool: None,
        durable: true,
        listener: listener(),
    };
    let key = format!("{:?}", plan.access_log);
    Some(match path {
        None => start(key, frame, log_ship::start_stdout),
        Some(path) => start(key, frame, move |frame| log_ship::start_files(frame, one_file(&path))),
    })
}

fn start(
    key: String,
    frame: Frame,
    start: impl FnMut(Frame) -> Result<log_ship::Sink, ShipFault> + Send + 'static,
) -> Wanted {
    let start = Box::new(start);
    Wanted { key, frame, start }
}

/// One file that somebody else rotates.
fn one_file(path: &Path) -> FileSettings {
    FileSettings {
        lanes: vec![Lane {
            takes: log_ship::Selection::default(),
            path: path.to_owned(),
            keep: Keep::default(),
        }],
        rotate_bytes: u64::MAX,
        rotate_every: Duration::MAX,
        compress: false,
        sync: log_ship::Sync::Never,
        clock: clock(),
    }
}

fn of_sink(sink: &Sink, own: &[&str]) -> anyhow::Result<Wanted> {
    let frame = Frame {
        name: sink.name.clone(),
        selection: selection(&sink.takes),
        format: format(&sink.format, own)?,
        queue: queue(sink.queue),
        batch: batch(sink.batch),
        retry: (sink.retry.wait, sink.retry.wait_max),
        spool: sink.spool.as_ref().map(spool),
        durable: sink.durable,
        listener: listener(),
    };
    // All that a sink is made of is in the plan, files with secrets apart, which are read anew for each try.
    let key = format!("{sink:?}");
    Ok(match &sink.to {
        To::Stdout => start(key, frame, log_ship::start_stdout),
        To::Files(files) => {
            let settings = file_settings(files);
            start(key, frame, move |frame| log_ship::start_files(frame, settings.clone()))
        }
        To::Http { target, shape } => {
            let (target, shape) = (of_target(target), of_shape(*shape));
            start(key, frame, move |frame| {
                log_ship::start_json(frame, target.clone(), shape)
            })
        }
        To::Loki(loki) => {
            let (target, settings) = (of_target(&loki.target), of_loki(loki));
            start(key, frame, move |frame| {
                log_ship::start_loki(frame, target.clone(), settings.clone())
            })
        }
        To::Otlp(otlp) => {
            let (target, settings, protocol) = (of_target(&otlp.target), of_otlp(otlp), otlp.protocol);
            start(key, frame, move |frame| match protocol {
                OtlpProtocol::Http => log_ship::start_otlp_http(frame, target.clone(), settings.clone()),
                OtlpProtocol::Grpc => log_ship::start_otlp_grpc(frame, target.clone(), settings.clone()),
            })
        }
        To::Syslog(syslog) => {
            let settings = of_syslog(syslog);
            start(key, frame, move |frame| log_ship::start_syslog(frame, settings.clone()))
        }
        To::Audit(audit) => {
            let settings = of_audit(audit)?;
            start(key, frame, move |frame| log_ship::chain::start(frame, settings.clone()))
        }
    })
}

fn of_spans(spans: &Spans) -> Wanted {
    let frame = Frame {
        name: SPANS.to_owned(),
        selection: of_class(Class::Span),
        format: log_ship::Format::Json,
        queue: queue(spans.queue),
        batch: batch(spans.batch),
        retry: (spans.retry.wait, spans.retry.wait_max),
        spool: spans.spool.as_ref().map(spool),
        durable: spans.spool.is_some(),
        listener: listener(),
    };
    let (target, settings, protocol) = (of_target(&spans.to.target), span_settings(&spans.to), spans.to.protocol);
    start(format!("{spans:?}"), frame, move |frame| match protocol {
        OtlpProtocol::Http => log_ship::start_otlp_spans_http(frame, target.clone(), settings.clone()),
        OtlpProtocol::Grpc => log_ship::start_otlp_spans_grpc(frame, target.clone(), settings.clone()),
    })
}

/// What a sink has to say to the operator.
fn listener() -> log_ship::Listener {
    Arc::new(|notice| {
        warn(&format!(
            "log sink={} times={}: {}",
            notice.sink, notice.times, notice.text
        ));
    })
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::default())
}

fn access() -> log_ship::Selection {
    log_ship::Selection {
        classes: vec![Class::Access, Class::Connection],
        ..log_ship::Selection::default()
    }
}

fn of_class(class: Class) -> log_ship::Selection {
    log_ship::Selection {
        classes: vec![class],
        ..log_ship::Selection::default()
    }
}

fn selection(written: &Selection) -> log_ship::Selection {
    log_ship::Selection {
        level_min: written.level_min,
        level_max: written.level_max,
        classes: written.classes.clone(),
    }
}

/// A field of the operator's own stands among those that plugins add.
fn format(written: &Format, own: &[&str]) -> anyhow::Result<log_ship::Format> {
    Ok(match written {
        Format::Json => log_ship::Format::Json,
        Format::Logfmt => log_ship::Format::Logfmt,
        Format::Template(pieces) => {
            let mut text = String::new();
            for piece in pieces {
                match piece {
                    Piece::Text(plain) => text.push_str(&plain.replace('{', "{{").replace('}', "}}")),
                    Piece::Field(name) if own.contains(&name.as_str()) => {
                        text.push_str(&format!("{{{}.{name}}}", field::CUSTOM.name));
                    }
                    Piece::Field(name) => text.push_str(&format!("{{{name}}}")),
                }
            }
            log_ship::Format::Template(Template::parse(&text)?)
        }
    })
}

const fn queue(written: gate_plan::logs::Queue) -> QueueLimits {
    QueueLimits {
        records_max: written.records_max,
        bytes_max: written.bytes_max,
    }
}

const fn batch(written: gate_plan::logs::Batch) -> BatchLimits {
    BatchLimits {
        records_max: written.records_max,
        bytes_max: written.bytes_max,
        linger: written.linger,
    }
}

fn spool(written: &Spool) -> SpoolSettings {
    SpoolSettings {
        folder: written.dir.clone(),
        bytes_max: written.bytes_max,
        segment_bytes_max: written.segment_bytes_max,
        sync: sync(written.sync),
    }
}

const fn sync(written: Sync) -> log_ship::Sync {
    match written {
        Sync::Never => log_ship::Sync::Never,
        Sync::Every(time) => log_ship::Sync::Every(time),
        Sync::Always => log_ship::Sync::Always,
    }
}

fn file_settings(files: &Files) -> FileSettings {
    let keep = |keep: FileKeep| Keep {
        age_max: keep.age_max,
        bytes_max: keep.bytes_max,
        files_max: keep.files_max,
    };
    let lanes = files.lanes.iter().map(|lane| Lane {
        takes: selection(&lane.takes),
        path: lane.path.clone(),
        keep: keep(lane.keep),
    });
    FileSettings {
        lanes: lanes.collect(),
        rotate_bytes: files.rotate_bytes,
        rotate_every: files.rotate_every,
        compress: files.compress,
        sync: sync(files.sync),
        clock: clock(),
    }
}

const fn of_shape(shape: HttpShape) -> Shape {
    match shape {
        HttpShape::Lines => Shape::Lines,
        HttpShape::Array => Shape::Array,
    }
}

fn of_target(target: &Target) -> log_ship::Target {
    let tls = target.tls.as_ref().map(|tls| Tls {
        authorities: tls.authorities.clone(),
        identity: tls
            .certificate
            .as_ref()
            .map(|files| (files.chain.clone(), files.key.clone())),
        server_name: tls.server_name.clone(),
    });
    log_ship::Target {
        uri: target.uri.clone(),
        tls: tls.unwrap_or_default(),
        login: target.login.as_ref().map(login),
        headers: target.headers.clone(),
        gzip: target.gzip,
        answer_wait_max: target.answer_wait_max,
    }
}

fn login(written: &Login) -> log_ship::Login {
    match written {
        Login::Bearer(token) => log_ship::Login::Bearer(secret(token)),
        Login::Basic(user, password) => log_ship::Login::Basic(user.clone(), secret(password)),
        Login::Header(name, value) => log_ship::Login::Header(name.clone(), secret(value)),
    }
}

fn secret(written: &Secret) -> log_ship::Secret {
    match written {
        Secret::File(path) => log_ship::Secret::File(path.clone()),
        Secret::Environment(name) => log_ship::Secret::Environment(name.clone()),
    }
}

fn of_loki(loki: &Loki) -> LokiSettings {
    LokiSettings {
        labels: loki.labels.clone(),
        level_label: Some(loki.level_label.clone()),
        class_label: Some(loki.class_label.clone()),
        member_labels: loki.field_labels.clone(),
        metadata: loki.metadata.clone(),
    }
}

/// What a collector reads elsewhere in a record of logs than among its attributes.
fn left_out() -> Vec<String> {
    vec![field::TIMESTAMP.name.to_owned(), field::LEVEL.name.to_owned()]
}

fn of_otlp(otlp: &Otlp) -> OtlpSettings {
    OtlpSettings {
        resource: otlp.resource.clone(),
        scope: SCOPE.to_owned(),
        trace_id: field::TRACE_ID.name.to_owned(),
        span_id: field::SPAN_ID.name.to_owned(),
        trace_flags: field::TRACE_FLAGS.name.to_owned(),
        body: field::MESSAGE.name.to_owned(),
        left_out: left_out(),
    }
}

fn span_settings(otlp: &Otlp) -> SpanSettings {
    let name = |field: &field::Field| field.name.to_owned();
    let mut left_out = left_out();
    left_out.push(name(&field::EVENT));
    SpanSettings {
        resource: otlp.resource.clone(),
        scope: SCOPE.to_owned(),
        trace_id: name(&field::TRACE_ID),
        span_id: name(&field::SPAN_ID),
        parent_span_id: name(&field::PARENT_SPAN),
        trace_state: name(&field::TRACE_STATE),
        flags: name(&field::TRACE_FLAGS),
        name: name(&field::SPAN_NAME),
        kind: name(&field::SPAN_KIND),
        start: name(&field::SPAN_START),
        end: name(&field::SPAN_END),
        status: name(&field::SPAN_STATUS),
        status_message: name(&field::SPAN_MESSAGE),
        attributes_dropped: name(&field::SPAN_DROPPED),
        left_out,
    }
}

fn of_syslog(syslog: &Syslog) -> SyslogSettings {
    let transport = match &syslog.transport {
        SyslogTransport::Udp(place) => Transport::Udp(place.clone()),
        SyslogTransport::Tcp(place) => Transport::Tcp(place.clone()),
        SyslogTransport::UnixDatagram(path) => Transport::UnixDatagram(path.clone()),
        SyslogTransport::UnixStream(path) => Transport::UnixStream(path.clone()),
    };
    SyslogSettings {
        transport,
        facility: syslog.facility,
        host: syslog.host.clone().unwrap_or_else(machine),
        application: syslog.application.clone(),
        datagram_bytes_max: syslog.datagram_bytes_max,
        wait_max: syslog.wait_max,
    }
}

/// This machine's name; `-`, as RFC 5424 has it, where the system does not say.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => String::from("-"),
        name => name.to_owned(),
    }
}

fn of_audit(audit: &Audit) -> anyhow::Result<ChainSettings> {
    Ok(ChainSettings {
        folder: audit.dir.clone(),
        names: chain_names(),
        digest: digest(&audit.hash)?,
        segment_bytes_max: audit.segment_bytes_max,
        segment_every: audit.segment_every,
        age_max: audit.age_max,
        sync: sync(audit.sync),
        clock: clock(),
    })
}

/// Names of the members that a chain adds.
pub(crate) fn chain_names() -> ChainNames {
    ChainNames {
        sequence: field::CHAIN_SEQUENCE.name.to_owned(),
        previous: field::CHAIN_PREVIOUS.name.to_owned(),
        hash: field::CHAIN_HASH.name.to_owned(),
        segment: field::CHAIN_SEGMENT.name.to_owned(),
        digest: field::CHAIN_DIGEST.name.to_owned(),
    }
}
