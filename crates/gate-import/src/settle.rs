//! The last word is that of `gate-plan`: a part that it refuses is left out with a note, never handed on.

use std::collections::BTreeSet;

use gate_plan::Severity;

use crate::Fault;
use crate::chain;
use crate::gateway::{Gateway, Section, Written};
use crate::ledger::{At, Ledger};

/// LIMIT: rounds of leaving out; what refers to something left out goes in the round after it, and a round finds 200 mistakes.
const ROUNDS_MAX: usize = 16;

/// A configuration that is accepted; none when nothing of use is left.
pub(crate) fn settle(mut gateway: Gateway, ledger: &Ledger<'_>) -> Result<Option<Written>, Fault> {
    if gateway.plugins.is_empty() && gateway.routes.is_empty() {
        return Ok(None);
    }
    chain::complete(&mut gateway, ledger);
    if !ledger.is_sound() {
        return Err(Fault::Wrong(ledger.findings()));
    }
    let mut last = None;
    for _ in 0..ROUNDS_MAX {
        if gateway.listeners.is_empty() || (gateway.plugins.is_empty() && gateway.routes.is_empty()) {
            return Ok(None);
        }
        let written = gateway.write();
        let Err(findings) = gate_plan::check(&written.text, "imported.yaml") else {
            return Ok(Some(written));
        };
        let mut refused = BTreeSet::new();
        for finding in findings.iter().filter(|finding| finding.severity() == Severity::Error) {
            if let Some((section, index)) = written.part(finding.line()) {
                let fresh = refused.insert((section as u8, index));
                gateway.say(section, index, finding.message(), ledger, fresh);
            }
        }
        last = Some(findings);
        if refused.is_empty() {
            break;
        }
        gateway.leave_out(&refused);
    }
    match last {
        Some(findings) => Err(Fault::Unfit(Box::new(findings))),
        None => Ok(None),
    }
}

impl Gateway {
    /// Says of a part what keeps it from being used; once for each part.
    fn say(&self, section: Section, index: usize, why: &str, ledger: &Ledger<'_>, fresh: bool) {
        let (kind, name, at) = match section {
            Section::Listeners => (
                "listener",
                self.listeners.get(index).map(|item| item.name.as_str()),
                self.listeners.get(index).and_then(|item| item.at),
            ),
            Section::Upstreams => (
                "upstream",
                self.upstreams.get(index).map(|item| item.name.as_str()),
                self.upstreams.get(index).and_then(|item| item.at),
            ),
            Section::Plugins => (
                "plugin",
                self.plugins.get(index).map(|item| item.name.as_str()),
                self.plugins.get(index).map(|item| item.at),
            ),
            Section::Routes => (
                "route",
                self.routes.get(index).map(|item| item.name.as_str()),
                self.routes.get(index).map(|item| item.at),
            ),
            Section::Others => ("part", Some("admin"), None),
        };
        let at = at.unwrap_or(At {
            file: 0,
            spot: gate_plan::documents::Spot::START,
        });
        if fresh {
            let message = format!("the {kind} `{}` was left out: {why}", name.unwrap_or_default());
            ledger.note(at, message, "write it anew; nothing that refers to it was kept");
        }
    }

    fn leave_out(&mut self, refused: &BTreeSet<(u8, usize)>) {
        let kept = |section: Section| {
            let mut index = 0_usize;
            move || {
                let keep = !refused.contains(&(section as u8, index));
                index = index.saturating_add(1);
                keep
            }
        };
        let mut keep = kept(Section::Listeners);
        self.listeners.retain(|_| keep());
        let mut keep = kept(Section::Upstreams);
        self.upstreams.retain(|_| keep());
        let mut keep = kept(Section::Plugins);
        self.plugins.retain(|_| keep());
        let mut keep = kept(Section::Routes);
        self.routes.retain(|_| keep());
        if refused.contains(&(Section::Others as u8, 0)) {
            self.admin = None;
            self.trusted_hops = None;
            self.preserve_request_id = false;
        }
    }
}
