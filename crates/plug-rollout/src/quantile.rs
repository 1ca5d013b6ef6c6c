//! What the plugin adds to the slower exchanges, and histograms of its own: quantiles out of buckets, each with what chance may make of it.

use crate::policy::QuantileBound;
use crate::spread::Spread;
use crate::verdict::{Finding, Verdict, micros, number};

/// Standard errors for the candidate: one look in 30,000 goes that far by chance.
const SURE: f64 = 4.0;
/// Standard errors by which the control's quantile may be higher than it looks.
const CAREFUL: f64 = 3.0;

/// Of what a quantile is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// Of what the plugin adds to each exchange.
    Latency,
    /// Of a histogram of that name.
    Metric(&'a str),
}

impl Kind<'_> {
    fn measure(self, quantile: f64) -> String {
        let quantile = number(quantile * 100.0);
        match self {
            Self::Latency => format!("latency p{quantile}"),
            Self::Metric(name) => format!("metric {name} p{quantile}"),
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Self::Latency => micros(value),
            Self::Metric(_) => number(value),
        }
    }

    fn compared(self, mine: f64, theirs: f64) -> String {
        let (mine, theirs) = (self.shown(mine), self.shown(theirs));
        match self {
            Self::Latency => format!("{mine} added by the candidate, {theirs} by the control"),
            Self::Metric(_) => format!("{mine} of the candidate, {theirs} of the control"),
        }
    }
}

/// Judges one quantile of both; only a look may give the candidate up.
pub(crate) fn judge(
    (kind, wanted): (Kind<'_>, QuantileBound),
    candidate: &Spread,
    control: &Spread,
    is_look: bool,
) -> Finding {
    let quantile = f64::from(wanted.thousandths.min(1000)) / 1000.0;
    let mine = at(candidate, quantile).map_or(0.0, Spread::end_us);
    let theirs = at(control, quantile).map_or(0.0, Spread::end_us);
    let bound = wanted.bound.beside(theirs);
    let (verdict, why) = if mine <= bound {
        (Verdict::Pass, String::from("within what is allowed"))
    } else if is_look && is_above(wanted, quantile, candidate, control) {
        let allowed = format!(
            "allowed are {}, or {} times the control's",
            kind.shown(wanted.bound.absolute),
            number(wanted.bound.relative)
        );
        (Verdict::Fail, allowed)
    } else {
        (
            Verdict::Inconclusive,
            String::from("more than allowed, by too few to be sure"),
        )
    };
    Finding {
        measure: kind.measure(quantile),
        candidate: mine,
        control: theirs,
        bound,
        verdict,
        reason: format!("{}; {why}", kind.compared(mine, theirs)),
    }
}

/// Whether more of the candidate's durations than the quantile leaves are beyond the bound, with the control's quantile as high as
/// chance may have it.
fn is_above(wanted: QuantileBound, quantile: f64, candidate: &Spread, control: &Spread) -> bool {
    let all = control.count();
    let high = (0..Spread::BUCKETS).find(|bucket| lowest(control.up_to(*bucket), all, CAREFUL) >= quantile);
    let Some(high) = high else { return false };
    let bound = wanted.bound.beside(Spread::end_us(high));
    let Some(last) = (0..Spread::BUCKETS).find(|bucket| Spread::end_us(*bucket) >= bound) else {
        return false;
    };
    let all = candidate.count();
    let beyond = all.saturating_sub(candidate.up_to(last));
    lowest(beyond, all, SURE) > 1.0 - quantile
}

/// The bucket of a quantile.
fn at(spread: &Spread, quantile: f64) -> Option<usize> {
    let all = spread.count();
    // A fraction of a count is no larger than the count, and no duration is below the first.
    let rank = (all as f64 * quantile).ceil() as u64;
    spread.bucket_of(rank.max(1))
}

/// The lowest part that `some` of `all` may stand for (Wilson, 1927).
fn lowest(some: u64, all: u64, errors: f64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    let (some, all, square) = (some as f64, all as f64, errors * errors);
    let part = some / all;
    let middle = part + square / (2.0 * all);
    let width = errors * (part * (1.0 - part) / all + square / (4.0 * all * all)).sqrt();
    (middle - width) / (1.0 + square / all)
}
