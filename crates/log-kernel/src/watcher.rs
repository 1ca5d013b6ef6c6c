//! Retransmits and their table in one hand, for the thread that drains; where the kernel refuses, the reason instead.

use std::io;

use crate::fault::LoadFault;
use crate::flow::Tag;
use crate::moment::Moment;
use crate::table::{Bounds, Seen, Table};
use crate::watch::{Counts, Retransmits, Settings};

/// What is known of retransmits. Belongs to one thread.
pub struct Watcher {
    retransmits: Result<Retransmits, LoadFault>,
    table: Table,
}

impl Watcher {
    /// Begins to watch. Takes some ten milliseconds, once, and never fails: [`Watcher::refusal`] says what is missing.
    #[must_use]
    pub fn start(settings: &Settings, bounds: Bounds) -> Self {
        Self {
            retransmits: Retransmits::watch(settings),
            table: Table::new(bounds),
        }
    }

    /// One that never began, for whoever does not want to watch or for tests.
    #[must_use]
    pub fn refused(why: LoadFault) -> Self {
        Self {
            retransmits: Err(why),
            table: Table::new(Bounds::default()),
        }
    }

    /// Why there are no time stamps; none when there are.
    #[must_use]
    pub fn refusal(&self) -> Option<&LoadFault> {
        self.retransmits.as_ref().err()
    }

    /// Brings the table up to the present: before a batch of records is encoded, and several times a second when there is none. Never waits.
    ///
    /// # Errors
    /// The counters could not be read; the events are in the table.
    pub fn tick(&mut self) -> io::Result<Counts> {
        match &mut self.retransmits {
            Ok(retransmits) => retransmits.drain_into(&mut self.table),
            Err(_) => Ok(Counts::default()),
        }
    }

    /// What is known of a connection since an exchange began on it, as of the last [`Watcher::tick`]; none where nothing is watched, which is
    /// not the same as no retransmits.
    #[must_use]
    pub fn since(&self, of: impl Into<Tag>, began: Moment) -> Option<Seen<'_>> {
        self.refusal().is_none().then(|| self.table.since(of, began))
    }
}
