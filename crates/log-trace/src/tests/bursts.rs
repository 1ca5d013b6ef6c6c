//! Bursts: seen within a second, one window each, and none that stays open.

use proptest::prelude::*;

use super::dice::Dice;
use crate::{Admission, Bodies, Burst, BurstSettings, Ids, Kind, Notice, Observation, Rate, Trigger, Turn};

const SECOND_NS: u64 = 1_000_000_000;
const START: u64 = 1_000 * SECOND_NS;
const GOOD: Observation = Observation {
    status: Some(200),
    is_fault: false,
    duration_ns: 1_000,
};
const LIMITED: Observation = Observation {
    status: Some(429),
    ..GOOD
};

fn settings() -> BurstSettings {
    let trigger = Some(Trigger {
        events_min: 20,
        share_ppm: 100_000,
        calm_ppm: 20_000,
    });
    BurstSettings {
        sight_seconds: 10,
        triggers: [trigger; 4],
        slow_ns: SECOND_NS,
        window_seconds: 30,
        windows_per_hour: 3,
        rate: Rate::new(100, SECOND_NS, 10).unwrap(),
        bytes_max: 10_000,
        body_bytes_max: 1_000,
    }
}

struct Scene {
    burst: Burst,
    ids: Ids,
    now: u64,
    opened: Vec<Notice>,
}

impl Scene {
    fn new(settings: BurstSettings) -> Self {
        Self {
            burst: Burst::new(settings).unwrap(),
            ids: Ids::new([1; 4]),
            now: START,
            opened: Vec::new(),
        }
    }

    fn see(&mut self, observation: Observation) {
        if let Turn::Opened(notice) = self.burst.observe(&observation, self.now, &mut self.ids) {
            assert_eq!(notice.opened_ns, self.now);
            self.opened.push(notice);
        }
    }

    /// So many seconds with 100 exchanges each, of which the first of each ten are so.
    fn run(&mut self, seconds: u64, of_ten: u64, observation: Observation) {
        for step in 0..seconds * 100 {
            self.see(if step % 10 < of_ten { observation } else { GOOD });
            self.now += SECOND_NS / 100;
        }
    }
}

#[test]
fn a_burst_of_each_kind_is_seen_within_a_second() {
    let slow = Observation {
        duration_ns: SECOND_NS,
        ..GOOD
    };
    let fault = Observation { is_fault: true, ..GOOD };
    let error = Observation {
        status: Some(503),
        ..GOOD
    };
    for (observation, kind) in [
        (LIMITED, Kind::TooMany),
        (error, Kind::ServerError),
        (fault, Kind::Fault),
        (slow, Kind::Slow),
    ] {
        let mut scene = Scene::new(settings());
        scene.run(20, 0, GOOD);
        assert!(scene.opened.is_empty());
        let before = scene.now;
        // All of them: ten seconds of good ones are still in sight.
        scene.run(5, 10, observation);
        let notice = scene.opened.first().unwrap();
        assert_eq!((notice.kind, scene.opened.len()), (kind, 1));
        // A tenth of ten seconds of traffic is one second of it.
        assert!(
            notice.opened_ns - before <= SECOND_NS + SECOND_NS / 5,
            "{kind:?}: {}",
            notice.opened_ns - before
        );
    }
}

#[test]
fn few_events_and_a_small_share_are_no_burst() {
    let mut scene = Scene::new(settings());
    for _ in 0..19 {
        scene.see(LIMITED);
    }
    assert!(scene.opened.is_empty());
    let mut scene = Scene::new(settings());
    scene.run(1, 0, GOOD);
    for step in 0..10_000 {
        scene.see(if step % 11 == 10 { LIMITED } else { GOOD });
        scene.now += SECOND_NS / 100;
    }
    assert!(scene.opened.is_empty());
    // What is out of sight counts no more.
    let mut scene = Scene::new(settings());
    for _ in 0..100 {
        scene.see(LIMITED);
        scene.now += SECOND_NS;
    }
    assert!(scene.opened.is_empty());
}

