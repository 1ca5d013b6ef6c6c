//! How long records are kept where a pack asks for a time.

use std::time::Duration;

use log_record::grade::{Class, Level};

use super::super::Lowering;
use crate::findings::Draft;
use crate::plan::logs::{Mask, Selection, Sink, To};
use crate::tree::Node;

/// The pack that asks for a time: network logs are kept for six months (Cybersecurity Law of China, art. 21; GB/T 22239-2019, 8.1.4.3).
pub(super) const PACK: &str = "mlps3";
const AGE_MIN: Duration = Duration::from_secs(180 * 86_400);

impl Lowering<'_> {
    pub(super) fn retention(&mut self, mask: &Mask, sinks: &[Sink], logs: &Node) {
        debug_assert!(mask.packs.contains(&PACK));
        let nodes = logs.list("sinks");
        for sink in sinks {
            let is_it = |node: &&Node| node.get("name").and_then(Node::text) == Some(&sink.name);
            let Some(node) = nodes.iter().find(is_it) else {
                continue;
            };
            match &sink.to {
                To::Files(files) => {
                    let node = node.at("file");
                    let own = node.list("lanes").iter().chain([node]);
                    for (lane, node) in files.lanes.iter().zip(own) {
                        if is_meant(&lane.takes) {
                            self.kept_for(lane.keep.age_max, node.at("keep"));
                            self.kept_whole(node.at("keep"));
                        }
                    }
                }
                To::Audit(audit) => self.kept_for(audit.age_max, node.at("audit")),
                _ => {}
            }
        }
    }

    fn kept_for(&mut self, age: Option<Duration>, node: &Node) {
        if age.is_some_and(|age| age < AGE_MIN) {
            let text = node.at("age").text().unwrap_or_default();
            let message = format!("records are kept for `{text}`, and the pack `{PACK}` asks for 180 days");
            let help = "write `age: 180d`, or more; `debug` and `trace` may be kept for less in a lane of their own";
            self.error(Draft::error(node.at("age").span, message).help(help));
        }
    }

    fn kept_whole(&mut self, node: &Node) {
        for key in ["bytes", "files"] {
            if node.get(key).is_some() {
                let message =
                    format!("with `{key}` records may be removed before the 180 days for which `{PACK}` asks");
                self.report.add(
                    Draft::warning(node.key_span(key), message)
                        .help("let it be more than what is written in that time"),
                );
            }
        }
    }
}

/// Whether these are logs of what happened: not what is shown for whoever looks for a mistake.
fn is_meant(takes: &Selection) -> bool {
    let is_shown = |class: &Class| matches!(class, Class::Debug | Class::Span);
    let has_class = takes.classes.is_empty() || takes.classes.iter().any(|class| !is_shown(class));
    takes.level_max >= Level::Info && has_class
}
