//! The rules of sampling: an immutable table, asked when an exchange begins, for each line, and when an exchange ends.

use crate::context::{Asked, Trace};
use crate::decision::{Decision, Head, Kept, Verdict, Why, WhyNot};
use crate::fault::Fault;
use crate::id::mix;
use crate::level::{Level, Levels};
use crate::meter::{Meters, Rate, SHARED};
use crate::tail::{Outcome, Tail};
use crate::threshold::Threshold;

/// LIMIT: rules of a table, for they are looked through in order.
const RULES_MAX: usize = 64;
/// The number by which the tail's rate is known to meters, behind those of the rules.
const TAIL: u8 = (SHARED - 1) as u8;

/// What is to be kept or dropped: an exchange, at the level of its record, or a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The level.
    pub level: Level,
    /// The plan's number of the route; none before there is one.
    pub route: Option<u32>,
    /// A hash of the tenant's name.
    pub tenant: Option<u64>,
    /// The plan's number of the plugin that speaks.
    pub plugin: Option<u32>,
}

/// What part is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Keep {
    /// Everything; lines also of an exchange that is not kept.
    All,
    /// Nothing.
    Nothing,
    /// By the random bits of the trace. Lines are kept only with their exchange.
    Ratio(Threshold),
}

/// Which parts of a subject make the key of a rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Per(u8);

impl Per {
    /// One rate for all that the rule is for.
    pub const RULE: Self = Self(0);
    /// A rate for each level.
    pub const LEVEL: Self = Self(1);
    /// A rate for each route.
    pub const ROUTE: Self = Self(2);
    /// A rate for each tenant.
    pub const TENANT: Self = Self(4);
    /// A rate for each plugin.
    pub const PLUGIN: Self = Self(8);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A rate, and for whom each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The rate.
    pub rate: Rate,
    /// Its key.
    pub per: Per,
}

/// One rule. What it does not name may be anything.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rule {
    /// The levels that it is for.
    pub levels: Levels,
    /// The route that it is for.
    pub route: Option<u32>,
    /// The tenant that it is for.
    pub tenant: Option<u64>,
    /// The plugin that it is for.
    pub plugin: Option<u32>,
    /// The part that is kept.
    pub keep: Keep,
    /// How much of that at most.
    pub limit: Option<Limit>,
}

/// What is made of what callers decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parents {
    /// Theirs is ours, so that traces are whole.
    Obeyed,
    /// Each trace is judged by our own rules. Who has the same ratio decides alike.
    Ignored,
}

/// What a table is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A number that no other table of this process has.
    pub number: u64,
    /// What callers decided.
    pub parents: Parents,
    /// In order: the first that is for a subject counts.
    pub rules: Vec<Rule>,
    /// The part that is kept of what no rule is for.
    pub otherwise: Keep,
    /// Lines from this level on are kept whatever a ratio says; rates hold for them too.
    pub always_from: Level,
    /// What is kept because of how it ended.
    pub tail: Tail,
}

impl Default for Settings {
    /// Everything is kept.
    fn default() -> Self {
        Self {
            number: 1,
            parents: Parents::Obeyed,
            rules: Vec::new(),
            otherwise: Keep::Ratio(Threshold::NONE_DROPPED),
            always_from: Level::Error,
            tail: Tail::default(),
        }
    }
}

/// Rules that are checked and do not change. Whoever changes them swaps the whole table.
#[derive(Clone, Debug)]
pub struct Table {
    settings: Settings,
    /// The rules of each level with their numbers, in order.
    by_level: [Box<[(u8, Rule)]>; 6],
}

