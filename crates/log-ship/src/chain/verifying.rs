//! Reads a chain again, and says what was changed, removed, added or moved in it, and where.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::heads;
use super::line::{self, Link};
use super::{ChainNames, Digest, Hash, Head};

/// LIMIT: findings that are kept; the others are counted.
const FINDINGS_MAX: usize = 1000;
/// LIMIT: bytes of a line.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The line's bytes are not those that its hash is of.
    Changed,
    /// Lines with these numbers are missing before it.
    Removed {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// It stands behind a line that comes after it, or once more.
    Moved,
    /// It has the right number and its own hash, and yet does not follow the line before it.
    Replaced,
    /// It was never written by a chain.
    Added,
    /// It has no end.
    Torn,
    /// A segment is missing before this one, and was not removed because its time was over.
    SegmentRemoved {
        /// Its number.
        number: u64,
    },
    /// The chain ends before the line that is known to be its last, or that line is another one.
    Cut {
        /// Number of the line that is known.
        known: u64,
    },
    /// There is no note of the last line, or none that can be read, so that a cut end is not to be seen.
    NoHead,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line in it, from 1; 0 for the file as a whole.
    pub line: u64,
    /// The number that the line says it has.
    pub sequence: Option<u64>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What a look at a chain has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that were read.
    pub segments: u64,
    /// Lines that were read.
    pub lines: u64,
    /// Number of the first line; more than 1 when older segments were removed because their time was over.
    pub first: Option<u64>,
    /// The last line.
    pub last: Option<Head>,
    /// What is wrong, in the order in which it was met.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond those.
    pub more: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads the chain in a folder. `remembered` are lines that somebody has noted elsewhere; each must be there as it was.
///
/// # Errors
/// When the folder or a file in it cannot be read.
pub fn verify(folder: &Path, names: &ChainNames, digest: &Digest, remembered: &[Head]) -> io::Result<Report> {
    let note = heads::read(folder);
    let known = remembered.iter().copied().chain(note.map(|note| note.head));
    let mut verifier = Verifier {
        names,
        digest,
        report: Report::default(),
        expected: None,
        doubtful: false,
        known: known.map(|head| (head, false)).collect(),
        found_out_of_place: Vec::new(),
    };
    let retired = note.map_or(0, |note| note.retired);
    let mut next = retired + 1;
    for (number, path) in heads::segments(folder)? {
        // What is retired may still be there when a kill came between.
        if number > next {
            verifier.find(&path, 0, None, Wrong::SegmentRemoved { number: next });
        }
        next = next.max(number + 1);
        verifier.report.segments += 1;
        verifier.segment(&path, number == 1)?;
    }
    verifier.end(folder, note.is_none());
    Ok(verifier.report)
}

struct Verifier<'a> {
    names: &'a ChainNames,
    digest: &'a Digest,
    report: Report,
    /// Number and hash that the next line must follow.
    expected: Option<(u64, Hash)>,
    /// The line before was changed: that this one does not follow it is no news.
    doubtful: bool,
    /// Lines that are known, and whether they were met.
    known: Vec<(Head, bool)>,
    found_out_of_place: Vec<u64>,
}

impl Verifier<'_> {
    fn segment(&mut self, path: &Path, is_first: bool) -> io::Result<()> {
        if is_first {
            self.expected = Some((1, [0; 32]));
        }
        let mut reader = BufReader::new(File::open(path)?);
        let (mut bytes, mut number) = (Vec::new(), 0);
        loop {
            bytes.clear();
            reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            number += 1;
            self.report.lines += 1;
            let Some(whole) = bytes.strip_suffix(b"\n") else {
                self.find(path, number, None, Wrong::Torn);
                continue;
            };
            match line::read(self.names, self.digest, whole) {
                Some(link) => self.link(path, number, &link),
                None => self.find(path, number, None, Wrong::Added),
            }
        }
    }

    fn link(&mut self, path: &Path, number: u64, link: &Link) {
        let (expected, previous) = self.expected.unwrap_or((link.sequence, link.previous));
        self.report.first.get_or_insert(link.sequence);
        let is_changed = link.computed != link.hash;
        let follows = link.previous == previous || is_changed || self.doubtful;
        let mut find = |wrong| self.find(path, number, Some(link.sequence), wrong);
        if link.sequence < expected {
            find(Wrong::Moved);
            self.found_out_of_place.push(link.sequence);
            return;
        }
        if is_changed {
            find(Wrong::Changed);
        }
        if link.sequence > expected {
            let to = link.sequence - 1;
            find(Wrong::Removed { from: expected, to });
        } else if !follows {
            find(Wrong::Replaced);
        }
        self.doubtful = is_changed;
        self.expected = Some((link.sequence + 1, link.hash));
        let head = Head {
            sequence: link.sequence,
            hash: link.computed,
        };
        for (known, met) in &mut self.known {
            *met |= *known == head;
        }
        self.report.last = Some(head);
    }

    fn end(&mut self, folder: &Path, without_note: bool) {
        let moved = std::mem::take(&mut self.found_out_of_place);
        // What was found elsewhere was not removed.
        self.report.findings.retain(|finding| match finding.wrong {
            Wrong::Removed { from, to } => !(from..=to).all(|number| moved.contains(&number)),
            _ => true,
        });
        if without_note && self.report.segments > 0 {
            self.find(&folder.join("head"), 0, None, Wrong::NoHead);
        }
        let first = self.report.first.unwrap_or(0);
        let lost: Vec<Head> = self
            .known
            .iter()
            .filter(|(known, met)| !met && known.sequence >= first)
            .map(|(known, _)| *known)
            .collect();
        for known in lost {
            let wrong = Wrong::Cut { known: known.sequence };
            self.find(folder, 0, Some(known.sequence), wrong);
        }
    }

    fn find(&mut self, file: &Path, line: u64, sequence: Option<u64>, wrong: Wrong) {
        if self.report.findings.len() >= FINDINGS_MAX {
            self.report.more += 1;
            return;
        }
        self.report.findings.push(Finding {
            file: file.to_owned(),
            line,
            sequence,
            wrong,
        });
    }
}
