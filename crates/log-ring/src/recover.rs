//! The ring of a process that is gone is read: with `read`, not mapped, for a file that somebody cuts meanwhile must not end us.

use std::collections::TryReserveError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::count;
use crate::fault::{Damage, RingFault};
use crate::folder::{Folder, system};
use crate::gap::Dropped;
use crate::layout::{FIXED_BYTES, Fixed, HEAD, HEADER_BYTES, TAIL};
use crate::record::{Position, Records, Source, Walk, are_ends};
use crate::ring::is_size;

/// What was in the ring of a process that is gone, and its file, locked, until [`Recovered::remove`].
#[derive(Debug)]
pub struct Recovered {
    folder: Folder,
    name: String,
    file: File,
    fixed: Fixed,
    dead: Dead,
    count: usize,
    damage: Option<Damage>,
    end: u64,
    dropped: Vec<Dropped>,
    untold: Vec<Dropped>,
}

/// Bytes of a dead ring from its head to its tail.
#[derive(Debug)]
struct Dead {
    capacity: u64,
    head: u64,
    tail: u64,
    bytes: Vec<u8>,
}

/// Reads the ring in a file: everything that was committed and not released, in order, up to the first record that is torn.
///
/// # Errors
/// When the file is no ring of this user's alone, belongs to somebody who lives, or cannot be read.
pub fn recover(path: &Path) -> Result<Recovered, RingFault> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let gone = || system("file does not open", path, io::Error::from(io::ErrorKind::NotFound));
    match claimed(&Folder::existing(folder)?, name)? {
        Claim::Ring(recovered) => Ok(*recovered),
        Claim::Gone => Err(gone()),
        Claim::Unfinished => Err(RingFault::Foreign {
            path: path.display().to_string(),
            why: "its writer died before it was finished",
        }),
    }
}

/// What a file in a folder of rings is.
#[derive(Debug)]
pub enum Found {
    /// The ring of a process that is gone.
    Ring(Box<Recovered>),
    /// Of one that lives; it was left alone. Also of one that died an instant ago, while it was starting another process that has its files until
    /// it runs its own program: who looks again later finds it.
    Alive(PathBuf),
    /// Of one that died while it made it. There was nothing in it, and it was taken away.
    Unfinished(PathBuf),
    /// Not a ring, or not one that can be trusted or read; it was left alone.
    Refused(PathBuf, RingFault),
}

/// Looks through a folder for rings of processes that are gone, one after the other, so that no more than one of them is in memory.
///
/// # Errors
/// When the folder cannot be read.
pub fn recover_folder(folder: &Folder) -> Result<impl Iterator<Item = Found> + use<>, RingFault> {
    let folder = folder.clone();
    let names = folder.names()?.into_iter();
    Ok(names.filter_map(move |name| {
        let path = folder.path().join(&name);
        match claimed(&folder, &name) {
            Ok(Claim::Ring(recovered)) => Some(Found::Ring(recovered)),
            Ok(Claim::Unfinished) => Some(Found::Unfinished(path)),
            Ok(Claim::Gone) => None,
            Err(RingFault::Alive(_)) => Some(Found::Alive(path)),
            Err(fault) => Some(Found::Refused(path, fault)),
        }
    }))
}

enum Claim {
    Ring(Box<Recovered>),
    Unfinished,
    Gone,
}

fn claimed(folder: &Folder, name: &str) -> Result<Claim, RingFault> {
    let Some(file) = folder.claim(name)? else {
        return Ok(Claim::Gone);
    };
    let path = folder.path().join(name);
    let fail = |why| system("file cannot be read", &path, why);
    let foreign = |why| RingFault::Foreign {
        path: path.display().to_string(),
        why,
    };
    let length = file.metadata().map_err(fail)?.len();
    let mut header = [0; HEADER_BYTES as usize];
    let read = read_at(&file, &mut header, 0).map_err(fail)?;
    let (fixed, _) = header
        .split_first_chunk::<FIXED_BYTES>()
        .ok_or_else(|| foreign("its header is cut"))?;
    if fixed.iter().all(|byte| *byte == 0) {
        folder.remove(name, &file)?;
        return Ok(Claim::Unfinished);
    }
    if read < header.len() {
        return Err(foreign("its header is cut"));
    }
    let fixed = Fixed::read(fixed).map_err(foreign)?;
    if !is_size(fixed.capacity) || length != HEADER_BYTES + fixed.capacity {
        return Err(foreign("its length is not what its header says"));
    }
    let words = |word: usize| header_word(&header, word);
    let dead = Dead::read(&file, fixed.capacity, (words(HEAD), words(TAIL))).map_err(|unread| unread.fault(&path))?;
    let (end, count, damage) = dead.walk();
    Ok(Claim::Ring(Box::new(Recovered {
        folder: folder.clone(),
        name: name.to_owned(),
        file,
        fixed,
        count,
        damage,
        end,
        dropped: count::dropped(words),
        untold: count::untold(words),
        dead,
    })))
}

