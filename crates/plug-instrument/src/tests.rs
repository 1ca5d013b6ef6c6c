//! What becomes of small modules, as their instructions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use wasmparser::{Operator, Parser, Payload, Validator};

use super::*;

mod allocations;

const THREE: Changes = Changes {
    call_depth_max: Some(3),
    allocators: Vec::new(),
};

/// What stands before a body that calls, and before one that does not, with the number of the global.
const LOOK: &str = "(if (i32.ge_u (global.get $d) (i32.const 3)) (then unreachable))";
const RAISE: &str = "(global.set $d (i32.add (global.get $d) (i32.const 1)))";
const LOWER: &str = "(global.set $d (i32.sub (global.get $d) (i32.const 1)))";

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

fn instrumented(module: &[u8], changes: &Changes) -> Instrumented {
    let changed = instrument(module, changes).unwrap();
    Validator::new().validate_all(&changed.bytes).unwrap();
    changed
}

/// The instructions of each function, with where they are.
fn functions(module: &[u8]) -> Vec<Vec<(u64, Operator<'_>)>> {
    let payloads = Parser::new(0).parse_all(module).map(Result::unwrap);
    let operators = |payload| {
        let Payload::CodeSectionEntry(body) = payload else {
            return None;
        };
        let pairs = body.get_operators_reader().unwrap().into_iter_with_offsets();
        Some(
            pairs
                .map(Result::unwrap)
                .map(|(operator, at)| (u64::try_from(at).unwrap(), operator))
                .collect(),
        )
    };
    payloads.filter_map(operators).collect()
}

/// The instructions alone, to be compared.
fn told(module: &[u8]) -> Vec<Vec<String>> {
    let told = |function: Vec<(u64, Operator<'_>)>| {
        let operators = function.into_iter().map(|(_, operator)| match operator {
            // It would tell where it is, too.
            Operator::BrTable { targets } => format!("{:?}", targets.targets().map(Result::unwrap).collect::<Vec<_>>()),
            other => format!("{other:?}"),
        });
        operators.collect()
    };
    functions(module).into_iter().map(told).collect()
}

/// Holds what becomes of a module against another, whose `$d` is what counts, and `(LOOK)`, `(RAISE)`, `(LOWER)` what is added.
#[track_caller]
fn becomes(before: &str, after: &str) {
    becomes_by(&THREE, before, after);
}

/// The same with other changes.
#[track_caller]
fn becomes_by(changes: &Changes, before: &str, after: &str) {
    let changed = instrumented(&wasm(before), changes);
    let after = after
        .replace("(LOOK)", LOOK)
        .replace("(RAISE)", RAISE)
        .replace("(LOWER)", LOWER);
    assert_eq!(told(&changed.bytes), told(&wasm(&after)));
}

#[test]
fn a_function_that_calls_counts_its_frame_and_one_that_does_not_looks() {
    becomes(
        "(module
            (func $leaf (param i32) (local i64) (drop (local.get 0)))
            (func $calls (result i32) (call $leaf (i32.const 7)) (i32.const 8)))",
        "(module
            (global $d (mut i32) (i32.const 0))
            (func $leaf (param i32) (local i64) (LOOK) (drop (local.get 0)))
            (func $calls (result i32) (LOOK) (RAISE)
                (block (result i32) (call $leaf (i32.const 7)) (i32.const 8))
                (LOWER)))",
    );
}

#[test]
fn a_function_with_a_trap_of_its_own_keeps_it_apart_from_the_added_one() {
    becomes(
        "(module (func unreachable))",
        "(module (global $d (mut i32) (i32.const 0)) (func (LOOK) (RAISE) (block unreachable) (LOWER)))",
    );
}

#[test]
fn indirect_calls_and_calls_of_imports_are_calls() {
    becomes(
        "(module
            (import \"env\" \"f\" (func $f))
            (table 1 funcref)
            (func (call $f))
            (func (call_indirect (i32.const 0))))",
        "(module
            (import \"env\" \"f\" (func $f))
            (table 1 funcref)
            (global $d (mut i32) (i32.const 0))
            (func (LOOK) (RAISE) (block (call $f)) (LOWER))
            (func (LOOK) (RAISE) (block (call_indirect (i32.const 0))) (LOWER)))",
    );
}

