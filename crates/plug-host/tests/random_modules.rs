//! The body of the fuzz target for random modules: over the modules that were kept, and with `COFFERDAM_FUZZ_SECONDS` for so long over new
//! ones, which the program in `fuzz/smith` makes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

#[path = "../../../fuzz/bodies/random_module.rs"]
mod random_module;
#[path = "../../../fuzz/bodies/smith.rs"]
mod smith;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use random_module::{Played, run};
use smith::Smith;

/// A module that takes longer hangs: the slowest are stopped some hundred times at the end of their slice.
const RUN_MAX: Duration = Duration::from_secs(60);

/// LIMIT: messages to the watch that it has not read.
const WATCHED_MAX: usize = 16;

/// Modules after which memory is looked at first: caches and threads are there by then.
const WARM: usize = 40;

/// Kilobytes by which the process may have grown after it was warm.
const GROWTH_KB_MAX: u64 = 64 * 1024;

#[test]
fn random_modules_harm_nobody() {
    let seeds = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/random_module");
    let mut campaign = Campaign::new(seeds);
    match std::env::var("COFFERDAM_FUZZ_SECONDS") {
        Ok(seconds) => campaign.play_new(Duration::from_secs(seconds.parse().unwrap())),
        Err(_) => campaign.play_kept(),
    }
    campaign.tell();
    let (played, modules) = (&campaign.played, campaign.modules as u64);
    assert!(played.loaded * 2 >= modules, "half of the modules load");
    assert!(played.calling * 2 >= played.loaded, "half of them call the host");
    assert_eq!(
        played.faults.get("plugin.not_instantiated"),
        None,
        "places are given back"
    );
    let grown = resident_kb().saturating_sub(campaign.warm_kb);
    assert!(grown <= GROWTH_KB_MAX, "the process has grown by {grown} kB");
}

/// Many modules, one after the other.
struct Campaign {
    seeds: PathBuf,
    /// The module that is played now, for whoever finds the process dead.
    playing: PathBuf,
    played: Played,
    modules: usize,
    began: Instant,
    warm_kb: u64,
    watch: SyncSender<Option<PathBuf>>,
}

impl Campaign {
    fn new(seeds: PathBuf) -> Self {
        let playing = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random_module");
        Self {
            seeds,
            watch: watch(playing.clone()),
            playing,
            played: Played::default(),
            modules: 0,
            began: Instant::now(),
            warm_kb: 0,
        }
    }

    fn play_kept(&mut self) {
        let mut kept: Vec<_> = std::fs::read_dir(&self.seeds)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        kept.sort();
        assert!(kept.len() > WARM);
        for path in kept {
            self.play(
                &path.file_name().unwrap().to_string_lossy(),
                &std::fs::read(&path).unwrap(),
            );
        }
    }

    fn play_new(&mut self, length: Duration) {
        let first = std::env::var("COFFERDAM_FUZZ_FIRST").map_or(0, |first| first.parse().unwrap());
        let mut smith = Smith::start(first);
        let mut told = Instant::now();
        while self.began.elapsed() < length {
            let (number, bytes) = smith.next();
            self.play(&format!("number_{number}"), &bytes);
            if told.elapsed() > Duration::from_secs(60) {
                self.tell();
                told = Instant::now();
            }
        }
    }

    /// Plays one. By which one it broke is kept.
    fn play(&mut self, name: &str, bytes: &[u8]) {
        let seed = self.seeds.join(name);
        std::fs::write(&self.playing, bytes).unwrap();
        self.watch.send(Some(seed.clone())).unwrap();
        match catch_unwind(AssertUnwindSafe(|| run(bytes))) {
            Ok(played) => self.played.add(played),
            Err(panic) => {
                std::fs::write(&seed, bytes).unwrap();
                eprintln!("broken by {}", seed.display());
                resume_unwind(panic);
            }
        }
        self.watch.send(None).unwrap();
        self.modules += 1;
        if self.modules == WARM {
            self.warm_kb = resident_kb();
        }
    }

    fn tell(&self) {
        let played = &self.played;
        let calls: u64 = played.calls.values().sum();
        eprintln!(
            "{:.0} s: {} modules, {} loaded, {} called the host; {} instances, {} callbacks, {calls} host calls of {} kinds; \
             resident {} kB when warm, {} kB now\n  refused {:?}\n  faults {:?}",
            self.began.elapsed().as_secs_f64(),
            self.modules,
            played.loaded,
            played.calling,
            played.starts,
            played.callbacks,
            played.calls.len(),
            self.warm_kb,
            resident_kb(),
            played.refused,
            played.faults,
        );
        eprintln!("  calls {:?}", played.calls);
    }
}

/// Ends the process when a module takes too long, and keeps it.
fn watch(playing: PathBuf) -> SyncSender<Option<PathBuf>> {
    let (sender, seeds) = sync_channel::<Option<PathBuf>>(WATCHED_MAX);
    std::thread::spawn(move || {
        let mut current: Option<PathBuf> = None;
        loop {
            match (seeds.recv_timeout(RUN_MAX), &current) {
                (Ok(next), _) => current = next,
                (Err(RecvTimeoutError::Disconnected), _) => return,
                (Err(RecvTimeoutError::Timeout), None) => {}
                (Err(RecvTimeoutError::Timeout), Some(seed)) => {
                    let kept = std::fs::copy(&playing, seed);
                    eprintln!("hung by {}: {kept:?}", seed.display());
                    std::process::abort();
                }
            }
        }
    });
    sender
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
