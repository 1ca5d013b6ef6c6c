//! Dresses a random module up as a plugin: it gets calls with arguments that may lead somewhere, and callbacks that make them.

use arbitrary::Unstructured;
use plug_abi::{CALLBACKS, HOST_MODULE, ValueType, host_call, pairs, wasi_call};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{
    CodeSection, EntityType, ExportSection, Function, FunctionSection, ImportSection, InstructionSink, MemArg,
    MemArgTarget, Module, TypeSection, ValType,
};
use wasmparser::{Parser, Payload};

/// From where a random module imports a call that gets its arguments from us: by one number that varies them.
pub(crate) const LIKELY: &str = "likely";

/// Where the arguments lie, in the second page: a text, a property's path, pairs, answers, and what the allocator hands out.
const TEXT: (i32, &[u8]) = (0x1_8000, b"compress");
const PATH: (i32, &[u8]) = (0x1_8010, b"request\0headers\0x-name\0\0");
const PAIRS: i32 = 0x1_8040;
const ANSWERS: i32 = 0x1_8200;
const ALLOCATED: i32 = 0x1_9000;

/// A call that gets its arguments from us.
struct Likely {
    /// Its number among the imports.
    import: u32,
    name: String,
    module: &'static str,
    params: Vec<(&'static str, ValueType)>,
    results: &'static [ValueType],
}

/// A callback around a random one.
struct Dressed {
    name: &'static str,
    params: Vec<ValType>,
    results: Vec<ValType>,
    /// Calls that it makes first.
    first: Vec<u32>,
    /// What it answers in place of what the random one does.
    answer: Option<i32>,
}

/// Rewrites one module. What is new stands behind what was there, so that no number changes but those of the likely calls.
#[derive(Default)]
struct Dresser {
    types: u32,
    imported: u32,
    defined: u32,
    likely: Vec<Likely>,
    dressed: Vec<Dressed>,
    originals: Vec<u32>,
}

/// The module as a plugin.
///
/// # Errors
/// When there are too few bytes to choose by.
pub(crate) fn dress(module: &[u8], source: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>> {
    let mut dresser = Dresser::default();
    dresser.read(module, source)?;
    let mut out = Module::new();
    dresser
        .parse_core_module(&mut out, Parser::new(0), module)
        .expect("a module of our own can be rewritten");
    Ok(out.finish())
}

impl Dresser {
    fn read(&mut self, module: &[u8], source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let mut exports = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload.expect("wasm-smith makes modules") {
                Payload::TypeSection(section) => {
                    let groups = section.into_iter().map(|group| group.expect("a group").types().len());
                    self.types = groups.sum::<usize>() as u32;
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.expect("an import");
                        if import.module == LIKELY {
                            self.likely.push(likely(self.imported, import.name));
                        }
                        self.imported += 1;
                    }
                }
                Payload::FunctionSection(section) => self.defined = section.count(),
                Payload::ExportSection(section) => {
                    exports = section.into_iter().map(|export| export.expect("an export")).collect();
                }
                _ => {}
            }
        }
        for export in exports {
            let callback = CALLBACKS.iter().find(|callback| callback.name == export.name);
            if let Some(callback) = callback.filter(|callback| !callback.shapes[0].params.is_empty()) {
                // The type with which it was asked for is not known here; only headers have two, and they get the first.
                let shape = &callback.shapes[0];
                let dressed = Dressed {
                    name: callback.name,
                    params: vec![ValType::I32; shape.params.len()],
                    results: vec![ValType::I32; shape.results.len()],
                    first: self.first(source)?,
                    answer: answer(callback.name, source)?,
                };
                self.dressed.push(dressed);
                self.originals.push(export.index);
            }
        }
        Ok(())
    }

    /// A few of the likely calls.
    fn first(&self, source: &mut Unstructured<'_>) -> arbitrary::Result<Vec<u32>> {
        if self.likely.is_empty() {
            return Ok(Vec::new());
        }
        let count = source.int_in_range(0..=3)?;
        (0..count)
            .map(|_| Ok(self.function(source.choose_index(self.likely.len())?)))
            .collect()
    }

    /// The number of the function that makes a likely call.
    fn function(&self, at: usize) -> u32 {
        self.imported + self.defined + at as u32
    }

    /// The number of the function that writes the arguments.
    fn lay(&self) -> u32 {
        self.function(self.likely.len())
    }
}

/// What a start must answer to go on, and an allocator that hands out memory which is there; mostly.
fn answer(name: &str, source: &mut Unstructured<'_>) -> arbitrary::Result<Option<i32>> {
    let answer = match name {
        "proxy_on_vm_start" | "proxy_on_configure" => 1,
        "proxy_on_memory_allocate" | "malloc" => ALLOCATED,
        _ => return Ok(None),
    };
    Ok(source.ratio(9, 10)?.then_some(answer))
}

fn likely(import: u32, name: &str) -> Likely {
    if let Some(call) = host_call(name) {
        return Likely {
            import,
            name: name.to_owned(),
            module: HOST_MODULE,
            params: call.params.iter().map(|param| (param.name, param.value_type)).collect(),
            results: call.results,
        };
    }
    let call = wasi_call(name).expect("a likely call is in one of the tables");
    let names = ["number", "return_first", "number", "return_second"];
    Likely {
        import,
        name: name.to_owned(),
        module: "wasi_snapshot_preview1",
        params: names.into_iter().cycle().zip(call.params.iter().copied()).collect(),
        results: call.results,
    }
}

fn encoded(types: impl IntoIterator<Item = ValueType>) -> Vec<ValType> {
    let one = |value_type| match value_type {
        ValueType::I32 => ValType::I32,
        ValueType::I64 => ValType::I64,
        ValueType::F32 => ValType::F32,
        ValueType::F64 => ValType::F64,
    };
    types.into_iter().map(one).collect()
}

