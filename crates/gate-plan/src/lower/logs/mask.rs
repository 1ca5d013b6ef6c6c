//! Masks: whether rules can be made, tried by making them.

use log_mask::class::Class;
use log_mask::fault::Fault;

use log_mask::rules::{Action, Digest, Draft as Rules};

use super::super::Lowering;
use crate::findings::Draft;
use crate::plan::logs::{Hash, HashAlgorithm, Mask, Masking};
use crate::tree::Node;
use crate::wire::logs as wire;

/// LIMIT: bytes of what is written in place of something.
const REPLACEMENT_BYTES_MAX: usize = 256;

/// What is wrong with a text.
type Check<'c> = &'c dyn Fn(&str) -> Option<Fault>;

impl Lowering<'_> {
    pub(super) fn mask(&mut self, written: wire::Mask, node: &Node) -> Option<Mask> {
        let written = match written {
            wire::Mask::Off => return None,
            wire::Mask::Rules(rules) => rules,
        };
        let hash = written.hash.clone().map(|hash| self.mask_hash(hash, node.at("hash")));
        let mut classes = Vec::new();
        for (class, action) in written.classes.0 {
            classes.push((class, self.masking(class, action, node.at("classes"))));
        }
        let mask = Mask {
            packs: written.packs.iter().map(|pack| pack.word.0).collect(),
            classes,
            names: written.names,
            headers: written
                .headers
                .into_iter()
                .map(|name| name.word.as_str().to_owned())
                .collect(),
            query: written.query,
            paths: written.paths,
            skip_paths: written.skip_paths,
            words: written.words,
            match_case: written.match_case,
            patterns: written.patterns,
            hash,
        };
        for key in ["names", "query"] {
            for name in node.list(key).iter().filter(|name| name.text() == Some("")) {
                self.error(Draft::error(name.span, "the name is empty").help("leave it out"));
            }
        }
        self.own_texts(node);
        self.tried(&mask, node);
        Some(mask)
    }

    fn masking(&mut self, class: Class, action: wire::MaskAction, node: &Node) -> Masking {
        let span = node.at(class.name()).span;
        let is_address = matches!(class, Class::Ipv4 | Class::Ipv6);
        Masking::Action(match action {
            wire::MaskAction::Off => return Masking::Off,
            wire::MaskAction::Usual => Action::usual(class),
            wire::MaskAction::Redact => Action::usual(Class::Key),
            wire::MaskAction::Replace(text) => {
                if text.len() > REPLACEMENT_BYTES_MAX {
                    let message = format!("the replacement has more than {REPLACEMENT_BYTES_MAX} bytes");
                    self.error(Draft::error(span, message));
                }
                Action::Redact(text)
            }
            wire::MaskAction::Drop => Action::Drop,
            wire::MaskAction::Keep(keep) => Action::Partial {
                first: keep.first.into(),
                last: keep.last.into(),
            },
            wire::MaskAction::Hash => Action::Hash,
            wire::MaskAction::Network => {
                if !is_address {
                    let message = format!("of `{}` there is no network", class.name());
                    self.error(Draft::error(span, message).help("`network` is for `ipv4` and `ipv6`"));
                }
                Action::Network
            }
        })
    }

    /// Each path, word and pattern by itself, so that a finding is where the mistake is.
    fn own_texts(&mut self, node: &Node) {
        let path = |path: &str| Rules::default().mask_path(path).err();
        let word = |word: &str| Rules::default().words(&[word.to_owned()], false).err();
        let pattern = |pattern: &str| Rules::default().patterns(&[pattern.to_owned()]).err();
        let each: [(&str, Check<'_>); 4] = [
            ("paths", &path),
            ("skip_paths", &path),
            ("words", &word),
            ("patterns", &pattern),
        ];
        for (key, check) in each {
            for node in node.list(key) {
                let Some(fault) = node.text().and_then(check) else {
                    continue;
                };
                let message = match fault {
                    Fault::Pattern(_, why) | Fault::Automaton(why) => {
                        format!("the pattern cannot be used: {}", last_line(&why))
                    }
                    Fault::Path => format!("`{}` {fault}", node.text().unwrap_or_default()),
                    fault => fault.to_string(),
                };
                self.error(Draft::error(node.span, message));
            }
        }
        for key in ["word", "pattern"] {
            let texts = format!("{key}s");
            let classes = node.at("classes");
            if node.get("classes").is_some() && classes.get(key).is_some() && node.list(&texts).is_empty() {
                let message = format!("there are no `{texts}` for which this could hold");
                self.error(Draft::error(classes.key_span(key), message).help(format!("add `{texts}: […]`")));
            }
        }
    }

    /// All together, as workers have them.
    fn tried(&mut self, mask: &Mask, node: &Node) {
        // Whoever wrote a hash without a key has a finding about that.
        let stand_in = |_: &[u8]| [0_u8; 32];
        match mask.rules(mask.hash.as_ref().map(|_| Box::new(stand_in) as Digest)) {
            Ok(_) => {}
            Err(Fault::Unkeyed(class)) => {
                let span = node.at("classes").at(class).span;
                let draft = Draft::error(span, format!("`{class}` is to be hashed, and there is no key for it"));
                self.error(draft.help("add `hash: { key: { file: FILE } }` beside `classes`"));
            }
            Err(fault) => {
                let key = match fault {
                    Fault::Words(_) | Fault::Word(_) => "words",
                    Fault::Paths(_) | Fault::Path => "paths",
                    _ => "patterns",
                };
                let node = node.at(key);
                self.absent(node, Draft::error(node.span, fault.to_string()));
            }
        }
    }

    fn mask_hash(&mut self, written: wire::Hash, node: &Node) -> Hash {
        if written.key.is_none() {
            let message = "the digest of masks has no key";
            let help = "add `key: { file: FILE }` or `key: { env: NAME }`; without one, who tries all numbers finds those that were hashed";
            self.absent(node, Draft::error(node.span, message).help(help));
        }
        hash(written)
    }
}

pub(super) fn hash(written: wire::Hash) -> Hash {
    Hash {
        algorithm: match written.algorithm {
            wire::HashAlgorithm::Sha256 => HashAlgorithm::Sha256,
            wire::HashAlgorithm::Sm3 => HashAlgorithm::Sm3,
        },
        key: written.key.map(super::shipping::secret),
    }
}

/// What is wrong with a regular expression; the lines before show it again, which may be a secret.
fn last_line(why: &str) -> &str {
    why.lines().last().unwrap_or(why).trim_start_matches("error: ")
}
