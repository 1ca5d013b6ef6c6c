//! What is done to the gateway, written down: a function for each thing that is done, over one table of their words.

mod steps;
mod rollout;
mod seen;
mod swap;
pub(crate) mod calls;

pub(crate) use self::rollout::{effect, saga, standing, wave};
pub(crate) use self::seen::{Served, Sight};
pub(crate) use self::swap::Swap;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use console::house::Ordered;
use log_book::Sheet;
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};

use self::steps::Step;
use crate::assemble::House;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begun,
    Done,
    Failed,
    Undone,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
        }
    }

    const fn of(is_done: bool) -> Self {
        if is_done { Self::Done } else { Self::Failed }
    }

    /// What failed should be looked at.
    const fn level(self) -> Level {
        match self {
            Self::Begun | Self::Done => Level::Info,
            Self::Undone => Level::Warn,
            Self::Failed => Level::Error,
        }
    }
}

/// What is told of a step; what is empty leaves nothing behind.
struct Told<'a> {
    state: State,
    plugin: &'a str,
    /// The name of a plugin that somebody asked for, and that need not be one.
    asked_for: &'a str,
    plugin_generation: Option<u64>,
    listener: &'a str,
    generation: Option<u64>,
    origin: &'a str,
    digest: &'a str,
    digest_before: &'a str,
    rollout: &'a str,
    share: &'a str,
    key: &'a str,
    compensation: &'a str,
    by: &'a str,
    from: Option<IpAddr>,
    took: Option<Duration>,
    /// It may hold what others wrote: texts of configurations, names that were asked for.
    message: &'a str,
}

impl Told<'_> {
    const fn of(state: State) -> Self {
        Self {
            state,
            plugin: "",
            asked_for: "",
            plugin_generation: None,
            listener: "",
            generation: None,
            origin: "",
            digest: "",
            digest_before: "",
            rollout: "",
            share: "",
            key: "",
            compensation: "",
            by: "",
            from: None,
            took: None,
            message: "",
        }
    }

    fn fill(&self, step: &Step, sheet: &mut Sheet<'_>) {
        let own = sheet.own();
        own.text(&field::STEP, step.word.as_bytes());
        own.text(&field::STATE, self.state.word().as_bytes());
        sheet.sent(&field::PLUGIN, Untrusted::Text(self.asked_for.as_bytes()));
        let own = sheet.own();
        let texts = [
            (&field::PLUGIN, self.plugin),
            (&field::LISTENER, self.listener),
            (&field::ORIGIN, self.origin),
            (&field::DIGEST, self.digest),
            (&field::DIGEST_BEFORE, self.digest_before),
            (&field::ROLLOUT, self.rollout),
            (&field::SHARE, self.share),
            (&field::KEY, self.key),
            (&field::COMPENSATION, self.compensation),
            (&field::BY, self.by),
        ];
        for (name, text) in texts {
            own.text(name, text.as_bytes());
        }
        for (name, number) in [
            (&field::PLUGIN_GENERATION, self.plugin_generation),
            (&field::GENERATION, self.generation),
        ] {
            if let Some(number) = number {
                own.integer(name, number);
            }
        }
        if let Some(took) = self.took {
            own.milliseconds(&field::DURATION, took);
        }
        if let Some(from) = self.from {
            sheet.sent_address(&field::CLIENT, from);
        }
        sheet.sent(&field::MESSAGE, Untrusted::Text(self.message.as_bytes()));
    }
}

/// Writes a step down, and once more for the auditor where one wants to know of it.
fn write(step: &Step, told: &Told<'_>) {
    write_at(told.state.level(), step, told);
}

fn write_at(level: Level, step: &Step, told: &Told<'_>) {
    for class in step.classes() {
        crate::logs::write_down(level, *class, |sheet| told.fill(step, sheet));
    }
}

/// The gateway has begun to serve what is from there.
pub(crate) fn started(house: &House, origin: &str) {
    let text = house.former().text;
    let digest = text.as_ref().map(|text| text.base.as_str()).unwrap_or_default();
    house.served.comes(digest);
    let told = Told {
        origin,
        digest,
        generation: Some(house.generation()),
        took: house.began.elapsed().ok(),
        ..Told::of(State::Done)
    };
    write(&steps::CONFIGURATION_APPLIED, &told);
    swap::started_with(house);
    write(&steps::GATEWAY_STARTED, &told);
}

/// It takes nothing new.
pub(crate) fn draining(generation: u64) {
    let told = Told {
        generation: Some(generation),
        ..Told::of(State::Begun)
    };
    write(&steps::GATEWAY_DRAINED, &told);
}

/// It serves nothing more; so many connections were broken off, and these workers did not end.
pub(crate) fn drained((aborted, took): (usize, Duration), lost: &[usize]) {
    for worker in lost {
        worker_lost(*worker, "it did not end by itself");
    }
    let message = match aborted {
        0 => String::new(),
        aborted => format!("aborted_connections={aborted}"),
    };
    let told = Told {
        took: Some(took),
        message: &message,
        ..Told::of(State::Done)
    };
    write(&steps::GATEWAY_DRAINED, &told);
    write(&steps::GATEWAY_STOPPED, &Told::of(State::Done));
}

