//! The engine of log guests, and their modules: compiled as plugins are, with their state laid open, and linked to WASI alone.

use std::sync::Arc;

use plug_abi::{LOG_EXPORTS, LogExport, ValueType, WasiModule, wasi_call};
use plug_instrument::expose;
use wasmtime::{ExternType, InstancePre, Linker};

use super::instance::Keeper;
use super::wasi;
use crate::cache::CodeCache;
use crate::calls::wasi::val_type;
use crate::compile::Compiler;
use crate::engine::{Purpose, settings, tick};
use crate::fault::LoadFault;
use crate::module::{digest, foreign_code};

/// LIMIT: stack of a log guest.
const STACK_BYTES: usize = 512 * 1024;
/// LIMIT: bytes of a module.
const MODULE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// An engine for log guests. It has no pool: a guest's memory is given back to the system with its instance.
pub struct LogEngine {
    pub(super) code: wasmtime::Engine,
    linker: Linker<Keeper>,
}

impl LogEngine {
    /// One engine, with a thread for its tick.
    ///
    /// # Errors
    /// When the machine refuses that.
    pub fn new() -> Result<Arc<Self>, LoadFault> {
        let failed = |why: wasmtime::Error| LoadFault::Engine(format!("{why:#}"));
        let mut config = settings(Purpose::Serving);
        config.max_wasm_stack(STACK_BYTES);
        let code = wasmtime::Engine::new(&config).map_err(failed)?;
        let mut linker = Linker::new(&code);
        wasi::define(&mut linker).map_err(failed)?;
        tick(code.weak(), Arc::default(), Arc::default())?;
        Ok(Arc::new(Self { code, linker }))
    }
}

/// A log guest's module, ready to be instantiated.
pub struct LogModule {
    pub(super) engine: Arc<LogEngine>,
    pub(super) ready: InstancePre<Keeper>,
    /// Names of the globals that are its state beside its memory.
    pub(super) globals: Vec<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
}

impl LogModule {
    /// Reads, compiles and links a module: as `Module::load_by` does, by a process of its own when there is a `compiler`.
    ///
    /// # Errors
    /// When it is no log guest, keeps what cannot be put back, imports anything but WASI, or cannot be compiled.
    pub fn load(
        compiler: Option<&Compiler>,
        engine: &Arc<LogEngine>,
        bytes: &[u8],
        cache: Option<&CodeCache>,
    ) -> Result<Arc<Self>, LoadFault> {
        if bytes.len() > MODULE_BYTES_MAX {
            return Err(refused(format!("it has more than {MODULE_BYTES_MAX} bytes")));
        }
        let exposed = expose(bytes)?;
        let code = foreign_code(compiler, &engine.code, &exposed.bytes, cache)?;
        imports_are_wasi(&code)?;
        exports_are_there(&code)?;
        let ready = engine.linker.instantiate_pre(&code);
        let ready = ready.map_err(|why| refused(format!("{why:#}")))?;
        Ok(Arc::new(Self {
            engine: Arc::clone(engine),
            ready,
            globals: exposed.globals,
            digest: digest(bytes),
        }))
    }
}

fn refused(why: String) -> LoadFault {
    LoadFault::LogGuest(why)
}

fn imports_are_wasi(code: &wasmtime::Module) -> Result<(), LoadFault> {
    for import in code.imports() {
        let (module, name) = (import.module(), import.name());
        if WasiModule::from_name(module).is_none() || wasi_call(name).is_none() {
            return Err(refused(format!(
                "it imports `{module}.{name}`, and a log guest has WASI alone"
            )));
        }
    }
    Ok(())
}

fn exports_are_there(code: &wasmtime::Module) -> Result<(), LoadFault> {
    if !matches!(code.get_export("memory"), Some(ExternType::Memory(_))) {
        return Err(refused("it exports no `memory`".to_owned()));
    }
    for export in LOG_EXPORTS {
        let name = export.name;
        match code.get_export(name) {
            None if export.required => return Err(refused(format!("it does not export `{name}`"))),
            Some(kind) if !is_of(&kind, export) => {
                return Err(refused(format!("its `{name}` is of another type than a log guest's")));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_of(kind: &ExternType, export: &LogExport) -> bool {
    let ExternType::Func(function) = kind else { return false };
    let same = |kinds: &mut dyn Iterator<Item = wasmtime::ValType>, wanted: &[ValueType]| {
        kinds.map(|kind| kind.to_string()).collect::<Vec<_>>()
            == wanted.iter().map(|kind| val_type(kind).to_string()).collect::<Vec<_>>()
    };
    same(&mut function.params(), export.params) && same(&mut function.results(), export.results)
}
