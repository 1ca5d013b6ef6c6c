//! What is written down of a rollout, so that a process that was killed goes on where it was or compensates.

use serde::{Deserialize, Serialize};

use crate::policy::Policy;
use crate::share::{Arm, Share};
use crate::verdict::Finding;

/// The form in which records are written. One of another form is refused, never guessed at.
pub const VERSION: u32 = 1;

/// A rollout as it is written down, before anything of it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The form.
    pub version: u32,
    /// Tells this rollout from all others.
    pub id: String,
    /// The plugin.
    pub plugin: String,
    /// Names the generation before: whoever keeps it finds it by this.
    pub control: String,
    /// Names the generation that is tried.
    pub candidate: String,
    /// What was wanted when it began. A later configuration does not change it.
    pub policy: Policy,
    /// Where it is.
    pub standing: Standing,
    /// Each step with what was done.
    pub steps: Vec<StepRecord>,
    /// Time in service so far, in milliseconds.
    pub served_ms: u64,
    /// What was said of each measure when something last followed from it.
    pub findings: Vec<Finding>,
    /// Effects that were given up, by key, with why.
    pub given_up: Vec<(String, String)>,
}

/// Where a rollout is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum Standing {
    /// The candidate is being made ready; no exchange sees it.
    Staged,
    /// A step serves.
    Step {
        /// Which, from 0.
        number: usize,
        /// How.
        reading: Reading,
    },
    /// The candidate takes over.
    Promoting {
        /// The control is being let go, or has been: there is no way back.
        retiring: bool,
    },
    /// The candidate serves alone.
    Promoted,
    /// The control takes over again.
    RollingBack {
        /// Why.
        why: Why,
    },
    /// The control serves alone.
    RolledBack {
        /// Why.
        why: Why,
    },
}

/// How a step serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Its share is on its way to the workers.
    Applying,
    /// Time passes until it is judged.
    Paused,
    /// An operator stopped the time, or the step waits for one.
    Held,
    /// Its time is over, and nothing can be said yet.
    Inconclusive,
}

/// Why a rollout goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case", deny_unknown_fields)]
pub enum Why {
    /// A measure failed.
    Measure {
        /// Which, and how.
        text: String,
    },
    /// An operator said so.
    Operator,
    /// The candidate could not be made ready, or not be given its share.
    Effect {
        /// What was not done, and why.
        text: String,
    },
    /// It was not over in time.
    TooLong,
    /// Another configuration came.
    Overtaken,
    /// Another gateway went back.
    Elsewhere {
        /// Which, when and why.
        text: String,
    },
}

impl Why {
    /// The reason for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Measure { text } | Self::Effect { text } | Self::Elsewhere { text } => text.clone(),
            Self::Operator => String::from("an operator gave it up"),
            Self::TooLong => String::from("it was not over within `ends_within`"),
            Self::Overtaken => String::from("another configuration of the plugin came"),
        }
    }
}

/// One step as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepRecord {
    /// The candidate's share.
    pub share: Share,
    /// How far it is.
    pub state: StepState,
    /// Under which it is done: doing it twice is doing it once.
    pub key: String,
    /// Under which it is undone.
    pub compensation: String,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// It has not begun.
    Waiting,
    /// Its share may have reached some workers.
    Begun,
    /// Its share is in force.
    Applied,
    /// It is over, and the next one began.
    Passed,
    /// It was skipped by an operator.
    Skipped,
    /// Its share was taken back.
    Compensated,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Doing it again under the same key changes nothing.
    pub key: String,
    /// What.
    pub act: Act,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Make the candidate ready on every worker, aside.
    Stage,
    /// Give the candidate this part of the exchanges.
    SetShare(Share),
    /// Let the candidate run as a shadow.
    StartShadow,
    /// Let it do so no more.
    StopShadow,
    /// Write down that the candidate is the last good generation.
    Adopt,
    /// Write down that the control is the last good generation, and that the candidate is not to be tried again by itself.
    RestoreControl,
    /// Let the control end with its last exchange.
    RetireControl,
    /// Let the candidate end with its last exchange.
    RetireCandidate,
}

