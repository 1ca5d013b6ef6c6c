//! How instances die, what is told of it, and how they come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::{House, exchange, on_paused_worker, on_worker, settle, spec};
use super::wat::Wat;
use crate::{Fault, FaultKind, Plugin, PluginSpec, PluginState, RestartPolicy, WorkerPlugins};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";

/// A guest that dies in `proxy_on_request_headers` of exchanges with an end, and lets others pass.
fn mortal(code: &str) -> Wat {
    let mut wat = Wat::new();
    let code = format!("(if (local.get 2) (then {code})) (i32.const 0)");
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat
}

/// The fault of a guest that lets an exchange pass and dies in the next: the same one on either stack.
fn fault_of(wat: &Wat) -> Fault {
    let [own, workers] = [0, 1].map(|trusted_after| {
        on_worker(async {
            let spec = PluginSpec {
                trusted_after,
                ..spec("guest")
            };
            let house = House::of_spec(&wat.build(), spec);
            house.warm().await;
            house.stream().await.request_headers(false).await.unwrap();
            house.stream().await.request_headers(true).await.unwrap_err()
        })
    });
    // Where a guest is when its slice is over depends on the moment.
    if !matches!(own.kind, FaultKind::SliceExceeded { .. }) {
        assert_eq!(own.report(), workers.report());
    }
    assert_eq!(own.to_string(), workers.to_string());
    own
}

/// Names of the functions in the fault's frames.
pub(super) fn functions(fault: &Fault) -> Vec<String> {
    let scene = fault.scene.as_ref().unwrap();
    scene
        .frames
        .iter()
        .map(|frame| frame.function.clone().unwrap())
        .collect()
}

#[test]
fn a_trap_is_told_with_its_reason_and_the_names_of_functions() {
    let mut wat = mortal("(call $outer)");
    wat.with("(func $inner unreachable) (func $outer (call $inner))");
    let fault = fault_of(&wat);
    let FaultKind::Trap { reason } = &fault.kind else {
        panic!("{fault:?}")
    };
    assert_eq!(reason, "wasm `unreachable` instruction executed");
    assert_eq!(functions(&fault), ["inner", "outer", "proxy_on_request_headers"]);
    assert_eq!(
        fault.to_string(),
        "plugin `guest` trapped in `proxy_on_request_headers`: wasm `unreachable` instruction executed"
    );
    assert_eq!(fault.code(), "plugin.trapped");
}

#[test]
fn what_the_guest_last_said_as_an_error_is_in_the_report() {
    let mut wat = Wat::new();
    let panicked = wat.text("panicked at lib.rs:7");
    let code =
        format!("(if (local.get 2) (then (drop (call $log (i32.const 5) {panicked})) unreachable)) (i32.const 0)");
    wat.on("proxy_on_request_headers", HEADERS, &code);
    let fault = fault_of(&wat);
    assert_eq!(fault.last_words.as_deref(), Some("panicked at lib.rs:7"));
    assert!(
        fault
            .report()
            .contains("\n  panic: panicked at lib.rs:7\n    at proxy_on_request_headers")
    );
}

/// A guest that can write pieces of lines to standard error by `$write`.
fn writer() -> Wat {
    let mut wat = Wat::new();
    let signature = "(param i32 i32 i32 i32) (result i32)";
    wat.import_from("wasi_snapshot_preview1", "fd_write", signature);
    wat.with(
        "(func $write (param $at i32) (param $length i32)
          (i32.store (i32.const 4096) (local.get $at))
          (i32.store (i32.const 4100) (local.get $length))
          (drop (call $fd_write (i32.const 2) (i32.const 4096) (i32.const 1) (i32.const 4104))))",
    );
    wat
}

/// Code that writes each piece by itself, as Go's runtime writes a trace.
fn written(wat: &mut Wat, pieces: &[&str]) -> String {
    let calls = pieces.iter().map(|piece| format!("(call $write {})", wat.text(piece)));
    calls.collect()
}

