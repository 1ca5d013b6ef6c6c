//! Vector's language: the rules as filters of `redact`.

use std::collections::BTreeMap;
use std::hint::black_box;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value as Json;
use vrl::compiler::state::RuntimeState;
use vrl::compiler::{Context, Program, TargetValue, TimeZone, compile};
use vrl::value::{Secrets, Value};

use crate::scanner::{Rules, Scanner};

/// What stands in place of what was found.
const MARKER: &[u8] = b"[REDACTED]";

pub(crate) struct Remap {
    text: Program,
    record: Program,
    state: RuntimeState,
    zone: TimeZone,
    records: Vec<Value>,
}

impl Remap {
    pub(crate) fn new(rules: &Rules) -> Result<Self> {
        let filters: Vec<String> = rules.values().map(|rule| format!("r'{rule}'")).collect();
        let filters = filters.join(", ");
        let program = |source: &str| {
            let compiled = compile(source, &vrl::stdlib::all()).map_err(|why| anyhow!("{source}: {why:?}"))?;
            anyhow::Ok(compiled.program)
        };
        Ok(Self {
            text: program(&format!("redact(string!(.), filters: [{filters}])"))?,
            record: program(&format!("encode_json(redact(object!(.), filters: [{filters}]))"))?,
            state: RuntimeState::default(),
            zone: TimeZone::default(),
            records: Vec::new(),
        })
    }
}

fn run(program: &Program, value: Value, state: &mut RuntimeState, zone: &TimeZone) -> Result<Value> {
    let mut target = TargetValue {
        value,
        metadata: Value::Object(BTreeMap::new()),
        secrets: Secrets::default(),
    };
    let mut context = Context::new(&mut target, state, zone);
    program.resolve(&mut context).map_err(|why| anyhow!("{why}"))
}

impl Scanner for Remap {
    fn look(&mut self, text: &str) -> Result<usize> {
        let value = run(&self.text, Value::from(text), &mut self.state, &self.zone)?;
        let shown = value.as_bytes().context("no text")?;
        // What is found is counted by its markers, which costs next to nothing beside the rest.
        let marks = shown.iter().enumerate().filter(|(_, byte)| **byte == b'[');
        Ok(marks
            .filter(|(at, _)| shown.get(*at..).is_some_and(|rest| rest.starts_with(MARKER)))
            .count())
    }

    fn prepare(&mut self, records: &[Json]) -> bool {
        self.records = records.iter().cloned().map(Value::from).collect();
        true
    }

    fn write(&mut self, number: usize) -> Result<()> {
        let at = number.checked_rem(self.records.len()).context("there are no records")?;
        let record = self.records.get(at).context("no record")?.clone();
        black_box(run(&self.record, record, &mut self.state, &self.zone)?);
        Ok(())
    }
}
