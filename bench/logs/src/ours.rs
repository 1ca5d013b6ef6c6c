//! Our own logger as a worker has it: mask, pack, a ring in shared memory; and behind it the clerk and a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use log_book::{Book, Pen, Settings, Sheet, Subject, Wanted};
use log_mask::class::Class as Secret;
use log_mask::field::Untrusted;
use log_mask::pack::pack;
use log_mask::rules::{Action, Draft, QUERY_NAMES, Rules, SECRET_HEADERS, SECRET_NAMES};
use log_record::field;
use log_record::grade::{Class, Level};
use log_ship::{
    BatchLimits, FileSettings, Format, Frame, Keep, Lane, QueueLimits, Selection, Ship, Sync, SystemClock, start_files,
};

use crate::exchange::Exchange;
use crate::logger::Logger;

/// Where rings lie.
const RINGS: &str = "/dev/shm";
/// How often, and how long apart, an idle worker looks after its ring before the end.
const RESTS: u32 = 20;
const REST_EVERY: Duration = Duration::from_millis(50);
/// How long what is left may take.
const END_WAIT: Duration = Duration::from_secs(60);

/// What is hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Masking {
    Off,
    Default,
    Mlps3,
    /// Every class there is.
    Everything,
}

impl Masking {
    /// The rules, as the gateway makes them of its configuration.
    pub(crate) fn rules(self) -> Result<Rules> {
        let usual = Draft::default()
            .class(Secret::Key, Action::usual(Secret::Key))
            .names(SECRET_NAMES.iter().copied())
            .headers(SECRET_HEADERS.iter().copied())
            .query_names(QUERY_NAMES.iter().copied());
        let draft = match self {
            Self::Off => Draft::default(),
            Self::Default => usual,
            Self::Mlps3 => usual.pack(pack("mlps3").context("no pack `mlps3`")?),
            Self::Everything => {
                let found = Secret::ALL.into_iter();
                // These two look for what an operator names.
                let found = found.filter(|class| !matches!(class, Secret::Word | Secret::Pattern));
                found.fold(usual, |draft, class| draft.class(class, Action::usual(class)))
            }
        };
        Ok(draft.finish()?)
    }
}

/// Writes the fields of an exchange, as the gateway does.
pub(crate) fn fill(sheet: &mut Sheet<'_>, exchange: &Exchange) {
    let id = Untrusted::Header {
        name: b"x-request-id",
        value: exchange.request_id.as_bytes(),
    };
    sheet.sent(&field::REQUEST_ID, id);
    sheet.sent(&field::METHOD, Untrusted::Text(exchange.method.as_bytes()));
    sheet.sent(&field::AUTHORITY, Untrusted::Text(exchange.authority.as_bytes()));
    sheet.sent(&field::PATH, Untrusted::Target(exchange.path.as_bytes()));
    if !exchange.query.is_empty() {
        sheet.sent(&field::QUERY, Untrusted::Query(exchange.query.as_bytes()));
    }
    let own = sheet.own();
    own.text(&field::PROTOCOL, exchange.protocol.as_bytes());
    own.integer(&field::STATUS, exchange.status);
    own.integer(&field::RESPONSE_BYTES, exchange.response_bytes);
    own.milliseconds(&field::DURATION, exchange.duration);
    sheet.sent_address(&field::CLIENT, exchange.client);
    let agent = Untrusted::Header {
        name: b"user-agent",
        value: exchange.user_agent.as_bytes(),
    };
    sheet.sent(&field::USER_AGENT, agent);
}

/// A folder for rings that is gone when this is.
pub(crate) fn rings() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("cofferdam-bench-")
        .tempdir_in(RINGS)
        .context("no folder in shared memory")
}

/// Pen, clerk and file.
pub(crate) struct Ours {
    pen: Pen,
    book: Book,
    _rings: tempfile::TempDir,
}

impl Ours {
    pub(crate) fn start(masking: Masking, folder: &Path, file: &Path) -> Result<Self> {
        ensure!(folder.is_dir(), "`{}` is no folder", folder.display());
        let ship = Ship::new(vec![start_files(frame(), files(file.to_owned()))?]);
        let rings = rings()?;
        let settings = Settings {
            folder: rings.path().join("rings"),
            rings: log_ring::Settings::default(),
            rules: Arc::new(masking.rules()?),
            wanted: Wanted::of([&Selection::default()]),
            screen: None,
            listener: Arc::new(|_| {}),
        };
        let book = Book::open(settings, ship)?;
        Ok(Self {
            pen: book.pen("worker-0")?,
            book,
            _rings: rings,
        })
    }
}

impl Logger for Ours {
    fn write(&mut self, exchange: &Exchange) {
        let subject = Subject::now(Level::Info, Class::Access);
        self.pen.write(subject, |sheet| fill(sheet, exchange));
    }

    fn end(mut self: Box<Self>) -> Result<Option<u64>> {
        // A worker that is idle tells what was refused, again and again, for a gap record waits until the clerk has released something.
        for _ in 0..RESTS {
            std::thread::sleep(REST_EVERY);
            self.pen.rest();
        }
        ensure!(self.book.close(Instant::now() + END_WAIT), "not everything was carried");
        // Each record that is missing is told in the log, by rings and by sinks.
        Ok(None)
    }
}

/// As a sink of the gateway is when nothing more is said of it.
fn frame() -> Frame {
    Frame {
        name: String::from("file"),
        selection: Selection::default(),
        format: Format::Json,
        queue: QueueLimits::default(),
        batch: BatchLimits::default(),
        retry: (Duration::from_millis(200), Duration::from_secs(30)),
        spool: None,
        durable: true,
        listener: Arc::new(|_| {}),
    }
}

/// Without rotation, and the disk is left to the system: others do neither.
fn files(path: PathBuf) -> FileSettings {
    FileSettings {
        lanes: vec![Lane {
            takes: Selection::default(),
            path,
            keep: Keep::default(),
        }],
        rotate_bytes: u64::MAX,
        rotate_every: Duration::from_secs(365 * 24 * 3600),
        compress: false,
        sync: Sync::Never,
        clock: Arc::new(SystemClock::default()),
    }
}
