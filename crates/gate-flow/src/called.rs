//! What is written down of a call to a system behind us: what was asked of it, how long it took, and what came of it.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gate_upstream::Upstream;
use http::Method;
use http::uri::PathAndQuery;
use log_book::{Pen, Sheet, Subject};
use log_mask::field::Untrusted;
use log_record::field;
use log_record::grade::{Class, Level};
use plug_host::{Caller, LocalFuture, TraceIds};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

/// LIMIT: bytes of a command of Redis that is written down; the longest known one has 20.
const COMMAND_BYTES_MAX: usize = 32;

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered.
    Ok,
    /// The answer was that it may not be.
    Refused,
    /// Nobody was there.
    Unavailable,
    /// No answer came in time.
    Timeout,
    /// It broke off, or the system was at fault.
    Failed,
    /// Whoever made it waits for it no more.
    GivenUp,
}

impl Outcome {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }

    /// Calls that go well are many.
    const fn level(self) -> Level {
        match self {
            // What a plugin cancels is nothing that failed.
            Self::Ok | Self::GivenUp => Level::Debug,
            _ => Level::Warn,
        }
    }

    /// Of an HTTP status that came from the system itself: what a system answers with 4xx is an answer.
    pub(crate) const fn of_status(status: u16) -> Self {
        if status < 500 { Self::Ok } else { Self::Failed }
    }

    /// Of a status of gRPC.
    pub(crate) const fn of_grpc(status: u32) -> Self {
        match status {
            0 => Self::Ok,
            1 => Self::GivenUp,
            4 => Self::Timeout,
            7 | 16 => Self::Refused,
            14 => Self::Unavailable,
            _ => Self::Failed,
        }
    }

    /// Of an answer of Redis, for which so much time was.
    pub(crate) fn of_redis(reply: Option<&Bytes>, (took, time_max): (Duration, Duration)) -> Self {
        match reply {
            Some(reply) if reply.starts_with(b"-") => Self::Refused,
            Some(_) => Self::Ok,
            None if took >= time_max => Self::Timeout,
            None => Self::Unavailable,
        }
    }
}

/// What is asked.
pub(crate) enum Asks {
    /// A request.
    Http(Method, PathAndQuery),
    /// A method of a service.
    Grpc(String, String),
    /// A command, of which nothing but its name and how many arguments it has is written down.
    Redis(Bytes),
}

/// A call that is under way and that somebody wants to know of.
pub(crate) struct Called {
    pen: Rc<RefCell<Pen>>,
    upstream: Rc<Upstream>,
    asks: Asks,
    plugin: String,
    ids: Option<TraceIds>,
    began: Instant,
}

/// What is known of a call at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    /// Of HTTP.
    pub(crate) status: Option<u16>,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
}

impl End {
    /// Of a call of which no more is known.
    pub(crate) const fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: None,
            bytes_out: 0,
            bytes_in: 0,
        }
    }
}

impl Called {
    /// Takes note of a call; nothing of one that nobody wants to know of.
    pub(crate) fn begin(
        pen: &Rc<RefCell<Pen>>,
        upstream: &Rc<Upstream>,
        by: Caller<'_>,
        asks: impl FnOnce() -> Asks,
    ) -> Option<Self> {
        let wants = |level| pen.try_borrow().is_ok_and(|pen| pen.wants(level, Class::Call));
        (wants(Level::Warn) || wants(Level::Debug)).then(|| Self {
            pen: Rc::clone(pen),
            upstream: Rc::clone(upstream),
            asks: asks(),
            plugin: by.plugin.to_owned(),
            ids: by.ids,
            began: Instant::now(),
        })
    }

    /// Writes down what came of it.
    pub(crate) fn ends(self, end: End) {
        let took = self.began.elapsed();
        if let Ok(mut pen) = self.pen.try_borrow_mut() {
            pen.write(Subject::now(end.outcome.level(), Class::Call), |sheet| {
                let system = &self.upstream.spec().name;
                let by = Caller {
                    plugin: &self.plugin,
                    ids: self.ids,
                };
                write(sheet, (system, &self.asks), by, (end, took));
            });
        }
    }

