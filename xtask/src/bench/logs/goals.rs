//! The goals: what a record may cost, and where that was measured.

use super::masks::Log;
use super::page::Page;
use super::servers::Sample;
use crate::bench::contender::Kind;
use crate::bench::goal::{Goal, median};

/// All of them; what was not measured has no figure.
pub(super) fn goals(page: &Page) -> Vec<Goal> {
    let room = |name: &str| page.rooms.get(name).copied();
    let per_byte = |name: &str| room(name).map(|mb_per_s| 1e3 / mb_per_s);
    let goal = |what, unit, at_most, was| Goal {
        what,
        unit,
        at_most: Some(at_most),
        was,
    };
    vec![
        goal(
            "mask (`mlps3`), pack and JSON of a record with about 400 B that somebody sent: 500,000 a second",
            "ns",
            2000.0,
            room("mask_pack_line_400b_mlps3_ns"),
        ),
        goal(
            "all classes, clean text: 1.5 GB/s",
            "ns per byte",
            1.0 / 1.5,
            per_byte("scan_clean_everything_mb_per_s"),
        ),
        goal(
            "all classes, a find each 200 B: 400 MB/s",
            "ns per byte",
            2.5,
            per_byte("scan_secrets_everything_mb_per_s"),
        ),
        goal(
            "512 B into the ring, clock included: p50",
            "ns",
            60.0,
            room("ring_p50_ns"),
        ),
        goal(
            "512 B into the ring, clock included: p99",
            "ns",
            250.0,
            room("ring_p99_ns"),
        ),
        goal(
            "512 B into the ring, clock included: p99.9",
            "ns",
            1000.0,
            room("ring_p999_ns"),
        ),
        goal(
            "allocations for a record, mask as by default",
            "",
            0.0,
            room("mask_pack_line_400b_default_allocations"),
        ),
        goal(
            "allocations for a record, pack `mlps3`",
            "",
            0.0,
            room("mask_pack_line_400b_mlps3_allocations"),
        ),
        goal("a record that no sink wants", "ns", 15.0, room("drop_unwanted_ns")),
        goal("a line that sampling drops", "ns", 15.0, room("drop_line_ns")),
        goal(
            "an exchange that sampling drops, at its end",
            "ns",
            15.0,
            room("drop_end_ns"),
        ),
        goal(
            "gateway, logs on by off, mask as by default: CPU per request",
            "×",
            1.03,
            on_by_off(page, Log::Names),
        ),
        goal(
            "gateway, logs on by off, pack `mlps3`: CPU per request",
            "×",
            1.03,
            on_by_off(page, Log::Masked),
        ),
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
