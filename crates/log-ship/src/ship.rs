//! All sinks together, as the thread that drains the rings sees them; and how a running gateway changes which there are.

mod roster;
mod starting;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use self::roster::Roster;
use self::starting::Starting;
use crate::fault::ShipFault;
use crate::record::Record;
use crate::sink::{Frame, Sink};
use crate::tally::Tally;

/// How often the end of sinks is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A sink as it shall be from now on.
pub struct Wanted {
    /// What its settings are known by, such as their digest: a sink that has this key goes on untouched.
    pub key: String,
    /// What every sink has. Its queue takes records from the change on, its name is that of the sink that it follows.
    pub frame: Frame,
    /// One of the functions `start_*` with the rest of the settings. It is called on a thread of its own, and again while it fails.
    pub start: Box<dyn FnMut(Frame) -> Result<Sink, ShipFault> + Send>,
}

/// The sinks of a gateway. None of them knows of the others.
///
/// All but [`Ship::end`] is done at once, from any thread: the lock is held for as long as a queue takes records.
#[derive(Default)]
pub struct Ship {
    roster: Arc<Mutex<Roster>>,
}

impl Ship {
    /// With these.
    #[must_use]
    pub fn new(sinks: Vec<Sink>) -> Self {
        Self {
            roster: Arc::new(Mutex::new(Roster::new(sinks))),
        }
    }

    /// Gives records to every sink that they are for. Waits for nobody.
    pub fn give(&self, records: &[Arc<Record>]) {
        self.roster.lock().give(records);
    }

    /// The greatest number up to which no durable sink has need of the giver any more; none when no sink is durable. It never gets smaller.
    ///
    /// Who cannot keep records that long may give them up: a sink that has been given a record has it, and it is lost with the process alone.
    #[must_use]
    pub fn acknowledged(&self) -> Option<u64> {
        self.roster.lock().acknowledged()
    }

    /// Has these sinks from now on, and no others. Waits for nobody.
    ///
    /// One whose key is there already goes on as it is. Those that are not wanted any more carry what they have for as long as is said here; what
    /// they hold then stays in their spool, or goes to the sink of the same name, or is dropped and counted. A new sink is given records from now on;
    /// its other side and its folders are opened when a sink of its name, and one with its spool, has ended or had its time. What keeps it from
    /// starting is said to its listener, and it is tried again. Sinks that have ended are parted with whenever somebody asks what is acknowledged, or for
    /// counts.
    ///
    /// # Errors
    /// When the system gives no thread: then that sink is not there, and all else is as wanted.
    pub fn change(&self, wanted: Vec<Wanted>, end_wait_max: Duration) -> Result<(), ShipFault> {
        let starts = self.roster.lock().change(wanted, Instant::now() + end_wait_max);
        let mut done = Ok(());
        for (ticket, wanted) in starts {
            let starting = Starting::new(Arc::clone(&self.roster), ticket, wanted);
            if let Err(why) = starting.spawn() {
                self.roster.lock().strike(ticket);
                done = Err(why);
            }
        }
        done
    }

    /// Counts of each sink by its name, with those of sinks that had it before: what is counted up never gets smaller.
    ///
    /// What a sink that has ended left in its spool counts as left, until the next one of its name with that folder has found it.
    pub fn tallies(&self) -> impl Iterator<Item = (String, Tally)> + use<> {
        self.roster.lock().tallies().into_iter()
    }

    /// Has all files opened anew, after somebody has renamed them.
    pub fn reopen(&self) {
        self.roster.lock().reopen();
    }

    /// Ends all sinks at the same time; says whether all had ended by then.
    pub fn end(&mut self, until: Instant) -> bool {
        self.roster.lock().finish(until);
        loop {
            if self.roster.lock().has_ended() {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
    }
}

#[cfg(test)]
mod tests;
