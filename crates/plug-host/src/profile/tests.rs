//! What is seen of a guest that computes in a function of its own, or in host calls, on both stacks.

use std::time::Duration;

use plug_report::profile::{Profile, Sample};

use super::Profiler;
use crate::tests::house::{House, on_worker, patient};
use crate::tests::wat::Wat;
use crate::{PluginSpec, TICK};

/// Folds for some milliseconds when a request has a body, and asks the host for as long when it has none.
fn guest() -> Vec<u8> {
    let mut wat = Wat::new();
    wat.import("proxy_get_log_level", "(param i32) (result i32)");
    wat.with(
        r"(func $fold (param $turns i32)
            (loop $on (br_if $on (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))))
          (func $ask (param $turns i32)
            (loop $on
              (drop (call $proxy_get_log_level (i32.const 8)))
              (br_if $on (local.tee $turns (i32.sub (local.get $turns) (i32.const 1))))))",
    );
    wat.on(
        "proxy_on_request_headers",
        "(param i32 i32 i32) (result i32)",
        "(if (local.get 2) (then (call $ask (i32.const 100000))) (else (call $fold (i32.const 4000000)))) (i32.const 0)",
    );
    wat.build()
}

fn house(trusted_after: u32) -> House {
    let spec = PluginSpec {
        trusted_after,
        ..patient("guest")
    };
    House::of_spec(&guest(), spec)
}

/// Looks while exchanges pass, until `enough` of them were seen.
async fn looked_at(house: &House, ends: bool, enough: usize) -> Profile {
    let plugin = house.plugins.find("guest").unwrap().plugin();
    let mut seen: Option<Profile> = None;
    // Ticks are chance: a machine with other work to do has fewer of them in a callback.
    for _ in 0..1_000 {
        let profiler = Profiler::begin(plugin).unwrap();
        assert!(Profiler::begin(plugin).is_none(), "one at a time");
        house.stream().await.request_headers(ends).await.unwrap();
        let more = profiler.end();
        match &mut seen {
            None => seen = Some(more),
            Some(seen) => seen.workers[0]
                .samples
                .extend(more.workers.into_iter().flat_map(|worker| worker.samples)),
        }
        if seen
            .as_ref()
            .is_some_and(|seen| seen.workers[0].samples.len() >= enough)
        {
            break;
        }
    }
    seen.unwrap()
}

/// Numbers of the functions that are defined in the text above: after the two imports come the marker, `$say`, `$tell` and the allocator.
const FOLD: u32 = 6;
const ASK: u32 = 7;
const CALLBACK: u32 = 8;

fn indices(sample: &Sample) -> Vec<u32> {
    sample.frames.iter().map(|spot| spot.index).collect()
}

#[test]
fn a_function_that_computes_is_seen_under_its_callback() {
    for trusted_after in [0, 1] {
        on_worker(async {
            let house = house(trusted_after);
            house.warm().await;
            let profile = looked_at(&house, false, 20).await;
            let samples = &profile.workers[0].samples;
            assert!(samples.len() >= 20, "{}", samples.len());
            let folding = samples
                .iter()
                .filter(|sample| indices(sample) == [FOLD, CALLBACK])
                .count();
            // What fell into the entry after its last look has no frames.
            assert!(
                folding * 2 > samples.len(),
                "{folding} of {}: {samples:?}",
                samples.len()
            );
            for sample in samples.iter().filter(|sample| indices(sample) == [FOLD, CALLBACK]) {
                assert_eq!(sample.callback, "proxy_on_request_headers");
                assert_eq!(sample.host_call, None);
                assert!(sample.weight >= TICK);
                assert!(sample.frames.iter().all(|spot| spot.offset.is_some()));
            }
            assert_eq!((profile.plugin.as_str(), profile.generation), ("guest", 1));
        });
    }
}

#[test]
fn time_in_host_calls_is_told_by_their_names() {
    on_worker(async {
        let house = house(0);
        house.warm().await;
        let profile = looked_at(&house, true, 20).await;
        let samples = &profile.workers[0].samples;
        let asking: Vec<&Sample> = samples.iter().filter(|sample| sample.host_call.is_some()).collect();
        assert!(!asking.is_empty(), "{samples:?}");
        for sample in asking {
            assert_eq!(sample.host_call, Some("proxy_get_log_level"));
            assert!(
                sample.frames.is_empty() || indices(sample) == [ASK, CALLBACK],
                "{sample:?}"
            );
        }
    });
}

#[test]
fn a_profile_has_as_much_time_as_the_histogram_of_callbacks() {
    on_worker(async {
        let house = house(0);
        house.warm().await;
        let before = house.stats().computed().sum;
        let profile = looked_at(&house, false, 30).await;
        let told: Duration = profile.workers[0].samples.iter().map(|sample| sample.weight).sum();
        let computed = house.stats().computed().sum.saturating_sub(before);
        assert_eq!(told, computed);
    });
}

#[test]
fn whoever_goes_away_leaves_the_plugin_as_it_was_and_the_place_free() {
    on_worker(async {
        let house = house(0);
        house.warm().await;
        let plugin = house.plugins.find("guest").unwrap().plugin();
        let first = Profiler::begin(plugin).unwrap();
        assert!(plugin.watch.is_on());
        drop(first);
        assert!(!plugin.watch.is_on());
        let second = Profiler::begin(plugin).unwrap();
        let third = second.end();
        assert!(third.workers[0].samples.is_empty() && !plugin.watch.is_on());
    });
}
