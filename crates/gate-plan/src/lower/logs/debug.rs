//! Debug windows: whole seconds, and triggers that can become calm.

use std::time::Duration;

use super::super::Lowering;
use super::{Numbers, is_empty_map};
use crate::findings::Draft;
use crate::plan::logs::{Before, Bodies, DebugWindows, Rate, SlowTrigger, Trigger};
use crate::tree::Node;
use crate::wire::logs as wire;

/// Records of a window in a second, where nothing else is said.
const RECORDS_PER_SECOND: u32 = 1_000;

impl Lowering<'_> {
    pub(super) fn debug_windows(&mut self, written: &wire::Debug, node: &Node, numbers: &Numbers<'_>) -> DebugWindows {
        for (key, span) in [("sight", &written.sight), ("lasts", &written.lasts)] {
            if span.word.subsec_nanos() != 0 {
                let message = format!("`{key}` is no whole number of seconds: `{}`", span.text());
                let help = format!("write `{}s`", span.word.as_secs().saturating_add(1));
                self.error(Draft::error(node.at(key).span, message).help(help));
            }
        }
        let triggers = node.at("triggers");
        if node.get("triggers").is_some() && is_empty_map(triggers) {
            let draft = Draft::error(triggers.span, "nothing opens a debug window");
            let help = "leave `triggers` out for the usual ones, or add one of `too_many_requests`, `server_errors`, `faults` and `slow`";
            self.error(draft.help(help));
        }
        let usual = wire::Triggers {
            too_many_requests: Some(wire::Trigger::default()),
            server_errors: Some(wire::Trigger::default()),
            faults: Some(wire::Trigger::default()),
            slow: None,
        };
        let chosen = written.triggers.as_ref().unwrap_or(&usual);
        let mut of = |trigger: &Option<wire::Trigger>, key: &str| {
            trigger.as_ref().map(|trigger| self.trigger(trigger, triggers.at(key)))
        };
        let too_many_requests = of(&chosen.too_many_requests, "too_many_requests");
        let server_errors = of(&chosen.server_errors, "server_errors");
        let faults = of(&chosen.faults, "faults");
        let slow = chosen.slow.as_ref().map(|slow| SlowTrigger {
            from: slow.from.word,
            trigger: self.trigger(
                &wire::Trigger {
                    events: slow.events,
                    share: slow.share.clone(),
                    calm: slow.calm.clone(),
                },
                triggers.at("slow"),
            ),
        });
        DebugWindows {
            too_many_requests,
            server_errors,
            faults,
            slow,
            sight: written.sight.word,
            lasts: written.lasts.word,
            per_hour: written.per_hour,
            rate: match &written.rate {
                Some(rate) => self.whole_rate(rate, node.at("rate")),
                None => Rate {
                    count: RECORDS_PER_SECOND,
                    per: Duration::from_secs(1),
                    burst: RECORDS_PER_SECOND,
                    each: Vec::new(),
                },
            },
            bytes_max: written.bytes.word.0,
            before: Before {
                lasts: written.before.lasts.word,
                bytes_max: written.before.bytes.word.0,
            },
            bodies: written
                .bodies
                .as_ref()
                .map(|bodies| self.bodies(bodies, node.at("bodies"), numbers)),
            tells_clients: written.tell_clients,
        }
    }

    fn trigger(&mut self, written: &wire::Trigger, node: &Node) -> Trigger {
        let ppm = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
        let share = written.share.word.0;
        let calm = written
            .calm
            .as_ref()
            .map_or_else(|| share.saturating_div(2), |calm| calm.word.0);
        if calm >= share {
            let text = written.share.text();
            let message = format!("`calm` is not below `share`, which is `{text}`");
            let help = "a window opens at `share`, and may open again when there was less than `calm`";
            self.error(Draft::error(node.at("calm").span, message).help(help));
        }
        Trigger {
            events_min: written.events,
            share_ppm: ppm(share),
            calm_ppm: ppm(calm),
        }
    }

    fn bodies(&mut self, written: &wire::Bodies, node: &Node, numbers: &Numbers<'_>) -> Bodies {
        let (bytes, all) = (written.bytes.word.0, written.bytes_of_window.word.0);
        if all < bytes {
            let message = format!(
                "all bodies of a window may have `{}`, and one of them `{}`",
                written.bytes_of_window.text(),
                written.bytes.text()
            );
            self.error(Draft::error(node.at("bytes_of_window").span, message).help("let it be at least `bytes`"));
        }
        Bodies {
            routes: written.routes.iter().filter_map(|name| numbers.route(name)).collect(),
            bytes_max: bytes,
            bytes_of_window_max: all,
        }
    }
}
