//! What sinks have lost since they were asked before.

use std::collections::HashMap;

use log_record::grade::Level;
use log_record::packed::Lost;
use log_ship::{Reason, Tally};

/// Counts as they were when they were last told.
///
/// LIMIT: as many names as the ship counts, which keeps 256 of sinks that are no more at most. One that it has forgotten counts from nothing when it comes again.
#[derive(Default)]
pub(crate) struct Losses {
    before: HashMap<String, Tally>,
}

impl Losses {
    /// Those that have lost something since, with what it was. A name that is not among these tallies is forgotten.
    pub(crate) fn since(
        &mut self,
        tallies: impl Iterator<Item = (String, Tally)>,
    ) -> Vec<(String, Vec<Lost<'static>>)> {
        let before = std::mem::take(&mut self.before);
        let mut losses = Vec::new();
        for (name, tally) in tallies {
            let lost: Vec<_> = lost_since(before.get(&name), &tally).collect();
            if !lost.is_empty() {
                losses.push((name.clone(), lost));
            }
            self.before.insert(name, tally);
        }
        losses
    }
}

fn lost_since<'a>(before: Option<&'a Tally>, now: &'a Tally) -> impl Iterator<Item = Lost<'static>> + use<'a> {
    let cells = Level::ALL
        .into_iter()
        .flat_map(|level| Reason::ALL.map(|reason| (level, reason)));
    cells.filter_map(move |(level, reason)| {
        let was = before.map_or(0, |before| before.dropped_for(level, reason));
        let count = now.dropped_for(level, reason).saturating_sub(was);
        let reason = reason.word();
        (count > 0).then_some(Lost { level, reason, count })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Duration;

    use log_record::grade::Class;
    use log_ship::{BatchLimits, Format, Frame, QueueLimits, Record, Selection, Ship, start_writer};

    use super::*;

    /// A sink for which every record is too large.
    fn ship() -> Ship {
        let frame = Frame {
            name: "small".to_owned(),
            selection: Selection::default(),
            format: Format::Json,
            queue: QueueLimits {
                bytes_max: 1,
                ..QueueLimits::default()
            },
            batch: BatchLimits::default(),
            retry: (Duration::from_millis(1), Duration::from_millis(1)),
            spool: None,
            durable: false,
            listener: Arc::new(|_| {}),
        };
        Ship::new(vec![start_writer(frame, Box::new(std::io::sink())).unwrap()])
    }

    fn lose(ship: &Ship, sequence: u64) {
        let record = Record {
            sequence,
            time_ns: 0,
            level: Level::Info,
            class: Class::Access,
            line: Box::from(&b"{}\n"[..]),
        };
        ship.give(&[Arc::new(record)]);
    }

    #[test]
    fn names_that_nobody_counts_any_more_are_forgotten() {
        let ship = ship();
        let mut losses = Losses::default();
        let lost = [(
            "small".to_owned(),
            vec![Lost {
                level: Level::Info,
                reason: "too_large",
                count: 1,
            }],
        )];
        lose(&ship, 1);
        assert_eq!(losses.since(ship.tallies()), lost);
        assert_eq!(losses.since(ship.tallies()), []);
        let earlier: Vec<_> = ship.tallies().collect();
        lose(&ship, 2);
        assert_eq!(losses.since(ship.tallies()), lost);
        assert_eq!(losses.since(std::iter::empty()), []);
        assert!(losses.before.is_empty());
        assert_eq!(losses.since(earlier.into_iter()), lost, "it is counted anew");
    }
}
