//! A module ready to be instantiated: audited, compiled or taken from the cache, and linked by its own types.

use std::sync::Arc;

use plug_abi::{Abi, HOST_MODULE, ValueType, WasiModule, host_call};
use plug_audit::ModuleFacts;
use plug_instrument::{Changes, Instrumented, Offsets, Origin, instrument};
use wasmtime::{ExternType, FrameInfo, ValType};

use crate::cache::CodeCache;
use crate::calls::OTHER_SHAPES;
use crate::compile::Compiler;
use crate::engine::{Engine, Purpose};
use crate::fault::LoadFault;
use crate::shim;

/// Where one import of a guest comes from.
#[derive(Debug, Clone)]
pub(crate) enum Provider {
    /// The shim, by the name of its export.
    Shim(String),
    /// The host, by module and name in the linker.
    Host(&'static str, String),
}

/// A module ready to be instantiated.
pub struct Module {
    pub(crate) code: wasmtime::Module,
    pub(crate) engine: Arc<Engine>,
    pub(crate) providers: Vec<Provider>,
    /// Where the bytes come from that were compiled; none when they are the file's.
    pub(crate) offsets: Option<Offsets>,
    /// What was changed before it was compiled.
    pub(crate) changes: Changes,
    /// What the audit found in the file.
    pub facts: ModuleFacts,
    /// SHA-256 of the file, in hexadecimal digits.
    pub digest: String,
    /// Taken from the cache instead of compiled.
    pub cached: bool,
}

impl Module {
    /// Reads, compiles and links `bytes`; takes compiled code from `cache` when it is there and keeps it there when it is not.
    ///
    /// # Errors
    /// When the module must not run or cannot be compiled.
    pub fn load(engine: &Arc<Engine>, bytes: &[u8], cache: Option<&CodeCache>) -> Result<Arc<Self>, LoadFault> {
        Self::load_by(None, engine, (bytes, Changes::default()), cache)
    }

    /// The same, with `changes` made before it is compiled, and compiled by a process of its own when there is a `compiler`: a gateway has
    /// one, because no module may harm it. All that is known of the module afterwards is of `bytes`, as if nothing had been changed.
    ///
    /// # Errors
    /// As [`Module::load`], when the changes cannot be made, and when that process takes more than it may.
    pub fn load_by(
        compiler: Option<&Compiler>,
        engine: &Arc<Engine>,
        (bytes, changes): (&[u8], Changes),
        cache: Option<&CodeCache>,
    ) -> Result<Arc<Self>, LoadFault> {
        if !changes.is_none() {
            // A cached code of the changed bytes says nothing of the file, and only what is valid is changed.
            plug_audit::audit(bytes)?;
        }
        let changed = changed(bytes, &changes)?;
        let of_file = digest(bytes);
        let (runs, digest_of_runs) = match &changed {
            Some(changed) => (changed.bytes.as_slice(), digest(&changed.bytes)),
            None => (bytes, of_file.clone()),
        };
        let name = CodeCache::name(&digest_of_runs, compatibility(&engine.code));
        let kept = kept(&engine.code, cache, &name);
        let cached = kept.is_some();
        let (facts, code) = match kept {
            Some(code) => (plug_audit::audit_compiled(bytes)?, code),
            None => {
                let facts = plug_audit::audit(bytes)?;
                let code = match compiler {
                    Some(compiler) => made(compiler, (&engine.code, engine.purpose), runs, cache, &name)?,
                    None => compiled(&engine.code, runs, cache, &name)?,
                };
                (facts, code)
            }
        };
        let providers = providers(&code)?;
        Ok(Arc::new(Self {
            code,
            engine: Arc::clone(engine),
            providers,
            offsets: changed.map(|changed| changed.offsets),
            changes,
            facts,
            digest: of_file,
            cached,
        }))
    }

    /// Where a frame of the module is in its file. Everything that speaks of places asks here, and nobody else knows the changed bytes.
    pub(crate) fn origin(&self, frame: &FrameInfo) -> Option<Origin> {
        let at = u64::try_from(frame.module_offset()?).ok()?;
        match &self.offsets {
            Some(offsets) => offsets.origin(at),
            None => Some(Origin::Original(at)),
        }
    }