#[test]
fn a_window_closes_by_itself_and_opens_again_only_after_calm_and_a_few_times_an_hour() {
    let mut scene = Scene::new(settings());
    scene.run(600, 5, LIMITED);
    assert_eq!(scene.opened.len(), 1);
    let notice = scene.opened[0];
    assert_eq!(notice.until_ns, notice.opened_ns + 30 * SECOND_NS);
    assert!(scene.burst.window(notice.until_ns - 1).is_some());
    assert!(scene.burst.window(notice.until_ns).is_none());
    // Less than opens, but not calm: still one burst.
    scene.run(60, 1, LIMITED);
    scene.run(60, 5, LIMITED);
    assert_eq!(scene.opened.len(), 1);
    for windows in [2, 3, 3, 3] {
        scene.run(60, 0, GOOD);
        scene.run(60, 5, LIMITED);
        assert_eq!(scene.opened.len(), windows);
    }
    scene.now += 3600 * SECOND_NS;
    scene.run(60, 5, LIMITED);
    assert_eq!(scene.opened.len(), 4);
    let mut ids: Vec<_> = scene.opened.iter().map(|notice| notice.id.number()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn what_comes_together_opens_one_window() {
    let mut scene = Scene::new(settings());
    let all = Observation {
        status: Some(503),
        is_fault: true,
        duration_ns: 2 * SECOND_NS,
    };
    scene.run(120, 10, all);
    assert_eq!(scene.opened.len(), 1);
}

#[test]
fn another_workers_window_is_joined_once_and_not_for_longer_than_ours() {
    let mut scene = Scene::new(settings());
    let mut other = Scene::new(settings());
    other.run(5, 10, LIMITED);
    let notice = other.opened[0];
    assert_eq!(scene.burst.join(&notice, other.now), Turn::Opened(notice));
    assert_eq!(scene.burst.window(other.now).unwrap().notice().id, notice.id);
    assert_eq!(scene.burst.join(&notice, other.now), Turn::Quiet);
    let long = Notice {
        until_ns: u64::MAX,
        ..notice
    };
    let later = notice.until_ns + SECOND_NS;
    assert_eq!(scene.burst.join(&notice, later), Turn::Quiet);
    assert!(
        matches!(scene.burst.join(&long, later), Turn::Opened(joined) if joined.until_ns == later + 30 * SECOND_NS)
    );
    let more = |at: u64| later + at * 60 * SECOND_NS;
    assert!(matches!(scene.burst.join(&long, more(1)), Turn::Opened(_)));
    assert_eq!(scene.burst.join(&long, more(2)), Turn::Quiet);
}

#[test]
fn a_window_says_no_more_than_its_rate_and_its_bytes() {
    let mut scene = Scene::new(settings());
    scene.run(5, 10, LIMITED);
    let now = scene.now;
    let window = scene.burst.window(now).unwrap();
    let admitted = |count: usize, admissions: &mut dyn FnMut() -> Admission| {
        (0..count)
            .map(|_| admissions())
            .filter(|admission| *admission == Admission::Admitted)
            .count()
    };
    assert_eq!(admitted(100, &mut || window.admit(10, now)), 10);
    assert_eq!(window.admit(10, now), Admission::Rate);
    // The seconds before come at once, within the bytes that are left.
    assert_eq!(window.admit_before(9_901), Admission::Spent);
    assert_eq!(window.admit_before(9_900), Admission::Admitted);
    assert_eq!(window.admit(1, now + SECOND_NS), Admission::Spent);
}

#[test]
fn bodies_are_kept_on_chosen_routes_within_their_bytes() {
    let bodies = Bodies {
        routes: vec![1, 2],
        bytes_max: 300,
    };
    let mut scene = Scene::new(settings());
    scene.run(5, 10, LIMITED);
    let now = scene.now;
    let window = scene.burst.window(now).unwrap();
    assert_eq!(window.take_body(&bodies, 3, 0, 100), 0);
    assert_eq!(window.take_body(&bodies, 1, 0, 200), 200);
    assert_eq!(window.take_body(&bodies, 1, 200, 200), 100);
    assert_eq!(window.take_body(&bodies, 1, 300, 200), 0);
    let taken: Vec<_> = (0..4).map(|_| window.take_body(&bodies, 2, 0, 1_000)).collect();
    assert_eq!(taken, [300, 300, 100, 0]);
}

#[test]
fn settings_beyond_their_bounds_are_refused() {
    let good = settings();
    let trigger = |share_ppm, calm_ppm| {
        [
            Some(Trigger {
                events_min: 1,
                share_ppm,
                calm_ppm,
            }),
            None,
            None,
            None,
        ]
    };
    let wrong = [
        BurstSettings {
            sight_seconds: 0,
            ..good
        },
        BurstSettings {
            sight_seconds: 61,
            ..good
        },
        BurstSettings {
            window_seconds: 0,
            ..good
        },
        BurstSettings {
            window_seconds: 601,
            ..good
        },
        BurstSettings {
            windows_per_hour: 0,
            ..good
        },
        BurstSettings {
            windows_per_hour: 61,
            ..good
        },
        BurstSettings {
            triggers: trigger(1_000_001, 1),
            ..good
        },
        BurstSettings {
            triggers: trigger(5, 5),
            ..good
        },
    ];
    for settings in wrong {
        assert!(Burst::new(settings).is_err(), "{settings:?}");
    }
    assert!(
        Burst::new(BurstSettings {
            triggers: [None; 4],
            ..good
        })
        .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_traffic_comes_windows_end_and_are_few(seed: u64, pause in 1_u64..100_000_000, windows in 1_usize..10, lasts in 1_u64..=600) {
        let mut dice = Dice(seed);
        let mut scene = Scene::new(BurstSettings { windows_per_hour: windows, window_seconds: lasts, ..settings() });
        let mut open_since: Option<u64> = None;
        for _ in 0..20_000 {
            // Long silences and clocks that stand are among it.
            scene.now += match dice.below(100) {
                0 => dice.below(4_000 * SECOND_NS),
                1..10 => 0,
                _ => dice.below(pause),
            };
            let observation = Observation { status: Some([200, 429, 503][usize::try_from(dice.below(3)).unwrap()]), is_fault: dice.below(5) == 0, duration_ns: dice.below(2 * SECOND_NS) };
            if dice.below(10) == 0 {
                let notice = Notice { id: scene.ids.trace(), kind: Kind::Slow, opened_ns: scene.now, until_ns: scene.now + dice.below(u64::MAX / 2) };
                if let Turn::Opened(notice) = scene.burst.join(&notice, scene.now) {
                    scene.opened.push(notice);
                }
            }
            scene.see(observation);
            let now = scene.now;
            let is_open = scene.burst.window(now).is_some();
            open_since = scene.opened.last().filter(|_| is_open).map(|notice| notice.until_ns);
            if let Some(until) = open_since {
                prop_assert!(now < until && until <= now + lasts * SECOND_NS);
            }
            let last_hour = scene.opened.iter().rev().take_while(|notice| now - notice.opened_ns < 3600 * SECOND_NS).count();
            prop_assert!(last_hour <= windows, "{last_hour} of {windows}");
        }
        let over = scene.now + lasts * SECOND_NS;
        prop_assert!(scene.burst.window(over).is_none());
        let _ = open_since;
    }
}
