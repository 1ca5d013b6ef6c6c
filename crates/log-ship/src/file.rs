//! The sink of files: records go into files by level and class, which are rotated, compressed, and removed after their time.

mod lane;
mod rotated;
mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::lane::Active;
use self::upkeep::Keeper;
use crate::batch::{Batch, Fate, Passenger};
use crate::carrier::{Carrier, Step};
use crate::clock::Clock;
use crate::fault::ShipFault;
use crate::format::Format;
use crate::sink::{Frame, Sink};
use crate::spool::Sync;
use crate::talk::{Kind, Talk};

/// How often retention is looked at, rotated or not.
const KEEP_EVERY: Duration = Duration::from_secs(30);
/// LIMIT: lanes of one sink, each of which has a file open.
const LANES_MAX: usize = 64;

/// Where records go, and how long they stay.
#[derive(Clone)]
pub struct FileSettings {
    /// Files; a record goes to the first that takes it, and to the last when none does.
    pub lanes: Vec<Lane>,
    /// A file is rotated when it has this many bytes,
    pub rotate_bytes: u64,
    /// or when it is this old; a lane with a shorter life rotates four times in it.
    pub rotate_every: Duration,
    /// Whether rotated files are compressed with gzip.
    pub compress: bool,
    /// When what is written is forced onto the disk.
    pub sync: Sync,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// One file with those it became.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Which records.
    pub takes: crate::record::Selection,
    /// The file that is written; rotated ones stand beside it as `NAME.NUMBER.TIME`, and `.gz` when compressed.
    pub path: PathBuf,
    /// What is kept of it.
    pub keep: Keep,
}

/// How much of a lane's past is kept. What is not set keeps all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// For how long after its last record a rotated file is kept.
    pub age_max: Option<Duration>,
    /// Bytes of all rotated files.
    pub bytes_max: Option<u64>,
    /// Rotated files.
    pub files_max: Option<usize>,
}

/// Starts a sink that writes files.
///
/// # Errors
/// When there is no lane, a file does not open, or the system gives no thread.
pub fn start(frame: Frame, settings: FileSettings) -> Result<Sink, ShipFault> {
    let carrier = Files::open(&frame, settings)?;
    Sink::start(frame, Box::new(carrier))
}

/// The carrier.
pub(crate) struct Files {
    settings: FileSettings,
    format: Format,
    active: Vec<Active>,
    keeper: Keeper,
    talk: Talk,
    kept_at: Duration,
    synced_at: Duration,
}

impl Files {
    pub(crate) fn open(frame: &Frame, settings: FileSettings) -> Result<Self, ShipFault> {
        let wrong = |why: String| ShipFault::Setting {
            sink: frame.name.clone(),
            why,
        };
        if !(1..=LANES_MAX).contains(&settings.lanes.len()) {
            return Err(wrong(format!(
                "it has {} files, and may have 1 to {LANES_MAX}",
                settings.lanes.len()
            )));
        }
        let twice = |lane: &Lane| settings.lanes.iter().filter(|other| other.path == lane.path).count() > 1;
        if let Some(lane) = settings.lanes.iter().find(|lane| twice(lane)) {
            return Err(wrong(format!("two of its files are `{}`", lane.path.display())));
        }
        let mut active = Vec::new();
        for lane in &settings.lanes {
            let life = lane.keep.age_max.map_or(settings.rotate_every, |age| age / 4);
            let every = settings.rotate_every.min(life);
            let opened = Active::open(&lane.path, every, settings.clock.as_ref());
            active.push(opened.map_err(|source| ShipFault::File {
                path: lane.path.clone(),
                source,
            })?);
        }
        let talk = || Talk::new(&frame.name, Arc::clone(&frame.listener));
        let clock = Arc::clone(&settings.clock);
        let keeper = Keeper::start(&frame.name, settings.lanes.clone(), settings.compress, clock, talk())?;
        Ok(Self {
            format: frame.format.clone(),
            active,
            keeper,
            talk: talk(),
            kept_at: settings.clock.steady(),
            synced_at: settings.clock.steady(),
            settings,
        })
    }

    /// Which lane a record goes to.
    fn lane_of(&self, record: &crate::record::Record) -> usize {
        let takes = |lane: &Lane| lane.takes.takes(record.level, record.class);
        let lanes = &self.settings.lanes;
        lanes.iter().position(takes).unwrap_or(lanes.len().saturating_sub(1))
    }

    /// Writes what is for one lane.
    fn write(&mut self, index: usize, batch: &mut Batch) -> Result<(), String> {
        let mut lines = Vec::new();
        let lane_of = |passenger: &Passenger| self.lane_of(&passenger.record);
        for passenger in batch.open_mut().filter(|passenger| lane_of(passenger) == index) {
            passenger.write(&self.format, &mut lines);
            lines.push(b'\n');
        }
        let Some(active) = self.active.get_mut(index).filter(|_| !lines.is_empty()) else {
            return Ok(());
        };
        let always = self.settings.sync == Sync::Always;
        active
            .write(&lines, always)
            .map_err(|why| format!("`{}` cannot be written: {why}", active.path.display()))?;
        batch.decide_where(Fate::Delivered, |record| self.lane_of(record) == index);
        Ok(())
    }

    /// What goes by time.
    fn tick(&mut self) {
        let now = self.settings.clock.steady();
        let mut rotated = false;
        for active in &mut self.active {
            if active.is_due(self.settings.rotate_bytes, now) {
                match active.rotate(self.settings.clock.as_ref()) {
                    Ok(()) => rotated = true,
                    Err(why) => {
                        let text = format!("`{}` cannot be rotated: {why}", active.path.display());
                        self.talk.say(Kind::Upkeep, &text);
                    }
                }
            }
        }
        if rotated || now.saturating_sub(self.kept_at) >= KEEP_EVERY {
            self.kept_at = now;
            self.keeper.wake();
        }
        if let Sync::Every(every) = self.settings.sync
            && now.saturating_sub(self.synced_at) >= every
        {
            self.synced_at = now;
            for active in &mut self.active {
                // A disk that refuses this refuses the next write too, which is said.
                let _ = active.sync();
            }
        }
    }
}

impl Carrier for Files {
    fn deliver(&mut self, batch: &mut Batch, _: &mut dyn FnMut(&str)) -> Step {
        let mut wrong = None;
        for index in 0..self.active.len() {
            if let Err(why) = self.write(index, batch) {
                wrong = Some(why);
            }
        }
        self.tick();
        match wrong {
            None => Step::Done,
            Some(why) => Step::Again { why, after: None },
        }
    }

    fn reopen(&mut self) {
        for active in &mut self.active {
            if let Err(why) = active.reopen(self.settings.clock.as_ref()) {
                let text = format!("`{}` cannot be opened anew: {why}", active.path.display());
                self.talk.say(Kind::Unavailable, &text);
            }
        }
    }

    fn idle(&mut self) {
        self.tick();
    }
}

#[cfg(test)]
mod tests;
