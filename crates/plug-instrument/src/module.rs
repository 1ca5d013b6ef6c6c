//! A module with its frames counted: its sections one by one, what is new behind what was there.

use std::ops::Range;

use wasm_encoder::{ConstExpr, Encode, ExportKind, GlobalType, ValType};
use wasmparser::{Encoding, ExportSectionReader, FunctionBody, FunctionSectionReader, Parser, Payload, TypeRef};

use crate::body::{self, Counter};
use crate::offsets::Added;
use crate::output::{Open, Output};
use crate::results::Results;
use crate::{CALL_DEPTH, InstrumentFault};

const CUSTOM: u8 = 0;
const TYPES: u8 = 1;
const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const CODE: u8 = 10;
/// Sections in the order in which they come (WebAssembly Core Specification 5.5.2).
const ORDER: [u8; 13] = [TYPES, 2, 3, 4, 5, 13, GLOBALS, EXPORTS, 8, 9, 12, CODE, 11];

/// The module in which each function counts its frame and no more than `frames_max` may stand.
pub(crate) fn with_call_depth(module: &[u8], frames_max: u32) -> Result<Output<'_>, InstrumentFault> {
    let mut writing = Writing::new(module, frames_max);
    for payload in Parser::new(0).parse_all(module) {
        writing.payload(payload?)?;
    }
    writing.up_to(ORDER.len(), module.len())?;
    Ok(writing.output)
}

/// A module half written.
struct Writing<'m> {
    output: Output<'m>,
    frames_max: u32,
    results: Results,
    /// The type of each function of its own, in order.
    functions: Vec<u32>,
    /// Globals so far, imported ones first; then, the number of the new one.
    globals: u32,
    /// Sections that have come, or whose place has passed, as a place in their order.
    passed: usize,
    /// The code section, with bodies that are still to come.
    code: Option<(Open, u32)>,
    bodies: usize,
}

impl<'m> Writing<'m> {
    fn new(module: &'m [u8], frames_max: u32) -> Self {
        Self {
            output: Output::new(module),
            frames_max,
            results: Results::default(),
            functions: Vec::new(),
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
                self.results = Results::read(types)?;
                let (more, added) = (self.results.added_count, std::mem::take(&mut self.results.added));
                self.section(TYPES, (count, rest), (more, &added))
            }
            Payload::GlobalSection(globals) => {
                let rest = globals.original_position()..globals.range().end;
                self.global_section(globals.count(), rest)
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
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if matches!(import?.ty, TypeRef::Global(_)) {
                        self.globals = self.globals.saturating_add(1);
                    }
                }
                Ok(())
            }
            Payload::FunctionSection(functions) => self.function_types(functions),
            _ => Ok(()),
        }
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
            match id {
                GLOBALS => self.global_section(0, before..before)?,
                EXPORTS => self.export_section(0, before..before)?,
                _ => {}
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

    /// A section of so many entries, and more behind them.
    fn section(
        &mut self,
        id: u8,
        (count, entries): (u32, Range<usize>),
        (more, added): (u32, &[u8]),
    ) -> Result<(), InstrumentFault> {
        let open = self.begin(id, entries.start)?;
        let mut number = Vec::new();
        count.saturating_add(more).encode(&mut number);
        self.output.add(&number, entries.start, Added::Frame)?;
        let end = entries.end;
        self.output.copy(entries)?;
        self.output.add(added, end, Added::CallDepth)?;
        self.output.close(&open);
        Ok(())
    }

    fn global_section(&mut self, count: u32, entries: Range<usize>) -> Result<(), InstrumentFault> {
        self.globals = self.globals.saturating_add(count);
        let mut added = Vec::new();
        GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        }
        .encode(&mut added);
        ConstExpr::i32_const(0).encode(&mut added);
        self.section(GLOBALS, (count, entries), (1, &added))
    }

    fn exports(&mut self, exports: ExportSectionReader<'_>) -> Result<(), InstrumentFault> {
        let (count, rest) = (exports.count(), exports.original_position()..exports.range().end);
        for export in exports {
            if export?.name == CALL_DEPTH {
                return Err(InstrumentFault::NameTaken);
            }
        }
        self.export_section(count, rest)
    }

    fn export_section(&mut self, count: u32, entries: Range<usize>) -> Result<(), InstrumentFault> {
        let mut added = Vec::new();
        CALL_DEPTH.encode(&mut added);
        ExportKind::Global.encode(&mut added);
        self.globals.encode(&mut added);
        self.section(EXPORTS, (count, entries), (1, &added))
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
        let type_index = self.functions.get(self.bodies);
        let results = type_index.and_then(|index| self.results.of(*index)).ok_or(untyped)?;
        self.bodies = self.bodies.saturating_add(1);
        let counter = Counter {
            global: self.globals,
            frames_max: self.frames_max,
        };
        let open = self.output.open(start)?;
        body::write(&mut self.output, body, counter, results)?;
        self.output.close(&open);
        if let Some((open, left)) = self.code.take() {
            match left.saturating_sub(1) {
                0 => self.output.close(&open),
                left => self.code = Some((open, left)),
            }
        }
        Ok(())
    }
}
