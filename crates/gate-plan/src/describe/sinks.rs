//! Sinks, described: of secrets where they stand, of headers their names.

use serde_json::{Map, Value, json};

use super::{describe_client_tls, masked, put, span};
use crate::plan::logs::{
    Audit, Batch, FileKeep, Files, Format, Hash, HashAlgorithm, HttpShape, Lane, Login, Loki, Otlp, OtlpProtocol,
    Piece, Queue, Retry, Secret, Selection, Sink, Spool, Sync, Syslog, SyslogTransport, Target, To,
};

pub(super) fn describe(sink: &Sink) -> Value {
    let mut value = json!({
        "name": sink.name,
        "format": match &sink.format {
            Format::Json => json!("json"),
            Format::Logfmt => json!("logfmt"),
            Format::Template(pieces) => json!({"template": template(pieces)}),
        },
        "queue": describe_queue(&sink.queue),
        "batch": describe_batch(&sink.batch),
        "retry": describe_retry(&sink.retry),
        "spool": sink.spool.as_ref().map(describe_spool),
        "durable": sink.durable,
    });
    for (key, described) in selection(&sink.takes) {
        put(&mut value, key, described);
    }
    let (key, described) = match &sink.to {
        To::Stdout => ("stdout", json!({})),
        To::Files(files) => ("file", describe_files(files)),
        To::Http { target, shape } => {
            let mut described = describe_target(target);
            let shape = match shape {
                HttpShape::Lines => "lines",
                HttpShape::Array => "array",
            };
            put(&mut described, "shape", shape.into());
            ("http", described)
        }
        To::Loki(loki) => ("loki", describe_loki(loki)),
        To::Otlp(otlp) => ("otlp", describe_otlp(otlp)),
        To::Syslog(syslog) => ("syslog", describe_syslog(syslog)),
        To::Audit(audit) => ("audit", describe_audit(audit)),
    };
    put(&mut value, key, described);
    value
}