#[test]
fn whatever_leaves_a_function_counts_its_frame_down() {
    becomes(
        "(module
            (func $f (param i32) (result i32)
                (call $f (i32.const 1))
                (block (loop (if (local.get 0) (then (return (i32.const 2))))))
                (br_if 0 (i32.const 3) (local.get 0))
                (block (result i32) (br_table 0 1 (i32.const 4) (local.get 0)))
                (br 0)
                (return)))",
        "(module
            (global $d (mut i32) (i32.const 0))
            (func $f (param i32) (result i32)
                (LOOK) (RAISE)
                (block (result i32)
                    (call $f (i32.const 1))
                    (block (loop (if (local.get 0) (then (br 3 (i32.const 2))))))
                    (br_if 0 (i32.const 3) (local.get 0))
                    (block (result i32) (br_table 0 1 (i32.const 4) (local.get 0)))
                    (br 0)
                    (br 0))
                (LOWER)))",
    );
}

#[test]
fn a_tail_call_counts_down_before_it() {
    becomes(
        "(module
            (table 1 funcref)
            (func $leaf (return_call $leaf))
            (func $f (param i32) (call $leaf) (return_call $f (i32.const 5)))
            (func (call $leaf) (return_call_indirect (param i32) (i32.const 1) (i32.const 0))))",
        "(module
            (table 1 funcref)
            (global $d (mut i32) (i32.const 0))
            (func $leaf (LOOK) (return_call $leaf))
            (func $f (param i32) (LOOK) (RAISE) (block (call $leaf) (i32.const 5) (LOWER) (return_call $f)) (LOWER))
            (func (LOOK) (RAISE)
                (block (call $leaf) (i32.const 1) (i32.const 0) (LOWER) (return_call_indirect (param i32)))
                (LOWER)))",
    );
}

#[test]
fn several_results_and_other_globals_keep_their_numbers() {
    becomes(
        "(module
            (import \"env\" \"g\" (global i32))
            (global i64 (i64.const 1))
            (func (result i32 f64) (call 0))
            (func (param i32) (result f64 i32 i64) (global.get 1) (call 1 (i32.const 2))  unreachable))",
        "(module
            (type (func (result i32 f64)))
            (type (func (param i32) (result f64 i32 i64)))
            (type $two (func (result i32 f64)))
            (type $three (func (result f64 i32 i64)))
            (import \"env\" \"g\" (global i32))
            (global i64 (i64.const 1))
            (global $d (mut i32) (i32.const 0))
            (func (type 0) (LOOK) (RAISE) (block (type $two) (call 0)) (LOWER))
            (func (type 1) (LOOK) (RAISE)
                (block (type $three) (global.get 1) (call 1 (i32.const 2)) unreachable) (LOWER)))",
    );
}

