//! The thread that carries: batches out of the spool or the queue, tried until they arrive, are refused, or the end comes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::backoff::Backoff;
use crate::batch::Batch;
use crate::carrier::{Carrier, Step};
use crate::queue::{BatchLimits, Hand, Queue, Task};
use crate::spool::{Lent, Loan, Spool};
use crate::talk::{Kind, Talk};

/// LIMIT: how long another side is left alone because it asks for it.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(300);

pub(super) struct Carrying {
    pub(super) queue: Arc<Queue>,
    pub(super) spool: Option<Arc<Mutex<Spool>>>,
    pub(super) batch: BatchLimits,
    pub(super) carrier: Box<dyn Carrier>,
    pub(super) backoff: Backoff,
    pub(super) talk: Talk,
}

/// How a try went.
enum Tried {
    Settled,
    Wait(Duration),
}

impl Carrying {
    pub(super) fn run(mut self) {
        loop {
            match self.queue.next() {
                Task::Carry(batch) => self.carry(batch),
                Task::Spooled => self.carry_spooled(),
                Task::Reopen => self.carrier.reopen(),
                Task::Idle => self.carrier.idle(),
                Task::Stop => break,
            }
        }
        self.queue.carrier_gone();
    }

    fn carry(&mut self, mut batch: Batch) {
        loop {
            let tried = self.attempt(&mut batch, Queue::settle_carried);
            let Tried::Wait(wait) = tried else { return };
            if self.spool.is_some() {
                // The spool takes it meanwhile, so that the giver need not keep it.
                self.queue.give_back(Hand::Carrier, batch);
                self.queue.pause(wait);
                return;
            }
            if !self.queue.pause(wait) && !self.last_try(&mut batch) {
                self.queue.give_back(Hand::Carrier, batch);
                self.queue.stop(Instant::now());
                return;
            }
            if batch.is_empty() {
                return;
            }
        }
    }

    /// At the end each batch is tried once more; says whether it went.
    fn last_try(&mut self, batch: &mut Batch) -> bool {
        let in_time = self.queue.stops_at().is_some_and(|until| Instant::now() < until);
        in_time && matches!(self.attempt(batch, Queue::settle_carried), Tried::Settled)
    }

    fn carry_spooled(&mut self) {
        let Some(spool) = self.spool.clone() else { return };
        let loan = {
            let mut spool = spool.lock();
            let loan = spool.lend(self.batch.records_max, self.batch.bytes_max);
            if let Loan::Damaged(lost) = &loan {
                self.queue.damaged(lost, spool.bytes());
            }
            loan
        };
        match loan {
            Loan::Records(batch, lent) => self.carry_lent(&spool, batch, &lent),
            Loan::Damaged(_) => {
                let text = "a segment of the spool cannot be read, and was set aside as `*.aside`";
                self.talk.say(Kind::Spool, text);
            }
            Loan::Nothing => {}
        }
    }

    fn carry_lent(&mut self, spool: &Mutex<Spool>, mut batch: Batch, lent: &Lent) {
        while let Tried::Wait(wait) = self.attempt(&mut batch, Queue::settle_spooled) {
            if !self.queue.pause(wait) {
                // It stays where it is, and is sent again at the next start.
                return;
            }
        }
        let mut spool = spool.lock();
        spool.settled(lent);
        self.queue.spool_bytes(spool.bytes());
    }

    /// One try, after which the counts are right.
    fn attempt(&mut self, batch: &mut Batch, settle: fn(&Queue, &mut Batch)) -> Tried {
        if self.queue.take_reopen() {
            self.carrier.reopen();
        }
        let (carrier, talk) = (&mut self.carrier, &mut self.talk);
        let mut refused = |words: &str| talk.say(Kind::Refused, words);
        let began = Instant::now();
        let trying = AssertUnwindSafe(|| carrier.deliver(batch, &mut refused));
        let step = catch_unwind(trying).unwrap_or_else(|_| Step::Again {
            why: String::from("the sink panicked"),
            after: None,
        });
        self.queue.tried(began.elapsed());
        settle(&self.queue, batch);
        let (why, after) = match step {
            Step::Done if batch.is_empty() => {
                self.backoff.reset();
                self.queue.failing(false);
                return Tried::Settled;
            }
            Step::Done => (String::from("nothing was decided"), None),
            Step::Again { why, after } => (why, after),
        };
        self.queue.failing(true);
        self.talk.say(Kind::Unavailable, &why);
        let after = after.unwrap_or_default().min(LEFT_ALONE_MAX);
        Tried::Wait(self.backoff.wait().max(after))
    }
}