fn selection(takes: &Selection) -> [(&'static str, Value); 3] {
    let classes: Vec<&str> = takes.classes.iter().map(|class| class.word()).collect();
    [
        ("level", takes.level_min.word().into()),
        ("up_to", takes.level_max.word().into()),
        ("classes", json!(classes)),
    ]
}

fn template(pieces: &[Piece]) -> String {
    let written = |piece: &Piece| match piece {
        Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Field(name) => format!("{{{name}}}"),
    };
    pieces.iter().map(written).collect()
}

pub(super) fn describe_queue(queue: &Queue) -> Value {
    json!({"records": queue.records_max, "bytes": queue.bytes_max})
}

pub(super) fn describe_batch(batch: &Batch) -> Value {
    json!({"records": batch.records_max, "bytes": batch.bytes_max, "linger": span(batch.linger)})
}

pub(super) fn describe_retry(retry: &Retry) -> Value {
    json!({"wait": span(retry.wait), "wait_max": span(retry.wait_max)})
}

pub(super) fn describe_spool(spool: &Spool) -> Value {
    json!({
        "dir": spool.dir,
        "bytes": spool.bytes_max,
        "segment": spool.segment_bytes_max,
        "sync": sync(spool.sync),
    })
}

fn sync(sync: Sync) -> String {
    match sync {
        Sync::Never => "never".to_owned(),
        Sync::Always => "always".to_owned(),
        Sync::Every(every) => span(every),
    }
}

fn describe_files(files: &Files) -> Value {
    let keep =
        |keep: &FileKeep| json!({"age": keep.age_max.map(span), "bytes": keep.bytes_max, "files": keep.files_max});
    let lane = |lane: &Lane| {
        let mut value = json!({"path": lane.path, "keep": keep(&lane.keep)});
        for (key, described) in selection(&lane.takes) {
            put(&mut value, key, described);
        }
        value
    };
    let (last, lanes) = files
        .lanes
        .split_last()
        .map_or((None, &[][..]), |(last, lanes)| (Some(last), lanes));
    json!({
        "path": last.map(|last| &last.path),
        "keep": last.map(|last| keep(&last.keep)),
        "lanes": lanes.iter().map(lane).collect::<Vec<_>>(),
        "rotate": {"bytes": files.rotate_bytes, "every": span(files.rotate_every)},
        "compress": files.compress,
        "sync": sync(files.sync),
    })
}

fn describe_target(target: &Target) -> Value {
    let headers = target.headers.iter().map(|(name, _)| (name.clone(), masked()));
    // What follows the path may be what lets us in.
    let url = target.uri.to_string();
    json!({
        "url": url.split('?').next(),
        "tls": target.tls.as_ref().map(describe_client_tls),
        "login": target.login.as_ref().map(describe_login),
        "headers": headers.collect::<Map<_, _>>(),
        "gzip": target.gzip,
        "wait": span(target.answer_wait_max),
    })
}

fn describe_login(login: &Login) -> Value {
    match login {
        Login::Bearer(token) => json!({"bearer": describe_secret(token)}),
        Login::Basic(user, password) => json!({"basic": {"user": user, "password": describe_secret(password)}}),
        Login::Header(name, value) => json!({"header": {"name": name, "value": describe_secret(value)}}),
    }
}

fn describe_secret(secret: &Secret) -> Value {
    match secret {
        Secret::File(path) => json!({"file": path}),
        Secret::Environment(name) => json!({"env": name}),
    }
}

pub(super) fn describe_hash(hash: &Hash) -> Value {
    let algorithm = match hash.algorithm {
        HashAlgorithm::Sha256 => "sha256",
        HashAlgorithm::Sm3 => "sm3",
    };
    json!({"algorithm": algorithm, "key": hash.key.as_ref().map(describe_secret)})
}

fn describe_loki(loki: &Loki) -> Value {
    let straight = |pairs: &[(String, String)]| pairs.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
    let turned = |pairs: &[(String, String)]| pairs.iter().map(|(field, name)| (name.clone(), json!(field))).collect();
    let mut value = describe_target(&loki.target);
    let labels: Map<_, _> = straight(&loki.labels);
    let field_labels: Map<_, _> = turned(&loki.field_labels);
    let metadata: Map<_, _> = turned(&loki.metadata);
    put(&mut value, "labels", Value::Object(labels));
    put(&mut value, "level_label", loki.level_label.as_str().into());
    put(&mut value, "class_label", loki.class_label.as_str().into());
    put(&mut value, "field_labels", Value::Object(field_labels));
    put(&mut value, "metadata", Value::Object(metadata));
    value
}

pub(super) fn describe_otlp(otlp: &Otlp) -> Value {
    let mut value = describe_target(&otlp.target);
    let protocol = match otlp.protocol {
        OtlpProtocol::Http => "http",
        OtlpProtocol::Grpc => "grpc",
    };
    let resource = otlp.resource.iter().map(|(name, text)| (name.clone(), json!(text)));
    put(&mut value, "protocol", protocol.into());
    put(&mut value, "resource", Value::Object(resource.collect()));
    value
}

fn describe_syslog(syslog: &Syslog) -> Value {
    json!({
        "to": match &syslog.transport {
            SyslogTransport::Udp(place) => json!({"udp": place}),
            SyslogTransport::Tcp(place) => json!({"tcp": place}),
            SyslogTransport::UnixDatagram(path) => json!({"unix_datagram": path}),
            SyslogTransport::UnixStream(path) => json!({"unix_stream": path}),
        },
        "facility": syslog.facility,
        "host": syslog.host,
        "application": syslog.application,
        "datagram": syslog.datagram_bytes_max,
        "wait": span(syslog.wait_max),
    })
}

fn describe_audit(audit: &Audit) -> Value {
    json!({
        "dir": audit.dir,
        "hash": describe_hash(&audit.hash),
        "segment": audit.segment_bytes_max,
        "every": span(audit.segment_every),
        "age": audit.age_max.map(span),
        "sync": sync(audit.sync),
    })
}
