//! What is measured: something that looks through a text, and perhaps writes a record.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::cofferdam::Cofferdam;
use crate::regular::{Places, Set};
use crate::remap::Remap;
use crate::sds::Sds;

/// Regular expressions by their names.
pub(crate) type Rules = BTreeMap<String, String>;

/// Who can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Name {
    /// `log-mask` with all classes: finds, checks, and writes what may be shown
    Cofferdam,
    /// `RegexSet` of the crate `regex`: says which rules match, and not where
    RegexSet,
    /// Each rule as a `Regex` of its own: finds all places
    RegexEach,
    /// Datadog's `dd-sensitive-data-scanner`: finds, checks what it has a checksum for, and redacts
    Sds,
    /// `redact` of the Vector Remap Language
    Vrl,
}

impl Name {
    pub(crate) fn scanner(self, rules: &Rules) -> Result<Box<dyn Scanner>> {
        Ok(match self {
            Self::Cofferdam => Box::new(Cofferdam::new()?),
            Self::RegexSet => Box::new(Set::new(rules)?),
            Self::RegexEach => Box::new(Places::new(rules)?),
            Self::Sds => Box::new(Sds::new(rules)?),
            Self::Vrl => Box::new(Remap::new(rules)?),
        })
    }
}

/// One who is measured.
pub(crate) trait Scanner {
    /// Looks through a text, and says how much was found.
    fn look(&mut self, text: &str) -> Result<usize>;

    /// Keeps records in the form in which it takes them; false where it writes none.
    fn prepare(&mut self, _records: &[Value]) -> bool {
        false
    }

    /// Looks through one of the records, and writes it as JSON.
    fn write(&mut self, _number: usize) -> Result<()> {
        bail!("it writes no records")
    }
}
