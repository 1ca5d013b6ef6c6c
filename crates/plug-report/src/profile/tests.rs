//! Profiles with recursion, host calls, and with nothing known.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use expect_test::expect;
use serde_json::Value;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn spot(index: u32) -> Spot {
    Spot {
        index,
        offset: Some(u64::from(index) * 16),
    }
}

fn sample(at: u32, weight: u32, host_call: Option<&'static str>, frames: &[u32]) -> Sample {
    Sample {
        at: MS * at,
        weight: MS * weight,
        callback: "proxy_on_request_headers",
        host_call,
        frames: frames.iter().map(|index| spot(*index)).collect(),
    }
}

fn profile(samples: Vec<Sample>, lost: u64) -> Profile {
    Profile {
        plugin: "hello".to_owned(),
        generation: 3,
        began_ms: 1_700_000_000_000,
        lasted: Duration::from_millis(2_500),
        interval: MS,
        workers: vec![WorkerSamples { samples, lost }, WorkerSamples::default()],
    }
}

fn named() -> Vec<u8> {
    wat::parse_str(r"(module (func $entry call $fold) (func $fold call $fold) (func $_ZN4Root6digestEi))").unwrap()
}

/// Three milliseconds in a function that calls itself, one in a host call, two of which nothing is known.
fn seen() -> Profile {
    profile(
        vec![
            sample(1, 1, None, &[1, 1, 0]),
            sample(5, 2, None, &[1, 0]),
            sample(6, 1, Some("proxy_log"), &[2, 0]),
            sample(9, 2, None, &[]),
        ],
        7,
    )
}

