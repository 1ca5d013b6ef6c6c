//! What was decided about an exchange, and what follows for its lines, its record and its spans.

use crate::state::Told;
use crate::threshold::{Randomness, Threshold};

/// The decision about one exchange. It stays what it was when the rules change, so that factors stay true.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Decision {
    head: Head,
    randomness: Randomness,
    /// A debug window shows also what was dropped.
    is_shown: bool,
}

/// How it was decided when the exchange began.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Head {
    /// A person asked to see it.
    Asked,
    /// The caller keeps it, by a threshold that it told or not.
    Parent(Option<Threshold>),
    /// Our own rule keeps it.
    Ratio(Threshold),
    /// It is dropped.
    Dropped(WhyNot),
}

/// Whether something is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It is.
    Kept(Kept),
    /// It is not.
    Dropped(WhyNot),
}

/// What is kept.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    /// How many it stands for, itself included: the sum over what is kept is, on average, the number of what there was. 0 for
    /// what is only shown; none where the caller decided and did not say by which probability.
    pub factor: Option<f64>,
    /// Why.
    pub why: Why,
}

impl Kept {
    /// It stands for itself, for everything like it is kept.
    pub(crate) const fn whole(why: Why) -> Self {
        Self { factor: Some(1.0), why }
    }

    fn by(threshold: Threshold, why: Why) -> Self {
        Self {
            factor: Some(threshold.factor()),
            why,
        }
    }
}

/// Why something is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The ratio of a rule.
    Ratio,
    /// The caller keeps the trace.
    Parent,
    /// The caller set the debug flag.
    Asked,
    /// The level of a line.
    Level,
    /// A rule keeps everything.
    Rule,
    /// The status.
    Status,
    /// A fault.
    Fault,
    /// It took long.
    Slow,
    /// A debug window is open; it stands for nothing.
    Window,
}

/// Why something is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhyNot {
    /// The ratio of a rule.
    Ratio,
    /// The caller dropped the trace.
    Parent,
    /// A rule keeps nothing.
    Rule,
    /// More than the rate; what is kept next stands for it too.
    Rate,
}

impl Decision {
    pub(crate) const fn new(head: Head, randomness: Randomness) -> Self {
        Self {
            head,
            randomness,
            is_shown: false,
        }
    }

    /// The same while a debug window is open: what would be dropped by a ratio is kept too, and stands for nothing.
    #[must_use]
    pub const fn shown(self) -> Self {
        Self { is_shown: true, ..self }
    }

    /// Whether the next one is told that the trace is kept.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_shown || !matches!(self.head, Head::Dropped(_))
    }

    /// What the next one is told about the threshold.
    #[must_use]
    pub const fn told(&self) -> Told {
        match self.head {
            Head::Ratio(threshold) | Head::Parent(Some(threshold)) => Told::Threshold(threshold),
            // Nothing was decided here.
            Head::Dropped(WhyNot::Parent) if !self.is_shown => Told::AsCame,
            Head::Asked | Head::Parent(None) | Head::Dropped(_) => Told::Unknown,
        }
    }

    /// Why it was dropped when it began, if it was.
    pub(crate) const fn is_dropped(&self) -> Option<WhyNot> {
        match self.head {
            Head::Dropped(why) => Some(why),
            Head::Asked | Head::Parent(_) | Head::Ratio(_) => None,
        }
    }

    /// A line whose rule has a ratio: it is kept only with its exchange, so the higher of both thresholds counts.
    pub(crate) fn line(&self, threshold: Threshold) -> Result<Kept, WhyNot> {
        let own = |other: Threshold, why| {
            let threshold = threshold.max(other);
            let kept = threshold.keeps(self.randomness).then(|| Kept::by(threshold, why));
            kept.ok_or(WhyNot::Ratio)
        };
        match self.head {
            Head::Asked => Ok(Kept::whole(Why::Asked)),
            Head::Ratio(other) => own(other, Why::Ratio),
            Head::Parent(Some(other)) => own(other, Why::Parent),
            Head::Parent(None) => own(Threshold::NONE_DROPPED, Why::Parent).map(|kept| Kept { factor: None, ..kept }),
            Head::Dropped(why) => Err(why),
        }
    }

    /// The exchange itself.
    pub(crate) fn end(&self) -> Result<Kept, WhyNot> {
        match self.head {
            Head::Asked => Ok(Kept::whole(Why::Asked)),
            Head::Ratio(threshold) => Ok(Kept::by(threshold, Why::Ratio)),
            Head::Parent(threshold) => Ok(Kept {
                factor: threshold.map(Threshold::factor),
                why: Why::Parent,
            }),
            Head::Dropped(why) => Err(why),
        }
    }

    /// What becomes of what is dropped: a window shows it.
    pub(crate) const fn dropped(&self, why: WhyNot) -> Verdict {
        if !self.is_shown {
            return Verdict::Dropped(why);
        }
        Verdict::Kept(Kept {
            factor: Some(0.0),
            why: Why::Window,
        })
    }
}
