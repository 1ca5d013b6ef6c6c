//! The bound on a guest's frames: exact, wherever they come from, and said of the module as its author built it.

use super::house::{House, engine, load, load_for, on_worker, patient};
use super::limits::reached;
use super::wat::Wat;
use crate::{Changes, CodeCache, Fault, FaultKind, Limits, LoadFault, Module, Plugin, PluginSpec};

const HEADERS: &str = "(param i32 i32 i32) (result i32)";
/// Frames that these guests may have.
const FRAMES_MAX: u32 = 20;

fn counted(frames_max: Option<u32>, trusted_after: u32) -> PluginSpec {
    PluginSpec {
        trusted_after,
        limits: Limits {
            call_depth_max: frames_max,
            ..Limits::default()
        },
        ..patient("guest")
    }
}

/// A guest whose callback and `$down` have `frames` frames together, and one more in an exchange with an end.
fn deep(frames: u32, down: &str) -> Wat {
    let mut wat = Wat::new();
    let below = frames - 1;
    let code = format!("(call $down (i32.add (i32.const {below}) (local.get 2))) (i32.const 0)");
    wat.on("proxy_on_request_headers", HEADERS, &code);
    wat.with(down);
    wat
}

/// Stands on the stack as often as its parameter says.
const RECURSION: &str = "(func $down (param $left i32)
    (if (local.tee $left (i32.sub (local.get $left) (i32.const 1))) (then (call $down (local.get $left)))))";

/// The fault of an exchange with an end, on either stack the same. Others pass before and behind it.
fn fault_of(wat: &Wat, frames_max: Option<u32>) -> Fault {
    let bytes = wat.build();
    let [own, workers] = [0, 1].map(|trusted_after| {
        on_worker(async {
            let house = House::of_spec(&bytes, counted(frames_max, trusted_after));
            house.warm().await;
            for _ in 0..50 {
                house.stream().await.request_headers(false).await.unwrap();
            }
            let fault = house.stream().await.request_headers(true).await.unwrap_err();
            let is_bound = matches!(fault.kind, FaultKind::CallDepthExceeded { .. });
            let counts = reached(house.stats());
            assert_eq!(counts.contains(&("call_depth", 1)), is_bound, "{counts:?}");
            house.stream().await.request_headers(false).await.unwrap();
            fault
        })
    });
    assert_eq!(own.report(), workers.report());
    own
}

/// The same, which is that of the bound.
fn crossing(wat: &Wat) -> Fault {
    let fault = fault_of(wat, Some(FRAMES_MAX));
    assert_eq!(fault.code(), "plugin.call_depth_exceeded");
    fault
}

/// Frames by number, place and name, innermost first.
fn frames(fault: &Fault) -> Vec<(u32, Option<u64>, &str)> {
    let frames = fault.scene.as_ref().unwrap().frames.iter();
    frames
        .map(|frame| (frame.index, frame.offset, frame.function.as_deref().unwrap()))
        .collect()
}

fn names(fault: &Fault) -> Vec<&str> {
    frames(fault).into_iter().map(|(_, _, name)| name).collect()
}

#[test]
fn as_many_frames_as_there_may_be_pass_and_one_more_is_a_fault() {
    let fault = crossing(&deep(FRAMES_MAX, RECURSION));
    assert_eq!(
        fault.to_string(),
        "plugin `guest` called deeper in `proxy_on_request_headers` than the 20 frames that it may have"
    );
    let names = names(&fault);
    // That for which there was no room is shown too.
    assert_eq!(names.len(), 21);
    assert_eq!(names.iter().filter(|name| **name == "down").count(), 20);
    let report = fault.report();
    for words in ["(repeated 19 times)", "hint: a recursion", "`limits.call_depth`"] {
        assert!(report.contains(words), "no {words} in: {report}");
    }
}

#[test]
fn functions_that_call_each_other_count_together() {
    let mutual = "
        (func $down (param $left i32)
            (if (local.tee $left (i32.sub (local.get $left) (i32.const 1)))
                (then (drop (call $other (local.get $left))))))
        (func $other (param $left i32) (result i64)
            (if (local.tee $left (i32.sub (local.get $left) (i32.const 1)))
                (then (call $down (local.get $left)) (return (i64.const 1))))
            (i64.const 2))";
    let fault = crossing(&deep(FRAMES_MAX, mutual));
    assert_eq!(names(&fault)[..4], ["other", "down", "other", "down"]);
}

#[test]
fn indirect_calls_count() {
    let indirect = "
        (table $ways 1 funcref) (elem (table $ways) (i32.const 0) func $down)
        (func $down (param $left i32)
            (if (local.tee $left (i32.sub (local.get $left) (i32.const 1)))
                (then (call_indirect $ways (param i32) (local.get $left) (i32.const 0)))))";
    crossing(&deep(FRAMES_MAX, indirect));
}

