//! Who reads a file keeps book here of what was read: what nobody read becomes a note by itself.

mod cursor;
mod hint;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;

use gate_plan::Findings;
use gate_plan::documents::{Documents, Flaw, Kind, Node, Spot};
use serde_json::{Value, json};

pub(crate) use self::cursor::Cursor;
use self::hint::hint;

/// LIMIT: notes of one import; a file with more is another file than was meant.
const NOTES_MAX: usize = 1_000;
/// LIMIT: further places named in one note.
const PLACES_MAX: usize = 20;
/// LIMIT: characters of a message; names from the file are part of it.
const MESSAGE_CHARS_MAX: usize = 300;

/// Something of the source that is not in the configuration, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What messages call the file.
    pub origin: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What has no counterpart.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Further places, line and column, of which the same is true.
    pub also: Vec<(usize, usize)>,
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct At {
    pub(crate) file: usize,
    pub(crate) spot: Spot,
}

/// What was read of all files, and what is to be said.
pub(crate) struct Ledger<'d> {
    files: &'d [Documents<'d>],
    read: RefCell<HashSet<Node<'d>>>,
    /// Read with everything that is in them.
    taken: RefCell<HashSet<Node<'d>>>,
    said: RefCell<Vec<(At, String, String)>>,
    unsaid: Cell<usize>,
    flaws: RefCell<Vec<(usize, Flaw)>>,
}

impl<'d> Ledger<'d> {
    pub(crate) fn new(files: &'d [Documents<'d>]) -> Self {
        Self {
            files,
            read: RefCell::default(),
            taken: RefCell::default(),
            said: RefCell::default(),
            unsaid: Cell::new(0),
            flaws: RefCell::default(),
        }
    }

    /// The documents of all files.
    pub(crate) fn documents(&self) -> Vec<Cursor<'d, '_>> {
        let roots = self.files.iter().enumerate();
        roots
            .flat_map(|(file, read)| read.roots().map(move |root| (file, root)))
            .map(|(file, root)| {
                let at = At {
                    file,
                    spot: root.spot(),
                };
                self.read(root);
                Cursor::new(self, root, at, "the document")
            })
            .collect()
    }

    pub(crate) fn note(&self, at: At, message: impl Into<String>, hint: impl Into<String>) {
        if self.said.borrow().len() >= NOTES_MAX {
            self.unsaid.set(self.unsaid.get().saturating_add(1));
            return;
        }
        self.said.borrow_mut().push((at, message.into(), hint.into()));
    }

    fn flaw(&self, at: At, message: String, help: String) {
        let flaw = Flaw {
            spot: at.spot,
            message,
            help,
        };
        self.flaws.borrow_mut().push((at.file, flaw));
    }

    /// The routes of a file, written out, are more than a configuration holds.
    pub(crate) fn too_much(&self, at: At) {
        if self.is_sound() {
            let message = "the routes up to here repeat more hosts and plugins than a configuration holds";
            self.flaw(at, message.to_owned(), "split the file".to_owned());
        }
    }

    fn read(&self, node: Node<'d>) {
        self.read.borrow_mut().insert(node);
    }

    fn take(&self, node: Node<'d>) {
        self.taken.borrow_mut().insert(node);
    }

    /// What is wrong with the files, file by file.
    pub(crate) fn findings(&self) -> Vec<Findings> {
        let flaws = self.flaws.borrow();
        let mut findings = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            let own: Vec<Flaw> = flaws
                .iter()
                .filter(|(file, _)| *file == index)
                .map(|(_, flaw)| flaw.clone())
                .collect();
            if !own.is_empty() {
                findings.push(file.findings(own));
            }
        }
        findings
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_sound(&self) -> bool {
        self.flaws.borrow().is_empty()
    }

    /// Notes on everything that nobody read, and all notes in the order of the files; also how many there were beyond the limit.
    pub(crate) fn close(self) -> (Vec<Note>, usize) {
        for (file, documents) in self.files.iter().enumerate() {
            documents.roots().for_each(|root| self.unread(root, file));
        }
        let mut said = self.said.into_inner();
        said.sort();
        let mut notes: Vec<Note> = Vec::new();
        let mut first: HashMap<(usize, String, String), usize> = HashMap::new();
        for (at, message, hint) in said {
            let place = (at.spot.line(), at.spot.column());
            let key = (at.file, message, hint);
            if let Some(note) = first.get(&key).and_then(|index| notes.get_mut(*index)) {
                let known = (note.line, note.column) == place || note.also.contains(&place);
                if !known && note.also.len() < PLACES_MAX {
                    note.also.push(place);
                }
                continue;
            }
            first.insert(key.clone(), notes.len());
            let origin = self.files.get(at.file).map_or("", Documents::origin);
            notes.push(Note {
                origin: shown(origin),
                line: place.0,
                column: place.1,
                message: shown(&key.1),
                hint: shown(&key.2),
                also: Vec::new(),
            });
        }
        (notes, self.unsaid.get())
    }

    fn unread(&self, node: Node<'d>, file: usize) {
        if self.taken.borrow().contains(&node) {
            return;
        }
        let is_read = |node: &Node<'d>| self.read.borrow().contains(node) || self.taken.borrow().contains(node);
        for (key, spot, value) in node.entries() {
            if is_read(&value) {
                self.unread(value, file);
            } else if value.kind() != Kind::Null {
                let (message, hint) = hint(key);
                self.note(At { file, spot }, format!("`{key}` {message}"), hint);
            }
        }
        for item in node.items() {
            if is_read(&item) {
                self.unread(item, file);
            } else {
                let at = At {
                    file,
                    spot: item.spot(),
                };
                self.note(at, "an item of this list was not read", "look whether you need it");
            }
        }
    }
}

/// Text from a file stands in notes; it must neither steer a terminal nor flood it.
fn shown(text: &str) -> String {
    let clean = |char: char| if char.is_control() { '\u{FFFD}' } else { char };
    let mut short: String = text.chars().take(MESSAGE_CHARS_MAX).map(clean).collect();
    if text.chars().nth(MESSAGE_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

impl Note {
    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.origin,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
            "also": self.also.iter().map(|(line, column)| json!({ "line": line, "column": column })).collect::<Value>(),
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            line,
            column,
            message,
            hint,
            also,
        } = self;
        write!(out, "{origin}:{line}:{column}: note: {message}; hint: {hint}")?;
        if !also.is_empty() {
            let places: Vec<String> = also.iter().map(|(line, column)| format!("{line}:{column}")).collect();
            write!(out, " (also at {})", places.join(", "))?;
        }
        Ok(())
    }
}
