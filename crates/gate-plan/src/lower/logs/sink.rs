//! Sinks: one other side each, forms that it takes, and files that are not shared.

mod files;

use log_record::grade::{Class, Level};

use super::super::Lowering;
use super::shipping::{Other, number, sync};
use super::{Numbers, batch, queue, retry};
use crate::findings::Draft;
use crate::place::Span;
use crate::plan::EndpointSpec;
use crate::plan::logs::{
    Audit, Format, Hash, HashAlgorithm, HttpShape, Loki, Otlp, OtlpProtocol, Selection, Sink, Syslog, SyslogTransport,
    To,
};
use crate::tree::Node;
use crate::wire::logs as wire;
use crate::word::{PlainName, Written};

/// The keys that say where a sink leads.
const TARGETS: [&str; 7] = ["stdout", "file", "http", "loki", "otlp", "syslog", "audit"];
/// Those whose records may be written in several ways.
const FORMATTED: [&str; 4] = ["stdout", "file", "http", "syslog"];
/// LIMIT: labels of a stream; Loki itself takes 15 unless it is told otherwise.
const LABELS_MAX: usize = 15;

/// The plan's numbers and what is taken, and names of fields of the configuration's own.
type Around<'n, 'p, 'f> = (&'n mut Numbers<'p>, &'f [&'f str]);

impl Lowering<'_> {
    pub(super) fn sinks(&mut self, written: Vec<wire::Sink>, logs: &Node, around: Around<'_, '_, '_>) -> Vec<Sink> {
        let (numbers, own) = around;
        let mut stdout: Option<Span> = None;
        let mut sinks = Vec::new();
        for (written, node) in written.into_iter().zip(logs.list("sinks")) {
            if node.get("stdout").is_some() {
                let span = node.key_span("stdout");
                match stdout {
                    None => stdout = Some(span),
                    Some(first) => self.error(
                        Draft::error(span, "two sinks write to standard output")
                            .related("the other is here", first)
                            .help("their lines would stand within each other; keep one of them"),
                    ),
                }
            }
            sinks.extend(self.sink(written, node, (&mut *numbers, own)));
        }
        sinks
    }

    /// None when it leads nowhere.
    fn sink(&mut self, mut written: wire::Sink, node: &Node, (numbers, own): Around<'_, '_, '_>) -> Option<Sink> {
        let name = written.name.word.0.clone();
        let kind = self.kind(&name, node)?;
        let format = self.format(written.format.take(), (kind, own), node);
        let takes = self.selection((&written.level, &written.up_to), written.classes.take(), node);
        let takes = Selection {
            classes: match kind {
                "audit" if node.get("classes").is_none() => vec![Class::Audit],
                _ if node.get("classes").is_none() => every_class_but_span(),
                _ => takes.classes,
            },
            ..takes
        };
        self.waits(&written.retry, node);
        let spool = self.spool(written.spool.take(), node, numbers);
        let durable = written
            .durable
            .unwrap_or_else(|| spool.is_some() || matches!(kind, "file" | "audit"));
        Some(Sink {
            name,
            takes,
            format,
            queue: queue(&written.queue),
            batch: batch(&written.batch),
            retry: retry(&written.retry),
            spool,
            durable,
            to: self.to(written, node, (numbers, own))?,
        })
    }

    /// The one key that says where it leads.
    fn kind(&mut self, name: &str, node: &Node) -> Option<&'static str> {
        let mut given = TARGETS.into_iter().filter(|key| node.get(key).is_some());
        let Some(first) = given.next() else {
            let draft = Draft::error(node.span, format!("the sink `{name}` leads nowhere"));
            let help = "add one of `stdout`, `file`, `http`, `loki`, `otlp`, `syslog` and `audit`";
            self.absent(node, draft.help(help));
            return None;
        };
        if let Some(second) = given.next() {
            let message = format!("the sink `{name}` leads to two places: `{first}` and `{second}`");
            let draft = Draft::error(node.key_span(second), message).related("the other is here", node.key_span(first));
            self.error(draft.help("give each a sink of its own"));
        }
        Some(first)
    }

    fn format(&mut self, written: Option<wire::Format>, (kind, own): (&str, &[&str]), node: &Node) -> Format {
        let Some(written) = written else { return Format::Json };
        if !FORMATTED.contains(&kind) {
            let message = format!("`{kind}` has a form of its own");
            let draft = Draft::error(node.key_span("format"), message);
            self.error(draft.help("leave `format` out; it is for `stdout`, `file`, `http` and `syslog`"));
        }
        match written {
            wire::Format::Json => Format::Json,
            wire::Format::Logfmt => Format::Logfmt,
            wire::Format::Template(text) => {
                Format::Template(self.template(&text, node.at("format").at("template"), own))
            }
        }
    }

    pub(super) fn selection(
        &mut self,
        (level, up_to): (&Option<Written<Level>>, &Option<Written<Level>>),
        classes: Option<Vec<Written<Class>>>,
        node: &Node,
    ) -> Selection {
        let level_min = level.as_ref().map_or(Level::Trace, |level| level.word);
        let level_max = up_to.as_ref().map_or(Level::Critical, |level| level.word);
        if level_max < level_min {
            let message = format!(
                "no level is at least `{}` and at most `{}`",
                level_min.word(),
                level_max.word()
            );
            self.error(Draft::error(node.at("up_to").span, message).help("let `up_to` be the higher one"));
        }
        Selection {
            level_min,
            level_max,
            classes: classes
                .unwrap_or_default()
                .into_iter()
                .map(|class| class.word)
                .collect(),
        }
    }

    fn to(&mut self, written: wire::Sink, node: &Node, (numbers, own): Around<'_, '_, '_>) -> Option<To> {
        if written.stdout.is_some() {
            return Some(To::Stdout);
        }
        if let Some(file) = written.file {
            return Some(To::Files(self.files(&file, node.at("file"), numbers)));
        }
        if let Some(http) = &written.http {
            return self.http(http, node.at("http"));
        }
        if let Some(loki) = &written.loki {
            return self.loki(loki, node.at("loki"), own).map(To::Loki);
        }
        if let Some(otlp) = &written.otlp {
            return self.otlp(otlp, "/v1/logs", node.at("otlp")).map(To::Otlp);
        }
        if let Some(syslog) = written.syslog {
            return Some(To::Syslog(syslog_of(syslog)));
        }
        let audit = written.audit?;
        self.taken(&audit.dir.word.0, node.at("audit").at("dir").span, numbers);
        Some(To::Audit(audit_of(audit)))
    }

    fn http(&mut self, written: &wire::HttpSink, node: &Node) -> Option<To> {
        let other = Other {
            url: &written.url,
            tls: written.tls.clone(),
            login: written.login.clone(),
            headers: &written.headers,
            gzip: written.gzip,
            wait: written.wait.word,
        };
        Some(To::Http {
            target: self.target(other, "/", node)?,
            shape: match written.shape {
                wire::HttpShape::Lines => HttpShape::Lines,
                wire::HttpShape::Array => HttpShape::Array,
            },
        })
    }

    fn loki(&mut self, written: &wire::LokiSink, node: &Node, own: &[&str]) -> Option<Loki> {
        for key in ["field_labels", "metadata"] {
            let Some(names) = node.get(key) else { continue };
            for entry in names.entries() {
                self.known_field(entry.value.text().unwrap_or_default(), entry.value.span, own);
            }
        }
        self.labels(written, node);
        let other = Other {
            url: &written.url,
            tls: written.tls.clone(),
            login: written.login.clone(),
            headers: &written.headers,
            gzip: written.gzip,
            wait: written.wait.word,
        };
        let turned = |(name, field): &(PlainName, String)| (field.clone(), name.0.clone());
        let straight = |(name, text): &(PlainName, String)| (name.0.clone(), text.clone());
        let usual = || vec![("service_name".to_owned(), "cofferdam".to_owned())];
        let trace = log_record::field::TRACE_ID.name;
        let usual_metadata = || vec![(trace.to_owned(), "trace_id".to_owned())];
        Some(Loki {
            target: self.target(other, "/loki/api/v1/push", node)?,
            labels: written
                .labels
                .as_ref()
                .map_or_else(usual, |labels| labels.0.iter().map(straight).collect()),
            level_label: written.level_label.word.0.clone(),
            class_label: written.class_label.word.0.clone(),
            field_labels: written.field_labels.0.iter().map(turned).collect(),
            metadata: written
                .metadata
                .as_ref()
                .map_or_else(usual_metadata, |names| names.0.iter().map(turned).collect()),
        })
    }

    /// Labels that are there twice, and too many.
    fn labels(&mut self, written: &wire::LokiSink, node: &Node) {
        let fixed = written.labels.as_ref().map_or(1, |labels| labels.0.len());
        let count = fixed.saturating_add(written.field_labels.0.len()).saturating_add(2);
        if count > LABELS_MAX {
            let message = format!("a stream would have {count} labels, and Loki takes {LABELS_MAX}");
            let help = "what has many values is better as `metadata`";
            self.error(Draft::error(node.at("field_labels").span, message).help(help));
        }
        let own = [&written.level_label.word.0, &written.class_label.word.0];
        let fixed = written
            .labels
            .iter()
            .flat_map(|labels| &labels.0)
            .map(|(name, _)| &name.0);
        let fixed: Vec<&String> = fixed.chain(own).collect();
        let twice = |name: &str, among: &[&String]| among.iter().filter(|other| other.as_str() == name).count() > 1;
        for key in ["labels", "field_labels"] {
            let Some(names) = node.get(key) else { continue };
            for entry in names.entries() {
                let is_field = key == "field_labels" && fixed.iter().any(|other| **other == entry.key);
                if is_field || twice(&entry.key, &fixed) {
                    let message = format!("there are two labels with the name `{}`", entry.key);
                    self.error(Draft::error(entry.key_span, message).help("give one of them another name"));
                }
            }
        }
        if own.first() == own.last() {
            let message = format!("level and class have the same label `{}`", written.level_label.word.0);
            self.error(Draft::error(node.at("class_label").span, message));
        }
    }

    pub(in crate::lower) fn otlp(&mut self, written: &wire::OtlpSink, path: &str, node: &Node) -> Option<Otlp> {
        let is_grpc = written.protocol == wire::OtlpProtocol::Grpc;
        if is_grpc && written.gzip == Some(true) {
            let draft = Draft::error(node.key_span("gzip"), "over gRPC, bodies are not compressed");
            self.error(draft.help("leave `gzip` out, or say `protocol: http`"));
        }
        let other = Other {
            url: &written.url,
            tls: written.tls.clone(),
            login: written.login.clone(),
            headers: &written.headers,
            gzip: !is_grpc && written.gzip.unwrap_or(true),
            wait: written.wait.word,
        };
        let usual = || vec![("service.name".to_owned(), "cofferdam".to_owned())];
        Some(Otlp {
            target: self.target(other, if is_grpc { "/" } else { path }, node)?,
            protocol: match written.protocol {
                wire::OtlpProtocol::Http => OtlpProtocol::Http,
                wire::OtlpProtocol::Grpc => OtlpProtocol::Grpc,
            },
            resource: written.resource.as_ref().map_or_else(usual, |names| {
                names
                    .0
                    .iter()
                    .map(|(name, text)| (name.0.clone(), text.clone()))
                    .collect()
            }),
        })
    }
}