#[test]
fn a_function_has_its_own_time_and_that_of_what_it_called_once() {
    let module = named();
    let symbols = Symbols::read(&module);
    expect![[r#"
        hello of generation 3 computed 0.006 s in 2.500 s on 2 workers (4 samples)
        7 further samples found no room
            self   total  function
           50.0%   50.0%  fold
           33.3%  100.0%  callback proxy_on_request_headers
           16.6%   16.6%  host call proxy_log
            0.0%   66.6%  entry
            0.0%   16.6%  Root::digest(int)
          hint: for source lines keep the unstripped build as `PLUGIN.debug.wasm` beside the module, or in the folder `crash_reports.debug_files`
    "#]]
    .assert_eq(&seen().summary(Some(&symbols)).text());
}

#[test]
fn without_a_module_functions_have_numbers() {
    let summary = seen().summary(None);
    let names: Vec<&str> = summary.functions.iter().map(|share| share.function.as_str()).collect();
    let callback = "callback proxy_on_request_headers";
    assert_eq!(
        names,
        [
            "function 1",
            callback,
            "host call proxy_log",
            "function 0",
            "function 2"
        ]
    );
    assert!(
        profile(Vec::new(), 0)
            .summary(None)
            .text()
            .contains("was not seen computing")
    );
}

#[test]
fn a_summary_is_read_back() {
    let summary = seen().summary(None);
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

fn numbers(table: &Value, column: &str) -> Vec<Option<usize>> {
    let column = table[column].as_array().unwrap().iter();
    column
        .map(|number| number.as_u64().map(|number| usize::try_from(number).unwrap()))
        .collect()
}

/// The stack of a sample as the profiler shows it: function and line, outermost first.
fn shown(thread: &Value, sample: usize) -> Vec<(String, Option<usize>)> {
    let (prefix, frame) = (
        numbers(&thread["stackTable"], "prefix"),
        numbers(&thread["stackTable"], "frame"),
    );
    let (function, line) = (
        numbers(&thread["frameTable"], "func"),
        numbers(&thread["frameTable"], "line"),
    );
    let name = numbers(&thread["funcTable"], "name");
    let mut at = numbers(&thread["samples"], "stack")[sample];
    let mut stack = Vec::new();
    while let Some(number) = at {
        let frame = frame[number].unwrap();
        let name = name[function[frame].unwrap()].unwrap();
        stack.insert(
            0,
            (thread["stringArray"][name].as_str().unwrap().to_owned(), line[frame]),
        );
        at = prefix[number];
    }
    stack
}

#[test]
fn the_profiler_s_file_has_each_stack() {
    let module = named();
    let symbols = Symbols::read(&module);
    let file = seen().firefox(Some(&symbols));
    let threads = file["threads"].as_array().unwrap();
    assert_eq!(threads.len(), 2);
    let thread = &threads[0];
    assert_eq!(thread["name"], "worker 0");
    let names = |sample: usize| {
        shown(thread, sample)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let callback = "callback proxy_on_request_headers";
    assert_eq!(names(0), [callback, "entry", "fold", "fold"]);
    assert_eq!(names(1), [callback, "entry", "fold"]);
    assert_eq!(
        names(2),
        [callback, "entry", "Root::digest(int)", "host call proxy_log"]
    );
    assert_eq!(names(3), [callback]);
    let weights = numbers(&thread["samples"], "weight");
    assert_eq!(weights, [Some(1), Some(2), Some(1), Some(2)]);
    // Each function is there once, whatever calls it.
    assert_eq!(thread["funcTable"]["length"], 5);
    for (_, column) in thread["funcTable"].as_object().unwrap() {
        assert!(column.as_array().is_none_or(|column| column.len() == 5), "{column}");
    }
    assert_eq!(file["meta"]["symbolicated"], true);
    assert_eq!(file["meta"]["interval"], 1.0);
}

/// Nothing of this module's DWARF is needed here: places are given, as the reader of DWARF gives them.
#[test]
fn two_lines_of_a_function_are_one_function_with_two_lines() {
    let profile = seen();
    let mut lines = Lines::new(None);
    let at = |function: &str, line: u32| Line {
        kind: Kind::Guest,
        function: function.to_owned(),
        file: Some("src/lib.rs".to_owned()),
        line: Some(line),
        is_own: true,
    };
    let (ten, twelve, other) = (
        lines.number(at("digest", 10)),
        lines.number(at("digest", 12)),
        lines.number(at("entry", 40)),
    );
    lines.of_spot.insert(spot(1), vec![ten]);
    lines.of_spot.insert(spot(2), vec![twelve]);
    lines.of_spot.insert(spot(0), vec![other]);
    let file = profile.drawn(lines);
    let thread = &file["threads"][0];
    let of = |sample: usize| shown(thread, sample)[1..].to_vec();
    let entry = ("entry".to_owned(), Some(40));
    assert_eq!(of(1), [entry.clone(), ("digest".to_owned(), Some(10))]);
    assert_eq!(of(2)[..2], [entry, ("digest".to_owned(), Some(12))]);
    let files = numbers(&thread["funcTable"], "fileName");
    assert_eq!(files.iter().flatten().count(), 2);
    assert_eq!(thread["stringArray"][files[1].unwrap()], "src/lib.rs");
}

fn kept(frames: &[u32], bytes: u64, count: u64) -> Kept {
    Kept {
        callback: "proxy_on_request_headers",
        frames: frames.iter().map(|index| spot(*index)).collect(),
        bytes,
        count,
    }
}

/// Two workers that lose memory at the same place, and one byte elsewhere.
fn leaking() -> MemoryProfile {
    let worker = |kept: Vec<Kept>, exchanges: u64| WorkerKept {
        kept,
        allocations: 100,
        lost: 0,
        exchanges,
    };
    MemoryProfile {
        plugin: "hello".to_owned(),
        generation: 3,
        began_ms: 1_700_000_000_000,
        lasted: Duration::from_secs(10),
        workers: vec![
            worker(vec![kept(&[1, 0], 3 << 20, 3), kept(&[2, 0], 1, 1)], 3),
            worker(vec![kept(&[1, 0], 2 << 20, 2)], 2),
        ],
    }
}

#[test]
fn memory_that_lives_is_shown_by_where_it_was_asked_for() {
    let module = named();
    let symbols = Symbols::read(&module);
    expect![[r#"
        hello of generation 3 keeps 5.00 MiB in 6 allocations, of 200 that it made in its start and 5 exchanges in 10.000 s

        5.00 MiB in 5 allocations, 1.00 MiB with each exchange
            at fold
            at entry
            in proxy_on_request_headers

        1 bytes in 1 allocation
            at Root::digest(int)
            at entry
            in proxy_on_request_headers
          hint: for source lines keep the unstripped build as `PLUGIN.debug.wasm` beside the module, or in the folder `crash_reports.debug_files`
    "#]]
    .assert_eq(&leaking().summary(Some(&symbols)).text());
}

#[test]
fn the_profiler_s_file_of_memory_weighs_bytes() {
    let file = leaking().firefox(None);
    let thread = &file["threads"][0];
    assert_eq!(thread["samples"]["weightType"], "bytes");
    assert_eq!(numbers(&thread["samples"], "weight"), [Some(3 << 20), Some(1)]);
    let names: Vec<String> = shown(thread, 0).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["callback proxy_on_request_headers", "function 0", "function 1"]);
}

#[test]
fn a_profile_of_memory_without_exchanges_says_so() {
    let profile = MemoryProfile {
        workers: vec![WorkerKept::default()],
        ..leaking()
    };
    let text = profile.summary(None).text();
    assert!(text.contains("no exchange came"), "{text}");
}
