//! One rollout over several gateways: waves with a common target, each begun when the one before has promoted it everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one gateway says of one plugin. It writes it to the store; the others read it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The gateway.
    pub instance: String,
    /// The plugin.
    pub plugin: String,
    /// Names the generation of which it speaks.
    pub digest: String,
    /// How far it is with it.
    pub state: ReportState,
    /// Why it went back, or cannot go on.
    pub error: Option<String>,
}

/// How far a gateway is with a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// It has not begun.
    Waiting,
    /// Its rollout goes on.
    RollingOut,
    /// The target serves alone.
    Promoted,
    /// The generation before serves alone.
    RolledBack,
}

/// A target with the waves in which gateways go over to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Campaign {
    /// The plugin.
    pub plugin: String,
    /// Names the generation that is wanted everywhere.
    pub digest: String,
    /// The gateways of each wave.
    pub waves: Vec<Vec<String>>,
    /// Who went back first, and why. A campaign that was stopped stays so: another target begins another.
    pub stopped: Option<(String, String)>,
}

/// Where a campaign is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waves {
    /// The gateways of this wave may begin.
    Going {
        /// Which, from 0.
        wave: usize,
    },
    /// Nobody begins any more.
    Stopped {
        /// Who went back first.
        instance: String,
        /// Why.
        why: String,
    },
    /// Every gateway has promoted the target.
    Over,
}

impl Campaign {
    /// A campaign at its beginning.
    #[must_use]
    pub fn new(plugin: String, digest: String, waves: Vec<Vec<String>>) -> Self {
        Self {
            plugin,
            digest,
            waves,
            stopped: None,
        }
    }

    /// Takes in what gateways say, the latest of each, in any order and as often as it comes. Reports of other targets are no matter.
    pub fn hear<'report>(&mut self, reports: impl IntoIterator<Item = &'report Report>) -> Waves {
        let mine = reports
            .into_iter()
            .filter(|report| report.plugin == self.plugin && report.digest == self.digest);
        let latest: BTreeMap<&str, &Report> = mine.map(|report| (report.instance.as_str(), report)).collect();
        let back = |report: &&&Report| report.state == ReportState::RolledBack;
        if self.stopped.is_none()
            && let Some(report) = latest.values().find(back)
        {
            let why = report
                .error
                .clone()
                .unwrap_or_else(|| String::from("it gave no reason"));
            self.stopped = Some((report.instance.clone(), why));
        }
        if let Some((instance, why)) = self.stopped.clone() {
            return Waves::Stopped { instance, why };
        }
        let promoted = |instance: &String| {
            let report = latest.get(instance.as_str());
            report.is_some_and(|report| report.state == ReportState::Promoted)
        };
        let open = self.waves.iter().position(|wave| !wave.iter().all(promoted));
        open.map_or(Waves::Over, |wave| Waves::Going { wave })
    }

    /// Whether a gateway may begin: its wave has come. One that is in no wave never begins.
    #[must_use]
    pub fn may_begin(&self, instance: &str, waves: &Waves) -> bool {
        let Waves::Going { wave } = waves else { return false };
        let up_to_now = self.waves.iter().take(wave.saturating_add(1));
        up_to_now.flatten().any(|known| known == instance)
    }
}
