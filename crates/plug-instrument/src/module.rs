//! A module with its changes: its sections one by one, what is new behind what was there.

use std::collections::HashMap;
use std::ops::Range;

use wasm_encoder::{ConstExpr, Encode, ExportKind, GlobalType, RefType, TableType, ValType};
use wasmparser::{Encoding, ExportSectionReader, FunctionBody, FunctionSectionReader, ImportSectionReader};
use wasmparser::{Parser, Payload, TypeRef};

use crate::allocations::Allocations;
use crate::allocator::ARGUMENTS;
use crate::around::Around;
use crate::body;
use crate::frames::Frames;
use crate::offsets::Added;
use crate::output::{Open, Output};
use crate::types::{Function, Types};
use crate::{ALLOCATIONS, Allocator, CALL_DEPTH, Changes, InstrumentFault};

const CUSTOM: u8 = 0;
const TYPES: u8 = 1;
const TABLES: u8 = 4;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;
/// Sections in the order in which they come (WebAssembly Core Specification 5.5.2).
const ORDER: [u8; 13] = [TYPES, 2, 3, TABLES, 5, 13, GLOBALS, EXPORTS, 8, 9, 12, CODE, 11];

/// LIMIT: tables that a module may have, as engines have it.
const TABLES_MAX: u32 = 100;
/// LIMIT: locals that a function may have, its parameters among them, as engines have it.
const LOCALS_MAX: u32 = 50_000;

/// An entry of a section that is new.
type Entry = (Added, Vec<u8>);

/// The module with its changes.
pub(crate) fn changed<'m>(module: &'m [u8], changes: &Changes) -> Result<Output<'m>, InstrumentFault> {
    let mut writing = Writing::new(module, changes);
    for payload in Parser::new(0).parse_all(module) {
        writing.payload(payload?)?;
    }
    writing.up_to(ORDER.len(), module.len())?;
    Ok(writing.output)
}

/// A module half written.
struct Writing<'m> {
    output: Output<'m>,
    frames_max: Option<u32>,
    allocators: HashMap<u32, Allocator>,
    types: Types,
    /// The type of the function that is told of allocations.
    hook: u32,
    /// The type of each function of its own, in order.
    functions: Vec<u32>,
    functions_imported: u32,
    /// Tables so far, imported ones first; then, the number of the first new one.
    tables: u32,
    /// Globals so far, imported ones first; then, the number of the first new one.
    globals: u32,
    /// Sections that have come, or whose place has passed, as a place in their order.
    passed: usize,
    /// The code section, with bodies that are still to come.
    code: Option<(Open, u32)>,
    bodies: u32,
}

impl<'m> Writing<'m> {
    fn new(module: &'m [u8], changes: &Changes) -> Self {
        Self {
            output: Output::new(module),
            frames_max: changes.call_depth_max,
            allocators: changes.allocators.iter().copied().collect(),
            types: Types::default(),
            hook: 0,
            functions: Vec::new(),
            functions_imported: 0,
            tables: 0,
            globals: 0,
            passed: 0,
            code: None,
            bodies: 0,
        }
    }

    fn payload(&mut self, payload: Payload<'m>) -> Result<(), InstrumentFault> {
        let section = payload.as_section();
        if let Some((id, range)) = &section
            && *id != CUSTOM
        {
            self.reach(*id, range.start)?;
        }
        match payload {
            Payload::Version {
                encoding: Encoding::Module,
                range,
                ..
            } => self.output.copy(range),
            Payload::TypeSection(types) => {
                let (count, rest) = (types.count(), types.original_position()..types.range().end);
                self.types = Types::read(types)?;
                if self.tells() {
                    self.hook = self.types.add_taking(ARGUMENTS.saturating_add(2));
                }
                self.section(TYPES, count, rest)
            }
            Payload::TableSection(tables) => {
                let rest = tables.original_position()..tables.range().end;
                self.section(TABLES, tables.count(), rest)
            }
            Payload::GlobalSection(globals) => {
                let rest = globals.original_position()..globals.range().end;
                self.section(GLOBALS, globals.count(), rest)
            }
            Payload::ExportSection(exports) => self.exports(exports),
            Payload::CodeSectionStart { count, range, .. } => self.code_section(count, range.start),
            Payload::CodeSectionEntry(body) => self.body(&body),
            Payload::End(_) => Ok(()),
            other => {
                self.look_at(other)?;
                match section {
                    Some((id, range)) => self.as_it_is(id, range),
                    None => Ok(()),
                }
            }
        }
    }

