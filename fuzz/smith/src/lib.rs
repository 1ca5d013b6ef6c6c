//! Random valid modules that a plugin host takes: whatever they compute, they import and export what a plugin does.

mod dress;

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::LazyLock;

use crate::dress::{LIKELY, dress};
use arbitrary::{Result, Unstructured};
use plug_abi::{CALLBACKS, HOST_CALLS, HOST_MODULE, Signature, ValueType, WASI_CALLS, WasiModule};
use wasm_smith::{Config, InstructionKind, InstructionKinds, MemoryOffsetChoices, Module};

/// LIMIT: loops and calls of an instance, where a module has a bound at all; the others run until their slice is over.
const FUEL: u32 = 20_000;

/// Bytes by which the module is dressed up; wasm-smith takes all that are left.
const CHOICES: usize = 128;

/// Callbacks that every module has: without them nothing of it would ever run.
const ALWAYS: &[&str] = &["proxy_on_memory_allocate", "proxy_on_request_headers"];

/// What runs before all else: a trap in there, and nothing else is ever seen of a module.
const FIRST: &[&str] = &[
    "_initialize",
    "_start",
    "main",
    "__main_void",
    "proxy_on_context_create",
];

/// Imports with their types, as text.
static IMPORTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut imports = Vec::new();
    let mut import = |module: &str, name: &str, params: &[ValueType], results: &[ValueType]| {
        imports.push(format!(
            "(import \"{module}\" \"{name}\" (func {}))",
            text(params, results)
        ));
    };
    for call in HOST_CALLS {
        let params: Vec<_> = call.params.iter().map(|param| param.value_type).collect();
        import(HOST_MODULE, call.name, &params, call.results);
        for shape in call.shapes {
            import(HOST_MODULE, call.name, shape.params, shape.results);
        }
    }
    for name in HOST_CALLS
        .iter()
        .map(|call| call.name)
        .chain(WASI_CALLS.iter().map(|call| call.name))
    {
        // Twice as likely as any of the others.
        for _ in 0..2 {
            import(LIKELY, name, &[ValueType::I32], &[ValueType::I32]);
        }
    }
    for module in [WasiModule::Preview1, WasiModule::Unstable] {
        for call in WASI_CALLS {
            import(module.name(), call.name, call.params, call.results);
        }
    }
    imports
});

fn text(params: &[ValueType], results: &[ValueType]) -> String {
    let list = |types: &[ValueType]| types.iter().map(|one| format!("{one} ")).collect::<String>();
    format!("(param {}) (result {})", list(params), list(results))
}

/// A module made from these bytes.
///
/// # Errors
/// When they are too few.
pub fn module(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut source = Unstructured::new(bytes);
    let config = config(&mut source)?;
    let mut choices = Unstructured::new(source.bytes(CHOICES)?);
    let ends = source.ratio(9, 10)?;
    let mut module = Module::new(config, &mut source)?;
    if ends {
        // It cannot fail: it says so only of functions that are not valid.
        let _ = module.ensure_termination(FUEL);
    }
    dress(&module.to_bytes(), &mut choices)
}

fn config(source: &mut Unstructured<'_>) -> Result<Config> {
    Ok(Config {
        available_imports: Some(imports(source)?),
        exports: Some(exports(source)?),
        // A start function is entered before anything that the host knows of the instance.
        allow_start_export: source.ratio(1, 8)?,
        allowed_instructions: instructions(source)?,
        disallow_traps: source.ratio(7, 8)?,
        // What the audit does not let in.
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        threads_enabled: false,
        custom_descriptors_enabled: false,
        custom_page_sizes_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        // The audit refuses most of these too, for their `externref`.
        reference_types_enabled: source.ratio(1, 10)?,
        // The one that is exported comes besides.
        max_memories: 0,
        // Compiling takes most of the time.
        max_funcs: 250,
        min_funcs: 1,
        max_instructions: 120,
        max_nesting_depth: 6,
        max_types: 250,
        max_type_size: 4_000,
        max_globals: 12,
        max_elements: 40,
        max_element_segments: 4,
        max_data_segments: 6,
        max_tables: 3,
        max_table_elements: 6_000,
        max_memory32_bytes: 4 * 1024 * 1024,
        memory_offset_choices: MemoryOffsetChoices(98, 1, 1),
        ..Config::default()
    })
}

/// Which instructions there may be: the fewer kinds, the more of them are calls.
fn instructions(source: &mut Unstructured<'_>) -> Result<InstructionKinds> {
    use InstructionKind::{Control, Memory, Numeric, NumericInt, Parametric, Reference, Table, Variable, Vector};
    Ok(match source.int_in_range(0..=3)? {
        0 => InstructionKinds::all(),
        1 => InstructionKinds::new(&[Control, NumericInt, Parametric, Variable, Memory]),
        2 => InstructionKinds::new(&[Control, Numeric, Variable, Table, Reference, Memory]),
        _ => InstructionKinds::new(&[Control, NumericInt, Vector, Memory]),
    })
}

/// A module with some of the imports that there are.
fn imports(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut chosen = HashSet::new();
    for _ in 0..source.int_in_range(8..=40)? {
        chosen.insert(source.choose_index(IMPORTS.len())?);
    }
    let mut module = "(module".to_owned();
    for at in chosen {
        let _ = write!(module, "\n  {}", IMPORTS[at]);
    }
    module.push(')');
    Ok(binary(&module))
}

/// A module with the exports that this one gets: a marker, a memory, an allocator and some callbacks.
fn exports(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let marker = *source.choose(&["0_1_0", "0_2_0", "0_2_1", "0_2_1", "0_2_100"])?;
    let mut module = format!(
        "(module\n  (memory (export \"memory\") 2)\n  (func (export \"proxy_abi_version_{marker}\") unreachable)"
    );
    for callback in CALLBACKS {
        let share = if FIRST.contains(&callback.name) { 1 } else { 6 };
        if ALWAYS.contains(&callback.name) || source.ratio(share, 8)? {
            let shape: &Signature = &callback.shapes[0];
            let types = text(shape.params, shape.results);
            let _ = write!(module, "\n  (func (export \"{}\") {types} unreachable)", callback.name);
        }
    }
    module.push(')');
    Ok(binary(&module))
}

fn binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("it is WebAssembly text")
}
