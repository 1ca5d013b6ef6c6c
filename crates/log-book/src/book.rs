//! The book: rings are made for pens, the clerk is started, and both are ended.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;
use std::time::Instant;

use log_mask::class::Class as Secret;
use log_mask::rules::Rules;
use log_record::grade::Class;
use log_record::packed::Lost;
use log_ring::{Folder, Policy, Ring};
use log_ship::{Ship, Tally};
use parking_lot::Mutex;

use crate::clerk::{Clerk, Order, Shared};
use crate::fault::BookFault;
use crate::masked::Masked;
use crate::pen::{Desk, Pen};
use crate::wanted::Wanted;

/// LIMIT: orders that wait for the clerk.
const ORDERS_MAX: usize = 1024;

/// What a book is like.
pub struct Settings {
    /// Where rings lie; the folder that it is in must be there.
    pub folder: PathBuf,
    /// Rings.
    pub rings: log_ring::Settings,
    /// What is masked.
    pub rules: Arc<Rules>,
    /// What anybody wants.
    pub wanted: Wanted,
    /// Guests that see records from the first one on, what dead processes left included.
    pub screen: Option<Box<dyn Screen>>,
    /// Who hears of what went wrong.
    pub listener: Listener,
}

/// Who hears notices. Called on the clerk's thread.
pub type Listener = Arc<dyn Fn(Notice) + Send + Sync>;

/// What an operator may want to know of rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A process died, and what it had written down is shipped now.
    Recovering {
        /// Its number.
        process: u32,
        /// How many records.
        records: usize,
        /// Its ring.
        path: PathBuf,
    },
    /// Something lies among the rings that is none, or cannot be read or removed; it is left alone.
    Refused {
        /// What.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Somebody else wrote into a ring.
    Damaged {
        /// Which.
        ring: String,
        /// What is wrong.
        why: String,
        /// Bytes that were passed over.
        bytes: u64,
    },
    /// The file of a ring stays.
    Kept {
        /// Which.
        ring: String,
        /// Why.
        why: String,
    },
}

/// Guests that are shown lines before the sinks are: each is one JSON object, and one JSON object is there afterwards. Called on the clerk's thread,
/// which waits for it.
pub trait Screen: Send {
    /// Leads lines through.
    fn pass(&mut self, lines: &mut [Vec<u8>]);
}

/// How a ring is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingCounts {
    /// Its name.
    pub name: String,
    /// Bytes for records.
    pub capacity_bytes: u64,
    /// Bytes that hold records which are not safe elsewhere.
    pub used_bytes: u64,
    /// Records that were taken out of it.
    pub records: u64,
    /// Gap records among them.
    pub gaps: u64,
    /// Records that it refused so far.
    pub dropped: Vec<(Class, Lost<'static>)>,
}

/// Where everything is written down.
pub struct Book {
    folder: Folder,
    rings: log_ring::Settings,
    manner: Mutex<(Arc<Rules>, Wanted)>,
    shared: Arc<Shared>,
    orders: SyncSender<Order>,
    masked: Mutex<Vec<Arc<Masked>>>,
}

impl Book {
    /// Opens it over these sinks, and begins to bring what processes left that are gone.
    ///
    /// # Errors
    /// When the folder is not to be trusted, or the system gives no ring or no thread.
    pub fn open(mut settings: Settings, ship: Ship) -> Result<Self, BookFault> {
        settings.rings.policy = by_class(settings.rings.policy);
        let folder = Folder::open(&settings.folder)?;
        let (orders, taken) = sync_channel(ORDERS_MAX);
        let manner = (settings.rules, settings.wanted);
        let bytes_max = usize::try_from(settings.rings.payload_bytes_max).unwrap_or(usize::MAX);
        let (ring, producer, consumer) = Ring::create(&folder, "control", &settings.rings)?;
        let masked = Arc::new(Masked::default());
        let shared = Arc::new(Shared {
            ship: Mutex::new(ship),
            rings: Mutex::default(),
            desk: Desk::new(Pen::new((producer, Arc::clone(&masked)), manner.clone(), bytes_max)),
        });
        let clerk = Clerk::new(
            Arc::clone(&shared),
            folder.clone(),
            (settings.listener, settings.screen),
        );
        Builder::new()
            .name("log-clerk".to_owned())
            .spawn(move || clerk.run(&taken))
            .map_err(BookFault::Thread)?;
        let book = Self {
            folder,
            rings: settings.rings,
            manner: Mutex::new(manner),
            shared,
            orders,
            masked: Mutex::new(vec![masked]),
        };
        book.hand_over("control", (ring, consumer))?;
        Ok(book)
    }

    /// A pen for one worker, with a ring of its own under that name.
    ///
    /// # Errors
    /// When the system gives no ring.
    pub fn pen(&self, name: &str) -> Result<Pen, BookFault> {
        let (ring, producer, consumer) = Ring::create(&self.folder, name, &self.rings)?;
        self.hand_over(name, (ring, consumer))?;
        let bytes_max = usize::try_from(self.rings.payload_bytes_max).unwrap_or(usize::MAX);
        let masked = Arc::new(Masked::default());
        self.masked.lock().push(Arc::clone(&masked));
        Ok(Pen::new((producer, masked), self.manner(), bytes_max))
    }