impl Act {
    /// The word for it, in keys.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::SetShare(_) => "share",
            Self::StartShadow => "shadow",
            Self::StopShadow => "no-shadow",
            Self::Adopt => "adopt",
            Self::RestoreControl => "restore-control",
            Self::RetireControl => "retire-control",
            Self::RetireCandidate => "retire-candidate",
        }
    }
}

/// Why a record cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON of this form.
    #[error("a record of a rollout cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// It was written by another release.
    #[error("a record of a rollout has version {0}, and only {VERSION} can be read")]
    Version(u64),
}

impl Record {
    /// A rollout at its beginning.
    #[must_use]
    pub fn new(id: String, plugin: String, (control, candidate): (String, String), policy: Policy) -> Self {
        let steps = policy.steps.iter().enumerate().map(|(number, step)| StepRecord {
            share: step.share,
            state: StepState::Waiting,
            key: key(&id, &format!("step-{number}"), Act::SetShare(step.share)),
            compensation: key(&id, "back", Act::SetShare(Share::NONE)),
        });
        Self {
            version: VERSION,
            steps: steps.collect(),
            id,
            plugin,
            control,
            candidate,
            policy,
            standing: Standing::Staged,
            served_ms: 0,
            findings: Vec::new(),
            given_up: Vec::new(),
        }
    }

    /// The record as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Its keys are texts and its numbers are finite, so that nothing of it can be refused.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// A record out of its text.
    ///
    /// # Errors
    /// When it is none, or one of another form.
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let Version { version } = serde_json::from_str(text)?;
        if version != u64::from(VERSION) {
            return Err(Unreadable::Version(version));
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Whether nothing more follows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.standing, Standing::Promoted | Standing::RolledBack { .. })
    }

    /// Which generation a process starts with that finds this record: the control, as long as it is kept.
    #[must_use]
    pub fn starts_with(&self) -> Arm {
        match self.standing {
            Standing::Promoting { retiring: true } | Standing::Promoted => Arm::Candidate,
            _ => Arm::Control,
        }
    }

    /// The share that the candidate has, or is about to have.
    #[must_use]
    pub fn share(&self) -> Share {
        match &self.standing {
            Standing::Step { number, .. } => self.steps.get(*number).map_or(Share::NONE, |step| step.share),
            Standing::Promoting { .. } | Standing::Promoted => Share::ALL,
            Standing::Staged | Standing::RollingBack { .. } | Standing::RolledBack { .. } => Share::NONE,
        }
    }

    /// Where it is, in words.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.standing {
            Standing::Staged => String::from("staged"),
            Standing::Step { number, reading } => {
                let how = match reading {
                    Reading::Applying => "begins",
                    Reading::Paused => "running",
                    Reading::Held => "paused by hand",
                    Reading::Inconclusive => "inconclusive",
                };
                format!("step {} of {}, {how}", number.saturating_add(1), self.steps.len())
            }
            Standing::Promoting { .. } => String::from("promoting"),
            Standing::Promoted => String::from("promoted"),
            Standing::RollingBack { .. } => String::from("rolling back"),
            Standing::RolledBack { .. } => String::from("rolled back"),
        }
    }

    /// Whether it ended because something else was wanted, and nothing is said against its candidate.
    #[must_use]
    pub fn was_overtaken(&self) -> bool {
        self.why() == Some(&Why::Overtaken)
    }

    /// Why it goes or went back.
    #[must_use]
    pub fn why(&self) -> Option<&Why> {
        match &self.standing {
            Standing::RollingBack { why } | Standing::RolledBack { why } => Some(why),
            _ => None,
        }
    }
}

pub(crate) fn key(id: &str, place: &str, act: Act) -> String {
    format!("{id}/{place}/{}", act.word())
}
