//! Sampling: names, rates that are none, and tenants of whom nobody knows.

use std::time::Duration;

use log_record::grade::Level;

use super::super::Lowering;
use super::Numbers;
use crate::findings::Draft;
use crate::plan::logs::{Faults, Keep, Rate, RateEach, Sampling, SamplingRule, Statuses, Tail};
use crate::tree::Node;
use crate::wire::logs as wire;
use crate::word::{FaultWord, Kept, StatusWord};

/// The plan's numbers, and whether exchanges have tenants.
type Around<'n, 'p> = (&'n Numbers<'p>, bool);

impl Lowering<'_> {
    pub(super) fn sampling(&mut self, written: wire::Sampling, logs: &Node, around: Around<'_, '_>) -> Sampling {
        let node = logs.at("sampling");
        let rules = written.rules.into_iter().zip(node.list("rules"));
        let rules: Vec<SamplingRule> = rules
            .filter_map(|(rule, node)| self.sampling_rule(rule, node, around))
            .collect();
        let tail = match written.tail {
            Some(tail) => self.tail(&tail, node.at("tail"), around.0),
            None => Tail {
                statuses: vec![Statuses::Class(5)],
                faults: Faults::Any,
                slow: None,
                slow_routes: Vec::new(),
                rate: None,
            },
        };
        Sampling {
            keep: keep(written.keep.word),
            always_from: written.always_from.word,
            rules,
            tail,
        }
    }

    /// None when it is for a plugin that is switched off.
    fn sampling_rule(
        &mut self,
        written: wire::SamplingRule,
        node: &Node,
        (numbers, has_tenants): Around<'_, '_>,
    ) -> Option<SamplingRule> {
        if written.levels.is_some() && written.level.is_some() {
            let draft = Draft::error(node.key_span("level"), "the rule has both `levels` and `level`");
            self.error(draft.help("`levels` lists them, `level` is the lowest of all that are meant"));
        }
        if written.keep.is_none() && written.rate.is_none() {
            let draft = Draft::error(node.span, "the rule says neither what is kept nor how much");
            self.absent(node, draft.help("add `keep: 10%`, `rate: { count: 100 }`, or both"));
        }
        if written.tenant.is_some() && !has_tenants {
            self.no_tenants(node.key_span("tenant"));
        }
        let all = |level: &Level| match (&written.levels, &written.level) {
            (Some(levels), _) => levels.iter().any(|one| one.word == *level),
            (None, Some(from)) => *level >= from.word,
            (None, None) => true,
        };
        let levels = Level::ALL.into_iter().filter(all).collect();
        let rate = written.rate.as_ref().map(|written| {
            let node = node.at("rate");
            if written.each.contains(&wire::RateEach::Tenant) && !has_tenants {
                self.no_tenants(node.at("each").span);
            }
            self.rate(written, node)
        });
        let plugin = match &written.plugin {
            Some(name) => Some(numbers.plugin(&name.word.0)?),
            None => None,
        };
        let route = match &written.route {
            Some(name) => Some(numbers.route(&name.word.0)?),
            None => None,
        };
        Some(SamplingRule {
            levels,
            route,
            tenant: written.tenant,
            plugin,
            keep: written.keep.map_or(Keep::Part(1_000_000), |kept| keep(kept.word)),
            rate,
        })
    }

    fn no_tenants(&mut self, span: crate::place::Span) {
        let draft = Draft::error(span, "nothing says who the tenant of an exchange is");
        self.error(draft.help("add `tenant: { request_header: NAME }` under `logs`"));
    }

    fn tail(&mut self, written: &wire::Tail, node: &Node, numbers: &Numbers<'_>) -> Tail {
        let codes = |word: &FaultWord| match word {
            FaultWord::Any => None,
            FaultWord::Code(code) => Some(code.clone()),
        };
        let codes: Vec<Option<String>> = written.faults.iter().map(|fault| codes(&fault.word)).collect();
        let faults = match codes.iter().cloned().collect::<Option<Vec<String>>>() {
            None => Faults::Any,
            Some(codes) if codes.is_empty() => Faults::None,
            Some(codes) => Faults::Codes(codes),
        };
        let slow_routes = written.slow_routes.0.iter();
        Tail {
            statuses: written
                .statuses
                .iter()
                .map(|status| match status.word {
                    StatusWord::One(status) => Statuses::One(status),
                    StatusWord::Class(class) => Statuses::Class(class),
                })
                .collect(),
            faults,
            slow: written.slow.as_ref().map(|span| span.word),
            slow_routes: slow_routes
                .filter_map(|(name, span)| Some((numbers.route(&name.0)?, span.word)))
                .collect(),
            rate: written.rate.as_ref().map(|rate| self.whole_rate(rate, node.at("rate"))),
        }
    }

    /// A rate of something that is one thing.
    pub(super) fn whole_rate(&mut self, written: &wire::Rate, node: &Node) -> Rate {
        if !written.each.is_empty() {
            let draft = Draft::error(node.key_span("each"), "this rate is one for all");
            self.error(draft.help("leave `each` out; rates of `rules` have it"));
        }
        self.rate(written, node)
    }

    fn rate(&mut self, written: &wire::Rate, node: &Node) -> Rate {
        let per = written.per.word;
        if Duration::from_nanos(u64::from(written.count)) > per {
            let message = format!(
                "{} in `{}` are more than one in a nanosecond",
                written.count,
                written.per.text()
            );
            self.error(Draft::error(node.at("count").span, message).help("a rate of so many bounds nothing"));
        }
        let mut each: Vec<RateEach> = Vec::new();
        for key in &written.each {
            let key = match key {
                wire::RateEach::Level => RateEach::Level,
                wire::RateEach::Route => RateEach::Route,
                wire::RateEach::Tenant => RateEach::Tenant,
                wire::RateEach::Plugin => RateEach::Plugin,
            };
            if !each.contains(&key) {
                each.push(key);
            }
        }
        Rate {
            count: written.count,
            per,
            burst: written.burst.unwrap_or(written.count),
            each,
        }
    }
}

pub(in crate::lower) fn keep(word: Kept) -> Keep {
    match word {
        Kept::All => Keep::All,
        Kept::None => Keep::Nothing,
        Kept::Part(part) => Keep::Part(part),
    }
}
