//! Where gateways of one store leave word for each other: a report of each, and a note for each plugin, which is replaced only as it was seen.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use crate::fault::{Result, StoreFault};
use crate::keys::{ANSWER_WAIT_MAX, Entry, Keys, Write, Written};
use crate::layout::{Layout, RECORD_BYTES_MAX};
use crate::settings::Settings;

/// LIMIT: bytes of a report, which Consul has for a value.
const REPORT_BYTES_MAX: usize = 512 * 1024;
/// How often it is asked which gateways follow the store; they are few that come and go, and a list costs.
const KNOWN_EVERY: Duration = Duration::from_secs(10);

/// A store as gateways speak to each other through it. One connection, asked when somebody wants to know.
pub struct Board {
    runtime: tokio::runtime::Runtime,
    keys: Keys,
    layout: Layout,
    node: String,
    place: String,
    /// Gateways that follow the store, and when that was asked.
    known: Option<(Instant, Vec<String>)>,
}

/// What stands there now.
#[derive(Clone, Debug, Default)]
pub struct Posted {
    /// By the gateway in whose key it stands, what was written last.
    pub reports: Vec<(String, Bytes)>,
    /// Gateways that follow the store, whether or not they have a report.
    pub gateways: Vec<String>,
    /// Of each plugin.
    pub notes: Vec<Note>,
}

/// A note as it was seen.
#[derive(Clone, Debug)]
pub struct Note {
    /// The plugin.
    pub plugin: String,
    entry: Entry,
}

impl Note {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.entry.value
    }
}

impl Board {
    /// Connects.
    ///
    /// # Errors
    /// When the store is not there, or does not let us in.
    pub fn open(settings: &Settings) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| StoreFault::Thread(why.to_string()))?;
        let keys = runtime.block_on(Keys::open(settings, false))?;
        Ok(Self {
            runtime,
            keys,
            layout: Layout::new(&settings.place),
            node: settings.node.clone(),
            place: settings.backend.shown(),
            known: None,
        })
    }

    /// What stands there. What is too long to be a report or a note is as if it were not there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn read(&mut self) -> Result<Posted> {
        let (reports, notes) = (self.layout.reports(), self.layout.notes());
        let keys = &mut self.keys;
        let reading = async { Ok((keys.list(&reports).await?, keys.list(&notes).await?)) };
        let (reports, notes) = answered(&self.runtime, &self.place, reading)?;
        let note = |(key, entry): (String, Entry)| {
            let plugin = plain(last(&key))?;
            (entry.value.len() <= RECORD_BYTES_MAX).then_some(Note { plugin, entry })
        };
        let before = self.layout.reports();
        let report = |(key, entry): (String, Entry)| {
            let gateway = key.strip_prefix(&before)?.to_owned();
            (entry.value.len() <= REPORT_BYTES_MAX).then_some((gateway, entry.value))
        };
        Ok(Posted {
            reports: reports.into_iter().filter_map(report).collect(),
            gateways: self.known()?,
            notes: notes.into_iter().filter_map(note).collect(),
        })
    }

    fn known(&mut self) -> Result<Vec<String>> {
        if let Some((at, known)) = &self.known
            && at.elapsed() < KNOWN_EVERY
        {
            return Ok(known.clone());
        }
        let (keys, statuses) = (&mut self.keys, self.layout.statuses());
        let listing = answered(&self.runtime, &self.place, async { keys.list(&statuses).await })?;
        let known: Vec<String> = listing.iter().map(|(key, _)| last(key).to_owned()).collect();
        self.known = Some((Instant::now(), known.clone()));
        Ok(known)
    }

    /// Writes what this gateway says.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn report(&mut self, text: Vec<u8>) -> Result<()> {
        let puts = vec![(self.layout.report(&self.node), Bytes::from(text))];
        let write = Write {
            puts,
            ..Write::default()
        };
        self.write(&write).map(|_| ())
    }

    /// Replaces what was seen of a plugin, or removes it; whether it still stood there so. Nothing is written else.
    ///
    /// # Errors
    /// When the store does not answer; then it may or may not have been written.
    pub fn replace(&mut self, plugin: &str, seen: Option<&Note>, text: Option<Vec<u8>>) -> Result<bool> {
        let key = self.layout.note(&written(plugin));
        let expects = Some((key.clone(), seen.map(|note| note.entry.clone())));
        let write = match text {
            Some(text) => Write {
                expects,
                puts: vec![(key, Bytes::from(text))],
                ..Write::default()
            },
            None => Write {
                expects,
                deletes: vec![key],
                ..Write::default()
            },
        };
        Ok(self.write(&write)? == Written::Done)
    }

    /// Removes reports of gateways that are gone for good, or our own.
    ///
    /// # Errors
    /// When the store does not take it.
    pub fn forget(&mut self, gateways: &[String]) -> Result<()> {
        let deletes = gateways.iter().map(|gateway| self.layout.report(gateway)).collect();
        let write = Write {
            deletes,
            ..Write::default()
        };
        self.write(&write).map(|_| ())
    }

    fn write(&mut self, write: &Write) -> Result<Written> {
        let keys = &mut self.keys;
        answered(&self.runtime, &self.place, async { keys.write(write).await })
    }
}

fn answered<T>(runtime: &tokio::runtime::Runtime, place: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = || StoreFault::Unreachable {
        place: place.to_owned(),
        why: format!("no answer within {ANSWER_WAIT_MAX:?}"),
    };
    runtime.block_on(async { timeout(ANSWER_WAIT_MAX, work).await.unwrap_or_else(|_| Err(late())) })
}

/// The last part of a key.
fn last(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, last)| last)
}

/// A plugin's name in letters that every store takes for a part of a key.
fn written(name: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    name.bytes().map(letter).collect()
}

/// The name again; none when nobody writes one so.
fn plain(written_name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(written_name.len());
    let mut rest = written_name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    let name = String::from_utf8(bytes).ok()?;
    (written(&name) == written_name).then_some(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_of_a_plugin_is_one_part_of_a_key_and_comes_back(name in any::<String>()) {
            let key = written(&name);
            prop_assert!(!key.contains(['/', '.', '*']));
            prop_assert_eq!(plain(&key), Some(name));
        }

        #[test]
        fn what_nobody_writes_is_no_name(key in any::<String>()) {
            prop_assert!(plain(&key).is_none_or(|name| written(&name) == key));
        }
    }
}