/// The pairs of a request that may be sent.
fn request() -> Vec<u8> {
    let pairs: [(&[u8], &[u8]); 4] = [
        (b":method", b"POST"),
        (b":path", b"/"),
        (b":authority", b"example.org"),
        (b"x-name", b"value"),
    ];
    pairs::encode(pairs.into_iter())
}

/// Pushes what a call gets for the parameter of that name.
fn argument(sink: &mut InstructionSink<'_>, at: usize, (name, value_type): (&str, ValueType)) {
    let is_pairs = ["headers", "pairs", "trailers", "metadata"]
        .iter()
        .any(|part| name.starts_with(part));
    match name.rsplit('_').next() {
        _ if value_type == ValueType::I64 => sink.local_get(0).i64_extend_i32_s(),
        _ if name.starts_with("return") => sink.i32_const(ANSWERS + 16 * at as i32),
        Some("ptr") if is_pairs => sink.i32_const(PAIRS),
        Some("len") if is_pairs => sink.i32_const(request().len() as i32),
        Some("ptr") if name == "path_ptr" => sink.i32_const(PATH.0),
        Some("len") if name == "path_len" => sink.i32_const(22),
        Some("ptr") => sink.i32_const(TEXT.0),
        // The whole text, or as much of it as the number says.
        Some("len") => sink
            .i32_const(8)
            .local_get(0)
            .i32_const(7)
            .i32_and()
            .local_get(0)
            .i32_const(8)
            .i32_and()
            .select(),
        Some("ms") => sink.local_get(0).i32_const(63).i32_and(),
        _ => sink.local_get(0).i32_const(7).i32_and(),
    };
}

impl Likely {
    fn body(&self, lay: u32) -> Function {
        let mut function = Function::new([]);
        let mut sink = function.instructions();
        sink.call(lay);
        for (at, param) in self.params.iter().enumerate() {
            argument(&mut sink, at, *param);
        }
        sink.call(self.import);
        if self.results != [ValueType::I32] {
            self.results.iter().for_each(|_| {
                sink.drop();
            });
            sink.i32_const(0);
        }
        sink.end();
        function
    }
}

/// The function that writes the arguments: a random module may have written over them.
fn laid() -> Function {
    let mut function = Function::new([]);
    let mut sink = function.instructions();
    let pairs = request();
    for (at, bytes) in [(TEXT.0, TEXT.1), (PATH.0, PATH.1), (PAIRS, &pairs)] {
        for (number, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            sink.i32_const(at + 8 * number as i32);
            sink.i64_const(i64::from_le_bytes(word)).i64_store(MemArg {
                offset: 0,
                align: 0,
                target: MemArgTarget::Memory(0),
                ordering: None,
            });
        }
    }
    sink.end();
    function
}

impl Dressed {
    fn body(&self, original: u32) -> Function {
        let mut function = Function::new([]);
        let mut sink = function.instructions();
        for call in &self.first {
            // The last parameter varies: a length, an end, a status.
            sink.local_get(self.params.len() as u32 - 1).call(*call).drop();
        }
        for at in 0..self.params.len() {
            sink.local_get(at as u32);
        }
        sink.call(original);
        if let Some(answer) = self.answer {
            sink.drop().i32_const(answer);
        }
        sink.end();
        function
    }
}

type Rewritten = Result<(), Error<std::convert::Infallible>>;

impl Reencode for Dresser {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Self::Error>> {
        let at = self.likely.iter().position(|likely| likely.import == function);
        Ok(at.map_or(function, |at| self.function(at)))
    }

    fn parse_type_section(&mut self, types: &mut TypeSection, section: wasmparser::TypeSectionReader<'_>) -> Rewritten {
        utils::parse_type_section(self, types, section)?;
        for likely in &self.likely {
            let params = likely.params.iter().map(|(_, value_type)| *value_type);
            types
                .ty()
                .function(encoded(params), encoded(likely.results.iter().copied()));
        }
        types.ty().function([ValType::I32], [ValType::I32]);
        types.ty().function([], []);
        for dressed in &self.dressed {
            types.ty().function(dressed.params.clone(), dressed.results.clone());
        }
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Rewritten {
        for (number, import) in section.into_imports().enumerate() {
            let import = import?;
            match self.likely.iter().position(|likely| likely.import as usize == number) {
                Some(at) => {
                    let likely = &self.likely[at];
                    imports.import(
                        likely.module,
                        &likely.name,
                        EntityType::Function(self.types + at as u32),
                    );
                }
                None => utils::parse_import(self, imports, import)?,
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Rewritten {
        utils::parse_function_section(self, functions, section)?;
        let first = self.types + self.likely.len() as u32;
        self.likely.iter().for_each(|_| {
            functions.function(first);
        });
        functions.function(first + 1);
        for at in 0..self.dressed.len() {
            functions.function(first + 2 + at as u32);
        }
        Ok(())
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: wasmparser::Export<'_>) -> Rewritten {
        match self.dressed.iter().position(|dressed| dressed.name == export.name) {
            Some(at) => {
                exports.export(export.name, wasm_encoder::ExportKind::Func, self.lay() + 1 + at as u32);
                Ok(())
            }
            None => utils::parse_export(self, exports, export),
        }
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: wasmparser::CodeSectionReader<'_>) -> Rewritten {
        utils::parse_code_section(self, code, section)?;
        for likely in &self.likely {
            code.function(&likely.body(self.lay()));
        }
        code.function(&laid());
        for (dressed, original) in self.dressed.iter().zip(&self.originals) {
            code.function(&dressed.body(*original));
        }
        Ok(())
    }
}
