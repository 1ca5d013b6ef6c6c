//! A module with its frames counted, its allocations told, or both: a valid one stays valid and says the same, and each of its instructions
//! is found again.

use std::hash::{DefaultHasher, Hash, Hasher};

use plug_instrument::{
    ALLOCATIONS, Added, Allocator, CALL_DEPTH, Changes, InstrumentFault, Instrumented, Origin, instrument,
};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, TypeRef, Validator, WasmFeatures};

/// What the audit lets pass, and references beside it.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD);

/// Says whether it was valid, and so was changed and compared.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let is_valid = Validator::new_with_features(FEATURES).validate_all(bytes).is_ok();
    let before = is_valid.then(|| Outline::of(bytes));
    let functions = before.as_ref().map_or(1, |before| before.functions);
    let allocators = allocators(bytes, functions);
    let all = [
        (Some(1_000), Vec::new()),
        (None, allocators.clone()),
        (Some(1_000), allocators),
    ];
    all.into_iter().fold(true, |all_valid, (call_depth_max, allocators)| {
        let changes = Changes {
            call_depth_max,
            allocators,
        };
        all_valid & run_with(bytes, before.as_ref(), &changes)
    })
}

/// Every third function or so and one that is not there, each with some allocator or other.
fn allocators(bytes: &[u8], functions: u32) -> Vec<(u32, Allocator)> {
    let mut seed = DefaultHasher::new();
    bytes.hash(&mut seed);
    let seed = seed.finish();
    let dice = |number: u32, sides: u32| {
        let mut hasher = DefaultHasher::new();
        (seed, number, sides).hash(&mut hasher);
        u32::try_from(hasher.finish() % u64::from(sides)).expect("it is less than the sides")
    };
    let chosen = (0..=functions).filter(|number| *number == functions || dice(*number, 3) == 0);
    chosen
        .filter_map(|number| Some((number, Allocator::from_number(dice(number, 9))?)))
        .collect()
}

/// The same with certain changes, whose allocators are in the order of their numbers, to a module that is valid or not.
fn run_with(bytes: &[u8], before: Option<&Outline<'_>>, changes: &Changes) -> bool {
    match (instrument(bytes, changes), before) {
        (Ok(_), None) => false,
        (Ok(changed), Some(before)) => {
            let mut validator = Validator::new_with_features(FEATURES);
            validator.validate_all(&changed.bytes).expect("what was valid is valid");
            compare(before, &Outline::of(&changed.bytes), changes);
            compare_code(bytes, &changed, changes);
            true
        }
        (Err(InstrumentFault::NameTaken { .. } | InstrumentFault::TablesFull(_)), _) => false,
        (Err(why), before) => {
            assert!(before.is_none(), "{why}");
            false
        }
    }
}

/// A module without its code.
#[derive(Default)]
struct Outline<'m> {
    types: Vec<String>,
    /// Imported ones too.
    functions: u32,
    tables: Vec<String>,
    globals: Vec<String>,
    exports: Vec<(&'m str, ExternalKind, u32)>,
    /// Sections of which nothing may change, custom ones too.
    others: Vec<(u8, &'m [u8])>,
}

impl<'m> Outline<'m> {
    fn of(module: &'m [u8]) -> Self {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            let payload = payload.expect("it is valid");
            let section = payload.as_section();
            match payload {
                Payload::TypeSection(types) => {
                    let types = types
                        .into_iter()
                        .flat_map(|group| group.expect("it is valid").into_types());
                    outline.types.extend(types.map(|kind| format!("{kind:?}")));
                }
                Payload::TableSection(tables) => {
                    let types = tables
                        .into_iter()
                        .map(|table| format!("{:?}", table.expect("it is valid").ty));
                    outline.tables.extend(types);
                }
                Payload::GlobalSection(globals) => {
                    let types = globals
                        .into_iter()
                        .map(|global| format!("{:?}", global.expect("it is valid").ty));
                    outline.globals.extend(types);
                }
                Payload::ExportSection(exports) => {
                    let exports = exports.into_iter().map(|export| export.expect("it is valid"));
                    outline
                        .exports
                        .extend(exports.map(|export| (export.name, export.kind, export.index)));
                }
                Payload::CodeSectionStart { .. } | Payload::CodeSectionEntry(_) => {}
                other => {
                    outline.functions += functions(other);
                    outline.others.extend(section.map(|(id, range)| (id, &module[range])));
                }
            }
        }
        outline
    }
}

/// The functions that a section brings.
fn functions(section: Payload<'_>) -> u32 {
    match section {
        Payload::FunctionSection(functions) => functions.count(),
        Payload::ImportSection(imports) => {
            let imports = imports.into_imports().map(|import| import.expect("it is valid").ty);
            let functions = imports.filter(|kind| matches!(kind, TypeRef::Func(_) | TypeRef::FuncExact(_)));
            u32::try_from(functions.count()).expect("they are few")
        }
        _ => 0,
    }
}