#[test]
fn what_is_written_in_pieces_is_told_in_lines() {
    let mut wat = writer();
    let pieces = [
        "panic: ",
        "told to",
        "\n",
        "\n",
        "goroutine ",
        "1",
        " [running",
        "]:\n",
        "cut",
    ];
    let code = written(&mut wat, &pieces);
    let code = format!("(if (local.get 2) (then {code} unreachable)) (i32.const 0)");
    wat.on("proxy_on_request_headers", HEADERS, &code);
    let fault = fault_of(&wat);
    let scene = fault.scene.as_ref().unwrap();
    assert_eq!(scene.last_words, ["panic: told to", "goroutine 1 [running]:", "cut"]);
    let calls = scene.host_calls.last.iter().map(|call| (call.call.as_str(), call.more));
    assert_eq!(calls.collect::<Vec<_>>(), [("fd_write", 8)]);
    assert!(fault.report().contains("\n  panic: told to\n"), "{}", fault.report());
}

#[test]
fn a_line_ends_with_its_callback_and_before_another_one() {
    let mut wat = writer();
    let (first, second) = (written(&mut wat, &["one", " and"]), written(&mut wat, &["behind it"]));
    let say = wat.say("between");
    wat.on(
        "proxy_on_request_headers",
        HEADERS,
        &format!("{first} {say} {second} (i32.const 0)"),
    );
    on_worker(async {
        let house = House::of(&wat.build());
        house.warm().await;
        for _ in 0..2 {
            house.stream().await.request_headers(true).await.unwrap();
            assert_eq!(house.said(), ["one and", "between", "behind it"]);
        }
    });
}

#[test]
fn every_death_is_counted_under_its_code() {
    let deaths = [
        FaultKind::Trap { reason: String::new() },
        FaultKind::SliceExceeded { slice: Duration::ZERO },
        FaultKind::CallDepthExceeded { frames_max: 1 },
        FaultKind::Exit(1),
        FaultKind::VmStartRefused,
        FaultKind::ConfigureRefused,
        FaultKind::Instantiate(String::new()),
    ];
    let stats = crate::PluginStats::default();
    for kind in deaths {
        stats.faulted(&Fault::new("guest", "", kind));
    }
    assert_eq!(
        stats.faults_by_code().map(|(_, count)| count).collect::<Vec<_>>(),
        [1; 7]
    );
}

#[test]
fn memory_out_of_bounds_is_a_trap() {
    let FaultKind::Trap { reason } = fault_of(&mortal("(drop (i32.load (i32.const -4)))")).kind else {
        panic!()
    };
    assert_eq!(reason, "out of bounds memory access");
}

#[test]
fn a_recursion_without_end_is_a_trap_and_the_worker_lives() {
    let mut wat = mortal("(call $down)");
    wat.with("(func $down (local i64 i64 i64 i64) (call $down) (call $nothing)) (func $nothing)");
    let FaultKind::Trap { reason } = fault_of(&wat).kind else {
        panic!()
    };
    assert_eq!(reason, "call stack exhausted");
}

#[test]
fn an_exit_is_a_fault_with_its_code() {
    let mut wat = mortal("(call $proc_exit (i32.const 255))");
    wat.import_from("wasi_unstable", "proc_exit", "(param i32)");
    let fault = fault_of(&wat);
    assert!(matches!(fault.kind, FaultKind::Exit(255)));
    assert_eq!(fault.code(), "plugin.exited");
}

#[test]
fn a_loop_without_end_is_stopped_at_its_slice() {
    let fault = fault_of(&mortal("(loop $ever (br $ever))"));
    assert_eq!(
        fault.to_string(),
        "plugin `guest` computed in `proxy_on_request_headers` longer than its slice of 20ms"
    );
}

#[test]
fn a_loop_of_host_calls_is_stopped_at_its_slice() {
    let mut wat = Wat::new();
    let say = wat.say("again");
    wat.on(
        "proxy_on_request_headers",
        HEADERS,
        &format!("(if (local.get 2) (then (loop $ever {say} (br $ever)))) (i32.const 0)"),
    );
    assert!(matches!(fault_of(&wat).kind, FaultKind::SliceExceeded { .. }));
}

