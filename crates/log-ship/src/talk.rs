//! What a sink has to say to the operator: each kind of thing at most once a minute, with how often it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// LIMIT: how often one kind of thing is said.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// LIMIT: characters of one text, most of which a server may have written.
const TEXT_CHARS_MAX: usize = 300;

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The other side does not take records at present; they are held.
    Unavailable,
    /// The other side does not want these records, and they were dropped; or it said more of them than is read.
    Refused,
    /// The spool cannot be written or read.
    Spool,
    /// Rotated files cannot be compressed or removed.
    Upkeep,
}

/// Something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Name of the sink.
    pub sink: String,
    /// What kind of thing.
    pub kind: Kind,
    /// The last text of this kind, without control characters, cut.
    pub text: String,
    /// How often it was since it was last said.
    pub times: u64,
}

/// To whom notices are said. Called on the sink's own threads.
pub type Listener = Arc<dyn Fn(Notice) + Send + Sync>;

/// One sink's mouth.
pub(crate) struct Talk {
    sink: String,
    listener: Listener,
    /// For each kind: when it was last said, and how often it was since.
    said: [(Option<Instant>, u64); 4],
}

impl Talk {
    pub(crate) fn new(sink: &str, listener: Listener) -> Self {
        Self {
            sink: sink.to_owned(),
            listener,
            said: [(None, 0); 4],
        }
    }

    pub(crate) fn say(&mut self, kind: Kind, text: &str) {
        let place = match kind {
            Kind::Unavailable => 0,
            Kind::Refused => 1,
            Kind::Spool => 2,
            Kind::Upkeep => 3,
        };
        let Some((last, times)) = self.said.get_mut(place) else {
            return;
        };
        *times += 1;
        if last.is_some_and(|last| last.elapsed() < SAY_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        let plain = text.chars().map(|one| if one.is_control() { ' ' } else { one });
        let notice = Notice {
            sink: self.sink.clone(),
            kind,
            text: plain.take(TEXT_CHARS_MAX).collect(),
            times: std::mem::take(times),
        };
        (self.listener)(notice);
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn a_thing_is_said_once_a_minute_and_without_control_characters() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let mut talk = Talk::new("loki", Arc::new(move |notice| ears.lock().push(notice)));
        for _ in 0..5 {
            talk.say(Kind::Refused, &format!("a\nb\x1b{}", "c".repeat(1000)));
        }
        talk.say(Kind::Spool, "full");
        let heard = heard.lock();
        assert_eq!(heard.len(), 2);
        assert!(heard[0].text.starts_with("a b c"), "{}", heard[0].text);
        assert_eq!(heard[0].text.chars().count(), TEXT_CHARS_MAX);
    }
}