#[test]
fn a_function_that_calls_nothing_has_a_frame_too() {
    let leaf = "
        (func $leaf)
        (func $down (param $left i32)
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (if (i32.eq (local.get $left) (i32.const 1)) (then (call $leaf)))
            (if (i32.gt_u (local.get $left) (i32.const 1)) (then (call $down (local.get $left)))))";
    let fault = crossing(&deep(FRAMES_MAX, leaf));
    assert_eq!(names(&fault)[..2], ["leaf", "down"]);
}

#[test]
fn tail_calls_take_no_frames() {
    let tail = "
        (func $leaf)
        (func $again (param $left i32)
            (call $leaf)
            (if (local.get $left) (then (return_call $again (i32.sub (local.get $left) (i32.const 1))))))
        (func $down (param $left i32)
            (call $again (i32.const 100000))
            (if (i32.eq (local.get $left) (i32.const 4)) (then (call $once))))
        (func $once (call $twice))
        (func $twice (call $leaf))";
    let fault = fault_of(&deep(4, tail), Some(4));
    assert_eq!(fault.code(), "plugin.call_depth_exceeded");
    assert_eq!(
        names(&fault),
        ["leaf", "twice", "once", "down", "proxy_on_request_headers"]
    );
}

#[test]
fn the_allocator_counts_from_where_the_guest_stands() {
    let mut wat = Wat::new();
    wat.import("proxy_get_property", "(param i32 i32 i32 i32) (result i32)");
    let path = wat.text("plugin_name");
    let ask = format!("(drop (call $proxy_get_property {path} (i32.const 40) (i32.const 44)))");
    // Each allocation asks for a value, which is allocated.
    wat.allocator("");
    let code = format!(
        "(if (global.get $left) (then
            (global.set $left (i32.sub (global.get $left) (i32.const 1)))
            {ask}))
         (i32.const 4096)"
    );
    wat.with("(global $left (mut i32) (i32.const 0))");
    wat.on("proxy_on_memory_allocate", "(param i32) (result i32)", &code);
    // The callback, and the allocator once more than it asks.
    let asks = FRAMES_MAX - 2;
    let code = format!("(global.set $left (i32.add (i32.const {asks}) (local.get 2))) {ask} (i32.const 0)");
    wat.on("proxy_on_request_headers", HEADERS, &code);
    let fault = crossing(&wat);
    let names = names(&fault);
    assert_eq!(names.len(), 21);
    assert!(
        names[..20].iter().all(|name| *name == "proxy_on_memory_allocate"),
        "{names:?}"
    );
}

#[test]
fn frames_that_an_exit_ended_no_longer_count() {
    let mut wat = deep(FRAMES_MAX, RECURSION);
    wat.import_from("wasi_snapshot_preview1", "proc_exit", "(param i32)");
    wat.with("(func $main (call $exit)) (func $exit (call $proc_exit (i32.const 0)))");
    wat.on("_start", "", "(call $main)");
    crossing(&wat);
}

#[test]
fn a_start_that_calls_too_deep_says_so() {
    let mut wat = Wat::new();
    wat.with(RECURSION);
    wat.on("_initialize", "", "(call $down (i32.const 20))");
    on_worker(async {
        let house = House::of_spec(&wat.build(), counted(Some(FRAMES_MAX), 0));
        let fault = house.fail().await;
        assert_eq!(
            fault.to_string(),
            "plugin `guest` called deeper in `_initialize` than the 20 frames that it may have"
        );
        assert_eq!(reached(house.stats()), [("call_depth", 1)]);
    });
    on_worker(async {
        House::of_spec(&wat.build(), counted(Some(FRAMES_MAX + 1), 0))
            .warm()
            .await;
    });
}

#[test]
fn any_other_death_reads_as_if_nothing_were_counted() {
    let deaths = [
        "(func $down (param i32) (if (i32.eq (local.get 0) (i32.const 4)) (then (call $dies))))
         (func $dies (drop (i32.load8_u (i32.const 7))) unreachable)",
        "(func $down (param i32) (if (i32.eq (local.get 0) (i32.const 4)) (then (call $dies) (call $dies))))
         (func $dies (local i32 i64) (if (i32.eqz (local.get 0)) (then (drop (i32.load (i32.const -4))) (return))))",
        "(func $down (param i32) (drop (i32.div_u (i32.const 1) (i32.sub (i32.const 4) (local.get 0)))) (call $nothing))
         (func $nothing)",
        "(func $down (param i32) (if (i32.eq (local.get 0) (i32.const 4)) (then (call $ever (local.get 0)))))
         (func $ever (param i32) (local i64 i64 i64 i64) (call $ever (i32.add (local.get 0) (i32.const 1))) (call $nothing))
         (func $nothing)",
    ];
    for death in deaths {
        let wat = deep(4, death);
        let (as_it_is, counted) = (fault_of(&wat, None), fault_of(&wat, Some(1_000_000)));
        assert_eq!(as_it_is.code(), "plugin.trapped");
        assert_eq!(frames(&as_it_is), frames(&counted), "{death}");
        assert_eq!(as_it_is.report(), counted.report());
        let note = |fault: &Fault| fault.scene.as_ref().unwrap().module.clone();
        assert_eq!(note(&as_it_is), note(&counted));
    }
}

