//! What plugins say, and what is said of them, on its way to the operator.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use gate_flow::{Voice, level_of};
use log_book::{Pen, Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};
use plug_abi::LogLevel;
use plug_host::{BurstPolicy, DebugNews, Fault, LogLine, Saying, Trouble};

use crate::crashes::Crashes;
use crate::voice::{FAULTS_BYTES_MAX, LINES_BYTES_MAX, say_of_plugin};

/// What plugins say, line by line, and what is said of them.
pub(crate) fn of_plugins(crashes: &Arc<Crashes>, pen: Rc<RefCell<Pen>>) -> Voice {
    let crashes = Arc::clone(crashes);
    let written = Rc::clone(&pen);
    let of_a_fault = move |level, text: String| {
        write(&written, level_of(level), Class::Gateway, |sheet| {
            sheet.sent(&field::MESSAGE, Untrusted::Text(text.as_bytes()));
        });
        say_of_plugin(level, &text, FAULTS_BYTES_MAX);
    };
    Rc::new(move |saying| match saying {
        Saying::Line(line) => line_of_plugin(&pen, &line),
        Saying::LeftOut { plugin, lines } => of_a_fault(
            LogLevel::Warn,
            format!(
                "plugin log lines left out plugin={plugin} lines={lines}; `limits.log_lines` says how many it may write in a second"
            ),
        ),
        Saying::Denied { .. } => of_a_fault(LogLevel::Warn, denied(saying)),
        Saying::Growth {
            plugin,
            bytes,
            bytes_at_start,
            bytes_max,
            exchanges,
        } => of_a_fault(
            LogLevel::Warn,
            format!(
                "plugin memory grows plugin={plugin} bytes={bytes} bytes_at_start={bytes_at_start} bytes_max={bytes_max} exchanges={exchanges} bytes_per_exchange={}; `restart.full_at` says when an instance is replaced",
                bytes.saturating_sub(bytes_at_start) / u64::from(exchanges.max(1))
            ),
        ),
        Saying::Burst { plugin, of, policy } => of_a_fault(LogLevel::Warn, burst(plugin, of, policy)),
        Saying::Recorded(recording) => crashes.keep(Arc::clone(recording)),
        Saying::Fault(fault) => {
            write(&pen, Level::Error, Class::Fault, |sheet| {
                fault_of_plugin(sheet, fault);
            });
            crashes.report(fault);
        }
        Saying::Debug { plugin, news } => of_a_fault(LogLevel::Info, debug_news(plugin, news)),
        Saying::Retired {
            plugin,
            generation,
            exchanges,
            after,
        } => of_a_fault(
            LogLevel::Warn,
            format!(
                "plugin retired plugin={plugin} generation={generation} exchanges={exchanges} after={after:?}; `retire_after` says how long exchanges may stay"
            ),
        ),
        Saying::Quarantine { plugin, faults, length } => {
            write(&pen, Level::Warn, crate::records::CLASS, |sheet| {
                crate::records::quarantine_begun(sheet, plugin, faults, length);
            });
            of_a_fault(
                LogLevel::Error,
                format!(
                    "plugin quarantined plugin={plugin} faults_in_a_row={faults} for={length:?}; POST /plugins/{plugin}/lift on the admin listener ends it"
                ),
            );
        }
    })
}

