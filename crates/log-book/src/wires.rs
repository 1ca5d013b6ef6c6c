//! Time stamps of retransmits, for records of exchanges whose connections had some.

use log_kernel::{Bounds, Clock, Moment, Settings, Tag, Watcher};
use log_record::field::{self, Field};
use log_record::packed::{Fields, Value, add_times};

/// What watches the kernel, or why nothing does.
pub(crate) struct Wires(Watcher);

/// What a record says of its connections.
#[derive(Default)]
struct Told {
    began: Option<Moment>,
    client: Option<Tag>,
    upstream: Option<Tag>,
}

impl Wires {
    /// Begins to watch, where the kernel allows it. Takes some milliseconds.
    pub(crate) fn watch() -> Self {
        Self(Watcher::start(&Settings::default(), Bounds::default()))
    }

    /// Takes what the kernel has told since; what it could not count is in the table as unknown.
    pub(crate) fn tick(&mut self) {
        let _ = self.0.tick();
    }

    /// Adds to a line when segments were sent again since its exchange began, if its record asks for that.
    pub(crate) fn add(&self, packed: &[u8], line: &mut Vec<u8>) {
        if self.0.refusal().is_some() {
            return;
        }
        let told = Told::read(packed);
        let Some(began) = told.began else { return };
        self.add_one(&field::CLIENT_RETRANSMITTED_AT, (told.client, began), line);
        self.add_one(&field::UPSTREAM_RETRANSMITTED_AT, (told.upstream, began), line);
    }

    fn add_one(&self, field: &Field, (connection, began): (Option<Tag>, Moment), line: &mut Vec<u8>) {
        let Some(seen) = connection.and_then(|connection| self.0.since(connection, began)) else {
            return;
        };
        let clock = Clock::read();
        let mut stamps = seen.stamps().peekable();
        if stamps.peek().is_some() {
            add_times(field, stamps.map(|stamp| clock.wall(stamp.at)), line);
        }
    }
}

impl Told {
    fn read(packed: &[u8]) -> Self {
        let mut told = Self::default();
        for (field, value) in Fields::new(packed) {
            let Value::Integer(number) = value else { continue };
            match field {
                field if *field == field::WIRES_BEGAN => told.began = Some(Moment::from_ns(number)),
                field if *field == field::CLIENT_CONNECTION => told.client = Some(Tag::from_bits(number)),
                field if *field == field::UPSTREAM_CONNECTION => told.upstream = Some(Tag::from_bits(number)),
                _ => {}
            }
        }
        told
    }
}