fn compare(before: &Outline<'_>, after: &Outline<'_>, changes: &Changes) {
    let (counts, tells) = (changes.call_depth_max.is_some(), !changes.allocators.is_empty());
    assert!(after.types.starts_with(&before.types));
    assert!(after.tables.starts_with(&before.tables));
    assert_eq!(after.tables.len(), before.tables.len() + usize::from(tells));
    assert!(after.globals.starts_with(&before.globals));
    let globals = before.globals.len() + usize::from(counts) + usize::from(tells);
    assert_eq!(after.globals.len(), globals);
    assert!(after.exports.starts_with(&before.exports));
    let new = after.exports[before.exports.len()..].iter();
    let new: Vec<_> = new.map(|(name, kind, _)| (*name, *kind)).collect();
    let mut expected = Vec::new();
    expected.extend(counts.then_some((CALL_DEPTH, ExternalKind::Global)));
    expected.extend(tells.then_some((ALLOCATIONS, ExternalKind::Table)));
    assert_eq!(new, expected);
    assert_eq!(before.others, after.others);
}

fn bodies(module: &[u8]) -> impl Iterator<Item = FunctionBody<'_>> {
    let payloads = Parser::new(0).parse_all(module);
    payloads.filter_map(|payload| match payload.expect("it is valid") {
        Payload::CodeSectionEntry(body) => Some(body),
        _ => None,
    })
}

/// Instructions with where they begin and end.
fn operators<'m>(body: &FunctionBody<'m>) -> Vec<(usize, usize, Operator<'m>)> {
    let mut reader = body.get_operators_reader().expect("it is valid");
    let mut operators = Vec::new();
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset().expect("it is valid");
        operators.push((at, reader.original_position(), operator));
    }
    operators
}

fn locals(body: &FunctionBody<'_>) -> Vec<String> {
    let groups = body.get_locals_reader().expect("it is valid");
    groups
        .into_iter()
        .map(|group| format!("{:?}", group.expect("it is valid")))
        .collect()
}

fn compare_code(module: &[u8], changed: &Instrumented, changes: &Changes) {
    let imported = Outline::of(module).functions as usize - bodies(module).count();
    assert_eq!(bodies(module).count(), bodies(&changed.bytes).count());
    for (number, (before, after)) in bodies(module).zip(bodies(&changed.bytes)).enumerate() {
        let number = imported + number;
        let named = |(named, _): &(u32, Allocator)| *named as usize;
        let is_named = changes.allocators.binary_search_by_key(&number, named).is_ok();
        let (old, new) = (locals(&before), locals(&after));
        assert!(
            new.starts_with(&old) && (is_named || new.len() == old.len()),
            "function {number}: {old:?} became {new:?}"
        );
        let mut before = operators(&before).into_iter();
        for (from, to, operator) in operators(&after) {
            match changed.offsets.origin(from as u64).expect("it comes from somewhere") {
                Origin::Original(at) => {
                    let (old_from, old_to, old) = before.next().expect("no instruction comes twice");
                    assert_eq!(at, old_from as u64, "{operator:?}");
                    match (old, operator) {
                        (Operator::Return, Operator::Br { .. }) => {}
                        _ => assert_eq!(module[old_from..old_to], changed.bytes[from..to]),
                    }
                }
                Origin::Added { why, .. } => match why {
                    Added::CallDepth => assert!(is_of_a_count(&operator), "{operator:?}"),
                    Added::Allocations => assert!(is_named && is_of_telling(&operator), "{operator:?}"),
                    Added::Frame => panic!("{operator:?} is no size"),
                },
            }
        }
        assert!(before.next().is_none(), "no instruction is lost");
    }
}

/// Of them, `unreachable` alone can trap.
fn is_of_a_count(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::GlobalGet { .. }
            | Operator::GlobalSet { .. }
            | Operator::I32Const { .. }
            | Operator::I32GeU
            | Operator::I32Add
            | Operator::I32Sub
            | Operator::If { .. }
            | Operator::Block { .. }
            | Operator::End
            | Operator::Unreachable
    )
}

/// Of them, a call of what the host has put there alone can trap.
fn is_of_telling(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::LocalGet { .. }
            | Operator::LocalSet { .. }
            | Operator::GlobalGet { .. }
            | Operator::GlobalSet { .. }
            | Operator::I32Const { .. }
            | Operator::I32Eqz
            | Operator::I32Add
            | Operator::I32Sub
            | Operator::TableGet { .. }
            | Operator::RefIsNull
            | Operator::If { .. }
            | Operator::Block { .. }
            | Operator::End
            | Operator::CallIndirect { .. }
    )
}