#[test]
fn memory_grows_to_the_bound_and_no_further() {
    let mut wat = Wat::new();
    let code = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (call $tell (memory.size)) (i32.const 0)";
    wat.on("proxy_on_request_headers", HEADERS, code);
    on_worker(async {
        let spec = PluginSpec {
            memory_bytes_max: 10 * 65_536 + 5,
            ..spec("guest")
        };
        let house = House::of_spec(&wat.build(), spec);
        house.warm().await;
        let stream = house.stream().await;
        stream.request_headers(true).await.unwrap();
        stream.end().await;
        assert_eq!(house.said(), ["10"]);
        assert_eq!(house.stats().memory_bytes.load(Ordering::Relaxed), 10 * 65_536);
    });
}

#[test]
fn an_instance_that_died_is_replaced_at_once_and_its_exchanges_are_told() {
    on_worker(async {
        let house = House::of(&mortal("unreachable").build());
        house.warm().await;
        let paused = house.stream().await;
        paused.request_headers(false).await.unwrap();
        let fatal = house.stream().await;
        fatal.request_headers(true).await.unwrap_err();
        assert!(
            paused.context().dead.get(),
            "whoever waits for it must not wait for ever"
        );
        assert!(matches!(
            paused.response_headers(true).await.unwrap_err().kind,
            FaultKind::InstanceLost
        ));
        paused.end().await;
        fatal.end().await;
        house.stream().await.request_headers(false).await.unwrap();
        let stats = house.stats();
        assert_eq!(stats.state(), PluginState::Running);
        assert_eq!(stats.faults.load(Ordering::Relaxed), 1);
        assert_eq!(stats.starts.load(Ordering::Relaxed), 2);
        assert_eq!(stats.instances.load(Ordering::Relaxed), 1);
        assert_eq!(
            stats.faults_by_code().find(|(_, count)| *count > 0),
            Some(("plugin.trapped", 1))
        );
        assert!(stats.last_error().unwrap().contains("unreachable"));
        assert_eq!(house.outside.faults.borrow().len(), 1, "it is said once");
    });
}

#[test]
fn a_callback_that_waited_for_its_turn_is_told_that_the_instance_is_lost() {
    on_worker(async {
        let house = House::of(&mortal("(loop $ever (br $ever))").build());
        house.warm().await;
        let (fatal, waiting) = (house.stream().await, house.stream().await);
        let (died, lost) = tokio::join!(fatal.request_headers(true), waiting.request_headers(false));
        assert!(matches!(died.unwrap_err().kind, FaultKind::SliceExceeded { .. }));
        assert!(matches!(lost.unwrap_err().kind, FaultKind::InstanceLost));
        assert!(
            !waiting.context().created.get(),
            "the plugin has not seen it, so it may be opened anew"
        );
    });
}

#[test]
fn a_plugin_that_dies_again_and_again_waits_longer_each_time() {
    on_paused_worker(async {
        let house = House::of(&mortal("unreachable").build());
        house.warm().await;
        let mut waits = Vec::new();
        for _ in 0..6 {
            house.stream().await.request_headers(true).await.unwrap_err();
            let died = tokio::time::Instant::now();
            let mut restarting = house.open().await;
            while let Err(fault) = restarting {
                assert!(matches!(fault.kind, FaultKind::Restarting), "{fault}");
                assert_eq!(fault.code(), "plugin.restarting");
                tokio::time::sleep(Duration::from_millis(1)).await;
                restarting = house.open().await;
            }
            waits.push(died.elapsed().as_millis());
        }
        assert_eq!(waits[0], 0, "the first fault costs no wait");
        for (wait, least) in waits[1..].iter().zip([10, 20, 40, 80, 160]) {
            assert!((least * 3 / 4..=least * 5 / 4 + 3).contains(wait), "{waits:?}");
        }
    });
}

#[test]
fn an_instance_that_lived_long_enough_has_recovered() {
    on_paused_worker(async {
        let house = House::of(&mortal("unreachable").build());
        house.warm().await;
        for _ in 0..3 {
            house.stream().await.request_headers(true).await.unwrap_err();
            tokio::time::sleep(Duration::from_secs(2)).await;
            house.stream().await.request_headers(false).await.unwrap();
        }
        house.stream().await.request_headers(true).await.unwrap_err();
        house.open().await.unwrap();
    });
}

