//! The crate `regex`: all rules at once, and one after the other.

use anyhow::Result;
use regex::{Regex, RegexSet};

use crate::scanner::{Rules, Scanner};

/// All at once.
pub(crate) struct Set(RegexSet);

impl Set {
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        Ok(Self(RegexSet::new(rules.values())?))
    }
}

impl Scanner for Set {
    fn look(&mut self, text: &str) -> Result<usize> {
        Ok(self.0.matches(text).iter().count())
    }
}

/// One after the other.
pub(crate) struct Places(Vec<Regex>);

impl Places {
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        let rules = rules.values().map(|rule| Regex::new(rule));
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }
}

impl Scanner for Places {
    fn look(&mut self, text: &str) -> Result<usize> {
        Ok(self.0.iter().map(|rule| rule.find_iter(text).count()).sum())
    }
}
