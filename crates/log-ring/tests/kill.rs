//! A process that writes as fast as it can is killed at random moments, and what it had committed is all there.
#![allow(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use log_ring::{Body, Class, Consumer, Folder, Level, Mark, Policy, Producer, Ring, Settings, recover};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What a child finds in its environment: its folder, how it dies, and behind how many records if it does so by itself.
const CHILD: &str = "LOG_RING_CHILD";
/// How many deaths there are, if not as many as usual.
const ROUNDS: &str = "LOG_RING_KILLS";
/// LIMIT: how long anything may take before the test fails.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Kill,
    Abort,
    Segfault,
}

/// Words that a child and its parent share, and that outlive the child: records begun, records committed, and bytes of the ring read.
struct Told {
    words: ptr::NonNull<AtomicU64>,
}

// SAFETY: it points to atomics that are mapped until `drop`.
unsafe impl Sync for Told {}

impl Told {
    fn new(file: &File) -> Self {
        file.set_len(4096).unwrap();
        // SAFETY: the kernel chooses the place, and the file has the length.
        let words = unsafe {
            mmap(
                ptr::null_mut(),
                4096,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        };
        Self {
            words: ptr::NonNull::new(words.unwrap().cast()).unwrap(),
        }
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < 8);
        // SAFETY: within the page that is mapped, which begins aligned.
        unsafe { self.words.add(at).as_ref() }
    }

    fn begun(&self) -> &AtomicU64 {
        self.word(0)
    }

    fn committed(&self) -> &AtomicU64 {
        self.word(1)
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // SAFETY: this is what `mmap` gave, and no borrow of it is left.
        unsafe { munmap(self.words.as_ptr().cast(), 4096) }.unwrap();
    }
}

/// A sequence of numbers without a pattern.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// What the record with this number has: its number, and bytes that follow from it.
fn payload(number: u64, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&number.to_le_bytes());
    let length = usize::try_from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55).unwrap();
    out.resize(8 + length, number.to_le_bytes()[0] ^ 0x5a);
}

fn settings() -> Settings {
    Settings {
        ring_bytes: 256 * 1024,
        payload_bytes_max: 1024,
        policy: Policy::by_level([100; 8]),
        gap_every_ns: 10,
    }
}

