//! Rollouts that cannot go on: their candidate is gone, or nobody wants it any more. None of them stays as if it were under way.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use plug_rollout::{Event, Record, Standing};

use super::{Book, Entry, RECORD_BYTES_MAX, drive, file};
use crate::assemble::House;
use crate::voice::warn;

/// LIMIT: records that are looked at in one start.
const RECORDS_MAX: usize = 65_536;

impl Book {
    /// Tells rollouts whose candidate is neither tried nor serves: it did not start when something else was changed.
    pub(super) fn tell_lost(&mut self, house: &House) {
        // What follows for one may cost another its candidate; each is told once.
        for _ in 0..self.entries.len() {
            let is_lost = |entry: &Entry| {
                let record = entry.record();
                let goes_on = !record.is_over() && !matches!(record.standing, Standing::RollingBack { .. });
                goes_on && entry.first.is_none() && !is_retiring(record) && !self.loaded.has(&entry.candidate)
            };
            let Some(index) = self.entries.iter().position(is_lost) else {
                return;
            };
            let why = self.entries.get(index).map(|entry| self.why_not(&entry.plugin));
            self.happens(
                house,
                index,
                Event::Lost {
                    why: why.unwrap_or_default(),
                },
            );
        }
    }

    /// Whether the candidate of a rollout serves now that its control is let go.
    pub(super) fn took_over(&self, index: usize) -> Result<(), String> {
        let entry = self.entries.get(index).ok_or("it is gone")?;
        let mut running = self.loaded.running.iter();
        match running.any(|runs| Arc::ptr_eq(&runs.plugin, &entry.candidate.plugin)) {
            true => Ok(()),
            false => Err(self.why_not(&entry.plugin)),
        }
    }

    /// Nothing is left of a rollout that is over when its plugin is configured no more.
    pub(super) fn forget(&self, plugin: &str) {
        let mut standings = self.loaded.standings.iter();
        if let Some(folder) = self
            .folder
            .as_ref()
            .filter(|_| !standings.any(|standing| standing.plugin == plugin))
        {
            for is_begun in [false, true] {
                // What cannot be removed takes room, and nothing else.
                let _ = fs::remove_file(file(folder, plugin, is_begun));
            }
        }
    }

    /// Another configuration took the place of a rollout: its end is written down, or nothing is left of it with its plugin.
    pub(super) fn leave(&self, house: &House, mut gone: Entry) {
        gone.overtaken();
        drive::told(&gone, "");
        gone.disinherit(house);
        let Some(folder) = &self.folder else { return };
        let mut standings = self.loaded.standings.iter();
        let left = match standings.any(|standing| standing.plugin == gone.plugin) {
            true => drive::write(folder, &gone),
            false => {
                self.forget(&gone.plugin);
                Ok(())
            }
        };
        if let Err(why) = left {
            warn(&format!(
                "warning: the end of the rollout of plugin `{}` is not written down: {why}",
                gone.plugin
            ));
        }
    }
}

impl Entry {
    /// What its candidate handed over is for nobody.
    pub(super) fn disinherit(&self, house: &House) {
        let (name, number) = (&self.plugin, self.candidate.plugin.generation);
        if !Arc::ptr_eq(&self.candidate.plugin, &self.control.plugin) {
            house.process.give_up_heritage(name, number);
        }
    }

    /// Its candidate goes on after all.
    pub(super) fn inherit_again(&self, house: &House) {
        let number = self.candidate.plugin.generation;
        house.process.take_back_heritage(&self.plugin, number);
    }
}

fn is_retiring(record: &Record) -> bool {
    record.standing == Standing::Promoting { retiring: true }
}

/// Takes records of rollouts away that cannot go on after a start: nothing of them serves, and at a later start they must not go on where
/// they were.
pub(super) fn clear(folder: &Path, entries: &[Entry]) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().take(RECORDS_MAX);
    for path in files.map(|entry| entry.path()) {
        let Ok(bytes) = plug_package::read_file(&path, RECORD_BYTES_MAX) else {
            continue;
        };
        let Ok(record) = Record::from_json(&String::from_utf8_lossy(&bytes)) else {
            continue;
        };
        let goes_on = entries.iter().any(|entry| entry.record().id == record.id);
        let is_ours = [false, true].map(|is_begun| file(folder, &record.plugin, is_begun));
        if goes_on || record.is_over() || !is_ours.contains(&path) {
            continue;
        }
        warn(&format!(
            "warning: the rollout {} of plugin `{}` does not go on: its candidate is not configured any more, or does not start",
            record.id, record.plugin
        ));
        // What cannot be removed is found again at the next start.
        let _ = fs::remove_file(path);
    }
}