/// A voice is heard after the callback has returned, and a record is written without one; were it otherwise, a record would be missing.
fn write(pen: &RefCell<Pen>, level: Level, class: Class, fill: impl FnOnce(&mut Sheet<'_>)) {
    if let Ok(mut pen) = pen.try_borrow_mut()
        && pen.wants(level, class)
    {
        pen.write(Subject::now(level, class), fill);
    }
}

fn fault_of_plugin(sheet: &mut Sheet<'_>, fault: &Fault) {
    if let Some(ids) = fault.ids.as_deref().copied() {
        gate_flow::write_ids(sheet, ids);
    }
    let own = sheet.own();
    own.text(&field::PLUGIN, fault.plugin.as_bytes());
    own.text(&field::CODE, fault.code().as_bytes());
    if let Some(scene) = &fault.scene {
        own.integer(&field::PLUGIN_GENERATION, scene.generation);
        if let Some(exchange) = &scene.exchange {
            own.integer(&field::CONTEXT, u64::from(exchange.context));
            if let Some(id) = &exchange.request_id {
                let value = Untrusted::Header {
                    name: b"x-request-id",
                    value: id.as_bytes(),
                };
                sheet.sent(&field::REQUEST_ID, value);
            }
        }
    }
    sheet.sent(&field::MESSAGE, Untrusted::Text(fault.to_string().as_bytes()));
}

/// A line that a plugin wrote: masked, into the log, or where no sink is for plugins' lines, to standard error.
fn line_of_plugin(pen: &RefCell<Pen>, line: &LogLine<'_>) {
    write(pen, level_of(line.level), Class::Plugin, |sheet| {
        if let Some(ids) = line.marks.ids {
            gate_flow::write_ids(sheet, ids);
        }
        let own = sheet.own();
        own.text(&field::PLUGIN, line.plugin.as_bytes());
        own.integer(&field::CONTEXT, u64::from(line.context));
        sheet.sent(&field::MESSAGE, Untrusted::Text(line.text.as_bytes()));
        if let Some(factor) = line.marks.factor.filter(|factor| *factor != 1.0) {
            sheet.own().number(&field::FACTOR, factor);
        }
    });
    let mut masked = Vec::new();
    if let Ok(mut pen) = pen.try_borrow_mut() {
        // Who takes the gravest takes some of them, and says which.
        if pen.wants(Level::Critical, Class::Plugin) {
            return;
        }
        pen.mask(Untrusted::Text(line.text.as_bytes()), &mut masked);
    }
    let text = String::from_utf8_lossy(&masked);
    show(&LogLine { text: &text, ..*line });
}

/// What is said of calls that a grant lacks.
pub(crate) fn denied(saying: Saying<'_>) -> String {
    let Saying::Denied {
        plugin,
        call,
        about,
        times,
        enforced,
    } = saying
    else {
        return String::new();
    };
    let about = match about {
        "" => String::new(),
        about => format!(" about={about:?}"),
    };
    let others = match times.saturating_sub(1) {
        0 => String::new(),
        others => format!(" others_since={others}"),
    };
    match enforced {
        true => format!("plugin call denied plugin={plugin} call={call}{about}{others}; its grant lacks it"),
        false => format!(
            "plugin call would be denied plugin={plugin} call={call}{about}{others}; its grant lacks it, and has `mode: report`"
        ),
    }
}

fn burst(plugin: &str, of: Trouble, policy: BurstPolicy) -> String {
    let of = match of {
        Trouble::Fault => "faults",
        Trouble::Error => "errors",
    };
    let (within, lasts, level, recordings) = (policy.within, policy.lasts, policy.level.word(), policy.recordings);
    format!(
        "plugin burst plugin={plugin} of={of} within={within:?}; for {lasts:?} its lines are written from level {level} on, and {recordings} exchanges recorded"
    )
}

fn debug_news(plugin: &str, news: DebugNews) -> String {
    match news {
        DebugNews::Begins => format!("plugin debugged plugin={plugin}: LLDB has an exchange"),
        DebugNews::NobodyThere(wait) => {
            format!(
                "plugin not debugged plugin={plugin}: LLDB was not there within {wait:?}, the exchange goes on without it"
            )
        }
        DebugNews::Ended(passed) => {
            format!("plugin debugged plugin={plugin}: its exchange has ended; undebugged_meanwhile={passed}")
        }
    }
}

/// Shows a line that a plugin wrote.
pub(crate) fn show(line: &LogLine<'_>) {
    say_of_plugin(line.level, &plugin_line(line), LINES_BYTES_MAX);
}

/// A line of a plugin.
pub(crate) fn plugin_line(line: &LogLine<'_>) -> String {
    format!(
        "plugin log plugin={} level={} context={} text={:?}",
        line.plugin,
        line.level.word(),
        line.context,
        line.text
    )
}