    /// The version of the ABI that decides what calls mean.
    #[must_use]
    pub fn abi(&self) -> Abi {
        self.facts.abi
    }
}

/// The module with its changes, if it has any.
fn changed(bytes: &[u8], changes: &Changes) -> Result<Option<Instrumented>, LoadFault> {
    match changes.is_none() {
        true => Ok(None),
        false => Ok(Some(instrument(bytes, changes)?)),
    }
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    crate::cache::hex(digest.as_ref())
}

/// Bytes of our own, compiled or from the cache.
pub(crate) fn own_code(
    engine: &wasmtime::Engine,
    bytes: &[u8],
    cache: Option<&CodeCache>,
) -> Result<wasmtime::Module, LoadFault> {
    let name = CodeCache::name(&digest(bytes), compatibility(engine));
    match kept(engine, cache, &name) {
        Some(code) => Ok(code),
        None => compiled(engine, bytes, cache, &name),
    }
}

/// Bytes of an operator's that are no plugin, compiled by a process of its own where there is a `compiler`, or from the cache.
pub(crate) fn foreign_code(
    compiler: Option<&Compiler>,
    engine: &wasmtime::Engine,
    bytes: &[u8],
    cache: Option<&CodeCache>,
) -> Result<wasmtime::Module, LoadFault> {
    let name = CodeCache::name(&digest(bytes), compatibility(engine));
    match (kept(engine, cache, &name), compiler) {
        (Some(code), _) => Ok(code),
        (None, Some(compiler)) => made(compiler, (engine, Purpose::Serving), bytes, cache, &name),
        (None, None) => compiled(engine, bytes, cache, &name),
    }
}

/// What the cache has under a name.
fn kept(engine: &wasmtime::Engine, cache: Option<&CodeCache>, name: &str) -> Option<wasmtime::Module> {
    trusted(engine, &cache?.read(name)?)
}

fn compiled(
    engine: &wasmtime::Engine,
    bytes: &[u8],
    cache: Option<&CodeCache>,
    name: &str,
) -> Result<wasmtime::Module, LoadFault> {
    let module = wasmtime::Module::new(engine, bytes).map_err(|why| LoadFault::Compile(format!("{why:#}")))?;
    if let Ok(code) = module.serialize() {
        keep(cache, name, &code);
    }
    Ok(module)
}

fn keep(cache: Option<&CodeCache>, name: &str, code: &[u8]) {
    if let Some(cache) = cache {
        // A full disk costs the next start its time, nothing else.
        let _ = cache.write(name, code);
    }
}

/// The same by a process of its own; this one alone writes the cache.
fn made(
    compiler: &Compiler,
    (engine, purpose): (&wasmtime::Engine, Purpose),
    bytes: &[u8],
    cache: Option<&CodeCache>,
    name: &str,
) -> Result<wasmtime::Module, LoadFault> {
    let code = compiler.compile(bytes, purpose)?;
    let not_taken = || LoadFault::Compile("the engine does not take its code".to_owned());
    let module = trusted(engine, &code).ok_or_else(not_taken)?;
    keep(cache, name, &code);
    Ok(module)
}

/// A number that changes with the engine's version, settings and machine.
fn compatibility(engine: &wasmtime::Engine) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Code that the cache has authenticated or a process of ours has just made; none when this engine does not take it.
fn trusted(engine: &wasmtime::Engine, code: &[u8]) -> Option<wasmtime::Module> {
    // SAFETY: `code` comes from `CodeCache::read`, which gives back only bytes that carry a tag under a secret that this gateway alone
    // wrote, made over bytes that Wasmtime serialized; or from `Compiler::compile`, which gives back what this very program, started anew
    // from `/proc/self/exe`, wrote to a pipe that nobody else has: bytes that `wasmtime::Engine::precompile_module` returned.
    #[allow(unsafe_code)]
    unsafe {
        wasmtime::Module::deserialize(engine, code).ok()
    }
}

fn providers(code: &wasmtime::Module) -> Result<Vec<Provider>, LoadFault> {
    code.imports()
        .map(|import| provider(import.module(), import.name(), &import.ty()))
        .collect()
}

/// The provider of an import, chosen by the type with which the module imports it.
pub(crate) fn provider(module: &str, name: &str, wanted: &ExternType) -> Result<Provider, LoadFault> {
    let unknown = || {
        LoadFault::Compile(format!(
            "import `{module}.{name}` cannot be linked with the type the module gives it"
        ))
    };
    if let Some(wasi) = WasiModule::from_name(module) {
        return Ok(Provider::Host(wasi.name(), name.to_owned()));
    }
    let call = host_call(name).filter(|_| module == HOST_MODULE).ok_or_else(unknown)?;
    let (params, results) = wanted.func().and_then(types).ok_or_else(unknown)?;
    match call.is_standard(&params, &results) {
        true if shim::serves(call) => Ok(Provider::Shim(name.to_owned())),
        true => Ok(Provider::Host(HOST_MODULE, name.to_owned())),
        false if call.accepts(&params, &results) => Ok(Provider::Host(OTHER_SHAPES, name.to_owned())),
        false => Err(unknown()),
    }
}

fn types(function: &wasmtime::FuncType) -> Option<(Vec<ValueType>, Vec<ValueType>)> {
    let params = function.params().map(|kind| value_type(&kind)).collect::<Option<_>>()?;
    let results = function
        .results()
        .map(|kind| value_type(&kind))
        .collect::<Option<_>>()?;
    Some((params, results))
}

fn value_type(kind: &ValType) -> Option<ValueType> {
    match kind {
        ValType::I32 => Some(ValueType::I32),
        ValType::I64 => Some(ValueType::I64),
        ValType::F32 => Some(ValueType::F32),
        ValType::F64 => Some(ValueType::F64),
        ValType::V128 | ValType::Ref(_) => None,
    }
}
