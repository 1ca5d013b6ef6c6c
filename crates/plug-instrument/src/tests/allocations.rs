//! What becomes of the functions of an allocator.

use wasmparser::ExternalKind;

use super::*;
use crate::Allocator::{
    AlignedAlloc, Calloc, Free, Malloc, PosixMemalign, Realloc, RustAlloc, RustDealloc, RustRealloc,
};

/// The type of the host's function, for modules that name theirs before it.
const HOOK: &str = "(type $hook (func (param i32 i32 i32 i32 i32)))";
/// What is added behind the tables and globals of a module.
const STATE: &str = "(table $hooks 1 1 funcref) (global $i (mut i32) (i32.const 0))";
const ENTER: &str = "(global.set $i (i32.add (global.get $i) (i32.const 1)))";
const LEAVE: &str = "(global.set $i (i32.sub (global.get $i) (i32.const 1)))";

fn telling(allocators: &[(u32, Allocator)]) -> Changes {
    Changes {
        call_depth_max: None,
        allocators: allocators.to_vec(),
    }
}

/// What tells the host, with these values.
fn tell(values: &str) -> String {
    format!(
        "(if (i32.eqz (global.get $i)) (then
            (if (i32.eqz (ref.is_null (table.get $hooks (i32.const 0)))) (then
                (call_indirect $hooks (type $hook) {values} (i32.const 0))))))"
    )
}

#[track_caller]
fn tells(allocators: &[(u32, Allocator)], before: &str, after: &str) {
    let after = after.replace("(HOOK)", HOOK).replace("(STATE)", STATE);
    let after = after.replace("(ENTER)", ENTER).replace("(LEAVE)", LEAVE);
    becomes_by(&telling(allocators), before, &after);
}

#[test]
fn functions_of_the_allocator_tell_and_others_stay_as_they_are() {
    let malloc = tell("(i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (local.get 2)");
    let free = tell("(i32.const 3) (local.get 1) (i32.const 0) (i32.const 0) (i32.const 0)");
    tells(
        &[(1, Malloc), (2, Free)],
        "(module
            (type (func (param i32) (result i32)))
            (type (func (param i32)))
            (func $inner (type 0) (local.get 0) (return))
            (func $malloc (type 0) (call $inner (local.get 0)))
            (func $free (type 1)))",
        &format!(
            "(module
                (type (func (param i32) (result i32)))
                (type (func (param i32)))
                (HOOK) (STATE)
                (func $inner (type 0) (local.get 0) (return))
                (func $malloc (type 0) (local i32 i32)
                    (local.set 1 (local.get 0)) (ENTER)
                    (block (result i32) (call $inner (local.get 0)))
                    (local.set 2) (LEAVE) {malloc} (local.get 2))
                (func $free (type 1) (local i32)
                    (local.set 1 (local.get 0)) (ENTER)
                    (block)
                    (LEAVE) {free}))"
        ),
    );
}

#[test]
fn early_returns_tell_and_what_is_told_is_what_the_function_was_called_with() {
    let realloc = tell("(i32.const 2) (local.get 4) (local.get 5) (i32.const 0) (local.get 6)");
    let malloc = tell("(i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (local.get 2)");
    tells(
        &[(0, Realloc), (1, Malloc)],
        "(module
            (type (func (param i32 i32) (result i32)))
            (type (func (param i32) (result i32)))
            (func $realloc (type 0) (local i64) (local f32)
                (if (i32.eqz (local.get 0)) (then (return (call $malloc (local.get 1)))))
                (local.set 0 (i32.const 7))
                (local.set 1 (i32.const 8))
                (br_if 0 (i32.const 0) (local.get 0)))
            (func $malloc (type 1) (i32.const 16)))",
        &format!(
            "(module
                (type (func (param i32 i32) (result i32)))
                (type (func (param i32) (result i32)))
                (HOOK) (STATE)
                (func $realloc (type 0) (local i64) (local f32) (local i32 i32 i32)
                    (local.set 4 (local.get 0)) (local.set 5 (local.get 1)) (ENTER)
                    (block (result i32)
                        (if (i32.eqz (local.get 0)) (then (br 1 (call $malloc (local.get 1)))))
                        (local.set 0 (i32.const 7))
                        (local.set 1 (i32.const 8))
                        (br_if 0 (i32.const 0) (local.get 0)))
                    (local.set 6) (LEAVE) {realloc} (local.get 6))
                (func $malloc (type 1) (local i32 i32)
                    (local.set 1 (local.get 0)) (ENTER)
                    (block (result i32) (i32.const 16))
                    (local.set 2) (LEAVE) {malloc} (local.get 2)))"
        ),
    );
}