    /// What is needed of sections that stay as they are.
    fn look_at(&mut self, payload: Payload<'m>) -> Result<(), InstrumentFault> {
        match payload {
            Payload::ImportSection(imports) => self.imports(imports),
            Payload::FunctionSection(functions) => self.function_types(functions),
            _ => Ok(()),
        }
    }

    fn imports(&mut self, imports: ImportSectionReader<'_>) -> Result<(), InstrumentFault> {
        for import in imports.into_imports() {
            let count = match import?.ty {
                TypeRef::Func(_) | TypeRef::FuncExact(_) => &mut self.functions_imported,
                TypeRef::Table(_) => &mut self.tables,
                TypeRef::Global(_) => &mut self.globals,
                TypeRef::Memory(_) | TypeRef::Tag(_) => continue,
            };
            *count = count.saturating_add(1);
        }
        Ok(())
    }

    fn function_types(&mut self, functions: FunctionSectionReader<'_>) -> Result<(), InstrumentFault> {
        for function in functions {
            self.functions.push(function?);
        }
        Ok(())
    }

    /// A section comes: those before it that are new and were not there come first.
    fn reach(&mut self, id: u8, offset: usize) -> Result<(), InstrumentFault> {
        let place = ORDER.iter().position(|known| *known == id);
        let place = place.filter(|place| *place >= self.passed);
        let Some(place) = place else {
            let what = "a section is not known, or not in its place";
            return Err(InstrumentFault::Invalid { what, offset });
        };
        self.up_to(place, offset)?;
        self.passed = place.saturating_add(1);
        Ok(())
    }

    /// Sections that are new, of those before this place in the order.
    fn up_to(&mut self, place: usize, before: usize) -> Result<(), InstrumentFault> {
        let missing: Vec<u8> = ORDER.iter().copied().take(place).skip(self.passed).collect();
        self.passed = self.passed.max(place);
        for id in missing {
            if !self.new_entries(id).is_empty() {
                self.section(id, 0, before..before)?;
            }
        }
        Ok(())
    }

    fn as_it_is(&mut self, id: u8, range: Range<usize>) -> Result<(), InstrumentFault> {
        let open = self.begin(id, range.start)?;
        self.output.copy(range)?;
        self.output.close(&open);
        Ok(())
    }

    fn begin(&mut self, id: u8, before: usize) -> Result<Open, InstrumentFault> {
        self.output.add(&[id], before, Added::Frame)?;
        self.output.open(before)
    }

    /// A section of so many entries, and the new ones behind them.
    fn section(&mut self, id: u8, count: u32, entries: Range<usize>) -> Result<(), InstrumentFault> {
        match id {
            TABLES => self.tables = self.tables.saturating_add(count),
            GLOBALS => self.globals = self.globals.saturating_add(count),
            _ => {}
        }
        if id == TABLES && self.tells() && self.tables >= TABLES_MAX {
            return Err(InstrumentFault::TablesFull(self.tables));
        }
        let new = self.new_entries(id);
        let more = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let open = self.begin(id, entries.start)?;
        let mut number = Vec::new();
        count.saturating_add(more).encode(&mut number);
        self.output.add(&number, entries.start, Added::Frame)?;
        let end = entries.end;
        self.output.copy(entries)?;
        for (why, entry) in &new {
            self.output.add(entry, end, *why)?;
        }
        self.output.close(&open);
        Ok(())
    }

    /// Whether allocations are told.
    fn tells(&self) -> bool {
        !self.allocators.is_empty()
    }

    /// What is new in a section, once all that is before it and in it has been seen.
    fn new_entries(&self, id: u8) -> Vec<Entry> {
        let all = [
            self.frames_max.map(|_| Added::CallDepth),
            self.tells().then_some(Added::Allocations),
        ];
        let all = all.into_iter().flatten();
        match id {
            TYPES => self
                .types
                .added
                .iter()
                .map(|added| (Added::Frame, added.clone()))
                .collect(),
            TABLES => self
                .tells()
                .then(|| (Added::Allocations, table()))
                .into_iter()
                .collect(),
            GLOBALS => all.map(|why| (why, counter())).collect(),
            EXPORTS => self.new_exports().map(|export| (export.why, export.entry())).collect(),
            _ => Vec::new(),
        }
    }

