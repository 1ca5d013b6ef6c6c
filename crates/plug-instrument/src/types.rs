//! The types of a module's functions, each with the type of a block that gives what such a function gives; and the types that are new.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Encode, ValType};
use wasmparser::{CompositeInnerType, FuncType, TypeSectionReader};

use crate::InstrumentFault;

/// First byte of a function type (WebAssembly Core Specification 5.3.6).
const FUNCTION: u8 = 0x60;

/// The types of a module.
#[derive(Default)]
pub(crate) struct Types {
    functions: Vec<Option<Function>>,
    /// Types that the module needs beside its own, as they are encoded.
    pub(crate) added: Vec<Vec<u8>>,
}

/// The type of a function.
pub(crate) struct Function {
    pub(crate) plain: FuncType,
    /// What a block must have for a type to give the same.
    pub(crate) block: BlockType,
}

impl Types {
    /// Reads the types of a module.
    pub(crate) fn read(types: TypeSectionReader<'_>) -> Result<Self, InstrumentFault> {
        let mut found = Vec::new();
        for group in types {
            let types = group?.into_types();
            found.extend(types.map(|found| match found.composite_type.inner {
                CompositeInnerType::Func(function) => Some(function),
                _ => None,
            }));
        }
        let first_added = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let mut added = Vec::new();
        let mut functions = Vec::new();
        for plain in found {
            functions.push(match plain {
                Some(plain) => Some(Function {
                    block: block(&plain, first_added, &mut added)?,
                    plain,
                }),
                None => None,
            });
        }
        Ok(Self { functions, added })
    }

    /// The type with a number, if it is one of functions.
    pub(crate) fn function(&self, type_index: u32) -> Option<&Function> {
        self.functions.get(usize::try_from(type_index).ok()?)?.as_ref()
    }

    /// A new type of functions that take so many `i32` and give nothing; says its number.
    pub(crate) fn add_taking(&mut self, parameters: usize) -> u32 {
        let number = self.functions.len().saturating_add(self.added.len());
        let mut added = vec![FUNCTION];
        parameters.encode(&mut added);
        for _ in 0..parameters {
            ValType::I32.encode(&mut added);
        }
        0_u32.encode(&mut added);
        self.added.push(added);
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// The type of a block that gives what a function gives, for which a type may have to be added.
fn block(function: &FuncType, first_added: u32, added: &mut Vec<Vec<u8>>) -> Result<BlockType, InstrumentFault> {
    let unknown = |_| InstrumentFault::Invalid {
        what: "a result has a type that is not known here",
        offset: 0,
    };
    let result = |kind: &wasmparser::ValType| RoundtripReencoder.val_type(*kind).map_err(unknown);
    match function.results() {
        [] => Ok(BlockType::Empty),
        [one] => Ok(BlockType::Result(result(one)?)),
        several => {
            // A block with several results names a type without parameters.
            let mut bytes = vec![FUNCTION];
            0_u32.encode(&mut bytes);
            several.len().encode(&mut bytes);
            for kind in several {
                result(kind)?.encode(&mut bytes);
            }
            let index = first_added.saturating_add(u32::try_from(added.len()).unwrap_or(u32::MAX));
            added.push(bytes);
            Ok(BlockType::FunctionType(index))
        }
    }
}
