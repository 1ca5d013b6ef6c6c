//! A store as an operator uses it: what stands there, what stood there, and how something new is written at one stroke.

use bytes::Bytes;
use plug_package::Digest;

use crate::fault::{Result, StoreFault};
use crate::keys::{Entry, Keys, Write, Written};
use crate::layout::{Entry as HistoryEntry, Layout, Pointer, Status};
use crate::look::{Looked, Looker};
use crate::revision::Revision;
use crate::settings::Settings;
use crate::taking::Delivered;

/// LIMIT: revisions whose history and bundles are kept.
const HISTORY_MAX: usize = 200;
/// LIMIT: revisions that leave with one push; Consul takes 64 operations together.
const LEAVING_MAX: usize = 16;

/// A store that is spoken to now, and not followed.
pub struct Store {
    runtime: tokio::runtime::Runtime,
    keys: Keys,
    looker: Looker,
    settings: Settings,
}

/// What stands there, as a gateway would take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Current {
    /// Nothing yet.
    Nothing,
    /// A configuration.
    Delivered(Box<Delivered>),
    /// Something that no gateway takes, and why.
    Untaken(String),
}

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Publication<'a> {
    /// The configuration.
    pub text: &'a str,
    /// Why.
    pub message: &'a str,
    /// By whom.
    pub who: &'a str,
    /// The signature over the text.
    pub signature: Option<Vec<u8>>,
    /// The number that must stand there now; 0 for nothing.
    pub if_revision: Option<u64>,
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// What stands there now.
    pub revision: Revision,
    /// The number before; none when nothing stood there.
    pub before: Option<u64>,
    /// Whether it had to be written: the same text stood there else.
    pub is_new: bool,
}

