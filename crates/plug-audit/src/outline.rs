//! A module's outline: its imports, exports and sections as they stand, read once, judged elsewhere.

use sha2::{Digest, Sha256};
use wasmparser::{
    CompositeInnerType, CustomSectionReader, FuncType, FuncValidatorAllocations, KnownCustom, MemoryType, Name, Parser,
    Payload, TypeRef, ValidPayload, Validator, WasmFeatures,
};

use crate::fault::{Problem, printable};
use crate::{CustomSection, ExportKind, Producer};

/// What the engine is set up for: what toolchains emit today, and no more. No threads, no garbage collection, no exceptions, no
/// second or 64-bit memory, no components.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .difference(WasmFeatures::GC_TYPES);

/// LIMIT: imports that are looked at. Plugins import some tens.
const IMPORTS_MAX: usize = 10_000;

/// LIMIT: producers that are kept.
const PRODUCERS_MAX: usize = 100;

/// What is known of the bytes beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing.
    None,
    /// An engine has compiled them, so they are valid.
    Compiled,
}

/// LIMIT: custom sections that are kept. Debug information makes about ten.
const CUSTOM_SECTIONS_MAX: usize = 100;

/// An import as it stands.
pub(crate) struct RawImport<'a> {
    pub(crate) module: &'a str,
    pub(crate) name: &'a str,
    pub(crate) kind: ExportKind,
    /// Where its type is, if it is a function. Not the type itself: a million imports of one huge type would be gigabytes.
    type_index: Option<u32>,
}

/// An export as it stands.
pub(crate) struct RawExport<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: ExportKind,
    /// Where its type is, if it is a function.
    type_index: Option<u32>,
}

/// What was read of a module.
#[derive(Default)]
pub(crate) struct Outline<'a> {
    pub(crate) imports: Vec<RawImport<'a>>,
    pub(crate) exports: Vec<RawExport<'a>>,
    /// Memories of the module's own, in order.
    pub(crate) memories: Vec<MemoryType>,
    pub(crate) has_start_section: bool,
    pub(crate) producers: Vec<Producer>,
    pub(crate) custom_sections: Vec<CustomSection>,
    pub(crate) has_names: bool,
    pub(crate) code_sha256: [u8; 32],
    pub(crate) code_at: u64,
    /// The first reason why it is not valid.
    pub(crate) invalid: Option<Problem>,
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
}

impl<'a> Outline<'a> {
    /// Reads as much as can be read: what lies behind an invalid place may still show further problems.
    pub(crate) fn read(bytes: &'a [u8], trust: Trust) -> Self {
        let mut outline = Self {
            code_sha256: Sha256::digest([]).into(),
            ..Self::default()
        };
        let mut validator = Validating::new(trust);
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            let read = payload.and_then(|payload| {
                if outline.invalid.is_none()
                    && let Err(reason) = validator.payload(&payload)
                {
                    outline.invalid = Some(Problem::invalid(&reason));
                }
                outline.take(payload, bytes)
            });
            if let Err(reason) = read {
                outline.invalid.get_or_insert_with(|| Problem::invalid(&reason));
                break;
            }
        }
        outline
    }

    fn take(&mut self, payload: Payload<'a>, bytes: &[u8]) -> wasmparser::Result<()> {
        match payload {
            Payload::TypeSection(groups) => {
                for group in groups {
                    self.types
                        .extend(group?.into_types().map(|found| match found.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        }));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    self.take_import(import?);
                }
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.functions.push(function?);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memories.push(memory?);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    let kind = ExportKind::from(export.kind);
                    let type_index = self.functions.get(place(export.index)).copied();
                    let type_index = type_index.filter(|_| kind == ExportKind::Function);
                    self.exports.push(RawExport {
                        name: export.name,
                        kind,
                        type_index,
                    });
                }
            }
            Payload::StartSection { .. } => self.has_start_section = true,
            Payload::CodeSectionStart { range, .. } => {
                self.code_at = u64::try_from(range.start).unwrap_or_default();
                self.code_sha256 = Sha256::digest(bytes.get(range).unwrap_or_default()).into();
            }
            Payload::CustomSection(section) => self.take_custom(&section),
            _ => {}
        }
        Ok(())
    }

    fn take_import(&mut self, import: wasmparser::Import<'a>) {
        let (kind, type_index) = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => (ExportKind::Function, Some(index)),
            TypeRef::Memory(_) => (ExportKind::Memory, None),
            TypeRef::Table(_) => (ExportKind::Table, None),
            TypeRef::Global(_) => (ExportKind::Global, None),
            TypeRef::Tag(_) => (ExportKind::Tag, None),
        };
        self.functions.extend(type_index);
        if self.imports.len() < IMPORTS_MAX {
            self.imports.push(RawImport {
                module: import.module,
                name: import.name,
                kind,
                type_index,
            });
        } else {
            self.invalid
                .get_or_insert(Problem::TooManyImports { allowed: IMPORTS_MAX });
        }
    }

    /// A broken custom section is no reason to refuse a module: engines do not look into it either.
    fn take_custom(&mut self, section: &CustomSectionReader<'_>) {
        match section.as_known() {
            KnownCustom::Name(names) => {
                self.has_names |= names
                    .into_iter()
                    .flatten()
                    .any(|name| matches!(name, Name::Function(_)));
            }
            KnownCustom::Producers(fields) => {
                for field in fields.into_iter().flatten() {
                    let values = field.values.into_iter().flatten();
                    self.producers.extend(values.take(PRODUCERS_MAX).map(|value| Producer {
                        field: printable(field.name),
                        name: printable(value.name),
                        version: printable(value.version),
                    }));
                    self.producers.truncate(PRODUCERS_MAX);
                }
            }
            _ => {}
        }
        if self.custom_sections.len() < CUSTOM_SECTIONS_MAX {
            self.custom_sections.push(CustomSection {
                name: printable(section.name()),
                bytes: section.data().len(),
            });
        }
    }

    /// The type of an import, if it is a function.
    pub(crate) fn type_of_import(&self, import: &RawImport<'_>) -> Option<&FuncType> {
        self.type_at(import.type_index?)
    }

    /// The type of an export, if it is a function.
    pub(crate) fn type_of_export(&self, export: &RawExport<'_>) -> Option<&FuncType> {
        self.type_at(export.type_index?)
    }

    fn type_at(&self, index: u32) -> Option<&FuncType> {
        self.types.get(place(index))?.as_ref()
    }
}

/// An index of the module as one of a list.
fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// A validator that reuses its memory from one function to the next.
#[derive(Default)]
struct Validating {
    /// None if an engine has validated the bytes before.
    validator: Option<Validator>,
    allocations: FuncValidatorAllocations,
}

impl Validating {
    fn new(trust: Trust) -> Self {
        let validator = (trust == Trust::None).then(|| Validator::new_with_features(FEATURES));
        Self {
            validator,
            ..Self::default()
        }
    }

    fn payload(&mut self, payload: &Payload<'_>) -> wasmparser::Result<()> {
        let Some(validator) = &mut self.validator else {
            return Ok(());
        };
        if let ValidPayload::Func(function, body) = validator.payload(payload)? {
            let mut validator = function.into_validator(std::mem::take(&mut self.allocations));
            validator.validate(&body)?;
            self.allocations = validator.into_allocations();
        }
        Ok(())
    }
}