/// Writes for ever, drains in between, and dies.
fn child(folder: &Path, death: Death, after: u64) {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    rustix::process::setrlimit(
        rustix::process::Resource::Core,
        rustix::process::Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .unwrap();
    let told = Told::new(
        &File::options()
            .read(true)
            .write(true)
            .open(folder.join("told"))
            .unwrap(),
    );
    let drained = File::options().append(true).open(folder.join("drained")).unwrap();
    let rings = Folder::open(&folder.join("rings")).unwrap();
    let (ring, producer, consumer) = Ring::create(&rings, "worker-0", &settings()).unwrap();
    std::thread::scope(|threads| {
        let told = &told;
        threads.spawn(move || write(producer, told));
        threads.spawn(move || drain(consumer, drained));
        if death != Death::Kill {
            while told.committed().load(Ordering::SeqCst) < after {
                std::hint::spin_loop();
            }
        }
        match death {
            Death::Kill => drop(threads.spawn(|| {
                loop {
                    std::thread::park()
                }
            })),
            Death::Abort => std::process::abort(),
            // SAFETY: it is not: nothing is mapped there, and the death that follows is what this process is for.
            Death::Segfault => unsafe { ptr::with_exposed_provenance_mut::<u8>(8).write_volatile(1) },
        }
    });
    drop(ring);
}

/// Writes records for ever, and says which it begins and has committed.
fn write(mut producer: Producer, told: &Told) {
    let mut bytes = Vec::new();
    for number in 0.. {
        payload(number, &mut bytes);
        told.begun().store(number + 1, Ordering::SeqCst);
        let mark = Mark {
            level: Level::new(7).unwrap(),
            class: Class::new(0).unwrap(),
            stamp_ns: number,
        };
        // A record that is refused is tried until it is taken: so each number is there once.
        while producer.write(mark, &bytes).is_err() {
            std::thread::yield_now();
        }
        told.committed().store(number + 1, Ordering::SeqCst);
    }
}

/// Writes sequences and numbers of records into a file for ever, and releases them then.
fn drain(mut consumer: Consumer, mut file: File) {
    loop {
        let batch = consumer.batch(64, 16 * 1024);
        assert_eq!(batch.damage(), None);
        let mut safe = Vec::new();
        for record in batch.records() {
            safe.extend_from_slice(&record.sequence.to_le_bytes());
            safe.extend_from_slice(&number_of(&record.body).to_le_bytes());
        }
        file.write_all(&safe).unwrap();
        let end = batch.end();
        consumer.release(end);
    }
}

/// What stands for the number of a gap record.
const GAP: u64 = u64::MAX;

/// The number in a payload that is as it was written; panics on any other.
fn number_of(body: &Body<'_>) -> u64 {
    let Body::Payload(bytes) = body else { return GAP };
    let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let mut expected = Vec::new();
    payload(number, &mut expected);
    assert_eq!(*bytes, expected.as_slice(), "a torn record came out");
    number
}

/// A child that does not outlive the test, whatever becomes of that.
struct Writer(Child);

impl Drop for Writer {
    fn drop(&mut self) {
        // It is dead already where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What one death left.
struct Left {
    committed: u64,
    recovered: u64,
    /// Drained and recovered as well, for its release was not reached.
    twice: u64,
}

fn die(death: Death, dice: &mut Dice) -> Left {
    let temporary = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let folder = temporary.path();
    File::create(folder.join("drained")).unwrap();
    let told = Told::new(
        &File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(folder.join("told"))
            .unwrap(),
    );
    let after = 1 + dice.roll(20_000);
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "committed_records_outlive_every_kind_of_death",
            "--nocapture",
        ])
        .env(CHILD, format!("{} {death:?} {after}", folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Writer(child);
    let started = Instant::now();
    while told.committed().load(Ordering::SeqCst) < after {
        assert!(started.elapsed() < WAIT_MAX, "the child writes nothing");
        assert_eq!(
            child.0.try_wait().unwrap().filter(|_| death == Death::Kill),
            None,
            "the child ended by itself"
        );
        std::thread::yield_now();
    }
    if death == Death::Kill {
        child.0.kill().unwrap();
    }
    let signal = child.0.wait().unwrap().signal();
    let expected = match death {
        Death::Kill => 9,
        Death::Abort => 6,
        Death::Segfault => 11,
    };
    assert_eq!(signal, Some(expected));
    judge(folder, &told)
}

/// Drained and recovered together are every sequence and every number up to the last that was committed, none of them torn.
fn judge(folder: &Path, told: &Told) -> Left {
    let (begun, committed) = (
        told.begun().load(Ordering::SeqCst),
        told.committed().load(Ordering::SeqCst),
    );
    let name = fs::read_dir(folder.join("rings"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let recovered = recover(&name).unwrap();
    assert_eq!(recovered.damage(), None, "a torn record was committed");
    let drained = fs::read(folder.join("drained")).unwrap();
    let drained = drained.as_chunks::<16>().0.iter().map(|pair| {
        let (sequence, number) = pair.split_at(8);
        (
            u64::from_le_bytes(sequence.try_into().unwrap()),
            u64::from_le_bytes(number.try_into().unwrap()),
        )
    });
    let found = recovered
        .records()
        .map(|record| (record.sequence, number_of(&record.body)));
    let mut all: Vec<(u64, u64)> = drained.chain(found).collect();
    let before = all.len() as u64;
    all.sort_unstable();
    all.dedup();
    assert!(
        all.iter().enumerate().all(|(at, (sequence, _))| *sequence == at as u64),
        "a sequence is missing or came twice"
    );
    let numbers: Vec<u64> = all
        .iter()
        .map(|(_, number)| *number)
        .filter(|number| *number != GAP)
        .collect();
    assert!(
        numbers.iter().enumerate().all(|(at, number)| *number == at as u64),
        "a number is missing or came twice"
    );
    let count = numbers.len() as u64;
    assert!(
        (committed..=begun).contains(&count),
        "{committed} were committed, {begun} begun, and {count} are there"
    );
    Left {
        committed,
        recovered: recovered.len() as u64,
        twice: before - all.len() as u64,
    }
}

#[test]
fn committed_records_outlive_every_kind_of_death() {
    if let Ok(order) = std::env::var(CHILD) {
        let mut words = order.rsplitn(3, ' ');
        let after = words.next().unwrap().parse().unwrap();
        let death = match words.next().unwrap() {
            "Kill" => Death::Kill,
            "Abort" => Death::Abort,
            _ => Death::Segfault,
        };
        child(Path::new(words.next().unwrap()), death, after);
        return;
    }
    let rounds: u64 = std::env::var(ROUNDS).ok().map_or(45, |rounds| rounds.parse().unwrap());
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut committed, mut recovered, mut twice) = (0, 0, 0);
    for round in 0..rounds {
        let death = [Death::Kill, Death::Abort, Death::Segfault][usize::try_from(round % 3).unwrap()];
        let left = die(death, &mut dice);
        (committed, recovered, twice) = (
            committed + left.committed,
            recovered + left.recovered,
            twice + left.twice,
        );
    }
    println!(
        "{rounds} deaths, {committed} records committed, {recovered} recovered, {twice} of them drained before, 0 lost, 0 torn"
    );
    assert!(recovered > 0, "nothing was ever left to recover");
}