#[test]
fn each_function_tells_what_its_type_has() {
    for (allocator, parameters, told, result) in [
        (Malloc, 1, vec![0], true),
        (Calloc, 2, vec![0, 1], true),
        (Realloc, 2, vec![0, 1], true),
        (Free, 1, vec![0], false),
        (AlignedAlloc, 2, vec![0, 1], true),
        (PosixMemalign, 3, vec![0, 1, 2], true),
        (RustAlloc, 2, vec![0, 1], true),
        (RustRealloc, 4, vec![0, 3], true),
        (RustDealloc, 3, vec![0, 1, 2], false),
    ] {
        let kind = |result: bool| if result { "(result i32)" } else { "" };
        let own = format!("(type (func (param{}) {}))", " i32".repeat(parameters), kind(result));
        let saves: String = told
            .iter()
            .enumerate()
            .map(|(number, parameter)| format!("(local.set {} (local.get {parameter}))", parameters + number))
            .collect();
        let local = |number: usize, is: bool| match is {
            true => format!("(local.get {})", parameters + number),
            false => "(i32.const 0)".to_owned(),
        };
        let arguments: String = (0..3).map(|number| local(number, number < told.len())).collect();
        let given = local(told.len(), result);
        let tell = tell(&format!("(i32.const {}) {arguments} {given}", allocator.number()));
        let (keep, again) = match result {
            true => (format!("(local.set {})", parameters + told.len()), given),
            false => (String::new(), String::new()),
        };
        let body = if result { "(i32.const 5)" } else { "" };
        tells(
            &[(0, allocator)],
            &format!("(module {own} (func (type 0) {body}))"),
            &format!(
                "(module {own} (HOOK) (STATE)
                    (func (type 0) (local i32 i32 i32 i32) {saves} (ENTER)
                        (block {} {body}) {keep} (LEAVE) {tell} {again}))",
                kind(result)
            ),
        );
    }
}

#[test]
fn a_tail_call_out_of_the_allocator_tells_nothing_and_the_called_function_does() {
    let malloc = tell("(i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (local.get 2)");
    tells(
        &[(0, Malloc), (1, Malloc)],
        "(module
            (type (func (param i32) (result i32)))
            (func $malloc (type 0) (return_call $dlmalloc (local.get 0)))
            (func $dlmalloc (type 0) (i32.const 16)))",
        &format!(
            "(module
                (type (func (param i32) (result i32)))
                (HOOK) (STATE)
                (func $malloc (type 0) (local i32 i32)
                    (local.set 1 (local.get 0)) (ENTER)
                    (block (result i32) (local.get 0) (LEAVE) (return_call $dlmalloc))
                    (local.set 2) (LEAVE) {malloc} (local.get 2))
                (func $dlmalloc (type 0) (local i32 i32)
                    (local.set 1 (local.get 0)) (ENTER)
                    (block (result i32) (i32.const 16))
                    (local.set 2) (LEAVE) {malloc} (local.get 2)))"
        ),
    );
}