    fn exports(&mut self, exports: ExportSectionReader<'_>) -> Result<(), InstrumentFault> {
        let (count, rest) = (exports.count(), exports.original_position()..exports.range().end);
        for export in exports {
            let name = export?.name;
            if let Some(new) = self.new_exports().find(|new| new.name == name) {
                let (name, what) = (new.name, new.what);
                return Err(InstrumentFault::NameTaken { name, what });
            }
        }
        self.section(EXPORTS, count, rest)
    }

    fn new_exports(&self) -> impl Iterator<Item = NewExport> {
        let frames = self.frames_max.map(|_| NewExport {
            name: CALL_DEPTH,
            what: "frames are counted",
            why: Added::CallDepth,
            kind: ExportKind::Global,
            number: self.globals,
        });
        let allocations = self.tells().then_some(NewExport {
            name: ALLOCATIONS,
            what: "allocations are told",
            why: Added::Allocations,
            kind: ExportKind::Table,
            number: self.tables,
        });
        [frames, allocations].into_iter().flatten()
    }

    fn code_section(&mut self, count: u32, before: usize) -> Result<(), InstrumentFault> {
        let open = self.begin(CODE, before)?;
        let mut number = Vec::new();
        count.encode(&mut number);
        self.output.add(&number, before, Added::Frame)?;
        match count {
            0 => self.output.close(&open),
            _ => self.code = Some((open, count)),
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), InstrumentFault> {
        let start = body.range().start;
        let untyped = InstrumentFault::Invalid {
            what: "a function has no type",
            offset: start,
        };
        let type_index = usize::try_from(self.bodies)
            .ok()
            .and_then(|number| self.functions.get(number));
        let function = type_index
            .and_then(|index| self.types.function(*index))
            .ok_or(untyped)?;
        let arounds = self.arounds(body, function)?;
        self.bodies = self.bodies.saturating_add(1);
        let open = self.output.open(start)?;
        body::write(&mut self.output, body, &arounds, function.block)?;
        self.output.close(&open);
        if let Some((open, left)) = self.code.take() {
            match left.saturating_sub(1) {
                0 => self.output.close(&open),
                left => self.code = Some((open, left)),
            }
        }
        Ok(())
    }

    /// What comes around the body of the next function, outermost first.
    fn arounds(&self, body: &FunctionBody<'_>, function: &Function) -> Result<Vec<Around>, InstrumentFault> {
        let mut arounds = Vec::new();
        if let Some(frames_max) = self.frames_max {
            let global = self.globals;
            arounds.push(Frames { global, frames_max }.around(body)?);
        }
        let number = self.functions_imported.saturating_add(self.bodies);
        if let Some(allocator) = self.allocators.get(&number)
            && allocator.shape().is_of(&function.plain)
        {
            let first = first_free(body, function)?;
            let allocations = Allocations {
                global: self.globals.saturating_add(self.frames_max.is_some().into()),
                table: self.tables,
                hook: self.hook,
            };
            if first.saturating_add(allocator.shape().locals()) <= LOCALS_MAX {
                arounds.push(allocations.around(*allocator, first));
            }
        }
        Ok(arounds)
    }
}

/// An export that is new.
struct NewExport {
    name: &'static str,
    what: &'static str,
    why: Added,
    kind: ExportKind,
    number: u32,
}

impl NewExport {
    fn entry(&self) -> Vec<u8> {
        let mut entry = Vec::new();
        self.name.encode(&mut entry);
        self.kind.encode(&mut entry);
        self.number.encode(&mut entry);
        entry
    }
}

/// A global that counts up and down.
fn counter() -> Vec<u8> {
    let mut entry = Vec::new();
    GlobalType {
        val_type: ValType::I32,
        mutable: true,
        shared: false,
    }
    .encode(&mut entry);
    ConstExpr::i32_const(0).encode(&mut entry);
    entry
}

/// The table for one function of the host.
fn table() -> Vec<u8> {
    let mut entry = Vec::new();
    TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 1,
        maximum: Some(1),
        shared: false,
    }
    .encode(&mut entry);
    entry
}

/// The number of a function's first new local.
fn first_free(body: &FunctionBody<'_>, function: &Function) -> Result<u32, InstrumentFault> {
    let mut count = u32::try_from(function.plain.params().len()).unwrap_or(u32::MAX);
    for group in body.get_locals_reader()? {
        count = count.saturating_add(group?.0);
    }
    Ok(count)
}