impl Store {
    /// Connects.
    ///
    /// # Errors
    /// When the store is not there, or does not let us in.
    pub fn open(settings: &Settings) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| StoreFault::Thread(why.to_string()))?;
        let looker = Looker::new(settings)?;
        let keys = runtime.block_on(Keys::open(settings, false))?;
        Ok(Self {
            runtime,
            keys,
            looker,
            settings: settings.clone(),
        })
    }

    fn layout(&self) -> Layout {
        self.looker.layout().clone()
    }

    /// What stands there.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn current(&mut self) -> Result<Current> {
        if self.head()?.is_none() {
            return Ok(Current::Nothing);
        }
        let looked = self.runtime.block_on(self.looker.look(&mut self.keys))?;
        Ok(match looked {
            Looked::Taken(delivered) => Current::Delivered(Box::new(delivered)),
            Looked::Untaken(untaken) => Current::Untaken(untaken.why),
        })
    }

    /// The grants that stand beside the configuration, also when that does not stand there yet.
    ///
    /// # Errors
    /// When the store does not answer, or what stands there cannot be taken.
    pub fn grants(&mut self) -> Result<Option<String>> {
        let found = self.runtime.block_on(self.looker.grants(&mut self.keys))?;
        found.transpose().map_err(StoreFault::Untaken)
    }

    fn head(&mut self) -> Result<Option<Entry>> {
        let current = self.layout().current();
        Ok(self.runtime.block_on(self.keys.read(&[current]))?.pop().flatten())
    }

    /// The pointer, and the entry in which it stands.
    fn pointer(&mut self) -> Result<(Option<Entry>, Option<Pointer>)> {
        let head = self.head()?;
        let parsed = head.as_ref().map(|head| Pointer::parse(&head.value)).transpose();
        let pointer = parsed.map_err(|why| {
            let current = self.layout().current();
            StoreFault::Untaken(format!(
                "`{current}` is no pointer: {why}\nhint: a single key with a text is named by `key`, not by `prefix`"
            ))
        })?;
        Ok((head, pointer))
    }

    /// Writes a configuration: bundle, signature, history and pointer at one stroke. The same text again is not written.
    ///
    /// # Errors
    /// When somebody else was faster, or the store does not take it; then nothing is changed.
    pub fn publish(&mut self, publication: &Publication<'_>) -> Result<Published> {
        if self.layout().is_plain() {
            return self.publish_plain(publication);
        }
        let (head, pointer) = self.pointer()?;
        let before = pointer.map(|pointer| pointer.revision);
        expect(publication.if_revision, before)?;
        let digest = Digest::of(publication.text.as_bytes());
        if let Some(pointer) = pointer.filter(|pointer| pointer.digest == digest)
            && publication.signature.is_none()
        {
            return Ok(Published {
                revision: pointer.as_revision(),
                before,
                is_new: false,
            });
        }
        let layout = self.layout();
        let mut puts = vec![(layout.bundle(digest), Bytes::from(publication.text.to_owned()))];
        if let Some(signature) = &publication.signature {
            puts.push((layout.signature(digest), Bytes::from(signature.clone())));
        }
        let entry = |revision: u64, at: String| HistoryEntry {
            revision,
            digest: digest.to_string(),
            at,
            who: publication.who.to_owned(),
            message: publication.message.to_owned(),
            rolled_back_to: None,
        };
        self.point((head, before), digest, puts, entry)
    }

    /// Writes the pointer with its history, and lets the oldest go.
    fn point(
        &mut self,
        (head, before): (Option<Entry>, Option<u64>),
        digest: Digest,
        mut puts: Vec<(String, Bytes)>,
        entry: impl FnOnce(u64, String) -> HistoryEntry,
    ) -> Result<Published> {
        let layout = self.layout();
        let history = self.history()?;
        // A pointer that was lost does not give its numbers again.
        let last = history.first().map(|entry| entry.revision).max(before).unwrap_or(0);
        let pointer = Pointer {
            revision: last.saturating_add(1),
            digest,
        };
        let entry = entry(pointer.revision, (self.settings.clock)());
        let record = serde_json::to_vec(&entry).map_err(|why| StoreFault::Untaken(why.to_string()))?;
        puts.push((format!("{}{}", layout.history(), pointer.revision), Bytes::from(record)));
        puts.push((layout.current(), Bytes::from(pointer.write())));
        let write = Write {
            expects: Some((layout.current(), head)),
            puts,
            deletes: leaving(&layout, &history, digest),
            tells: Some(pointer.revision.to_string()),
        };
        self.write(&write, before)?;
        Ok(Published {
            revision: pointer.as_revision(),
            before,
            is_new: true,
        })
    }

    fn publish_plain(&mut self, publication: &Publication<'_>) -> Result<Published> {
        let current = self.layout().current();
        let head = self.head()?;
        let before = head.as_ref().map(|head| head.version);
        expect(publication.if_revision, before)?;
        let text = Bytes::from(publication.text.to_owned());
        let is_new = head.as_ref().is_none_or(|head| head.value != text);
        if is_new {
            let write = Write {
                expects: Some((current.clone(), head)),
                puts: vec![(current, text.clone())],
                deletes: Vec::new(),
                tells: Some(Digest::of(&text).to_string()),
            };
            self.write(&write, before)?;
        }
        let number = self.head()?.map_or(0, |head| head.version);
        let digest = Digest::of(&text);
        Ok(Published {
            revision: Revision { number, digest },
            before,
            is_new,
        })
    }

    fn write(&mut self, write: &Write, before: Option<u64>) -> Result<()> {
        match self.runtime.block_on(self.keys.write(write))? {
            Written::Done => Ok(()),
            Written::Raced => Err(StoreFault::Raced {
                what: format!(
                    "somebody else was faster: {} is not what stands there any more",
                    numbered(before)
                ),
            }),
        }
    }

    /// Points to an older revision's bundle anew: to this one, or to the last one with another text. Nothing but the pointer and the history
    /// is written.
    ///
    /// # Errors
    /// When there is none such, a gateway would not take it, or the store does not; then nothing is changed.
    pub fn roll_back(&mut self, to: Option<u64>, who: &str, message: &str) -> Result<Published> {
        if self.layout().is_plain() {
            return Err(StoreFault::Untaken(String::from(
                "a single key keeps no history\nhint: below a `prefix`, each revision is kept",
            )));
        }
        let (head, pointer) = self.pointer()?;
        let pointer = pointer.ok_or_else(|| StoreFault::Untaken(String::from("nothing stands there")))?;
        let current = pointer.digest.to_string();
        let history = self.history()?;
        let found = history.iter().find(|entry| match to {
            Some(to) => entry.revision == to,
            None => entry.revision < pointer.revision && entry.digest != current,
        });
        let found = found.ok_or_else(|| {
            StoreFault::Untaken(match to {
                Some(to) => format!(
                    "the history has no revision {to}\nhint: `cofferdam config history` shows those that are kept"
                ),
                None => String::from("the history has no older revision with another text"),
            })
        })?;
        let digest = Digest::parse(&found.digest).map_err(|why| StoreFault::Untaken(why.to_string()))?;
        let judged = self.runtime.block_on(self.looker.bundle(&mut self.keys, digest))?;
        judged.map_err(StoreFault::Untaken)?;
        let rolled_back_to = Some(found.revision);
        let entry = |revision: u64, at: String| HistoryEntry {
            revision,
            digest: digest.to_string(),
            at,
            who: who.to_owned(),
            message: message.to_owned(),
            rolled_back_to,
        };
        self.point((head, Some(pointer.revision)), digest, Vec::new(), entry)
    }

    /// The text of a revision that the history names.
    ///
    /// # Errors
    /// When it is not kept, or a gateway would not take it.
    pub fn text_of(&mut self, revision: u64) -> Result<String> {
        let history = self.history()?;
        let found = history.iter().find(|entry| entry.revision == revision);
        let digest = found.and_then(|entry| Digest::parse(&entry.digest).ok());
        let digest = digest.ok_or_else(|| StoreFault::Untaken(format!("the history has no revision {revision}")))?;
        let judged = self.runtime.block_on(self.looker.bundle(&mut self.keys, digest))?;
        judged.map_err(StoreFault::Untaken)
    }

    /// What stood there, the newest first. What is no entry is passed over.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn history(&mut self) -> Result<Vec<HistoryEntry>> {
        let prefix = self.layout().history();
        let found = self.runtime.block_on(self.keys.list(&prefix))?;
        let entries = found
            .iter()
            .filter_map(|(_, entry)| HistoryEntry::parse(&entry.value).ok());
        let mut entries: Vec<HistoryEntry> = entries.collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.revision));
        Ok(entries)
    }

    /// What gateways say, by name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn statuses(&mut self) -> Result<Vec<Status>> {
        let prefix = self.layout().statuses();
        let found = self.runtime.block_on(self.keys.list(&prefix))?;
        let statuses = found.iter().filter_map(|(_, entry)| Status::parse(&entry.value).ok());
        let mut statuses: Vec<Status> = statuses.collect();
        statuses.sort_by(|one, other| one.node.cmp(&other.node));
        Ok(statuses)
    }
}

