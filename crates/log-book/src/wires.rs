//! Time stamps of retransmits, for records of exchanges whose connections had some.

use std::net::SocketAddr;

use log_kernel::{Bounds, Clock, Flow, Moment, Settings, Watcher};
use log_record::field::{self, Field};
use log_record::packed::{Fields, Value, add_times};

/// What watches the kernel, or why nothing does.
pub(crate) struct Wires(Watcher);

/// What a record says of its connections.
#[derive(Default)]
struct Told {
    began: Option<Moment>,
    client: (Option<SocketAddr>, Option<SocketAddr>),
    upstream: (Option<SocketAddr>, Option<SocketAddr>),
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

    fn add_one(
        &self,
        field: &Field,
        (ends, began): ((Option<SocketAddr>, Option<SocketAddr>), Moment),
        line: &mut Vec<u8>,
    ) {
        let (Some(local), Some(remote)) = ends else { return };
        let Some(seen) = self.0.since(Flow::new(local, remote), began) else {
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
            let place = match (field, value) {
                (field, Value::Integer(ns)) if *field == field::WIRES_BEGAN => {
                    told.began = Some(Moment::from_ns(ns));
                    continue;
                }
                (field, Value::Socket(end)) if *field == field::CLIENT_LOCAL => (&mut told.client.0, end),
                (field, Value::Socket(end)) if *field == field::CLIENT_REMOTE => (&mut told.client.1, end),
                (field, Value::Socket(end)) if *field == field::UPSTREAM_LOCAL => (&mut told.upstream.0, end),
                (field, Value::Socket(end)) if *field == field::UPSTREAM_REMOTE => (&mut told.upstream.1, end),
                _ => continue,
            };
            *place.0 = Some(place.1);
        }
        told
    }
}
