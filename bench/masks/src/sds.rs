//! Datadog's scanner, with the checksums that it has for our rules.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use dd_sds::{MatchAction, RegexRuleConfig, RootRuleConfig, Scanner as DataScanner, SecondaryValidator, SimpleEvent};
use serde_json::Value;

use crate::scanner::{Rules, Scanner};

pub(crate) struct Sds {
    scanner: DataScanner,
    records: Vec<SimpleEvent>,
}

impl Sds {
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        let rules: Vec<_> = rules
            .iter()
            .map(|(name, rule)| {
                let check = match name.as_str() {
                    "bank_card" => Some(SecondaryValidator::LuhnChecksum),
                    "iban" => Some(SecondaryValidator::IbanChecker),
                    "resident_id_cn" => Some(SecondaryValidator::ChineseIdChecksum),
                    _ => None,
                };
                RootRuleConfig::new(RegexRuleConfig::new(rule).with_validator(check).build())
                    .match_action(MatchAction::redact("[REDACTED]"))
            })
            .collect();
        let scanner = DataScanner::builder(&rules)
            .build()
            .map_err(|why| anyhow!("the rules are refused: {why:?}"))?;
        Ok(Self {
            scanner,
            records: Vec::new(),
        })
    }
}

impl Scanner for Sds {
    fn look(&mut self, text: &str) -> Result<usize> {
        let mut text = text.to_owned();
        let found = self.scanner.scan(&mut text).map_err(|why| anyhow!("{why:?}"))?;
        Ok(found.len())
    }

    fn prepare(&mut self, records: &[Value]) -> bool {
        self.records = records.iter().filter_map(event).collect();
        true
    }

    fn write(&mut self, number: usize) -> Result<()> {
        let at = number.checked_rem(self.records.len()).context("there are no records")?;
        let mut record = self.records.get(at).context("no record")?.clone();
        self.scanner.scan(&mut record).map_err(|why| anyhow!("{why:?}"))?;
        let mut out = Vec::with_capacity(1024);
        put(&record, &mut out)?;
        std::hint::black_box(out);
        Ok(())
    }
}

/// A record of texts: it knows no numbers.
fn event(record: &Value) -> Option<SimpleEvent> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let members = record.as_object()?.iter();
    let members = members.map(|(name, value)| (name.clone(), SimpleEvent::String(text(value))));
    Some(SimpleEvent::Map(members.collect()))
}

fn put(record: &SimpleEvent, out: &mut Vec<u8>) -> Result<()> {
    if let SimpleEvent::Map(members) = record {
        let members = members.iter().filter_map(|(name, value)| match value {
            SimpleEvent::String(text) => Some((name, text)),
            _ => None,
        });
        serde_json::to_writer(out, &members.collect::<BTreeMap<_, _>>())?;
    }
    Ok(())
}