#[test]
fn every_instruction_is_found_where_it_was() {
    let before = wasm(
        "(module (func $f (param i32) (call $f (i32.const 1)) (if (local.get 0) (then (return))) (return_call $f (i32.const 2))))",
    );
    let changed = instrumented(&before, &THREE);
    let (old, new) = (functions(&before), functions(&changed.bytes));
    let mut found = Vec::new();
    for (at, operator) in &new[0] {
        match changed.offsets.origin(*at).unwrap() {
            Origin::Original(at) => found.push((at, operator.clone())),
            Origin::Added { before, why } => {
                assert_eq!(why, Added::CallDepth, "{operator:?}");
                assert!((old[0][0].0..=old[0].last().unwrap().0).contains(&before));
            }
        }
    }
    let places = |operators: &[(u64, Operator<'_>)]| operators.iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert_eq!(places(&found), places(&old[0]));
    // Where one frame is too many, it is said of the function's first instruction.
    let (trap, _) = new[0]
        .iter()
        .find(|(_, operator)| *operator == Operator::Unreachable)
        .unwrap();
    let first = old[0][0].0;
    let origin = changed.offsets.origin(*trap).unwrap();
    assert_eq!(
        (origin.nearest(), matches!(origin, Origin::Added { .. })),
        (first, true)
    );
}

#[test]
fn sections_that_say_something_about_the_module_are_kept() {
    let before =
        wasm("(module (@custom \"first\" (before first) \"1\") (func $named) (@custom \".debug_info\" \"2\"))");
    let changed = instrumented(&before, &THREE);
    let custom = |module: &[u8]| {
        let payloads = Parser::new(0).parse_all(module).map(Result::unwrap);
        let sections = payloads.filter_map(|payload| match payload {
            Payload::CustomSection(section) => Some((section.name().to_owned(), section.data().to_vec())),
            _ => None,
        });
        sections.collect::<Vec<_>>()
    };
    let found = custom(&changed.bytes);
    assert_eq!(found, custom(&before));
    assert_eq!(found.len(), 3, "the names of functions too: {found:?}");
}

#[test]
fn nothing_to_change_changes_nothing() {
    let before = wasm("(module (func $f (call $f)))");
    assert!(Changes::default().is_none() && !THREE.is_none());
    let same = instrument(&before, &Changes::default()).unwrap();
    assert_eq!(same.bytes, before);
    let last = u64::try_from(before.len()).unwrap() - 1;
    for at in [0, 9, last] {
        assert_eq!(same.offsets.origin(at), Some(Origin::Original(at)));
    }
}

#[test]
fn what_makes_the_count_wrong_is_refused() {
    let refused = |text: &str| instrument(&wasm(text), &THREE).unwrap_err().to_string();
    assert_eq!(
        refused("(module (func (export \"cofferdam.call_depth\")))"),
        "it exports `cofferdam.call_depth` itself, which is the name under which its frames are counted"
    );
    let exceptions = "it uses WebAssembly exceptions (byte 0x";
    assert!(refused("(module (tag $t) (func $f (call $f) (throw $t)))").starts_with(exceptions));
    assert!(refused("(module (func $f (block (try_table (catch_all 0) (call $f)))))").starts_with(exceptions));
}

#[test]
fn what_is_no_module_is_refused() {
    let order = [b"\0asm\x01\0\0\0".as_slice(), b"\x07\x01\0", b"\x06\x01\0"].concat();
    let unknown = [b"\0asm\x01\0\0\0".as_slice(), b"\x0e\x01\0"].concat();
    let untyped = [
        b"\0asm\x01\0\0\0".as_slice(),
        b"\x03\x02\x01\0",
        b"\x0a\x04\x01\x02\0\x0b",
    ]
    .concat();
    for (bytes, why) in [
        (b"hello".as_slice(), "it cannot be read: "),
        (&order, "it cannot be read: section out of order"),
        (
            &unknown,
            "it is not valid: a section is not known, or not in its place (byte 0xa)",
        ),
        (&untyped, "it is not valid: a function has no type (byte 0x"),
    ] {
        let said = instrument(bytes, &THREE).unwrap_err().to_string();
        assert!(said.starts_with(why), "{said}");
    }
}

/// A module whose one function calls itself and then has `operators` so many times.
fn repeating(operators: &[u8], times: usize) -> Vec<u8> {
    use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection};
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut function = Function::new([]);
    function.instructions().call(0);
    function.raw(operators.repeat(times));
    function.instructions().end();
    let mut code = CodeSection::new();
    code.function(&function);
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module.finish()
}

#[test]
fn a_module_that_would_change_in_millions_of_places_is_refused() {
    const RETURN: &[u8] = &[0x0f];
    instrumented(&repeating(RETURN, 100_000), &THREE);
    let fault = instrument(&repeating(RETURN, 4_000_000), &THREE).unwrap_err();
    assert!(matches!(fault, InstrumentFault::TooManyPlaces(_)), "{fault}");
}
