//! Evidence that grows with each look and may be asked at any time: products of likelihood ratios against what is allowed.
//!
//! While nothing is wrong, the expectation of such a product never grows, so that it exceeds `1 / a` with a probability of at most `a`,
//! however often it is asked (Ville's inequality). A test for a fixed number of exchanges would be wrong here: it would be asked ten
//! times a second, and find something in the end.

/// How much worse than allowed the candidate may be: one of these, each as likely. A ratio is best at finding its own.
const TIMES: [f64; 9] = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Natural logarithm of the evidence at which one in a thousand good candidates would be given up.
const SURE: f64 = 6.907_755_278_982_137;

/// Logarithms of the ratios for each of [`TIMES`].
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Evidence {
    logs: [f64; TIMES.len()],
}

impl Evidence {
    /// Adds how so many events in so many exchanges speak against at most `rate` events for each. Valid for events of which an exchange
    /// has one or none, and for those that come at random.
    pub(crate) fn against_rate(&mut self, rate: f64, events: f64, exchanges: f64) {
        if rate <= 0.0 {
            return;
        }
        for (log, times) in self.logs.iter_mut().zip(TIMES) {
            *log += events * times.ln() - exchanges * rate * (times - 1.0);
        }
    }

    /// Adds how events of the candidate, and of the control, speak against at most `relative` times as many for each exchange, when
    /// `part` of all exchanges are the candidate's. Which arm an event fell into is a toss with a known coin, whatever their rate is.
    pub(crate) fn against_ratio(&mut self, relative: f64, part: f64, events: (f64, f64)) {
        let odds = part / (1.0 - part);
        if !odds.is_finite() || odds <= 0.0 || relative <= 0.0 {
            return;
        }
        let chance = |ratio: f64| ratio * odds / (ratio * odds + 1.0);
        let allowed = chance(relative);
        for (log, times) in self.logs.iter_mut().zip(TIMES) {
            let worse = chance(relative * times);
            *log += events.0 * (worse / allowed).ln() + events.1 * ((1.0 - worse) / (1.0 - allowed)).ln();
        }
    }

    /// Whether it is enough.
    pub(crate) fn is_sure(&self) -> bool {
        self.log() >= SURE
    }

    /// Logarithm of the mean of the ratios, kept from overflowing.
    fn log(&self) -> f64 {
        let most = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.logs.iter().map(|log| (log - most).exp()).sum();
        most + (sum / TIMES.len() as f64).ln()
    }
}
