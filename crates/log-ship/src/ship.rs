//! All sinks together, as the thread that drains the rings sees them.

use std::sync::Arc;
use std::time::Instant;

use crate::record::Record;
use crate::sink::Sink;
use crate::tally::Tally;

/// The sinks of a gateway. None of them knows of the others.
#[derive(Default)]
pub struct Ship {
    sinks: Vec<Sink>,
}

impl Ship {
    /// With these.
    #[must_use]
    pub fn new(sinks: Vec<Sink>) -> Self {
        Self { sinks }
    }

    /// Gives records to every sink that they are for. Waits for nobody.
    pub fn give(&self, records: &[Arc<Record>]) {
        for sink in &self.sinks {
            sink.give(records);
        }
    }

    /// The greatest number up to which no durable sink has need of the giver any more; none when no sink is durable.
    #[must_use]
    pub fn acknowledged(&self) -> Option<u64> {
        let durable = self.sinks.iter().filter(|sink| sink.is_durable());
        durable.map(Sink::acknowledged).min()
    }

    /// Counts of each sink, by its name.
    pub fn tallies(&self) -> impl Iterator<Item = (&str, Tally)> {
        self.sinks.iter().map(|sink| (sink.name(), sink.tally()))
    }

    /// Has all files opened anew, after somebody has renamed them.
    pub fn reopen(&self) {
        self.sinks.iter().for_each(Sink::reopen);
    }

    /// Ends all sinks at the same time; says whether all had ended by then.
    pub fn end(&mut self, until: Instant) -> bool {
        for sink in &self.sinks {
            sink.finish(until);
        }
        let ended: Vec<bool> = self.sinks.iter_mut().map(|sink| sink.ended(until)).collect();
        ended.into_iter().all(|ended| ended)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::json::{Shape, start};
    use crate::scene::server::{Reply, Server};
    use crate::scene::{assert_exact, frame, records, until};
    use crate::sink::Frame;
    use crate::stdout::start_writer;

    #[test]
    fn a_sink_that_is_dead_harms_no_other_and_holds_the_giver_only_when_it_is_durable() {
        let dead = Server::start(|_, _| Reply::Silent);
        let sinks = |durable| {
            let frame_of = |name| Frame { durable, ..frame(name) };
            let alive = start_writer(frame("alive"), Box::new(std::io::sink())).unwrap();
            let hanging = start(frame_of("hanging"), dead.target("/"), Shape::Lines).unwrap();
            Ship::new(vec![alive, hanging])
        };
        let durable = sinks(true);
        durable.give(&records(1..=100));
        until("alive", || durable.tallies().any(|(_, tally)| tally.delivered == 100));
        assert_eq!(durable.acknowledged(), Some(0));
        let mut fleeting = sinks(false);
        fleeting.give(&records(1..=100));
        until("all that counts", || fleeting.acknowledged() == Some(100));
        for (_, tally) in fleeting.tallies() {
            assert_exact(&tally);
        }
        let since = Instant::now();
        assert!(!fleeting.end(Instant::now() + Duration::from_millis(300)), "one hangs");
        assert!(since.elapsed() < Duration::from_secs(3));
    }
}
