//! Changes to headers, and the headers that no one but the gateway may change.

use std::collections::HashSet;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};

use super::Lowering;
use crate::findings::Draft;
use crate::plan::HeaderEdits;
use crate::tree::{Entry, Node};
use crate::wire;
use crate::word::{FieldText, Written};

type WrittenPairs = wire::Pairs<HeaderName, Written<FieldText>>;

impl Lowering<'_> {
    pub(super) fn edits(&mut self, written: wire::HeaderEdits, node: &Node) -> HeaderEdits {
        for (name, item) in written.remove.iter().zip(node.list("remove")) {
            self.refuse_framing(&name.word, item);
        }
        HeaderEdits {
            remove: written.remove.into_iter().map(|name| name.word).collect(),
            set: self.headers(written.set, node.get("set")),
            add: self.headers(written.add, node.get("add")),
        }
    }

    pub(super) fn headers(&mut self, written: WrittenPairs, node: Option<&Node>) -> Vec<(HeaderName, HeaderValue)> {
        let mut seen = HashSet::new();
        let entries = node.map_or(&[][..], Node::entries);
        for ((name, _), entry) in written.0.iter().zip(entries) {
            self.refuse_framing(name, &key_node(entry));
            if !seen.insert(name) {
                let draft = Draft::error(entry.key_span, format!("the header `{name}` is given twice"));
                self.error(draft.help("header names are compared without regard to case"));
            }
        }
        written
            .0
            .into_iter()
            .map(|(name, value)| (name, value.word.0))
            .collect()
    }

    /// RFC 9110 section 7.6.1 and RFC 9112 section 6: these say how the message is framed, which the connection decides.
    fn refuse_framing(&mut self, name: &HeaderName, node: &Node) {
        let framing = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];
        let hop = ["keep-alive", "proxy-connection"];
        if *name == HOST {
            let draft = Draft::error(node.span, "`host` cannot be changed as a header");
            self.error(draft.help("say `rewrite: { host: … }`"));
        } else if framing.contains(name) || hop.contains(&name.as_str()) {
            let draft = Draft::error(
                node.span,
                format!("`{name}` cannot be changed: it frames the message on one connection"),
            );
            self.error(draft.help("leave it out; the gateway sets it as each connection needs"));
        }
    }
}

fn key_node(entry: &Entry) -> Node {
    Node {
        span: entry.key_span,
        value: entry.value.value.clone(),
    }
}