    /// Waits for what a call gives, and writes down what came of it; also when nobody waits any more, for then there is no record otherwise.
    pub(crate) fn attend<T: Default + 'static>(
        called: Option<Self>,
        call: impl Future<Output = (T, End)> + 'static,
    ) -> LocalFuture<T> {
        let Some(called) = called else {
            return Box::pin(async move { call.await.0 });
        };
        Box::pin(async move {
            let (waits, gone) = oneshot::channel::<()>();
            let call = spawn_local(async move {
                let ended = tokio::select! {
                    biased;
                    ended = call => Some(ended),
                    _ = gone => None,
                };
                let (given, end) = ended.unzip();
                called.ends(end.unwrap_or(End::of(Outcome::GivenUp)));
                given
            });
            // It gives nothing where it panicked, which is counted.
            let given = call.await.ok().flatten().unwrap_or_default();
            drop(waits);
            given
        })
    }
}

fn write(sheet: &mut Sheet<'_>, (system, asks): (&str, &Asks), by: Caller<'_>, (end, took): (End, Duration)) {
    if let Some(ids) = by.ids {
        crate::written::write_ids(sheet, ids);
    }
    sheet.own().text(&field::PLUGIN, by.plugin.as_bytes());
    sheet.own().text(&field::SYSTEM, system.as_bytes());
    match asks {
        Asks::Http(method, target) => {
            sheet.own().text(&field::OPERATION, b"http");
            sheet.sent(&field::METHOD, Untrusted::Text(method.as_str().as_bytes()));
            crate::written::target(sheet, target);
        }
        Asks::Grpc(service, method) => {
            sheet.own().text(&field::OPERATION, b"grpc");
            sheet.own().text(&field::METHOD, b"POST");
            // Both were names of the plugin's.
            sheet.sent(&field::PATH, Untrusted::Text(format!("/{service}/{method}").as_bytes()));
        }
        Asks::Redis(query) => {
            let mut room = [0; COMMAND_BYTES_MAX + 40];
            sheet.sent(&field::OPERATION, Untrusted::Text(command(query, &mut room)));
        }
    }
    let own = sheet.own();
    if let Some(status) = end.status {
        own.integer(&field::STATUS, u64::from(status));
    }
    own.text(&field::RESULT, end.outcome.word().as_bytes());
    own.integer(&field::BYTES_OUT, end.bytes_out);
    own.integer(&field::BYTES_IN, end.bytes_in);
    own.milliseconds(&field::DURATION, took);
}

/// The name of a command and how many arguments it has: `GET (1)`. What has no such name is no command, and none of it is shown.
fn command<'room>(query: &[u8], room: &'room mut [u8]) -> &'room [u8] {
    let (name, arguments) = parts(query).unwrap_or((b"redis", 0));
    let whole = room.len();
    let mut rest = &mut *room;
    // There is room for any name that is let through, and any number.
    let _ = rest.write_all(name);
    let _ = write!(rest, " ({arguments})");
    let written = whole.saturating_sub(rest.len());
    room.get(..written).unwrap_or_default()
}

fn parts(query: &[u8]) -> Option<(&[u8], u64)> {
    let is_name = |name: &&[u8]| {
        (1..=COMMAND_BYTES_MAX).contains(&name.len())
            && name
                .iter()
                .all(|byte| byte.is_ascii_alphabetic() || *byte == b'.' || *byte == b'_')
    };
    let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
    let Some(array) = query.strip_prefix(b"*") else {
        // Written by hand, on a line.
        let line = query.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let name = words.next().filter(is_name)?;
        return Some((name, u64::try_from(words.count()).unwrap_or(u64::MAX)));
    };
    let mut lines = array.split(|byte| *byte == b'\n');
    let mut line = || lines.next()?.strip_suffix(b"\r");
    let words = number(line()?)?;
    let length = number(line()?.strip_prefix(b"$")?)?;
    let name = line().filter(is_name)?;
    let is_whole = u64::try_from(name.len()).ok() == Some(length);
    is_whole.then_some((name, words.saturating_sub(1)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
