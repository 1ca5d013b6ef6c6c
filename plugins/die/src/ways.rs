//! The ways to die, and some ways to live badly: one row, one word.

use std::hint::black_box;
use std::num::NonZeroU32;

use crate::host::{self, Allocator};

/// Dies, or comes back after some harm.
pub(crate) type Way = fn();

/// How often a storm repeats its call before it gives up.
// LIMIT: a host without limits must still get its thread back in the end.
const STORM_CALLS: usize = 1_000_000;

/// Every way, by its word.
pub(crate) static WAYS: &[(&str, Way)] = &[
    ("panic", || panic!("told to")),
    ("unreachable", || core::arch::wasm32::unreachable()),
    ("abort", || std::process::abort()),
    ("exit", || std::process::exit(3)),
    ("outside", read_outside),
    ("divide", divide_by_nothing),
    ("indirect", call_nothing),
    ("indirect_type", call_by_a_wrong_type),
    ("loop", || {
        loop {
            black_box(0);
        }
    }),
    ("loop_calling", || {
        loop {
            black_box(host::now());
        }
    }),
    ("recursion", || {
        black_box(recurse(1));
    }),
    ("recursion_shadow", || {
        black_box(recurse_with_frame(1));
    }),
    ("memory", || {
        loop {
            black_box(vec![1_u8; 1 << 20].leak());
        }
    }),
    ("memory_stubborn", || {
        loop {
            black_box(core::arch::wasm32::memory_grow(0, 16));
        }
    }),
    ("leak", || {
        black_box(vec![1_u8; 1 << 20].leak());
    }),
    ("slow", || {
        let start = host::now();
        while host::now() < start + 20_000_000 {}
    }),
    ("allocator_null", || lie(Allocator::Null)),
    ("allocator_outside", || lie(Allocator::Outside)),
    ("allocator_end", || lie(Allocator::AtTheEnd)),
    ("allocator_overlapping", || lie(Allocator::Overlapping)),
    ("allocator_trap", || lie(Allocator::Trap)),
    ("allocator_loop", || lie(Allocator::Loop)),
    ("allocator_reenter", || lie(Allocator::Reenter)),
    ("local_response", host::local_response),
    ("log_storm", || {
        storm(|_| {
            host::log("a storm of lines");
            0
        })
    }),
    ("callout_storm", || storm(|_| i32::from(!host::callout()))),
    ("shared_storm", || {
        storm(|number| {
            let key = format!("key-{number}");
            // A host may answer that all is well and write nothing, for guests that survive no other answer.
            match host::share(&key, &[0; 4096]) {
                0 => host::shared(&key).0,
                refused => refused,
            }
        })
    }),
    ("queue_storm", || {
        let queue = host::register_queue("die: storm");
        storm(|_| host::enqueue(queue, &[0; 4096]));
    }),
    ("metric_storm", || {
        storm(|number| host::define_metric(&format!("metric_{number}")))
    }),
    ("header_storm", add_headers),
    ("header_giant", add_giant_headers),
];

/// Headers that a storm of them adds to each map: more than any message should have.
const STORM_HEADERS: usize = 3_000;

/// Repeats a call until the host says no, and says when it did.
fn storm(call: impl Fn(usize) -> i32) {
    let refused = (0..STORM_CALLS).find_map(|number| Some((number, call(number))).filter(|(_, status)| *status != 0));
    match refused {
        Some((number, status)) => host::log(&format!("die: refused at call {number} with {status}")),
        None => host::log(&format!("die: {STORM_CALLS} calls and no refusal")),
    }
}

/// Lets the host call a lying allocator, and goes on with an honest one when the host survives it.
fn lie(behaviour: Allocator) {
    host::set_allocator(behaviour);
    let status = host::property();
    host::set_allocator(Allocator::Honest);
    host::log(&format!("die: get_property -> {status}"));
}

/// Adds headers to every map that may be changed, far beyond what a message can carry.
fn add_headers() {
    let value = "v".repeat(1024);
    let add = |map| {
        (0..STORM_HEADERS).find_map(|number| {
            Some(host::add_header(map, &format!("x-storm-{number}"), &value)).filter(|status| *status != 0)
        })
    };
    let refused: Vec<i32> = (0..4).map(|map| add(map).unwrap_or(0)).collect();
    host::log(&format!("die: add_header -> {refused:?}"));
}

/// Adds one giant header, and sets a giant map, wherever a map may be changed.
fn add_giant_headers() {
    let value = "v".repeat(2 << 20);
    let added: Vec<i32> = (0..4).map(|map| host::add_header(map, "x-giant", &value)).collect();
    let pairs = vec![("x-giant", "v"); STORM_HEADERS];
    let set: Vec<i32> = (0..4).map(|map| host::set_headers(map, &pairs)).collect();
    host::log(&format!("die: add_header -> {added:?} set_header_map_pairs -> {set:?}"));
}

fn read_outside() {
    let pointer = black_box(0xffff_fff0_usize) as *const u8;
    // SAFETY: none: the read is meant to trap at the end of linear memory.
    black_box(unsafe { pointer.read_volatile() });
}

fn call_nothing() {
    // SAFETY: none: the call is meant to trap on a table entry that does not exist.
    let nothing: fn() = unsafe { std::mem::transmute(black_box(0x00ff_ffff_usize)) };
    nothing();
}

fn divide_by_nothing() {
    // SAFETY: none: the division is meant to trap, and only without the compiler's own check does it.
    let nothing = unsafe { NonZeroU32::new_unchecked(black_box(0)) };
    black_box(black_box(7) / nothing);
}

fn call_by_a_wrong_type() {
    let function: fn(&str) = black_box(host::log);
    // SAFETY: none: the call is meant to trap on an entry of another type.
    let wrong: fn(u64) -> u64 = unsafe { std::mem::transmute(function) };
    black_box(wrong(black_box(7)));
}

/// Runs out of the host's stack: nothing of it is in linear memory. The sum has an order, so that no optimiser makes a loop of it.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX {
        return host::now();
    }
    recurse(depth + 1).wrapping_mul(depth).rotate_left(7)
}

/// Runs out of the stack that the compiler keeps in linear memory.
#[expect(unconditional_recursion, reason = "the stack is meant to run out")]
fn recurse_with_frame(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse_with_frame(black_box(depth + 1)) + frame[7]
}
