//! The goals: what a record may cost, and where that was measured.

use super::masks::Log;
use super::page::Page;
use super::scanners;
use super::servers::Sample;
use crate::bench::contender::Kind;
use crate::bench::goal::{Goal, median};

/// What, its unit, how much it may be, and the name of its figure; of megabytes a second, the nanoseconds of a byte.
const STEPS: [(&str, &str, f64, &str); 11] = [
    (
        "mask (`mlps3`), pack and JSON of a record with about 400 B that somebody sent: 500,000 a second",
        "ns",
        2000.0,
        "mask_pack_line_400b_mlps3_ns",
    ),
    (
        "all classes, clean text: 1.5 GB/s",
        "ns per byte",
        1.0 / 1.5,
        "scan_clean_everything_mb_per_s",
    ),
    (
        "all classes, a find each 200 B: 400 MB/s",
        "ns per byte",
        2.5,
        "scan_secrets_everything_mb_per_s",
    ),
    ("512 B into the ring, clock included: p50", "ns", 60.0, "ring_p50_ns"),
    ("512 B into the ring, clock included: p99", "ns", 250.0, "ring_p99_ns"),
    (
        "512 B into the ring, clock included: p99.9",
        "ns",
        1000.0,
        "ring_p999_ns",
    ),
    (
        "allocations for a record, mask as by default",
        "",
        0.0,
        "mask_pack_line_400b_default_allocations",
    ),
    (
        "allocations for a record, pack `mlps3`",
        "",
        0.0,
        "mask_pack_line_400b_mlps3_allocations",
    ),
    ("a record that no sink wants", "ns", 15.0, "drop_unwanted_ns"),
    ("a line that sampling drops", "ns", 15.0, "drop_line_ns"),
    ("an exchange that sampling drops, at its end", "ns", 15.0, "drop_end_ns"),
];

/// All of them; what was not measured has no figure.
pub(super) fn goals(page: &Page) -> Vec<Goal> {
    let steps = STEPS.iter().map(|(what, unit, at_most, name)| Goal {
        what,
        unit,
        at_most: Some(*at_most),
        was: page.rooms.get(*name).map(|figure| match name.ends_with("_mb_per_s") {
            true => 1e3 / figure,
            false => *figure,
        }),
    });
    let servers = [
        (
            "gateway, logs on by off, mask as by default: CPU per request",
            Log::Names,
        ),
        ("gateway, logs on by off, pack `mlps3`: CPU per request", Log::Masked),
    ];
    let servers = servers.into_iter().map(|(what, log)| Goal {
        what,
        unit: "×",
        at_most: Some(1.03),
        was: on_by_off(page, log),
    });
    steps
        .chain(sandbox(&page.sandbox))
        .chain(beside_others(page))
        .chain(servers)
        .collect()
}

/// Records through a guest: how many at once, and the nanoseconds that one may take.
fn sandbox(said: &str) -> [Goal; 2] {
    let goal = |what, batch: u32, at_most| Goal {
        what,
        unit: "ns",
        at_most: Some(at_most),
        was: record_ns(said, batch),
    };
    [
        goal(
            "a record through the sandbox, 64 at once: 200,000 a second",
            64,
            5_000.0,
        ),
        goal(
            "a record through the sandbox, one at a time: 80,000 a second",
            1,
            12_500.0,
        ),
    ]
}

/// What the example says of batches of so many.
fn record_ns(said: &str, batch: u32) -> Option<f64> {
    let rests = said.lines().filter_map(|line| line.strip_prefix("batches of"));
    let (_, rest) = rests
        .filter_map(|rest| rest.split_once(':'))
        .find(|(number, _)| number.trim().parse() == Ok(batch))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// All classes on our side, the same rules on the other.
fn beside_others(page: &Page) -> [Goal; 2] {
    let (set, hyperscan) = scanners::ratios(&page.scanners);
    let goal = |what, at_most, ours_by: Option<f64>| Goal {
        what,
        unit: "×",
        at_most: Some(at_most),
        was: ours_by.map(f64::recip),
    };
    [
        goal("MB/s of `RegexSet` by ours: ours five times as fast", 0.2, set),
        goal("MB/s of Hyperscan by ours: ours half as fast", 2.0, hyperscan),
    ]
}

/// The median over the rounds of what a round with this log took, by the same round without.
fn on_by_off(page: &Page, log: Log) -> Option<f64> {
    let of = |log: Log| page.servers.iter().find(|(row, _)| *row == (Kind::Cofferdam, log));
    let pairs = of(log)?.1.iter().zip(&of(Log::Off)?.1);
    median(
        pairs
            .map(|(on, off): (&Sample, &Sample)| on.cpu_us / off.cpu_us)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_sandbox_takes_is_read_from_what_the_example_says() {
        let said = "batches of   1:  15123 ns a record,    66124 records a second\nbatches of  64:   5076 ns a record,   197000 records a second\n";
        assert_eq!(record_ns(said, 64), Some(5076.0));
        assert_eq!(record_ns(said, 1), Some(15123.0));
        assert_eq!(record_ns(said, 8), None);
    }
}