/// A module with all that both changes have to go around.
const BOTH: &str = "(module
    (type (func (param i32) (result i32)))
    (type (func (result i32 i32)))
    (import \"env\" \"f\" (func $f (param i32)))
    (import \"env\" \"t\" (table $imported 1 funcref))
    (import \"env\" \"g\" (global i32))
    (table $own 2 funcref)
    (global $stack (mut i32) (i32.const 9))
    (func $malloc (export \"malloc\") (type 0) (local i64)
        (global.set $stack (i32.const 3))
        (if (local.get 0) (then (return (call $dlmalloc (local.get 0)))))
        (return_call $dlmalloc (i32.const 1)))
    (func $dlmalloc (type 0) (local.get 0))
    (func $free (param i32) (call $f (local.get 0)))
    (func (type 1) (call_indirect $own (type 1) (i32.const 0))))";

#[test]
fn both_changes_are_made_around_one_another() {
    let malloc = tell("(i32.const 0) (local.get 2) (i32.const 0) (i32.const 0) (local.get 3)");
    let dlmalloc = tell("(i32.const 0) (local.get 1) (i32.const 0) (i32.const 0) (local.get 2)");
    let after = format!(
        "(module
            (type (func (param i32) (result i32)))
            (type (func (result i32 i32)))
            (type (func (param i32)))
            (type $two (func (result i32 i32)))
            {HOOK}
            (import \"env\" \"f\" (func $f (param i32)))
            (import \"env\" \"t\" (table $imported 1 funcref))
            (import \"env\" \"g\" (global i32))
            (table $own 2 funcref)
            (table $hooks 1 1 funcref)
            (global $stack (mut i32) (i32.const 9))
            (global $d (mut i32) (i32.const 0))
            (global $i (mut i32) (i32.const 0))
            (func $malloc (type 0) (local i64 i32 i32)
                (LOOK) (RAISE) (local.set 2 (local.get 0)) {ENTER}
                (block (result i32)
                    (global.set $stack (i32.const 3))
                    (if (local.get 0) (then (br 1 (call $dlmalloc (local.get 0)))))
                    (i32.const 1) {LEAVE} (LOWER) (return_call $dlmalloc))
                (local.set 3) {LEAVE} {malloc} (local.get 3) (LOWER))
            (func $dlmalloc (type 0) (local i32 i32)
                (LOOK) (local.set 1 (local.get 0)) {ENTER}
                (block (result i32) (local.get 0))
                (local.set 2) {LEAVE} {dlmalloc} (local.get 2))
            (func $free (param i32) (LOOK) (RAISE) (block (call $f (local.get 0))) (LOWER))
            (func (type 1) (LOOK) (RAISE)
                (block (type $two) (call_indirect $own (type 1) (i32.const 0))) (LOWER)))"
    );
    let changes = Changes {
        call_depth_max: Some(3),
        allocators: vec![(1, Malloc), (2, Malloc)],
    };
    becomes_by(&changes, BOTH, &after);
}

fn exports(module: &[u8]) -> Vec<(String, ExternalKind, u32)> {
    let payloads = Parser::new(0).parse_all(module).map(Result::unwrap);
    let exports = payloads.filter_map(|payload| match payload {
        Payload::ExportSection(exports) => Some(exports),
        _ => None,
    });
    let exports = exports.flatten().map(Result::unwrap);
    exports
        .map(|export| (export.name.to_owned(), export.kind, export.index))
        .collect()
}

#[test]
fn what_is_new_is_exported_behind_what_was_there() {
    let allocators = vec![(1, Malloc)];
    let malloc = ("malloc".to_owned(), ExternalKind::Func, 1);
    let depth = (CALL_DEPTH.to_owned(), ExternalKind::Global, 2);
    let hooks = (ALLOCATIONS.to_owned(), ExternalKind::Table, 2);
    for (call_depth_max, expected) in [
        (None, vec![malloc.clone(), hooks.clone()]),
        (Some(3), vec![malloc, depth, hooks]),
    ] {
        let changes = Changes {
            call_depth_max,
            allocators: allocators.clone(),
        };
        assert_eq!(exports(&instrumented(&wasm(BOTH), &changes).bytes), expected);
    }
}

#[test]
fn every_instruction_is_found_where_it_was_and_each_added_one_says_why() {
    let before = wasm(BOTH);
    let changes = Changes {
        call_depth_max: Some(3),
        allocators: vec![(1, Malloc), (2, Malloc), (3, Free)],
    };
    let changed = instrumented(&before, &changes);
    for (number, (old, new)) in functions(&before).iter().zip(functions(&changed.bytes)).enumerate() {
        let mut found = Vec::new();
        let mut added = Vec::new();
        for (at, operator) in new {
            match changed.offsets.origin(at).unwrap() {
                Origin::Original(at) => found.push(at),
                Origin::Added { before, why } => {
                    let (first, last) = (old[0].0, old.last().unwrap().0);
                    assert!((first..=last).contains(&before), "{operator:?}");
                    if matches!(operator, Operator::CallIndirect { .. } | Operator::LocalSet { .. }) {
                        assert_eq!(why, Added::Allocations);
                    }
                    if operator == Operator::Unreachable {
                        assert_eq!(why, Added::CallDepth);
                    }
                    added.push(why);
                }
            }
        }
        assert_eq!(found, old.iter().map(|(at, _)| *at).collect::<Vec<_>>());
        assert!(added.contains(&Added::CallDepth));
        assert_eq!(added.contains(&Added::Allocations), number < 3);
    }
}

#[test]
fn what_has_another_type_or_is_not_there_is_left_alone() {
    let text = "(module
        (import \"env\" \"free\" (func (param i32)))
        (func (param i64) (result i32) (i32.const 0))
        (func (param i32) (result i64) (i64.const 0))
        (func (param i32))
        (func (param i32) (result i32 i32) (i32.const 0) (i32.const 0)))";
    let allocators = [(0, Free), (1, Malloc), (2, Malloc), (3, Malloc), (4, Malloc), (5, Free)];
    let before = wasm(text);
    let changed = instrumented(&before, &telling(&allocators));
    assert_eq!(told(&changed.bytes), told(&before));
    assert_eq!(
        exports(&changed.bytes),
        [(ALLOCATIONS.to_owned(), ExternalKind::Table, 0)]
    );
}

#[test]
fn a_module_without_functions_gets_the_table() {
    let changed = instrumented(&wasm("(module)"), &telling(&[(0, Malloc)]));
    assert_eq!(
        exports(&changed.bytes),
        [(ALLOCATIONS.to_owned(), ExternalKind::Table, 0)]
    );
}

#[test]
fn a_function_without_room_for_more_locals_is_left_alone() {
    let with_locals = |count: usize| {
        let locals = " i64".repeat(count);
        let before = wasm(&format!("(module (func (param i32) (local{locals}) (nop)))"));
        let changed = instrumented(&before, &telling(&[(0, Free)]));
        functions(&changed.bytes)[0].len()
    };
    assert!(with_locals(49_998) > 2);
    assert_eq!(with_locals(49_999), 2);
}

#[test]
fn what_leaves_no_room_or_name_is_refused() {
    let refused = |text: &str| {
        instrument(&wasm(text), &telling(&[(0, Malloc)]))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("(module (func (export \"cofferdam.allocations\")))"),
        "it exports `cofferdam.allocations` itself, which is the name under which its allocations are told"
    );
    let tables = |count: usize| format!("(module {})", "(table 0 funcref)".repeat(count));
    instrumented(&wasm(&tables(99)), &telling(&[(0, Malloc)]));
    assert_eq!(
        refused(&tables(100)),
        "it has 100 tables already, and needs one more for its allocations to be told"
    );
    // Either name is free for a module of which the other is asked.
    let other = wasm("(module (func (export \"cofferdam.call_depth\")))");
    instrumented(&other, &telling(&[(0, Malloc)]));
    let other = wasm("(module (func (export \"cofferdam.allocations\")))");
    instrumented(&other, &THREE);
}

#[test]
fn functions_are_known_by_their_names() {
    for (name, allocator) in [
        ("malloc", Malloc),
        ("dlmalloc", Malloc),
        ("calloc", Calloc),
        ("realloc", Realloc),
        ("free", Free),
        ("dlfree", Free),
        ("aligned_alloc", AlignedAlloc),
        ("memalign", AlignedAlloc),
        ("posix_memalign", PosixMemalign),
        ("__rust_alloc", RustAlloc),
        ("__rustc::__rust_alloc", RustAlloc),
        ("__rustc[3fa81c]::__rust_alloc_zeroed", RustAlloc),
        ("__rustc::__rdl_alloc", RustAlloc),
        ("__rust_realloc", RustRealloc),
        ("__rustc::__rust_dealloc", RustDealloc),
        ("~lib/rt/tlsf/__alloc", Malloc),
        ("__realloc", Realloc),
        ("~lib/rt/tlsf/__free", Free),
    ] {
        assert_eq!(Allocator::of(name), Some(allocator), "{name}");
    }
    for name in [
        "",
        "Malloc",
        "my_malloc",
        "alloc::malloc",
        "__rustc",
        "__rustc2::malloc",
        "~lib/malloc",
    ] {
        assert_eq!(Allocator::of(name), None, "{name}");
    }
}

#[test]
fn each_function_has_a_number() {
    for (number, allocator) in (0..).zip(Allocator::ALL) {
        assert_eq!(allocator.number(), number);
        assert_eq!(Allocator::from_number(number), Some(allocator));
    }
    assert_eq!(Allocator::from_number(9), None);
    assert_eq!(Allocator::from_number(u32::MAX), None);
}

#[test]
fn what_was_told_is_read_by_the_rules_of_c() {
    let taken = |pointer, size| Told::Taken { pointer, size };
    for (allocator, arguments, result, told) in [
        (Malloc, [5, 0, 0], 16, taken(16, 5)),
        (Malloc, [0, 0, 0], 16, taken(16, 0)),
        (Malloc, [5, 0, 0], 0, Told::Nothing),
        (Calloc, [3, 5, 0], 16, taken(16, 15)),
        (Calloc, [0x1_0000, 0x1_0000, 0], 16, taken(16, u32::MAX)),
        (Calloc, [3, 5, 0], 0, Told::Nothing),
        (Realloc, [0, 5, 0], 16, taken(16, 5)),
        (Realloc, [0, 5, 0], 0, Told::Nothing),
        (Realloc, [8, 0, 0], 0, Told::GivenBack { pointer: 8 }),
        (Realloc, [8, 5, 0], 0, Told::Nothing),
        (Free, [8, 0, 0], 0, Told::GivenBack { pointer: 8 }),
        (Free, [0, 0, 0], 0, Told::Nothing),
        (AlignedAlloc, [8, 5, 0], 16, taken(16, 5)),
        (PosixMemalign, [4, 8, 5], 0, Told::TakenAt { place: 4, size: 5 }),
        (PosixMemalign, [4, 8, 5], 12, Told::Nothing),
        (RustAlloc, [5, 8, 0], 16, taken(16, 5)),
        (RustAlloc, [5, 8, 0], 0, Told::Nothing),
        (RustRealloc, [8, 5, 0], 0, Told::Nothing),
        (RustDealloc, [8, 5, 1], 0, Told::GivenBack { pointer: 8 }),
    ] {
        assert_eq!(allocator.told(arguments, result), told, "{allocator:?} {arguments:?}");
    }
    for (allocator, size, to) in [
        (Realloc, 5, 16),
        (Realloc, 5, 8),
        (Realloc, 0, 16),
        (RustRealloc, 5, 16),
    ] {
        let moved = Told::Moved { from: 8, to, size };
        assert_eq!(allocator.told([8, size, 0], to), moved, "{allocator:?}");
    }
}