fn expect(wanted: Option<u64>, found: Option<u64>) -> Result<()> {
    match wanted {
        Some(wanted) if found.unwrap_or(0) != wanted => Err(StoreFault::Raced {
            what: format!("{} stands there, not revision {wanted}", numbered(found)),
        }),
        _ => Ok(()),
    }
}

fn numbered(revision: Option<u64>) -> String {
    revision.map_or_else(|| String::from("nothing"), |revision| format!("revision {revision}"))
}

/// Keys of revisions beyond the bound, with bundles that nothing else names.
fn leaving(layout: &Layout, history: &[HistoryEntry], current: Digest) -> Vec<String> {
    let (kept, old) = history.split_at(history.len().min(HISTORY_MAX.saturating_sub(1)));
    let oldest = old.iter().rev().take(LEAVING_MAX);
    let mut keys = Vec::new();
    for entry in oldest {
        keys.push(format!("{}{}", layout.history(), entry.revision));
        let is_named = |other: &HistoryEntry| other.digest == entry.digest && other.revision != entry.revision;
        let is_needed = kept.iter().chain(old).any(is_named);
        if let Some(digest) = Digest::parse(&entry.digest)
            .ok()
            .filter(|digest| !is_needed && *digest != current)
        {
            keys.push(layout.bundle(digest));
            keys.push(layout.signature(digest));
        }
    }
    keys
}
