//! Records on their way to the other side, each with what has become of it.

use std::sync::Arc;

use crate::format::Format;
use crate::record::Record;
use crate::tally::Reason;

/// What has become of a record in a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet: it is tried again.
    Open,
    /// The other side has it.
    Delivered,
    /// It will never arrive.
    Dropped(Reason),
}

/// One record with its fate.
#[derive(Clone, Debug)]
pub(crate) struct Passenger {
    pub(crate) record: Arc<Record>,
    pub(crate) fate: Fate,
    /// Its line is no JSON object, and goes out in quotes.
    pub(crate) misread: bool,
}

impl Passenger {
    /// Appends its line in a form, without an end.
    pub(crate) fn write(&mut self, format: &Format, out: &mut Vec<u8>) {
        self.misread = !format.write(&self.record.line, out);
    }

    /// The record with its line in a form.
    pub(crate) fn worded(&mut self, format: &Format) -> Arc<Record> {
        if *format == Format::Json {
            return Arc::clone(&self.record);
        }
        let mut line = Vec::new();
        self.write(format, &mut line);
        Arc::new(Record {
            sequence: self.record.sequence,
            time_ns: self.record.time_ns,
            level: self.record.level,
            class: self.record.class,
            line: line.into(),
        })
    }
}

/// Records that go together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    passengers: Vec<Passenger>,
}

impl Batch {
    pub(crate) fn new(records: Vec<Arc<Record>>) -> Self {
        let passengers = records.into_iter().map(|record| Passenger {
            record,
            fate: Fate::Open,
            misread: false,
        });
        Self {
            passengers: passengers.collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.passengers.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.passengers.is_empty()
    }

    /// Those whose fate is open, in their order.
    pub(crate) fn open(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.passengers
            .iter()
            .filter(|passenger| passenger.fate == Fate::Open)
            .map(|passenger| &passenger.record)
    }

    /// The same, to be written.
    pub(crate) fn open_mut(&mut self) -> impl Iterator<Item = &mut Passenger> {
        self.passengers
            .iter_mut()
            .filter(|passenger| passenger.fate == Fate::Open)
    }

    /// Decides over the first `count` that are open.
    pub(crate) fn decide(&mut self, count: usize, fate: Fate) {
        for passenger in self.open_mut().take(count) {
            passenger.fate = fate;
        }
    }

    /// Decides over those that are open and are meant.
    pub(crate) fn decide_where(&mut self, fate: Fate, meant: impl Fn(&Record) -> bool) {
        for passenger in &mut self.passengers {
            if passenger.fate == Fate::Open && meant(&passenger.record) {
                passenger.fate = fate;
            }
        }
    }

    /// Decides over those of the open ones that have these places among them, in their order.
    pub(crate) fn decide_at(&mut self, places: &[usize], fate: Fate) {
        let meant = self.open_mut().enumerate();
        for (_, passenger) in meant.filter(|(place, _)| places.binary_search(place).is_ok()) {
            passenger.fate = fate;
        }
    }

    /// Of the first `count` that are open, gives the `refused` lowest up as refused and calls the others delivered.
    ///
    /// A server that says how many it did not take does not say which.
    pub(crate) fn decide_partly(&mut self, count: usize, refused: u64) {
        let mut meant: Vec<&mut Passenger> = self.open_mut().take(count).collect();
        meant.sort_by_key(|passenger| passenger.record.rank());
        let refused = usize::try_from(refused).unwrap_or(usize::MAX);
        for (index, passenger) in meant.into_iter().enumerate() {
            passenger.fate = if index < refused {
                Fate::Dropped(Reason::Refused)
            } else {
                Fate::Delivered
            };
        }
    }

    /// Takes out those whose fate is decided.
    pub(crate) fn decided(&mut self) -> Vec<Passenger> {
        let (open, decided) = std::mem::take(&mut self.passengers)
            .into_iter()
            .partition(|passenger| passenger.fate == Fate::Open);
        self.passengers = open;
        decided
    }

    /// Takes out all records.
    pub(crate) fn into_records(self) -> Vec<Arc<Record>> {
        self.passengers.into_iter().map(|passenger| passenger.record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Class, Level};

    #[test]
    fn a_number_of_refused_records_is_laid_to_the_lowest_levels() {
        let levels = [Level::Error, Level::Debug, Level::Info];
        let records = levels.iter().zip(1..).map(|(level, sequence)| Record {
            sequence,
            time_ns: 0,
            level: *level,
            class: Class::Access,
            line: Box::default(),
        });
        let mut batch = Batch::new(records.map(Arc::new).collect());
        batch.decide_partly(3, 2);
        let refused = batch
            .decided()
            .into_iter()
            .filter(|one| one.fate == Fate::Dropped(Reason::Refused));
        assert_eq!(
            refused.map(|one| one.record.level).collect::<Vec<_>>(),
            [Level::Debug, Level::Info]
        );
    }
}