#[test]
fn a_dead_instance_comes_back_without_being_asked() {
    on_paused_worker(async {
        let mut wat = mortal("unreachable");
        wat.hears("_initialize", 0, 0);
        let house = House::of(&wat.build());
        house.warm().await;
        for _ in 0..2 {
            house.stream().await.request_headers(true).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        assert_eq!(house.said(), ["_initialize", "_initialize"]);
        assert_eq!(house.stats().state(), PluginState::Running);
    });
}

#[test]
fn the_memory_of_a_dead_instance_is_given_back_while_exchanges_still_hold_it() {
    on_worker(async {
        let house = House::of(&mortal("unreachable").build());
        house.warm().await;
        let mut held = Vec::new();
        // The pool of instances has 2000 places.
        for _ in 0..2_100 {
            let stream = house.stream().await;
            stream.request_headers(true).await.unwrap_err();
            held.push(stream);
            settle().await;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(13)).await;
            tokio::time::resume();
            settle().await;
        }
        house.stream().await.request_headers(false).await.unwrap();
    });
}

/// A house whose plugin is set aside after three faults in a row, for an hour.
fn strict() -> House {
    let restart = RestartPolicy {
        quarantine_after: 3,
        quarantine: Duration::from_secs(3600),
        ..RestartPolicy::default()
    };
    House::of_spec(
        &mortal("unreachable").build(),
        PluginSpec {
            restart,
            ..spec("guest")
        },
    )
}

/// Kills the guest as often as it takes until it no longer comes back.
async fn kill_until_set_aside(house: &House) -> Fault {
    loop {
        match house.open().await {
            Ok(stream) => drop(stream.request_headers(true).await.unwrap_err()),
            Err(fault) if matches!(fault.kind, FaultKind::Restarting) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(fault) => return fault,
        }
    }
}

#[test]
fn a_plugin_that_dies_too_often_is_set_aside_and_tried_once_when_its_time_is_over() {
    on_paused_worker(async {
        let house = strict();
        house.warm().await;
        let fault = kill_until_set_aside(&house).await;
        assert_eq!(fault.code(), "plugin.quarantined");
        let stats = house.stats();
        assert_eq!(stats.state(), PluginState::Quarantined);
        assert_eq!(stats.faults.load(Ordering::Relaxed), 3);
        assert_eq!(house.outside.set_aside.take(), [("guest".to_owned(), 3)]);
        tokio::time::sleep(Duration::from_secs(3599)).await;
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.quarantined");
        // Not for so long that it has recovered.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(stats.state(), PluginState::Running, "it comes back without being asked");
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.quarantined");
        assert_eq!(stats.quarantines.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn a_plugin_that_is_set_aside_does_not_keep_others_from_being_changed() {
    on_paused_worker(async {
        let house = strict();
        house.warm().await;
        kill_until_set_aside(&house).await;
        let guest = Arc::clone(house.plugins.find("guest").unwrap().plugin());
        let other = Plugin::new(spec("other"), Arc::clone(&guest.module), 1, 1);
        let next = WorkerPlugins::arrange(&[guest, other], &house.services, Some(&house.plugins));
        next.warm().await.unwrap();
        let fault = next.find("guest").unwrap().open(&exchange()).await.err().unwrap();
        assert_eq!(fault.code(), "plugin.quarantined", "nor is it let out by that");
        assert!(next.find("other").unwrap().open(&exchange()).await.is_ok());
    });
}

#[test]
fn an_operator_lets_it_out() {
    on_paused_worker(async {
        let house = strict();
        house.warm().await;
        for _ in 0..2 {
            house.stream().await.request_headers(true).await.unwrap_err();
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        // One that runs is left alone, its faults are not forgotten.
        house.plugins.lift("guest");
        house.stream().await.request_headers(true).await.unwrap_err();
        assert_eq!(house.open().await.err().unwrap().code(), "plugin.quarantined");
        house.plugins.lift("guest");
        settle().await;
        assert_eq!(house.stats().state(), PluginState::Running);
        house.stream().await.request_headers(true).await.unwrap_err();
        house.open().await.unwrap();
    });
}
