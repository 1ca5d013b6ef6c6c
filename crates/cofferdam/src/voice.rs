//! What the process says beside its data: lines on standard error.

use std::io::Write;
use std::rc::Rc;

use gate_flow::Voice;
use plug_abi::LogLevel;
use plug_host::Saying;

/// Says a line. A closed standard error is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut text = String::with_capacity(line.len() + 1);
    text.push_str(line);
    text.push('\n');
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints data to standard output; false when nobody reads it.
pub(crate) fn print(text: &str) -> bool {
    std::io::stdout().lock().write_all(text.as_bytes()).is_ok()
}

/// What plugins say, line by line.
pub(crate) fn of_plugins() -> Voice {
    Rc::new(|saying| say(&line(saying)))
}

fn line(saying: Saying<'_>) -> String {
    match saying {
        Saying::Line(line) => format!(
            "plugin log plugin={} level={} context={} text={:?}",
            line.plugin,
            word(line.level),
            line.context,
            line.text
        ),
        Saying::Fault(fault) => format!("plugin fault code={} {}", fault.code(), fault.report()),
    }
}

fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::Critical => "critical",
    }
}
