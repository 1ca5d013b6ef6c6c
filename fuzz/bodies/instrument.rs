//! A module with its frames counted: a valid one stays valid and says the same, and each of its instructions is found again.

use plug_instrument::{Added, CALL_DEPTH, Changes, InstrumentFault, Instrumented, Origin, instrument};
use wasmparser::{ExternalKind, FunctionBody, Operator, Parser, Payload, Validator, WasmFeatures};

/// What the audit lets pass, and references beside it.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD);

/// Says whether it was valid, and so was changed and compared.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let changes = Changes {
        call_depth_max: Some(1_000),
    };
    let is_valid = |bytes: &[u8]| Validator::new_with_features(FEATURES).validate_all(bytes);
    match instrument(bytes, &changes) {
        Ok(_) if is_valid(bytes).is_err() => false,
        Ok(changed) => {
            is_valid(&changed.bytes).expect("what was valid is valid");
            compare(&Outline::of(bytes), &Outline::of(&changed.bytes));
            compare_code(bytes, &changed);
            true
        }
        Err(InstrumentFault::NameTaken) => false,
        Err(why) => {
            assert!(is_valid(bytes).is_err(), "{why}");
            false
        }
    }
}

/// A module without its code.
#[derive(Default)]
struct Outline<'m> {
    types: Vec<String>,
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
                _ => outline.others.extend(section.map(|(id, range)| (id, &module[range]))),
            }
        }
        outline
    }
}

fn compare(before: &Outline<'_>, after: &Outline<'_>) {
    assert!(after.types.starts_with(&before.types));
    assert!(after.globals.starts_with(&before.globals));
    assert_eq!(after.globals.len(), before.globals.len() + 1);
    assert!(after.exports.starts_with(&before.exports));
    let [(name, kind, _)] = after.exports[before.exports.len()..] else {
        panic!("one export is new: {:?}", after.exports);
    };
    assert_eq!((name, kind), (CALL_DEPTH, ExternalKind::Global));
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

fn compare_code(module: &[u8], changed: &Instrumented) {
    assert_eq!(bodies(module).count(), bodies(&changed.bytes).count());
    for (before, after) in bodies(module).zip(bodies(&changed.bytes)) {
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
                Origin::Added { why, .. } => {
                    assert_eq!(why, Added::CallDepth);
                    assert!(is_of_a_count(&operator), "{operator:?}");
                }
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