fn header_word(header: &[u8], word: usize) -> u64 {
    let (words, _) = header.as_chunks::<8>();
    words.get(word).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Reads until the buffer is full or the file ends; says how much.
fn read_at(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, from + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(read)
}

/// Why the bytes of a ring are not there.
enum Unread {
    Ends,
    Cut,
    Memory(u64),
    System(io::Error),
}

impl Unread {
    fn fault(self, path: &Path) -> RingFault {
        let foreign = |why| RingFault::Foreign {
            path: path.display().to_string(),
            why,
        };
        match self {
            Self::Ends => foreign("its positions lead out of it"),
            Self::Cut => foreign("it was cut while it was read"),
            Self::Memory(bytes) => RingFault::Memory {
                path: path.display().to_string(),
                bytes,
            },
            Self::System(why) => system("file cannot be read", path, why),
        }
    }
}

impl Dead {
    fn read(file: &File, capacity: u64, (head, tail): (u64, u64)) -> Result<Self, Unread> {
        if !are_ends(head, tail, capacity) {
            return Err(Unread::Ends);
        }
        let waiting = tail - head;
        let memory = |_: TryReserveError| Unread::Memory(waiting);
        let length = usize::try_from(waiting).map_err(|_| Unread::Memory(waiting))?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(length).map_err(memory)?;
        bytes.resize(length, 0);
        let offset = head & (capacity - 1);
        let to_end = usize::try_from(capacity - offset).unwrap_or(usize::MAX).min(length);
        let (first, second) = bytes.split_at_mut(to_end);
        let whole = read_at(file, first, HEADER_BYTES + offset).map_err(Unread::System)? == first.len()
            && read_at(file, second, HEADER_BYTES).map_err(Unread::System)? == second.len();
        if !whole {
            return Err(Unread::Cut);
        }
        Ok(Self {
            capacity,
            head,
            tail,
            bytes,
        })
    }

    /// Up to where records are whole, how many these are, and what is wrong behind them.
    fn walk(&self) -> (u64, usize, Option<Damage>) {
        let mut walk = Walk::new(self, self.start());
        let mut count = 0;
        loop {
            match walk.step() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (walk.position().at, count, None),
                Err(damage) => return (walk.position().at, count, Some(damage)),
            }
        }
    }

    const fn start(&self) -> Position {
        Position {
            at: self.head,
            sequence: None,
        }
    }
}

impl Source for Dead {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn tail(&self) -> u64 {
        self.tail
    }

    fn bytes(&self, position: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(position.checked_sub(self.head)?).ok()?;
        let offset = position & (self.capacity - 1);
        let is_in_one = offset.checked_add(length as u64)? <= self.capacity;
        self.bytes.get(from..from.checked_add(length)?).filter(|_| is_in_one)
    }
}

impl Recovered {
    /// Where it was found.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Number of the process that wrote it.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.fixed.process
    }

    /// When that process started, in ticks since its system did; 0 if that is not known.
    #[must_use]
    pub const fn process_started(&self) -> u64 {
        self.fixed.process_started
    }

    /// The records, in order.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        self.records_from(self.dead.start())
    }

    /// The records from a place on where [`Records::position`] was; none from a place of another ring.
    #[must_use]
    pub fn records_from(&self, place: Position) -> Records<'_> {
        Records::new(Walk::new(&self.dead, place), self.count)
    }

    /// How many they are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether everything had been released.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is wrong behind the last record, and how many bytes behind it are not read because of it.
    #[must_use]
    pub fn damage(&self) -> Option<(Damage, u64)> {
        self.damage.map(|damage| (damage, self.dead.tail - self.end))
    }

    /// Where in the file that begins.
    #[must_use]
    pub const fn damaged_at(&self) -> u64 {
        HEADER_BYTES + (self.end & (self.fixed.capacity - 1))
    }

    /// All records that its writer was refused, none of the counts 0.
    #[must_use]
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// Those of them that no gap record tells of: it died before. Who ships the records ships this too.
    #[must_use]
    pub fn untold(&self) -> &[Dropped] {
        &self.untold
    }

    /// Takes the file away: everything in it is safe elsewhere. Who does not call this finds it again at the next start.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(self) -> Result<(), RingFault> {
        self.folder.remove(&self.name, &self.file)
    }
}
