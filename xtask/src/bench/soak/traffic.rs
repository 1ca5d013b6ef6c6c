//! Connections that ask and ask, each of them one route.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ROUTES;
use crate::http::{Connection, request};

/// Connections of each route.
const CONNECTIONS: usize = 4;

/// Of so many requests to the deadly route one kills its plugin.
const DEADLY_EVERY: u64 = 100;

/// Between two requests of one connection: the machine has other work to do.
const PAUSE: Duration = Duration::from_millis(2);

/// A request that was not answered for so long has failed.
const WAIT: Duration = Duration::from_secs(5);

/// What the clients of one route saw.
#[derive(Default, Clone, Copy)]
pub(super) struct Seen {
    /// Requests that kill nobody.
    pub(super) good: u64,
    /// Those of them that were not answered with 200.
    pub(super) failed: u64,
    /// Deadly requests that were answered with 5xx.
    pub(super) killed: u64,
    /// Deadly requests that were answered otherwise, or not at all.
    pub(super) spared: u64,
    /// Longest time that a good answer took.
    pub(super) longest_ms: f64,
}

impl Seen {
    fn with(self, other: Self) -> Self {
        Self {
            good: self.good + other.good,
            failed: self.failed + other.failed,
            killed: self.killed + other.killed,
            spared: self.spared + other.spared,
            longest_ms: self.longest_ms.max(other.longest_ms),
        }
    }
}

/// Clients at work.
pub(super) struct Traffic {
    over: Arc<AtomicBool>,
    clients: [Vec<JoinHandle<Seen>>; 3],
}

impl Traffic {
    pub(super) fn start(server: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let clients = ROUTES.map(|route| {
            let client = |_| {
                let over = Arc::clone(&over);
                thread::spawn(move || ask_on(server, route, &over))
            };
            (0..CONNECTIONS).map(client).collect()
        });
        Self { over, clients }
    }

    /// What the clients of each route saw.
    pub(super) fn stop(self) -> [Seen; 3] {
        self.over.store(true, Ordering::Relaxed);
        self.clients.map(|clients| {
            let seen = clients.into_iter().filter_map(|client| client.join().ok());
            seen.fold(Seen::default(), Seen::with)
        })
    }
}

fn ask_on(server: SocketAddr, route: &str, over: &AtomicBool) -> Seen {
    let mut connection = Connection::new(server, WAIT);
    let path = format!("/{route}");
    let good = request("GET", &path, &[], "");
    let deadly = request("GET", &path, &[("x-case", "trap")], "");
    let mut seen = Seen::default();
    for number in 1_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let is_deadly = number % DEADLY_EVERY == 0 && route == ROUTES[0];
        let began = Instant::now();
        let answer = connection.ask(if is_deadly { &deadly } else { &good });
        let status = answer.map_or(0, |answer| answer.status);
        if is_deadly {
            let killed = (500..600).contains(&status);
            seen.killed += u64::from(killed);
            seen.spared += u64::from(!killed);
        } else {
            seen.good += 1;
            seen.failed += u64::from(status != 200);
            seen.longest_ms = seen.longest_ms.max(began.elapsed().as_secs_f64() * 1e3);
        }
        thread::sleep(PAUSE);
    }
    seen
}