fn every_class_but_span() -> Vec<Class> {
    Class::ALL.into_iter().filter(|class| *class != Class::Span).collect()
}

fn syslog_of(written: wire::SyslogSink) -> Syslog {
    let place = |endpoint: Written<EndpointSpec>| match endpoint.word {
        EndpointSpec::Fixed(address) => address.to_string(),
        EndpointSpec::Named { host, port } => format!("{host}:{port}"),
    };
    Syslog {
        transport: match written.to {
            wire::SyslogTransport::Udp(endpoint) => SyslogTransport::Udp(place(endpoint)),
            wire::SyslogTransport::Tcp(endpoint) => SyslogTransport::Tcp(place(endpoint)),
            wire::SyslogTransport::UnixDatagram(path) => SyslogTransport::UnixDatagram(path.word.0),
            wire::SyslogTransport::UnixStream(path) => SyslogTransport::UnixStream(path.word.0),
        },
        // In the order of RFC 5424 section 6.2.1.
        facility: written.facility as u8,
        host: written.host.map(|name| name.word.0),
        application: written.application.word.0,
        datagram_bytes_max: number(written.datagram.word.0),
        wait_max: written.wait.word,
    }
}

fn audit_of(written: wire::AuditSink) -> Audit {
    Audit {
        dir: written.dir.word.0,
        hash: written.hash.map_or(
            Hash {
                algorithm: HashAlgorithm::Sha256,
                key: None,
            },
            super::mask::hash,
        ),
        segment_bytes_max: written.segment.word.0,
        segment_every: written.every.word,
        age_max: written.age.map(|age| age.word),
        sync: sync(written.sync.word),
    }
}
