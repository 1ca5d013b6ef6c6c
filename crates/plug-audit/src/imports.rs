//! Compares every import with what this gateway provides.

use std::collections::HashSet;

use plug_abi::{HOST_CALLS, HOST_MODULE, Signature, ValueType, WASI_CALLS, WasiModule, host_call, wasi_call};
use wasmparser::{FuncType, ValType};

use crate::fault::printable;
use crate::outline::{Outline, RawImport};
use crate::{ExportKind, Import, Problem, Target, elsewhere};

/// How much of a name must be right, from 0 to 1, for another to be suggested.
const LIKENESS_MIN: f64 = 0.75;

/// LIMIT: letters of a name that are compared; every name that is known is shorter.
const LETTERS_COMPARED_MAX: usize = 64;

/// LIMIT: parameters and results that are shown of a type.
const TYPES_SHOWN_MAX: usize = 16;

/// Finds for each import what it is linked to.
pub(crate) fn check(outline: &Outline<'_>, problems: &mut Vec<Problem>) -> Vec<Import> {
    let mut imports = Vec::with_capacity(outline.imports.len());
    // The same import may come twice, but nobody wants to read of it twice.
    let mut told = HashSet::new();
    for raw in &outline.imports {
        match resolve(outline, raw) {
            Ok(import) => imports.push(import),
            Err(problem) if told.insert((raw.module, raw.name)) => problems.push(problem),
            Err(_) => {}
        }
    }
    imports
}

fn resolve(outline: &Outline<'_>, raw: &RawImport<'_>) -> Result<Import, Problem> {
    if raw.kind != ExportKind::Function {
        return Err(Problem::ImportKind {
            module: printable(raw.module),
            name: printable(raw.name),
            kind: raw.kind,
        });
    }
    let target = target(raw).ok_or_else(|| unknown(raw))?;
    // Only an invalid module has an import without a type, and that was said already; an empty type is wrong enough.
    let found = outline
        .type_of_import(raw)
        .cloned()
        .unwrap_or_else(|| FuncType::new([], []));
    match (value_types(found.params()), value_types(found.results())) {
        (Some(params), Some(results)) if target.accepts(&params, &results) => Ok(Import {
            target,
            params,
            results,
        }),
        _ => Err(Problem::ImportType {
            module: printable(raw.module),
            name: printable(raw.name),
            found: type_text(&found),
            accepted: target.accepted(),
        }),
    }
}

fn target(raw: &RawImport<'_>) -> Option<Target> {
    if let Some(module) = WasiModule::from_name(raw.module) {
        return Some(Target::Wasi(module, wasi_call(raw.name)?));
    }
    (raw.module == HOST_MODULE)
        .then(|| host_call(raw.name))?
        .map(Target::Host)
}

impl Target {
    fn accepts(self, params: &[ValueType], results: &[ValueType]) -> bool {
        match self {
            Self::Host(call) => call.accepts(params, results),
            Self::Wasi(_, call) => call.params == params && call.results == results,
        }
    }

    fn accepted(self) -> Vec<String> {
        match self {
            Self::Host(call) => call.signatures(),
            Self::Wasi(_, call) => vec![
                Signature {
                    params: call.params,
                    results: call.results,
                }
                .to_string(),
            ],
        }
    }
}

fn unknown(raw: &RawImport<'_>) -> Problem {
    let owner = elsewhere::owner(raw.module, raw.name);
    let nearest = if owner.is_none() { nearest(raw) } else { None };
    Problem::ImportUnknown {
        module: printable(raw.module),
        name: printable(raw.name),
        owner,
        nearest,
    }
}

/// The import that was probably meant: of another spelling, or of another module.
fn nearest(raw: &RawImport<'_>) -> Option<String> {
    if raw.name.len() > LETTERS_COMPARED_MAX {
        return None;
    }
    let wasi = WasiModule::from_name(raw.module).unwrap_or(WasiModule::Preview1);
    let host = HOST_CALLS.iter().map(|call| (HOST_MODULE, call.name));
    let known = host.chain(WASI_CALLS.iter().map(|call| (wasi.name(), call.name)));
    let likeness = |name| strsim::normalized_damerau_levenshtein(raw.name, name);
    let (likest, module, name) = known
        .map(|(module, name)| (likeness(name), module, name))
        .max_by(|left, right| left.0.total_cmp(&right.0))?;
    (likest >= LIKENESS_MIN).then(|| format!("{module}.{name}"))
}

/// The types in the ABI's terms; none if one of them is a vector or a reference.
pub(crate) fn value_types(types: &[ValType]) -> Option<Vec<ValueType>> {
    let convert = |value_type: &ValType| match value_type {
        ValType::I32 => Some(ValueType::I32),
        ValType::I64 => Some(ValueType::I64),
        ValType::F32 => Some(ValueType::F32),
        ValType::F64 => Some(ValueType::F64),
        ValType::V128 | ValType::Ref(_) => None,
    };
    types.iter().map(convert).collect()
}

/// A type as people write it, like [`Signature`]'s.
pub(crate) fn type_text(function: &FuncType) -> String {
    let list = |types: &[ValType]| {
        let more = if types.len() > TYPES_SHOWN_MAX { ", …" } else { "" };
        let shown: Vec<String> = types.iter().take(TYPES_SHOWN_MAX).map(ValType::to_string).collect();
        format!("({}{more})", shown.join(", "))
    };
    format!("{} -> {}", list(function.params()), list(function.results()))
}
