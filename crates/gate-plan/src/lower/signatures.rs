//! Signers: each with one way to be known, under a name of its own.

use super::Lowering;
use crate::findings::Draft;
use crate::plan::{Signatures, Signer, SignerIdentity};
use crate::tree::Node;
use crate::wire;

impl Lowering<'_> {
    pub(super) fn signatures(&mut self, written: Option<wire::Signatures>) -> Option<Signatures> {
        let written = written?;
        let tree = self.tree;
        let node = tree.at("signatures");
        if written.signers.is_empty() {
            let draft = Draft::error(node.span, "there is no signer, so no plugin can be signed");
            self.absent(
                node,
                draft.help("add one: `signers: [{ name: platform, key: platform.pub }]`"),
            );
        }
        let is_keyless = written.signers.iter().any(|signer| signer.keyless.is_some());
        if let Some(draft) = trusted_root(&written, is_keyless, node) {
            self.error(draft);
        }
        let nodes = node.list("signers");
        let signers = written.signers.into_iter().zip(nodes);
        Some(Signatures {
            enforced: written.mode == wire::SignatureMode::Enforce,
            trusted_root: written.trusted_root.map(|path| path.word.0),
            signers: signers.filter_map(|(signer, node)| self.signer(signer, node)).collect(),
        })
    }

    fn signer(&mut self, written: wire::Signer, node: &Node) -> Option<Signer> {
        let by = match (written.key, written.keyless) {
            (Some(key), None) => SignerIdentity::Key(key.word.0),
            (None, Some(keyless)) => SignerIdentity::Keyless {
                identity: self.said(keyless.identity, node, "identity"),
                issuer: self.said(keyless.issuer, node, "issuer"),
            },
            (Some(_), Some(_)) => {
                let message = "the signer has two ways to be known: `key` and `keyless`";
                self.error(Draft::error(node.key_span("keyless"), message).help("make two signers of it"));
                return None;
            }
            (None, None) => {
                let draft = Draft::error(node.span, "nothing says how the signer is known");
                let help = "write `key: FILE`, or `keyless: { identity: …, issuer: … }`";
                self.absent(node, draft.help(help));
                return None;
            }
        };
        let capabilities = written.capabilities;
        Some(Signer {
            name: written.name.word.0,
            by,
            capabilities: capabilities.map(|words| words.into_iter().map(|word| word.word).collect()),
            images: written
                .images
                .map(|words| words.into_iter().map(|word| word.word).collect()),
        })
    }

    fn said(&mut self, text: String, node: &Node, key: &str) -> String {
        if text.is_empty() {
            let draft = Draft::error(node.at("keyless").at(key).span, format!("the {key} is empty"));
            self.error(draft.help("everybody whom the authorities know would be meant"));
        }
        text
    }
}

fn trusted_root(written: &wire::Signatures, is_keyless: bool, node: &Node) -> Option<Draft> {
    match (&written.trusted_root, is_keyless) {
        (None, true) => {
            let draft = Draft::error(
                node.key_span("signers"),
                "a signer is `keyless`, and nothing says whose certificates count",
            );
            Some(draft.help("write `trusted_root: trusted_root.json` with Sigstore's file, or your own"))
        }
        (Some(_), false) => {
            let draft = Draft::error(
                node.key_span("trusted_root"),
                "`trusted_root` does nothing: no signer is `keyless`",
            );
            Some(draft.help("leave it out"))
        }
        _ => None,
    }
}
