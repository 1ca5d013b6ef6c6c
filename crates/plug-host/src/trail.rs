//! The last host calls of one guest, kept for a report of its death: which, with what numbers, about what, answered how.

use plug_report::{HostCall, HostCalls};

/// LIMIT: host calls that are remembered.
const STEPS_MAX: usize = 64;
/// LIMIT: arguments of one that are remembered; no call of the ABI has more that say something when the guest is gone.
const ARGUMENTS_MAX: usize = 6;
/// LIMIT: bytes of a name that are remembered.
const NAME_BYTES_MAX: usize = 40;

/// One call. Flat, so that remembering it writes into memory that is there.
#[derive(Clone, Copy)]
struct Step {
    call: &'static str,
    callback: &'static str,
    arguments: [u64; ARGUMENTS_MAX],
    argument_count: u8,
    name_length: u8,
    name: [u8; NAME_BYTES_MAX],
    answer: Option<u32>,
    /// Calls like it that followed at once and are not remembered.
    more: u64,
}

const EMPTY: Step = Step {
    call: "",
    callback: "",
    arguments: [0; ARGUMENTS_MAX],
    argument_count: 0,
    name_length: 0,
    name: [0; NAME_BYTES_MAX],
    answer: None,
    more: 0,
};

/// The last host calls.
pub(crate) struct Trail {
    steps: Box<[Step; STEPS_MAX]>,
    newest: usize,
    total: u64,
}

impl Default for Trail {
    fn default() -> Self {
        Self {
            steps: Box::new([EMPTY; STEPS_MAX]),
            newest: 0,
            total: 0,
        }
    }
}

impl Trail {
    /// A host call begins.
    pub(crate) fn begins(&mut self, call: &'static str, callback: &'static str, arguments: &[u64]) {
        self.total = self.total.wrapping_add(1);
        if let Some(last) = self.last()
            && last.goes_on(call, callback, arguments)
        {
            last.more = last.more.wrapping_add(1);
            return;
        }
        self.newest = self.newest.wrapping_add(1) % STEPS_MAX;
        let Some(step) = self.last() else { return };
        *step = Step {
            call,
            callback,
            ..EMPTY
        };
        for (place, value) in step.arguments.iter_mut().zip(arguments) {
            *place = *value;
            step.argument_count += 1;
        }
    }

    /// What the call is about. Only names come here, never values: a report may be read by more people than the traffic.
    pub(crate) fn names(&mut self, name: &[u8]) {
        let Some(step) = self.last() else { return };
        let name = name.get(..NAME_BYTES_MAX).unwrap_or(name);
        if let Some(place) = step.name.get_mut(..name.len()) {
            place.copy_from_slice(name);
            step.name_length = u8::try_from(name.len()).unwrap_or_default();
        }
    }

    /// The call answers.
    pub(crate) fn answers(&mut self, status: u32) {
        if let Some(step) = self.last() {
            step.answer = Some(status);
        }
    }

    fn last(&mut self) -> Option<&mut Step> {
        self.steps.get_mut(self.newest)
    }

    /// What is remembered, in order.
    pub(crate) fn told(&self) -> HostCalls {
        let (until_newest, older) = self.steps.split_at(self.newest.saturating_add(1));
        let last = older.iter().chain(until_newest).filter(|step| !step.call.is_empty());
        HostCalls {
            total: self.total,
            last: last.map(Step::told).collect(),
        }
    }
}

impl Step {
    /// Go writes a trace in some hundred pieces, which would leave no room for what was asked before the death.
    fn goes_on(&self, call: &str, callback: &str, arguments: &[u64]) -> bool {
        call == "fd_write"
            && self.call == call
            && self.callback == callback
            && self.arguments.first() == arguments.first()
    }

    fn told(&self) -> HostCall {
        let name = self.name.get(..usize::from(self.name_length)).unwrap_or_default();
        HostCall {
            call: self.call.to_owned(),
            callback: self.callback.to_owned(),
            arguments: self
                .arguments
                .iter()
                .take(usize::from(self.argument_count))
                .copied()
                .collect(),
            name: (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned()),
            answer: self.answer,
            more: self.more,
        }
    }
}

#[cfg(test)]
mod tests;