/// A worker is gone, or does not take a change.
pub(crate) fn worker_lost(worker: usize, why: &str) {
    let message = format!("worker={worker}: {why}");
    let told = Told {
        message: &message,
        ..Told::of(State::Failed)
    };
    write(&steps::WORKER_LOST, &told);
}

/// The text of a configuration was read.
pub(crate) fn configuration_read(origin: &str, digest: &str) {
    let told = Told {
        origin,
        digest,
        ..Told::of(State::Done)
    };
    write(&steps::CONFIGURATION_READ, &told);
}

/// It was checked, and all that it names is there.
pub(crate) fn configuration_checked(origin: &str, digest: &str, took: Duration) {
    let told = Told {
        origin,
        digest,
        took: Some(took),
        ..Told::of(State::Done)
    };
    write(&steps::CONFIGURATION_CHECKED, &told);
}

/// Another configuration serves; `again` when it did so before.
pub(crate) fn configuration_applied(
    (origin, digest, digest_before): (&str, &str, &str),
    (generation, took, again): (u64, Duration, bool),
) {
    let told = Told {
        origin,
        digest,
        digest_before,
        generation: Some(generation),
        took: Some(took),
        ..Told::of(State::Done)
    };
    write(&steps::CONFIGURATION_APPLIED, &told);
    if again {
        write(&steps::CONFIGURATION_ROLLED_BACK, &told);
    }
}

/// A configuration does not serve; what did goes on.
pub(crate) fn configuration_refused(origin: &str, digest: &str, generation: u64, why: &[String]) {
    let message = why.join("\n");
    let told = Told {
        origin,
        digest,
        generation: Some(generation),
        message: message.trim_end(),
        ..Told::of(State::Failed)
    };
    write(&steps::CONFIGURATION_REFUSED, &told);
}

/// A listener takes connections.
pub(crate) fn listener_opened(listener: &str, address: SocketAddr) {
    let message = format!("address={address}");
    let told = Told {
        listener,
        message: &message,
        ..Told::of(State::Done)
    };
    write(&steps::LISTENER_OPENED, &told);
}

/// It takes none any more.
pub(crate) fn listeners_closed(listeners: &[String]) {
    for listener in listeners {
        let told = Told {
            listener,
            ..Told::of(State::Done)
        };
        write(&steps::LISTENER_CLOSED, &told);
    }
}

/// Certificates of a listener were read again, because their files had changed.
pub(crate) fn certificates(listener: &str, result: Result<(), &str>) {
    let told = Told {
        listener,
        message: result.err().unwrap_or_default(),
        ..Told::of(State::of(result.is_ok()))
    };
    write(&steps::CERTIFICATES_RELOADED, &told);
}

/// A plugin may do something else than before, by whose word.
pub(crate) fn grant_changed(plugin: &str, generation: u64, by: &str, changes: &str) {
    let told = Told {
        plugin,
        plugin_generation: Some(generation),
        by,
        message: changes,
        ..Told::of(State::Done)
    };
    write(&steps::GRANT_CHANGED, &told);
}

/// A module does not run because of who signed it, or who did not.
pub(crate) fn signature_refused(plugin: &str, module: &str, why: &str) {
    let told = Told {
        plugin,
        digest: module,
        message: why,
        ..Told::of(State::Failed)
    };
    write(&steps::SIGNATURE_REFUSED, &told);
}

/// A module that runs was signed by somebody who may.
pub(crate) fn signature_accepted(plugin: &str, module: &str, signer: &str) {
    let told = Told {
        plugin,
        digest: module,
        by: signer,
        ..Told::of(State::Done)
    };
    write(&steps::SIGNATURE_ACCEPTED, &told);
}

/// What an operator ordered on the admin listener, from where, and what came of it.
pub(crate) fn ordered(ordered: &Ordered<'_>) {
    let by = format!("order={}", ordered.order);
    let told = Told {
        asked_for: ordered.plugin,
        by: &by,
        from: Some(ordered.from),
        message: ordered.why_not.unwrap_or(ordered.what),
        ..Told::of(State::of(ordered.why_not.is_none()))
    };
    // That somebody is told no is nothing that is broken.
    let level = if ordered.why_not.is_none() {
        Level::Info
    } else {
        Level::Warn
    };
    write_at(level, &steps::OPERATOR_ORDERED, &told);
}

/// A plugin is set aside on a worker; on the worker's own sheet.
pub(crate) fn quarantine_begun(sheet: &mut Sheet<'_>, plugin: &str, faults: u32, length: Duration) {
    let message = format!("faults_in_a_row={faults} for={length:?}");
    let told = Told {
        plugin,
        message: &message,
        ..Told::of(State::Begun)
    };
    told.fill(&steps::QUARANTINE, sheet);
}

/// The class of what is written on sheets of workers.
pub(crate) const CLASS: Class = Class::Control;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