impl Table {
    /// Checks them.
    ///
    /// # Errors
    /// More than 64 rules.
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        if settings.rules.len() > RULES_MAX {
            return Err(Fault::Rules(RULES_MAX));
        }
        let by_level = Level::ALL.map(|level| {
            let numbered = (0..).zip(settings.rules.iter().copied());
            numbered.filter(|(_, rule)| rule.levels.has(level)).collect()
        });
        Ok(Self { settings, by_level })
    }

    /// Decides about an exchange when it begins. Its record and spans, and what the next one is told, follow from that.
    #[must_use]
    pub fn begin(&self, trace: &Trace, subject: &Subject) -> Decision {
        let randomness = trace.randomness();
        let head = match (self.settings.parents, trace.asked) {
            (_, Asked::Debug) => Head::Asked,
            (Parents::Obeyed, Asked::Dropped) => Head::Dropped(WhyNot::Parent),
            (Parents::Obeyed, Asked::Kept) => {
                // A threshold by which it would not have been kept says nothing.
                let threshold = trace.state.threshold().filter(|threshold| threshold.keeps(randomness));
                Head::Parent(threshold)
            }
            (Parents::Ignored, _) | (_, Asked::Nothing) => match self.rule(subject).0 {
                Keep::All => Head::Ratio(Threshold::NONE_DROPPED),
                Keep::Nothing => Head::Dropped(WhyNot::Rule),
                Keep::Ratio(threshold) if threshold.keeps(randomness) => Head::Ratio(threshold),
                Keep::Ratio(_) => Head::Dropped(WhyNot::Ratio),
            },
        };
        Decision::new(head, randomness)
    }

    /// Decides about a line of an exchange.
    pub fn line(&self, meters: &mut Meters, decision: &Decision, subject: &Subject, now_ns: u64) -> Verdict {
        let (keep, limit) = self.rule(subject);
        let kept = match keep {
            _ if subject.level >= self.settings.always_from => Ok(Kept::whole(Why::Level)),
            Keep::All => Ok(Kept::whole(Why::Rule)),
            Keep::Nothing => Err(WhyNot::Rule),
            Keep::Ratio(threshold) => decision.line(threshold),
        };
        match kept {
            Ok(kept) => self.limited(meters, limit, subject, kept, now_ns),
            Err(why) => decision.dropped(why),
        }
    }

    /// Decides about the record of an exchange and its spans, when it is over.
    pub fn end(
        &self,
        meters: &mut Meters,
        decision: &Decision,
        subject: &Subject,
        outcome: &Outcome<'_>,
        now_ns: u64,
    ) -> Verdict {
        if let Some(why) = self.settings.tail.keeps(subject.route, outcome) {
            let limit = self.settings.tail.rate.map(|rate| {
                let per = Per::RULE;
                (TAIL, Limit { rate, per })
            });
            return self.limited(meters, limit, subject, Kept::whole(why), now_ns);
        }
        match decision.end() {
            Ok(kept) => self.limited(meters, self.rule(subject).1, subject, kept, now_ns),
            Err(why) => decision.dropped(why),
        }
    }

    /// The part that is kept of a subject, and the rate with its rule's number.
    fn rule(&self, subject: &Subject) -> (Keep, Option<(u8, Limit)>) {
        let rules = self.by_level.get(subject.level.index()).map_or(&[][..], |rules| rules);
        let found = rules.iter().find(|(_, rule)| rule.is_for(subject));
        found.map_or((self.settings.otherwise, None), |(number, rule)| {
            (rule.keep, rule.limit.map(|limit| (*number, limit)))
        })
    }

    fn limited(
        &self,
        meters: &mut Meters,
        limit: Option<(u8, Limit)>,
        subject: &Subject,
        kept: Kept,
        now_ns: u64,
    ) -> Verdict {
        // What is shown aside is bounded by its window.
        let Some((number, limit)) = limit.filter(|_| kept.why != Why::Window) else {
            return Verdict::Kept(kept);
        };
        meters.follow(self.settings.number);
        let factor = kept.factor.unwrap_or(1.0);
        match meters.take(number, limit.per.key(subject), limit.rate, factor, now_ns) {
            Some(sum) => Verdict::Kept(Kept {
                factor: kept.factor.map(|_| sum),
                ..kept
            }),
            None => Verdict::Dropped(WhyNot::Rate),
        }
    }
}

impl Rule {
    fn is_for(&self, subject: &Subject) -> bool {
        (self.route.is_none() || self.route == subject.route)
            && (self.plugin.is_none() || self.plugin == subject.plugin)
            && (self.tenant.is_none() || self.tenant == subject.tenant)
    }
}

impl Per {
    fn key(self, subject: &Subject) -> u64 {
        let level = u64::try_from(subject.level.index()).unwrap_or_default();
        let parts = [
            (Self::LEVEL, Some(level)),
            (Self::ROUTE, subject.route.map(u64::from)),
            (Self::TENANT, subject.tenant),
            (Self::PLUGIN, subject.plugin.map(u64::from)),
        ];
        let own = parts.into_iter().filter(|(part, _)| self.has(*part));
        own.fold(0, |key, (part, value)| match value {
            Some(value) => mix(key ^ value).wrapping_add(u64::from(part.0)),
            None => key,
        })
    }
}
