//! Rollouts: how a new generation of a plugin comes into force.

use std::time::Duration;

use super::Lowering;
use crate::findings::Draft;
use crate::plan::{
    Rollout, RolloutAnalysis, RolloutBound, RolloutMetric, RolloutShadow, RolloutStep, RolloutWaves, Sticky,
    WaveGateways,
};
use crate::route::ExchangeMatch;
use crate::tree::Node;
use crate::wire;
use crate::word::{Gateways, Part, Pause, Percent, Written};

/// Time in service after which a rollout that is not over goes back, where nothing else is said.
const ENDS_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// Silence after which a gateway is waited for no more, where nothing else is said.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// Exchanges of each generation below which a step says nothing, where nothing else is said.
const EXCHANGES_MIN: u64 = 100;
/// How a generation runs aside, where nothing else is said: parts per million of the exchanges, bytes of a body, exchanges that wait, and
/// percent of CPU time.
const SHADOW_SHARE: u32 = 100_000;
const SHADOW_BODY_BYTES_MAX: u64 = 64 * 1024;
const SHADOW_WAITING_MAX: usize = 32;
const SHADOW_CPU_SHARE: u8 = 10;

impl Lowering<'_> {
    pub(super) fn rollout(&mut self, mut written: wire::Rollout, node: &Node) -> Rollout {
        self.aside(&written, node);
        let hosts = self.hosts(written.matches.hosts.take(), node.at("match"));
        let (path, conditions) = self.conditions(written.matches, node.at("match"));
        self.growing(&written.steps, node);
        if let Some(waves) = &written.waves {
            self.growing_waves(waves, node.at("waves"));
        }
        Rollout {
            steps: written.steps.iter().map(step).collect(),
            matches: ExchangeMatch {
                hosts,
                path,
                conditions,
            },
            sticky: match written.sticky {
                None => Sticky::Nothing,
                Some(wire::Sticky::Client) => Sticky::Client,
                Some(wire::Sticky::Header(name)) => Sticky::Header(name.word),
                Some(wire::Sticky::Cookie(name)) => Sticky::Cookie(name.word.0),
            },
            routes: written
                .routes
                .map(|routes| routes.into_iter().map(|route| route.word.0).collect()),
            shadow: written.shadow.as_ref().map(shadow),
            analysis: analysis(&written.analysis),
            ends_within: written.ends_within.map_or(ENDS_WITHIN, |span| span.word),
            waves: written.waves.map(|waves| RolloutWaves {
                gateways: waves
                    .gateways
                    .iter()
                    .map(|gateways| gateways_of(gateways.word))
                    .collect(),
                pause: waves.pause.map_or(Duration::ZERO, |span| span.word),
                gone_after: waves.gone_after.map_or(GONE_AFTER, |span| span.word),
            }),
        }
    }

    /// Of two waves of one kind, the later one has more gateways; which of a number and a percentage is more, the fleet says.
    fn growing_waves(&mut self, waves: &wire::Waves, node: &Node) {
        let nodes = node.list("gateways");
        let gateways = &waves.gateways;
        for ((before, wave), node) in gateways.iter().zip(gateways.iter().skip(1)).zip(nodes.iter().skip(1)) {
            let grows = match (before.word, wave.word) {
                (Gateways::Count(before), Gateways::Count(now)) | (Gateways::Part(before), Gateways::Part(now)) => {
                    now > before
                }
                _ => true,
            };
            if !grows {
                let (now, former) = (wave.text(), before.text());
                let message = format!("the wave of `{now}` is not larger than that of `{former}` before it");
                let draft = Draft::error(node.span, message);
                self.error(draft.help("each says how many gateways have gone over at its end, those before included"));
            }
        }
    }

    /// A share that becomes smaller takes clients back that had the new generation.
    fn growing(&mut self, steps: &[wire::RolloutStep], node: &Node) {
        let nodes = node.list("steps");
        for ((before, step), node) in steps.iter().zip(steps.iter().skip(1)).zip(nodes.iter().skip(1)) {
            if step.share.word.0 > before.share.word.0 {
                continue;
            }
            let (share, former) = (step.share.text(), before.share.text());
            let message = format!("the share `{share}` is not larger than `{former}` of the step before");
            let draft = Draft::error(node.at("share").span, message);
            self.error(draft.help("let shares grow; a rollout that is worse goes back by itself"));
        }
    }
}

