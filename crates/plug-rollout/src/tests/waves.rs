//! Waves over gateways that speak late, twice and in any order.

use super::dice::Dice;
use crate::{Campaign, Report, ReportState, Waves};

fn report(instance: &str, digest: &str, state: ReportState) -> Report {
    Report {
        instance: instance.to_owned(),
        plugin: String::from("hello"),
        digest: digest.to_owned(),
        state,
        error: (state == ReportState::RolledBack).then(|| String::from("faults: 4 in 212")),
    }
}

fn campaign() -> Campaign {
    let wave = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let waves = vec![wave(&["a"]), wave(&["b", "c"]), wave(&["d", "e", "f"])];
    Campaign::new(String::from("hello"), String::from("sha256:1"), waves)
}

#[test]
fn a_wave_begins_when_the_one_before_has_promoted_it_everywhere() {
    let mut campaign = campaign();
    let mut reports = vec![report("a", "sha256:1", ReportState::RollingOut)];
    assert_eq!(campaign.hear(&reports), Waves::Going { wave: 0 });
    reports.push(report("a", "sha256:1", ReportState::Promoted));
    reports.push(report("b", "sha256:1", ReportState::Promoted));
    // Another target, though it was promoted, is no matter.
    reports.push(report("c", "sha256:0", ReportState::Promoted));
    let waves = campaign.hear(&reports);
    assert_eq!(waves, Waves::Going { wave: 1 });
    assert!(campaign.may_begin("c", &waves) && !campaign.may_begin("d", &waves) && !campaign.may_begin("z", &waves));
    reports.extend(["c", "d", "e", "f"].map(|name| report(name, "sha256:1", ReportState::Promoted)));
    assert_eq!(campaign.hear(&reports), Waves::Over);
}

#[test]
fn a_rollback_stops_the_wave_for_good() {
    let mut campaign = campaign();
    let back = [report("a", "sha256:1", ReportState::RolledBack)];
    let stopped = Waves::Stopped {
        instance: String::from("a"),
        why: String::from("faults: 4 in 212"),
    };
    assert_eq!(campaign.hear(&back), stopped);
    let better = [report("a", "sha256:1", ReportState::Promoted)];
    assert_eq!(campaign.hear(&better), stopped);
    assert!(!campaign.may_begin("a", &stopped));
}

/// One fleet: gateways that begin when they may, promote or go back, die and come again, while every one of them reads what is in the
/// store at some moment, late or not.
fn fleet(seed: u64) -> (Waves, Vec<Option<ReportState>>) {
    let mut dice = Dice::new(seed);
    let names = ["a", "b", "c", "d", "e", "f"];
    let bad = dice.below(8);
    let mut campaigns: Vec<Campaign> = names.iter().map(|_| campaign()).collect();
    let mut states = [ReportState::Waiting; 6];
    let mut store: Vec<Report> = Vec::new();
    for _ in 0..600 {
        let who = usize::try_from(dice.below(6)).unwrap();
        // A late reader sees the store as it was.
        let late = usize::try_from(dice.below(4)).unwrap().min(store.len());
        let seen = &store[..store.len() - late];
        let waves = campaigns[who].hear(seen);
        let next = match states[who] {
            ReportState::Waiting if campaigns[who].may_begin(names[who], &waves) => ReportState::RollingOut,
            ReportState::RollingOut if dice.below(20) < bad => ReportState::RolledBack,
            ReportState::RollingOut if matches!(waves, Waves::Stopped { .. }) => ReportState::RollingOut,
            ReportState::RollingOut => ReportState::Promoted,
            same => same,
        };
        if next == ReportState::RollingOut && states[who] == ReportState::Waiting {
            check_wave(seed, who, &store);
        }
        states[who] = next;
        // Said again after a death too.
        store.push(report(names[who], "sha256:1", next));
        if dice.in_hundred(5) {
            campaigns[who] = campaign();
        }
    }
    let end = campaign().hear(&store);
    (end, states.map(Some).into())
}

/// Nobody of a later wave begins before every gateway of the waves before has promoted the target.
fn check_wave(seed: u64, who: usize, store: &[Report]) {
    let before: &[&str] = match who {
        0 => &[],
        1 | 2 => &["a"],
        _ => &["a", "b", "c"],
    };
    for name in before {
        let promoted = |report: &Report| report.instance == *name && report.state == ReportState::Promoted;
        assert!(
            store.iter().any(promoted),
            "seed {seed}: gateway {who} began before {name} had promoted it"
        );
    }
}

#[test]
fn fleets_end_promoted_everywhere_or_stopped() {
    let (mut over, mut stopped) = (0, 0);
    for seed in 0..2_000 {
        match fleet(seed) {
            (Waves::Over, states) => {
                assert!(
                    states.iter().all(|state| *state == Some(ReportState::Promoted)),
                    "seed {seed}: {states:?}"
                );
                over += 1;
            }
            (Waves::Stopped { .. }, states) => {
                assert!(
                    states.contains(&Some(ReportState::RolledBack)),
                    "seed {seed}: {states:?}"
                );
                stopped += 1;
            }
            (going, states) => panic!("seed {seed}: {going:?} with {states:?}"),
        }
    }
    assert!(over > 100 && stopped > 100, "{over} over, {stopped} stopped");
}
