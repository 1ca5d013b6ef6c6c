//! Traces: where spans go, and listeners that are trusted.

use super::Lowering;
use super::logs::{Numbers, batch, queue, retry};
use crate::findings::Draft;
use crate::plan::logs::Keep;
use crate::plan::tracing::{Parents, Spans, TraceFormat, Tracing, Trust};
use crate::tree::Node;
use crate::wire::tracing as wire;
use crate::word::Kept;

impl Lowering<'_> {
    pub(super) fn tracing(&mut self, written: wire::Tracing, numbers: &mut Numbers<'_>) -> Tracing {
        let node = self.tree.at("tracing");
        if let wire::Trust::Listeners(names) = &written.trust
            && names.is_empty()
        {
            let draft = Draft::error(node.at("trust").span, "no listener is named, so that nobody is trusted");
            self.error(draft.help("write `nobody`, or name one"));
        }
        let is_nobody = matches!(written.trust, wire::Trust::Nobody);
        if written.parents == wire::Parents::Ignored && is_nobody {
            let draft = Draft::warning(
                node.key_span("parents"),
                "nobody is trusted, so that no caller's decision counts anyway",
            );
            self.report
                .add(draft.help("leave `parents` out, or say whom to `trust`"));
        }
        Tracing {
            accept: formats(&written.accept),
            send: formats(&written.send),
            trust: match written.trust {
                wire::Trust::Nobody => Trust::Nobody,
                wire::Trust::Callers => Trust::Callers,
                wire::Trust::Listeners(names) => Trust::Listeners(names),
            },
            parents: match written.parents {
                wire::Parents::Obeyed => Parents::Obeyed,
                wire::Parents::Ignored => Parents::Ignored,
            },
            keep: written.keep.map(|kept| match kept.word {
                // A trace is kept or not; there are no lines beside it.
                Kept::All => Keep::Part(1_000_000),
                Kept::None => Keep::Nothing,
                Kept::Part(part) => Keep::Part(part),
            }),
            spans: written
                .spans
                .and_then(|spans| self.spans(spans, node.at("spans"), numbers)),
        }
    }

    fn spans(&mut self, written: wire::Spans, node: &Node, numbers: &mut Numbers<'_>) -> Option<Spans> {
        self.waits(&written.retry, node);
        let spool = self.spool(written.spool, node, numbers);
        Some(Spans {
            to: self.otlp(&written.otlp, "/v1/traces", node.at("otlp"))?,
            per_exchange_max: written.per_exchange,
            queue: queue(&written.queue),
            batch: batch(&written.batch),
            retry: retry(&written.retry),
            spool,
        })
    }
}

/// Each once, in the order in which they were written.
fn formats(written: &[wire::TraceFormat]) -> Vec<TraceFormat> {
    let mut formats = Vec::new();
    for format in written {
        let format = match format {
            wire::TraceFormat::W3c => TraceFormat::W3c,
            wire::TraceFormat::B3 => TraceFormat::B3,
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    formats
}
