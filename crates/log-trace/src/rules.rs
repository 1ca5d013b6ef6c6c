//! The rules of sampling: an immutable table, asked when an exchange begins, for each line, and when an exchange ends.

use crate::context::{Asked, Trace};
use crate::decision::{Decision, Head, Kept, Verdict, Why, WhyNot};
use crate::fault::Fault;
use log_record::grade::Level;

use crate::level::Levels;
use crate::meter::{Key, Meters, Rate, SHARED};
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
    /// A number above 0 and above that of every table before in this process.
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
    number: u64,
    parents: Parents,
    always_from: Level,
    tail: Tail,
    otherwise: Entry,
    /// The rules of each level, in order.
    by_level: [Shelf; 6],
}

impl Default for Table {
    /// Everything is kept, also what callers dropped.
    fn default() -> Self {
        Self::of(&Settings {
            parents: Parents::Ignored,
            ..Settings::default()
        })
    }
}

/// The rules of one level.
#[derive(Clone, Debug)]
struct Shelf {
    entries: Box<[Entry]>,
    /// Whether some rule keeps lines also of exchanges that are not kept: else nobody looks for one.
    has_all: bool,
}

/// A rule as it is looked for: a subject fits when no bit differs that counts.
#[derive(Clone, Copy, Debug)]
struct Entry {
    wanted: Numbers,
    counts: Numbers,
    keep: Keep,
    limit: Option<(u8, Limit)>,
}