    fn hand_over(&self, name: &str, ends: (Ring, log_ring::Consumer)) -> Result<(), BookFault> {
        let order = Order::Ring(name.to_owned(), Box::new(ends), self.rings.ring_bytes);
        self.orders.try_send(order).map_err(|_| BookFault::Clerk)
    }

    /// Leads records through other guests, or through none. Whatever is given to sinks after it has returned, these have seen.
    ///
    /// # Errors
    /// When the clerk takes no orders.
    pub fn show_to(&self, screen: Option<Box<dyn Screen>>) -> Result<(), BookFault> {
        let (done, changed) = sync_channel(1);
        self.orders
            .try_send(Order::Screen(screen, done))
            .map_err(|_| BookFault::Clerk)?;
        changed.recv_timeout(CHANGING).map_err(|_| BookFault::Clerk)
    }

    /// The pen of threads that carry no traffic.
    #[must_use]
    pub fn desk(&self) -> &Desk {
        &self.shared.desk
    }

    /// What is masked and wanted, for [`Pen::follow`].
    #[must_use]
    pub fn manner(&self) -> (Arc<Rules>, Wanted) {
        self.manner.lock().clone()
    }

    /// Other rules and other wishes from here on, for the desk and for pens that are made later; pens that there are follow by themselves.
    pub fn follow(&self, rules: Arc<Rules>, wanted: Wanted) {
        *self.manner.lock() = (Arc::clone(&rules), wanted);
        self.shared.desk.follow(rules, wanted);
    }

    /// The sinks. Whoever holds them holds up the clerk, and nobody else.
    pub fn with_ship<R>(&self, look: impl FnOnce(&mut Ship) -> R) -> R {
        look(&mut self.shared.ship.lock())
    }

    /// What has become of records, by the names of sinks.
    #[must_use]
    pub fn tallies(&self) -> Vec<(String, Tally)> {
        let ship = self.shared.ship.lock();
        ship.tallies().collect()
    }

    /// How often something of each class was masked, by all pens.
    #[must_use]
    pub fn masked(&self) -> Vec<(Secret, u64)> {
        let pens = self.masked.lock();
        let sum = |class| pens.iter().map(|masked| masked.count(class)).sum();
        let all = Secret::ALL.into_iter().map(|class| (class, sum(class)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// How rings are; half a second old at most.
    #[must_use]
    pub fn rings(&self) -> Vec<RingCounts> {
        self.shared.rings.lock().clone()
    }

    /// Gives what is in the rings to the sinks and ends them by then; says whether everything was carried. Rings in which something is left that no
    /// durable sink has stay for the next start. Pens write nothing that anybody reads from here on.
    pub fn close(&self, until: Instant) -> bool {
        let (done, ended) = sync_channel(1);
        if self.orders.try_send(Order::End(until, done)).is_err() {
            return false;
        }
        ended
            .recv_timeout(until.saturating_duration_since(Instant::now()) + CLOSING)
            .unwrap_or(false)
    }
}

/// What each class may fill of a ring: an audit all of it, and what one can do without less than others of its level.
fn by_class(policy: Policy) -> Policy {
    let rules = [
        (Class::Audit, [100; 8]),
        (Class::Debug, DISPENSABLE),
        (Class::Span, DISPENSABLE),
    ];
    rules.into_iter().fold(policy, |policy, (class, percent)| {
        match log_ring::Class::new(class.number()) {
            Some(class) => policy.with_class(class, percent),
            None => policy,
        }
    })
}

/// Percent of a ring that debug windows and spans may fill, by level: where it fills, records of exchanges come before them.
const DISPENSABLE: [u8; 8] = [40, 50, 60, 70, 70, 70, 70, 70];
/// How long the clerk may take until it looks for orders; a batch in guests, and sinks that are changed, hold it up.
const CHANGING: std::time::Duration = std::time::Duration::from_secs(20);
/// What the clerk has beyond the time of the sinks, to put its rings away.
const CLOSING: std::time::Duration = std::time::Duration::from_millis(500);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_may_fill_a_ring_and_spans_leave_room_for_exchanges() {
        let policy = by_class(Policy::default());
        let info = log_ring::Level::new(log_record::grade::Level::Info.number()).unwrap();
        let percent = |class: Class| policy.percent(info, log_ring::Class::new(class.number()).unwrap());
        assert_eq!(percent(Class::Audit), 100);
        assert_eq!(
            percent(Class::Access),
            Policy::default().percent(info, log_ring::Class::new(0).unwrap())
        );
        assert!(percent(Class::Span) < percent(Class::Access));
        assert!(percent(Class::Debug) < percent(Class::Access));
    }
}