impl Lowering<'_> {
    /// What only makes sense of a generation that runs aside.
    fn aside(&mut self, written: &wire::Rollout, node: &Node) {
        if written.shadow.is_some() {
            return;
        }
        let first = written.steps.first();
        if first.is_some_and(|step| step.share.word.0 == 0)
            && let Some(node) = node.list("steps").first()
        {
            let message = "a step with the share `0%` does nothing without `shadow`".to_owned();
            let draft = Draft::error(node.at("share").span, message);
            self.error(draft.help("add `shadow: {}` to the rollout, or give the new generation a share"));
        }
        if written.analysis.differences_max.is_some() {
            let message = "`differences_max` is measured by `shadow`, which is not there".to_owned();
            let draft = Draft::error(node.at("analysis").at("differences_max").span, message);
            self.error(draft.help("add `shadow: {}` to the rollout"));
        }
    }
}

fn shadow(written: &wire::Shadow) -> RolloutShadow {
    let parts = |part: &Written<Part>| u32::try_from(part.word.0).unwrap_or(1_000_000);
    let percent = |part: &Written<Percent>| u8::try_from(part.word.0).unwrap_or(100);
    RolloutShadow {
        share: written.share.as_ref().map_or(SHADOW_SHARE, parts),
        body_bytes_max: written.body.as_ref().map_or(SHADOW_BODY_BYTES_MAX, |size| size.word.0),
        waiting_max: written.waiting.unwrap_or(SHADOW_WAITING_MAX),
        cpu_share_percent_max: written.cpu_share.as_ref().map_or(SHADOW_CPU_SHARE, percent),
        ignored_headers: written.ignore_headers.iter().map(|name| name.word.clone()).collect(),
        shows_values: written.show_values,
    }
}

fn gateways_of(word: Gateways) -> WaveGateways {
    match word {
        Gateways::Count(count) => WaveGateways::Count(count),
        Gateways::Part(part) => WaveGateways::Part(part),
    }
}

fn step(written: &wire::RolloutStep) -> RolloutStep {
    RolloutStep {
        // The schema bounds it to 100 %.
        share: u32::try_from(written.share.word.0).unwrap_or(1_000_000),
        pause: match written.pause.word {
            Pause::For(length) => Some(length),
            Pause::Manual => None,
        },
    }
}

fn analysis(written: &wire::Analysis) -> RolloutAnalysis {
    RolloutAnalysis {
        exchanges_min: written.exchanges.unwrap_or(EXCHANGES_MIN),
        faults: parts(&written.faults, (0.001, 1.5)),
        faults_max: written.faults_max.as_ref().map_or(0.05, part),
        server_errors: parts(&written.server_errors, (0.01, 1.5)),
        client_errors: parts(&written.client_errors, (0.05, 2.0)),
        latency: spans(&written.latency, (500.0, 1.5)),
        cpu: spans(&written.cpu, (50.0, 2.0)),
        memory: RolloutBound {
            absolute: written
                .memory
                .absolute
                .as_ref()
                .map_or(1_024.0, |size| size.word.0 as f64),
            relative: written.memory.relative.as_ref().map_or(2.0, part),
        },
        log_errors: parts(&written.log_errors, (0.01, 2.0)),
        metrics: written.metrics.iter().map(metric).collect(),
        differences_max: written.differences_max.as_ref().map(part),
    }
}

fn metric(written: &wire::RolloutMetric) -> RolloutMetric {
    let bound = |absolute, relative: &Option<Written<Part>>| RolloutBound {
        absolute,
        relative: relative.as_ref().map_or(2.0, part),
    };
    match written {
        wire::RolloutMetric::Counter(counter) => RolloutMetric {
            name: counter.name.word.0.clone(),
            thousandths: None,
            bound: bound(counter.absolute.as_ref().map_or(0.01, part), &counter.relative),
        },
        wire::RolloutMetric::Histogram(histogram) => RolloutMetric {
            name: histogram.name.word.0.clone(),
            // The schema bounds it to 99.9 %.
            thousandths: Some(
                histogram
                    .quantile
                    .as_ref()
                    .map_or(990, |quantile| u16::try_from(quantile.word.0 / 1_000).unwrap_or(1_000)),
            ),
            bound: bound(histogram.absolute as f64, &histogram.relative),
        },
    }
}

fn part(written: &Written<Part>) -> f64 {
    written.word.0 as f64 / 1_000_000.0
}

fn parts(written: &wire::PartBound, (absolute, relative): (f64, f64)) -> RolloutBound {
    RolloutBound {
        absolute: written.absolute.as_ref().map_or(absolute, part),
        relative: written.relative.as_ref().map_or(relative, part),
    }
}

fn spans(written: &wire::SpanBound, (absolute, relative): (f64, f64)) -> RolloutBound {
    let micros = |span: &Written<Duration>| span.word.as_secs_f64() * 1_000_000.0;
    RolloutBound {
        absolute: written.absolute.as_ref().map_or(absolute, micros),
        relative: written.relative.as_ref().map_or(relative, part),
    }
}