/// The parts of a subject as numbers.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    route: u64,
    plugin: u64,
    tenant: u64,
    /// Apart from the tenant's hash, which may be any number.
    has_tenant: u64,
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
        Ok(Self::of(&settings))
    }

    fn of(settings: &Settings) -> Self {
        let by_level = Level::ALL.map(|level| {
            let numbered = (0..).zip(&settings.rules).filter(|(_, rule)| rule.levels.has(level));
            let entries: Box<[Entry]> = numbered.map(|(number, rule)| Entry::new(number, rule)).collect();
            let has_all = settings.otherwise == Keep::All || entries.iter().any(|entry| entry.keep == Keep::All);
            Shelf { entries, has_all }
        });
        Self {
            number: settings.number,
            parents: settings.parents,
            always_from: settings.always_from,
            tail: settings.tail.clone(),
            otherwise: Entry::new(0, &Rule::anything(settings.otherwise)),
            by_level,
        }
    }

    /// Decides about an exchange when it begins. Its record and spans, and what the next one is told, follow from that.
    #[must_use]
    pub fn begin(&self, trace: &Trace, subject: &Subject) -> Decision {
        let randomness = trace.randomness();
        let head = match (self.parents, trace.asked) {
            (_, Asked::Debug) => Head::Asked,
            (Parents::Obeyed, Asked::Dropped) => Head::Dropped(WhyNot::Parent),
            (Parents::Obeyed, Asked::Kept) => {
                // A threshold by which it would not have been kept says nothing.
                let threshold = trace.state.threshold().filter(|threshold| threshold.keeps(randomness));
                Head::Parent(threshold)
            }
            (Parents::Ignored, _) | (_, Asked::Nothing) => match self.rule(subject).keep {
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
        let is_always = subject.level >= self.always_from;
        let has_all = self.shelf(subject.level).is_some_and(|shelf| shelf.has_all);
        if let (false, false, Some(why)) = (is_always, has_all, decision.is_dropped()) {
            return decision.dropped(why);
        }
        let entry = self.rule(subject);
        let kept = match entry.keep {
            _ if is_always => Ok(Kept::whole(Why::Level)),
            Keep::All => Ok(Kept::whole(Why::Rule)),
            Keep::Nothing => Err(WhyNot::Rule),
            Keep::Ratio(threshold) => decision.line(threshold),
        };
        match kept {
            Ok(kept) => self.limited(meters, entry.limit.as_ref(), subject, kept, now_ns),
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
        if let Some(why) = self.tail.keeps(subject.route, outcome) {
            let per = Per::RULE;
            let limit = self.tail.rate.map(|rate| (TAIL, Limit { rate, per }));
            return self.limited(meters, limit.as_ref(), subject, Kept::whole(why), now_ns);
        }
        match decision.end() {
            Ok(kept) => self.limited(meters, self.rule(subject).limit.as_ref(), subject, kept, now_ns),
            Err(why) => decision.dropped(why),
        }
    }

    fn shelf(&self, level: Level) -> Option<&Shelf> {
        self.by_level.get(level.index())
    }

    /// The first rule that is for a subject.
    fn rule(&self, subject: &Subject) -> &Entry {
        let numbers = Numbers::of(subject);
        let entries = self.shelf(subject.level).map_or(&[][..], |shelf| &shelf.entries);
        entries
            .iter()
            .find(|entry| entry.is_for(&numbers))
            .unwrap_or(&self.otherwise)
    }

    fn limited(
        &self,
        meters: &mut Meters,
        limit: Option<&(u8, Limit)>,
        subject: &Subject,
        kept: Kept,
        now_ns: u64,
    ) -> Verdict {
        let Some((number, limit)) = limit else {
            return Verdict::Kept(kept);
        };
        meters.follow(self.number);
        let factor = kept.factor.unwrap_or(1.0);
        match meters.take(*number, limit.per.key(subject), limit.rate, factor, now_ns) {
            Some(sum) => {
                if kept.factor.is_none() {
                    meters.forget(sum - factor);
                }
                Verdict::Kept(Kept {
                    factor: kept.factor.map(|_| sum),
                    ..kept
                })
            }
            None => Verdict::Dropped(WhyNot::Rate),
        }
    }
}

impl Rule {
    const fn anything(keep: Keep) -> Self {
        Self {
            levels: Levels::ALL,
            route: None,
            tenant: None,
            plugin: None,
            keep,
            limit: None,
        }
    }
}

impl Entry {
    fn new(number: u8, rule: &Rule) -> Self {
        let counts = |is_named: bool| if is_named { u64::MAX } else { 0 };
        Self {
            wanted: Numbers::new(rule.route, rule.plugin, rule.tenant),
            counts: Numbers {
                route: counts(rule.route.is_some()),
                plugin: counts(rule.plugin.is_some()),
                tenant: counts(rule.tenant.is_some()),
                has_tenant: counts(rule.tenant.is_some()),
            },
            keep: rule.keep,
            limit: rule.limit.map(|limit| (number, limit)),
        }
    }

    const fn is_for(&self, numbers: &Numbers) -> bool {
        let (wanted, counts) = (&self.wanted, &self.counts);
        let differs = (wanted.route ^ numbers.route) & counts.route
            | (wanted.plugin ^ numbers.plugin) & counts.plugin
            | (wanted.tenant ^ numbers.tenant) & counts.tenant
            | (wanted.has_tenant ^ numbers.has_tenant) & counts.has_tenant;
        differs == 0
    }
}

impl Numbers {
    fn of(subject: &Subject) -> Self {
        Self::new(subject.route, subject.plugin, subject.tenant)
    }

    fn new(route: Option<u32>, plugin: Option<u32>, tenant: Option<u64>) -> Self {
        // Above all that 32 bits hold: none is like no number.
        let number = |part: Option<u32>| part.map_or(u64::MAX, u64::from);
        Self {
            route: number(route),
            plugin: number(plugin),
            tenant: tenant.unwrap_or_default(),
            has_tenant: u64::from(tenant.is_some()),
        }
    }
}

impl Per {
    fn key(self, subject: &Subject) -> Key {
        let number = |part: Self, number: Option<u32>| match number {
            Some(number) if self.has(part) => number.wrapping_add(1),
            _ => 0,
        };
        Key {
            level: if self.has(Self::LEVEL) { subject.level as u8 } else { 0 },
            route: number(Self::ROUTE, subject.route),
            plugin: number(Self::PLUGIN, subject.plugin),
            tenant: subject.tenant.filter(|_| self.has(Self::TENANT)).unwrap_or_default(),
        }
    }
}