#[test]
fn a_function_that_begins_with_its_own_unreachable_dies_of_that() {
    for dies in [
        "unreachable",
        "nop (block unreachable)",
        "(loop (br_if 0 (i32.const 0)) unreachable)",
        "(call $dies_too)",
    ] {
        let death = format!(
            "(func $down (param i32) (if (i32.eq (local.get 0) (i32.const 4)) (then (call $dies))))
             (func $dies {dies}) (func $dies_too unreachable)"
        );
        let wat = deep(4, &death);
        let (as_it_is, counted) = (fault_of(&wat, None), fault_of(&wat, Some(1_000)));
        assert_eq!(
            (counted.code(), counted.to_string()),
            ("plugin.trapped", as_it_is.to_string()),
            "{dies}"
        );
        // One frame less, and the same functions are too deep.
        let depth = u32::try_from(names(&counted).len()).unwrap();
        assert_eq!(fault_of(&wat, Some(depth)).code(), "plugin.trapped", "{dies}");
        assert_eq!(
            fault_of(&wat, Some(depth - 1)).code(),
            "plugin.call_depth_exceeded",
            "{dies}"
        );
    }
}

#[test]
fn plugins_of_different_bounds_share_no_instance() {
    let bytes = Wat::new().build();
    let plugin = |frames_max| {
        let spec = PluginSpec {
            vm_id: "vm".to_owned(),
            ..counted(frames_max, 0)
        };
        let module = load_for(&bytes, &spec.limits);
        Plugin::new(spec, module, 1, 1)
    };
    assert!(plugin(Some(20)).shares_instance_with(&plugin(Some(20))));
    assert!(!plugin(Some(20)).shares_instance_with(&plugin(Some(21))));
    assert!(!plugin(Some(20)).shares_instance_with(&plugin(None)));
}

#[test]
fn each_bound_has_code_of_its_own_in_the_cache_and_the_facts_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(folder.path()).unwrap();
    let bytes = Wat::new().build();
    let plain = load(&bytes);
    let load = |call_depth_max| {
        let changes = Changes {
            call_depth_max,
            ..Changes::default()
        };
        Module::load_by(None, &engine(), (&bytes, changes), Some(&cache)).unwrap()
    };
    for frames_max in [None, Some(20), Some(21)] {
        assert!(!load(frames_max).cached, "{frames_max:?}");
        let again = load(frames_max);
        assert!(again.cached);
        assert_eq!(again.digest, plain.digest);
        assert_eq!(again.facts.code_sha256, plain.facts.code_sha256);
        assert_eq!(again.facts.code_at, plain.facts.code_at);
    }
}

#[test]
fn a_module_whose_frames_cannot_be_counted_is_refused_with_the_reason() {
    let refused = |bytes: &[u8]| {
        let changes = Changes {
            call_depth_max: Some(20),
            ..Changes::default()
        };
        Module::load_by(None, &engine(), (bytes, changes), None).err().unwrap()
    };
    // What the audit has to say of a module comes first.
    assert!(matches!(refused(b"no module"), LoadFault::Audit(_)));
    let whole = Wat::new().build();
    assert!(matches!(refused(&whole[..whole.len() - 3]), LoadFault::Audit(_)));
    let mut wat = Wat::new();
    wat.with("(func (export \"cofferdam.call_depth\"))");
    assert_eq!(
        refused(&wat.build()).to_string(),
        "the module cannot be changed: it exports `cofferdam.call_depth` itself, which is the name under which its frames are counted\n  \
         hint: `limits.call_depth`, or a profile of its memory, asks for that; otherwise it runs as it is"
    );
}

#[test]
fn a_guest_that_bears_the_name_of_the_hosts_own_module_hides_no_frame() {
    let bytes = ::wat::parse_str(
        r#"(module $shim
          (memory (export "memory") 1)
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
          (func $dies (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#,
    );
    on_worker(async {
        let house = House::of(&bytes.unwrap());
        house.warm().await;
        let fault = house.stream().await.request_headers(true).await.unwrap_err();
        let scene = fault.scene.as_ref().unwrap();
        let names: Vec<_> = scene.frames.iter().map(|frame| frame.function.as_deref()).collect();
        assert_eq!(names, [Some("dies")]);
    });
}
