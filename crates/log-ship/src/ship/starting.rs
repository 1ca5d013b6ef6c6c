//! The start of a sink that a running gateway gets: after those whose place it takes, and again while it fails.

use std::sync::Arc;
use std::thread::Builder;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Wanted;
use super::roster::Roster;
use crate::backoff::Backoff;
use crate::fault::ShipFault;
use crate::talk::{Kind, Talk};

/// How often it is looked whether it is still wanted, and its place free.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(super) struct Starting {
    roster: Arc<Mutex<Roster>>,
    ticket: u64,
    wanted: Wanted,
    talk: Talk,
    backoff: Backoff,
}

impl Starting {
    pub(super) fn new(roster: Arc<Mutex<Roster>>, ticket: u64, wanted: Wanted) -> Self {
        Self {
            roster,
            ticket,
            talk: Talk::new(&wanted.frame.name, Arc::clone(&wanted.frame.listener)),
            backoff: Backoff::new(wanted.frame.retry.0, wanted.frame.retry.1),
            wanted,
        }
    }

    pub(super) fn spawn(self) -> Result<(), ShipFault> {
        let sink = self.wanted.frame.name.clone();
        let builder = Builder::new().name(format!("start-{sink}"));
        let spawned = builder.spawn(move || self.run());
        spawned.map(|_| ()).map_err(|source| ShipFault::Thread { sink, source })
    }

    /// Ends when the sink has started, or is not wanted any more.
    fn run(mut self) {
        let mut not_before = Instant::now();
        loop {
            {
                let mut roster = self.roster.lock();
                if !roster.waits_for(self.ticket) {
                    return;
                }
                let frame = &self.wanted.frame;
                let spool = frame.spool.as_ref().map(|spool| spool.folder.as_path());
                if Instant::now() < not_before || roster.is_taken(&frame.name, spool) {
                    drop(roster);
                    std::thread::park_timeout(LOOK_EVERY);
                    continue;
                }
            }
            match (self.wanted.start)(self.wanted.frame.clone()) {
                Ok(sink) => {
                    let sink = sink.keyed(&self.wanted.key);
                    self.roster.lock().arrive(self.ticket, sink);
                    return;
                }
                Err(fault) => {
                    self.talk.say(Kind::Unavailable, &fault.to_string());
                    not_before = Instant::now() + self.backoff.wait();
                }
            }
        }
    }
}
